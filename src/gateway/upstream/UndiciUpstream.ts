/**
 * Upstreams by undici's `dispatch`: a pool an origin, kept open between requests, one request at a time on each connection. Certificates are
 * verified, whatever the environment says.
 *
 * The timers are ours, by the clock: undici's own are off.
 */
import { isIP, type Socket } from 'node:net';
import type { buildConnector, Dispatcher, Pool } from 'undici';
import type { TimerWheel } from '../../core/TimerWheel.ts';
import { loadUndici } from '../loadUndici.ts';
import type { AnswerHandler, Sending, UpstreamLimits, Upstreams, UpstreamTarget } from '../Upstream.ts';

/** Pools that open as they are needed. */
export function createUndiciUpstreams(limits: UpstreamLimits, timers: TimerWheel): Upstreams {
  const undici = loadUndici();
  const pools = new Map<UpstreamTarget, Pool>();
  const open = (upstream: UpstreamTarget): Pool => {
    const pool = new undici.Pool(upstream.origin, {
      connections: limits.connections,
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: 65_536,
      keepAliveTimeout: limits.keepAliveMs,
      connect: createConnector(undici, upstream, limits.connectTimeoutMs, timers),
    });
    pools.set(upstream, pool);
    return pool;
  };
  return {
    send: ({ upstream, headers, ...request }, handler) => {
      const call = new Call(handler);
      (pools.get(upstream) ?? open(upstream)).dispatch({ ...request, headers: headers as string[] }, call);
      return call;
    },
    drop: (target) => {
      void pools.get(target)?.destroy();
      pools.delete(target);
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

/** Undici's words in ours. */
class Call implements Dispatcher.DispatchHandler, Sending {
  readonly #handler: AnswerHandler;
  #controller: Dispatcher.DispatchController | undefined;
  #isAborted = false;

  constructor(handler: AnswerHandler) {
    this.#handler = handler;
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  abort(): void {
    this.#isAborted = true;
    this.#controller?.abort(new Error('the exchange is over'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isAborted) controller.abort(new Error('the exchange was over before it began'));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const headers = textOf(controller.rawHeaders as Buffer[]);
    if (status < 200) this.#handler.onInformational(status, headers);
    else this.#handler.onHead(status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#handler.onChunk(chunk);
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    this.#handler.onEnd(textOf((controller.rawTrailers as Buffer[] | undefined) ?? []));
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    // It begins when it has a connection.
    this.#handler.onError(error, this.#controller === undefined ? 'unsent' : undefined);
  }
}

function textOf(raw: readonly Buffer[]): readonly string[] {
  return raw.map((bytes) => bytes.toString('latin1'));
}

/** Connects within the time, by our clock. */
function createConnector(undici: typeof import('undici'), { secureContext }: UpstreamTarget, timeoutMs: number, timers: TimerWheel): buildConnector.connector {
  const options = { allowH2: false, timeout: 0, rejectUnauthorized: true, ...(secureContext && { secureContext }) };
  const connect = undici.buildConnector(options as buildConnector.BuildOptions) as unknown as Connect;
  return (target, callback) => {
    // The certificate's name is the upstream's own: undici would take the `Host` that goes out, which a client may have chosen.
    const servername = isIP(target.hostname) === 0 ? target.hostname : '';
    const socket = connect({ ...target, servername }, (...outcome) => {
      timer.cancel();
      callback(...outcome);
    });
    const timer = timers.after(timeoutMs, { onTimer: () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)) });
  };
}

/** undici's connector hands back its socket, which its types leave out. */
type Connect = (...call: Parameters<buildConnector.connector>) => Socket;
