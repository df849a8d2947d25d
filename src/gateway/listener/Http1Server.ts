/**
 * The part of a listener that speaks HTTP/1.1: Node's parser, as strict as it comes, with bounds on everything a client may take its time over.
 * It owns the port as well, and hands on what it is not to take itself.
 *
 * Requests on one connection are handled one after the other, also where a client sends several ahead: an answer that cannot be sent yet
 * is not asked for yet. Whoever sends more ahead than anybody has use for is let go: each takes memory, and nobody may hold a thousand.
 *
 * @see RFC 9112, sections 9.3.2 and 9.6; RFC 9110, sections 7.8, 9.3.6 and 10.1.1
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { ListenerLimits } from '../Listener.ts';
import type { Handler } from '../Reply.ts';
import type { TlsPair } from './Certificates.ts';
import { takenBy } from './Http1Reply.ts';

/** See the head of this file. */
export class Http1Server {
  readonly server: Server | SecureServer;
  readonly #running = new Set<ServerResponse>();
  /** Requests that wait for an earlier one on their connection. */
  readonly #ahead = new WeakMap<Socket, number>();
  /** Connections on which no whole head has come yet. Node does not count them as idle. */
  readonly #silent = new Set<Socket>();
  /** Connections on which TLS has not begun yet, by their other end. */
  readonly #handshaking = new Map<string, { readonly socket: Socket; readonly done: () => void }>();
  readonly #takeConnection: (socket: Socket) => void;
  #isLeaving = false;
  #isClosing = false;

  /**
   * @param tls - undefined: in the clear
   * @param decide - told of every connection; hands it to {@link take}, or elsewhere
   */
  constructor(limits: ListenerLimits, handle: Handler, tls: TlsPair | undefined, decide: (socket: Socket) => void) {
    const options: ServerOptions = {
      insecureHTTPParser: false,
      maxHeaderSize: limits.headerBytes,
      // Node wants the head to have no longer than the whole request.
      headersTimeout: Math.min(limits.headTimeoutMs, limits.requestTimeoutMs),
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(5000, limits.headTimeoutMs, limits.requestTimeoutMs),
    };
    const server = tls ? createSecureServer({ ...options, ...contextOf(tls), ...ofTls, handshakeTimeout: limits.headTimeoutMs }) : createServer(options);
    this.server = server;
    // Node would drop the lines beyond its limit silently; we count, and refuse.
    server.maxHeadersCount = 0;
    server.maxConnections = limits.connections;
    const event = tls ? 'secureConnection' : 'connection';
    const [takeConnection] = server.listeners(event) as ((socket: Socket) => void)[];
    this.#takeConnection = takeConnection as (socket: Socket) => void;
    server.removeAllListeners(event);
    if (tls) this.#followHandshakes();
    server.on(event, (socket: Socket) => {
      this.#handshaking.get(keyOf(socket))?.done();
      this.#silent.add(socket);
      socket.on('close', () => this.#silent.delete(socket));
      decide(socket);
    });
    server.on('request', (request, response) => this.#take(request, response, handle, false));
    server.on('checkContinue', (request, response) => this.#take(request, response, handle, true));
    server.on('connect', (_request: IncomingMessage, socket: Duplex) => refuseTunnel(socket));
  }

  /** Takes a connection, of which what has come already is there to be read. */
  take(socket: Socket): void {
    this.#takeConnection.call(this.server, socket);
    socket.resume();
  }

  /** Follows a connection no more: somebody else does. */
  letGo(socket: Socket): void {
    this.#silent.delete(socket);
  }

  /** Asks every client to leave with its next answer. */
  leave(): void {
    this.#isLeaving = true;
    for (const response of this.#running) response.shouldKeepAlive = false;
  }

  /** Ends connections without a request, now and as they come to have none. */
  close(): void {
    this.#isClosing = true;
    this.server.closeIdleConnections();
    for (const socket of this.#silent) socket.destroy();
    for (const { socket } of this.#handshaking.values()) socket.destroy();
  }

  /** Shows another certificate to whoever comes from now on. @throws Error – it cannot be used; the one before stays */
  setTls(tls: TlsPair): void {
    (this.server as SecureServer).setSecureContext({ ...contextOf(tls), ...ofTls });
  }

  #followHandshakes(): void {
    this.server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      const done = () => this.#handshaking.delete(key);
      this.#handshaking.set(key, { socket, done });
      socket.on('close', done);
    });
  }

  #take(request: IncomingMessage, response: ServerResponse, handle: Handler, waitsForContinue: boolean): void {
    if (this.#isLeaving) response.shouldKeepAlive = false;
    request.on('error', () => {});
    response.on('error', () => {});
    this.#running.add(response);
    response.on('close', () => {
      this.#running.delete(response);
      if (this.#isClosing) setImmediate(() => this.server.closeIdleConnections());
    });
    this.#silent.delete(request.socket);
    if (response.socket) handle(takenBy(request, response, waitsForContinue));
    else this.#takeLater(request, response, () => handle(takenBy(request, response, waitsForContinue)));
  }

  #takeLater({ socket }: IncomingMessage, response: ServerResponse, take: () => void): void {
    const ahead = this.#ahead.get(socket) ?? 0;
    this.#ahead.set(socket, ahead + 1);
    if (ahead === maxAhead) socket.destroy();
    response.once('socket', () => {
      this.#ahead.set(socket, (this.#ahead.get(socket) as number) - 1);
      take();
    });
  }
}

/** Requests that a client may send before their forerunners are answered. */
const maxAhead = 100;

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function contextOf({ certificate, key }: TlsPair): { readonly cert: string; readonly key: string } {
  return { cert: certificate, key };
}

const ofTls = { minVersion: 'TLSv1.2', ALPNProtocols: ['h2', 'http/1.1'] } as const satisfies SecureContextOptions & { ALPNProtocols: string[] };

/** `CONNECT` asks for a tunnel to somewhere else: never. */
function refuseTunnel(socket: Duplex): void {
  socket.on('error', () => {});
  socket.end('HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', () => socket.destroy());
}
