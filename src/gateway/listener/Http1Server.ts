/**
 * The part of a listener that speaks HTTP/1.1: Node's parser, as strict as it comes, with bounds on everything a client may take its time over.
 * It owns the port as well, and hands on what it is not to take itself.
 *
 * Requests on one connection are handled one after the other, also where a client sends several ahead: an answer that cannot be sent yet
 * is not asked for yet. Whoever sends more ahead than anybody has use for is let go: each takes memory, and nobody may hold a thousand.
 *
 * @see RFC 9112, sections 9.3.2 and 9.6; RFC 9110, sections 7.8, 9.3.6 and 10.1.1
 */
import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../../core/Clock.ts';
import { linesOf } from '../../http/NodeRequest.ts';
import type { ListenerLimits } from '../Listener.ts';
import type { Handler } from '../Reply.ts';
import { namesWebSocket } from '../tunnel/Handshake.ts';
import type { TlsPair } from './Certificates.ts';
import { Http1Response, takenBy } from './Http1Reply.ts';
import * as Http1Upgrade from './Http1Upgrade.ts';

/** See the head of this file. */
export class Http1Server {
  readonly server: Server<typeof IncomingMessage, typeof Http1Response> | SecureServer<typeof IncomingMessage, typeof Http1Response>;
  readonly #running = new Set<Http1Response>();
  /** Requests that wait for an earlier one on their connection. */
  readonly #ahead = new WeakMap<Socket, number>();
  /** Connections on which no whole head has come yet. Node does not count them as idle. */
  readonly #silent = new Set<Socket>();
  /** Connections that Node has handed over, and that are no tunnels: they end with the answer that they wait for. */
  readonly #waiting = new Set<Socket>();
  /** Connections that end with the answers that are under way. */
  readonly #ending = new WeakSet<Socket>();
  /** Connections on which TLS has not begun yet, by their other end. */
  readonly #handshaking = new Map<string, { readonly socket: Socket; readonly done: () => void }>();
  /** One for all connections, called on each as it closes: ten thousand that idle have no function of their own. */
  readonly #forget: (this: Socket) => void;
  readonly #takeConnection: (socket: Socket) => void;
  #isLeaving = false;
  #isClosing = false;

  /**
   * @param tls - undefined: in the clear
   * @param decide - told of every connection; hands it to {@link take}, or elsewhere
   */
  constructor(limits: ListenerLimits, clock: Clock, handle: Handler, tls: TlsPair | undefined, decide: (socket: Socket) => void) {
    const silent = this.#silent;
    this.#forget = function (this: Socket) {
      silent.delete(this);
    };
    const options: Options = {
      ServerResponse: Http1Response,
      // A request without a body is over with its head: nobody reads it. (Node 22.19 knows no such option.)
      optimizeEmptyRequests: true,
      insecureHTTPParser: false,
      maxHeaderSize: limits.headerBytes,
      // Node wants the head to have no longer than the whole request.
      headersTimeout: Math.min(limits.headTimeoutMs, limits.requestTimeoutMs),
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: Math.min(5000, limits.headTimeoutMs, limits.requestTimeoutMs),
      shouldUpgradeCallback: Http1Upgrade.isUpgrade,
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
      socket.on('close', this.#forget);
      decide(socket);
    });
    server.on('request', (request, response) => this.#take(request, response, handle, false));
    server.on('checkContinue', (request, response) => this.#take(request, response, handle, true));
    server.on('upgrade', (request: IncomingMessage, duplex: Duplex, rest: Buffer) => {
      const socket = duplex as Socket;
      socket.on('error', () => {});
      this.letGo(socket);
      this.#waiting.add(socket);
      socket.once('close', () => this.#waiting.delete(socket));
      this.#takeUpgrade({ request, socket, rest }, clock, handle);
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => this.#refuse(error.code, socket as Socket));
    server.on('connect', (_request: IncomingMessage, socket: Duplex) => refuseTunnel(socket));
  }

  /** Takes a connection, of which what has come already is there to be read. */
  take(socket: Socket): void {
    this.#takeConnection.call(this.server, socket);
    socket.resume();
  }

  /** Bounds clients otherwise from now on, but for the size of a head. */
  adjust({ headTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, connections }: ListenerLimits): void {
    this.server.headersTimeout = Math.min(headTimeoutMs, requestTimeoutMs);
    this.server.requestTimeout = requestTimeoutMs;
    this.server.keepAliveTimeout = keepAliveTimeoutMs;
    this.server.maxConnections = connections;
  }

  /** Follows a connection no more: it has spoken, or somebody else follows it. */
  letGo(socket: Socket): void {
    if (this.#silent.delete(socket)) socket.off('close', this.#forget);
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
    (this.server as Pick<SecureServer, 'setSecureContext'>).setSecureContext({ ...contextOf(tls), ...ofTls });
  }

  #followHandshakes(): void {
    this.server.on('connection', (socket: Socket) => {
      const key = keyOf(socket);
      const done = () => this.#handshaking.delete(key);
      this.#handshaking.set(key, { socket, done });
      socket.on('close', done);
    });
  }

  /** Ends all at once, apart from tunnels. */
  destroy(): void {
    this.server.closeAllConnections();
    for (const socket of this.#waiting) socket.destroy();
  }

  #takeUpgrade(handedOver: Http1Upgrade.HandedOver, clock: Clock, handle: Handler): void {
    const { request, socket } = handedOver;
    if (socket.destroyed) return;
    // Answers to requests before it go out first.
    const before = [...this.#running].find(({ req }) => req.socket === socket);
    if (before !== undefined) return void before.once('close', () => this.#takeUpgrade(handedOver, clock, handle));
    // A Node that does not ask hands over whatever asks for any protocol.
    if (!namesWebSocket(linesOf(request.rawHeaders, 'upgrade'))) {
      this.#waiting.delete(socket);
      Http1Upgrade.putBack(handedOver);
      return this.take(socket);
    }
    const { taken, response } = Http1Upgrade.wait(handedOver, clock, () => this.#waiting.delete(socket));
    this.#follow(response);
    handle(taken);
  }

  /** Bytes that are no request. What was asked for before them, whole, is answered first: its client is not to take a refusal for the answer. */
  #refuse(code: string | undefined, socket: Socket): void {
    if (socket.destroyed || this.#ending.has(socket)) return;
    const before = [...this.#running].filter(({ req }) => req.socket === socket);
    const isAnswering = before.length > 0 && before.every(({ req }) => req.complete);
    if (!isAnswering) {
      // Of TLS that failed, or a connection that did, nobody is there to hear.
      const isHttp = code?.startsWith('HPE_') || code?.startsWith('ERR_HTTP_');
      if (isHttp && socket.writable && before.every(({ headersSent }) => !headersSent))
        socket.write(`HTTP/1.1 ${refusals[code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`);
      socket.destroy();
      return;
    }
    this.#ending.add(socket);
    let left = before.length;
    for (const response of before) {
      response.shouldKeepAlive = false;
      response.once('close', () => {
        if (--left === 0) socket.destroySoon();
      });
    }
  }

  #follow(response: Http1Response): void {
    this.#running.add(response);
    response.onOver = this.#over;
  }

  readonly #over = (response: Http1Response): void => {
    this.#running.delete(response);
    if (this.#isClosing) setImmediate(() => this.server.closeIdleConnections());
  };

  #take(request: IncomingMessage, response: Http1Response, handle: Handler, waitsForContinue: boolean): void {
    if (this.#isLeaving) response.shouldKeepAlive = false;
    request.on('error', ignore);
    this.#follow(response);
    this.letGo(request.socket);
    if (response.socket) handle(takenBy(request, response, waitsForContinue));
    else this.#takeLater(request, response, () => handle(takenBy(request, response, waitsForContinue)));
  }

  #takeLater({ socket }: IncomingMessage, response: Http1Response, take: () => void): void {
    const ahead = this.#ahead.get(socket) ?? 0;
    this.#ahead.set(socket, ahead + 1);
    if (ahead === maxAhead) socket.destroy();
    response.once('socket', () => {
      this.#ahead.set(socket, (this.#ahead.get(socket) as number) - 1);
      take();
    });
  }
}

type Options = ServerOptions<typeof IncomingMessage, typeof Http1Response> & { readonly optimizeEmptyRequests: boolean };

const ignore = () => {};

/** Requests that a client may send before their forerunners are answered. */
const maxAhead = 32;

/** What Node's parser did not take, in the words of its server. */
const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

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
