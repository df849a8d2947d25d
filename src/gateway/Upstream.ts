/**
 * Connections to upstreams: a pool an origin, kept open between requests, one request at a time on each. Certificates are verified, whatever
 * the environment says.
 *
 * The timers are ours, by the clock: undici's own are off.
 *
 * @see docs/wire.md, "The life of a claim"
 */
import { isIP, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import type { Clock } from '../core/Clock.ts';

/** A request as it goes out. */
export type OnwardRequest = {
  readonly method: string;
  /** The origin, such as `https://api.internal:8443`. */
  readonly origin: string;
  /** With the query. */
  readonly path: string;
  /** Names and values in turn. */
  readonly headers: string[];
  readonly body: Readable | null;
};

/** Every upstream of a gateway. */
export type Upstreams = {
  /** Sends a request; the handler is told what becomes of it, and never anything before this returns unless it failed at once. */
  readonly send: (request: OnwardRequest, handler: Dispatcher.DispatchHandler) => void;
  /** Breaks off what is under way and closes every connection. */
  readonly close: () => Promise<void>;
};

/** What bounds them. */
export type UpstreamLimits = {
  /** Connections to one origin; requests beyond it wait for one. */
  readonly connections: number;
  readonly connectTimeoutMs: number;
};

/** Pools that open as they are needed. */
export function createUpstreams(limits: UpstreamLimits, clock: Clock): Upstreams {
  const pools = new Map<string, Pool>();
  const open = (origin: string): Pool => {
    const pool = new Pool(origin, {
      connections: limits.connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 65_536,
      connect: createConnector(limits.connectTimeoutMs, clock),
    });
    pools.set(origin, pool);
    return pool;
  };
  return {
    send: ({ origin, ...request }, handler) => void (pools.get(origin) ?? open(origin)).dispatch(request, handler),
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

/** Connects within the time, by our clock. */
function createConnector(timeoutMs: number, clock: Clock): buildConnector.connector {
  const connect = buildConnector({ allowH2: false, timeout: 0, rejectUnauthorized: true } as buildConnector.BuildOptions) as unknown as Connect;
  return (options, callback) => {
    // The certificate's name is the upstream's own: undici would take the `Host` that goes out, which a client may have chosen.
    const servername = isIP(options.hostname) === 0 ? options.hostname : '';
    const socket = connect({ ...options, servername }, (...outcome) => {
      cancel();
      callback(...outcome);
    });
    const cancel = clock.after(timeoutMs, () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)));
  };
}

/** undici's connector hands back its socket, which its types leave out. */
type Connect = (...call: Parameters<buildConnector.connector>) => Socket;
