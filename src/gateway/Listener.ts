/**
 * The server side: HTTP/1.1 and HTTP/2 on one port, with bounds on everything a client may take its time over.
 *
 *     connection ─ preface of HTTP/2, or h2 by ALPN ─ Http2Server
 *                └ anything else ──────────────────── Http1Server
 */
import { type AddressInfo, Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { atMost, type Clock } from '../core/Clock.ts';
import type { Trust } from './ClientAddress.ts';
import type { TlsPair } from './listener/Certificates.ts';
import { Http1Server } from './listener/Http1Server.ts';
import { Http2Server } from './listener/Http2Server.ts';
import { readPreface } from './listener/Preface.ts';
import { Unruly } from './listener/Unruly.ts';
import type { Handler } from './Reply.ts';

/** What bounds a client. */
export type ListenerLimits = {
  /** Of a request's head. */
  readonly headerBytes: number;
  /** Open at once; more are dropped. */
  readonly connections: number;
  /** Requests under way at once on one connection of HTTP/2. */
  readonly streams: number;
  /** For a request's head to arrive. */
  readonly headTimeoutMs: number;
  /** For a whole request to arrive. */
  readonly requestTimeoutMs: number;
  /** Between two requests on a connection. */
  readonly keepAliveTimeoutMs: number;
  /** For an answer to be read that is whole. */
  readonly idleTimeoutMs: number;
};

/** A server that listens or may listen. */
export type Listener = {
  /** @throws Error – the address is taken, or not this machine's (as Node says it, with its `code`) */
  readonly listen: (host: string, port: number) => Promise<{ readonly host: string; readonly port: number }>;
  /** Bounds clients otherwise from now on, but for `headerBytes`: those of HTTP/1.1 that are there already as well, those of HTTP/2 with their next connection. */
  readonly adjust: (limits: ListenerLimits) => void;
  /**
   * Takes no more connections, where others take them, and asks those that are open to leave with their next answer. Resolves when all have, or
   * after so long, or when there is a hurry: none is cut off, so that no request is lost which was on its way.
   */
  readonly leave: (patienceMs: number, hurry: AbortSignal | undefined) => Promise<void>;
  /** Takes no more connections, lets running requests finish for so long, then ends them. */
  readonly close: (graceMs: number) => Promise<void>;
  /** Shows another certificate from now on. @throws Error – it cannot be used; the one before stays */
  readonly setTls: (tls: TlsPair) => void;
};

/**
 * Makes a server that does not listen yet.
 * @param tls - undefined: in the clear
 * @param spared - whose connections are taken, however often they were cut off; default: nobody's
 */
export function createListener(limits: ListenerLimits, clock: Clock, handle: Handler, tls?: TlsPair, spared: Trust = () => false): Listener {
  let left: Promise<void> | undefined;
  let { headTimeoutMs } = limits;
  const unruly = new Unruly(clock, spared);
  const http2 = new Http2Server({ limits, clock, handle, onCutOff: (address) => unruly.onCutOff(address) });
  const take = (socket: Socket, isHttp2: boolean) => {
    if (!isHttp2) return http1.take(socket);
    http1.letGo(socket);
    http2.take(socket);
  };
  const http1 = new Http1Server(limits, clock, handle, tls, (socket: Socket) => {
    if (tls) take(socket, (socket as TLSSocket).alpnProtocol === 'h2');
    else readPreface(socket, clock, headTimeoutMs, (isHttp2) => take(socket, isHttp2));
  });
  const { server } = http1;
  // Before TLS, where there is any: a handshake costs more than what it is refused for.
  server.prependListener('connection', (socket: Socket) => {
    if (unruly.refuses(socket.remoteAddress ?? '')) socket.destroy();
  });
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
    adjust: (next) => {
      headTimeoutMs = next.headTimeoutMs;
      http1.adjust(next);
      http2.adjust(next);
    },
    leave: async (patienceMs, hurry) => {
      if (!server.listening) return;
      http1.leave();
      http2.leave();
      // The server of HTTP would end idle connections with it, and with them requests that are on their way.
      left = new Promise((resolve) => Server.prototype.close.call(server, () => resolve()));
      const hurried = new Promise<void>((resolve) => hurry?.addEventListener('abort', () => resolve(), { once: true }));
      if (!hurry?.aborted) await atMost(clock, patienceMs, Promise.race([left, hurried]));
    },
    close: (graceMs) =>
      new Promise((resolve) => {
        if (!server.listening && left === undefined) return resolve();
        const cancel = clock.after(graceMs, () => {
          http1.destroy();
          http2.destroy();
        });
        const done = () => {
          cancel();
          resolve();
        };
        if (left === undefined) server.close(done);
        else void left.then(done);
        http1.close();
        http2.close();
      }),
    setTls: (next) => http1.setTls(next),
  };
}
