/**
 * The server side: Node's HTTP/1.1 parser, as strict as it comes, with bounds on everything a client may take its time over.
 *
 * Requests on one connection are handled one after the other, also where a client sends several ahead: an answer that cannot be sent yet
 * is not asked for yet.
 *
 * @see RFC 9112, sections 9.3.2 and 9.6; RFC 9110, sections 7.8, 9.3.6 and 10.1.1
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { atMost, type Clock } from '../core/Clock.ts';
import { linesOf } from '../http/NodeRequest.ts';
import { takenBy } from './listener/Http1Reply.ts';
import * as Http1Upgrade from './listener/Http1Upgrade.ts';
import type { Handler } from './Reply.ts';
import * as Handshake from './tunnel/Handshake.ts';

/** What bounds a client. */
export type ListenerLimits = {
  /** Of a request's head. */
  readonly headerBytes: number;
  /** Open at once; more are dropped. */
  readonly connections: number;
  /** For a request's head to arrive. */
  readonly headTimeoutMs: number;
  /** For a whole request to arrive. */
  readonly requestTimeoutMs: number;
  /** Between two requests on a connection. */
  readonly keepAliveTimeoutMs: number;
};

/** A server that listens or may listen. */
export type Listener = {
  /** @throws Error – the address is taken, or not this machine's (as Node says it, with its `code`) */
  readonly listen: (host: string, port: number) => Promise<{ readonly host: string; readonly port: number }>;
  /**
   * Takes no more connections, where others take them, and asks those that are open to leave with their next answer. Resolves when all have, or
   * after so long, or when there is a hurry: none is cut off, so that no request is lost which was on its way.
   */
  readonly leave: (patienceMs: number, hurry: AbortSignal | undefined) => Promise<void>;
  /** Takes no more connections, lets running requests finish for so long, then ends them. */
  readonly close: (graceMs: number) => Promise<void>;
};

/** Makes a server that does not listen yet. */
export function createListener(limits: ListenerLimits, clock: Clock, handle: Handler): Listener {
  let closing = false;
  let leaving = false;
  let left: Promise<void> | undefined;
  const running = new Set<ServerResponse>();
  /** Connections on which no whole head has come yet. Node does not count them as idle. */
  const silent = new Set<Socket>();
  /** Connections that Node has handed over, and that are no tunnels: they end with the answer that they wait for. */
  const waiting = new Set<Socket>();
  const server = createServer({
    insecureHTTPParser: false,
    maxHeaderSize: limits.headerBytes,
    // Node wants the head to have no longer than the whole request.
    headersTimeout: Math.min(limits.headTimeoutMs, limits.requestTimeoutMs),
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, limits.headTimeoutMs, limits.requestTimeoutMs),
    shouldUpgradeCallback: Http1Upgrade.isUpgrade,
  });
  // Node would drop the lines beyond its limit silently; we count, and refuse.
  server.maxHeadersCount = 0;
  server.maxConnections = limits.connections;
  const follow = (response: ServerResponse) => {
    running.add(response);
    response.on('close', () => {
      running.delete(response);
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
  };
  const take = (waitsForContinue: boolean) => (request: IncomingMessage, response: ServerResponse) => {
    if (leaving) response.shouldKeepAlive = false;
    request.on('error', () => {});
    response.on('error', () => {});
    follow(response);
    silent.delete(request.socket);
    if (response.socket) handle(takenBy(request, response, waitsForContinue));
    else response.once('socket', () => handle(takenBy(request, response, waitsForContinue)));
  };
  const takeUpgrade = (handedOver: Http1Upgrade.HandedOver) => {
    const { request, socket } = handedOver;
    if (socket.destroyed) return;
    // Answers to requests before it go out first.
    const before = [...running].find(({ req }) => req.socket === socket);
    if (before !== undefined) return void before.once('close', () => takeUpgrade(handedOver));
    // A Node that does not ask hands over whatever asks for any protocol.
    if (!Handshake.namesWebSocket(linesOf(request.rawHeaders, 'upgrade'))) {
      waiting.delete(socket);
      Http1Upgrade.putBack(handedOver);
      return void server.emit('connection', socket);
    }
    const { taken, response } = Http1Upgrade.wait(handedOver, clock, () => waiting.delete(socket));
    follow(response);
    handle(taken);
  };
  server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.on('close', () => silent.delete(socket));
  });
  server.on('request', take(false));
  server.on('checkContinue', take(true));
  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, rest: Buffer) => {
    const socket = duplex as Socket;
    socket.on('error', () => {});
    silent.delete(socket);
    waiting.add(socket);
    socket.once('close', () => waiting.delete(socket));
    takeUpgrade({ request, socket, rest });
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => refuseTunnel(socket));
  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, () => {
          server.off('error', reject);
          const address = server.address() as AddressInfo;
          resolve({ host: address.address, port: address.port });
        });
      }),
    leave: async (patienceMs, hurry) => {
      if (!server.listening) return;
      leaving = true;
      for (const response of running) response.shouldKeepAlive = false;
      // The server of HTTP would end idle connections with it, and with them requests that are on their way.
      left = new Promise((resolve) => Server.prototype.close.call(server, () => resolve()));
      const hurried = new Promise<void>((resolve) => hurry?.addEventListener('abort', () => resolve(), { once: true }));
      if (!hurry?.aborted) await atMost(clock, patienceMs, Promise.race([left, hurried]));
    },
    close: (graceMs) =>
      new Promise((resolve) => {
        if (!server.listening && left === undefined) return resolve();
        closing = true;
        const cancel = clock.after(graceMs, () => {
          server.closeAllConnections();
          for (const socket of waiting) socket.destroy();
        });
        const done = () => {
          cancel();
          resolve();
        };
        if (left === undefined) server.close(done);
        else void left.then(done);
        server.closeIdleConnections();
        for (const socket of silent) socket.destroy();
      }),
  };
}

/** `CONNECT` asks for a tunnel to somewhere else: never. */
function refuseTunnel(socket: Duplex): void {
  socket.on('error', () => {});
  socket.end('HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', () => socket.destroy());
}
