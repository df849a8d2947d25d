/**
 * Who carries requests to upstreams.
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../../core/TimerWheel.ts';
import { totalDepth, type UpstreamLimits, type Upstreams } from '../Upstream.ts';
import { createHttp1Upstreams } from './Http1Upstream.ts';
import { createHttp2Upstreams } from './Http2Upstream.ts';
import { createUndiciUpstreams } from './UndiciUpstream.ts';

/** For HTTP/1.1: our own client, or undici's. HTTP/2 is Node's either way. */
export type UpstreamClient = 'farebox' | 'undici';

/** Upstreams that open as they are needed. */
export function createUpstreams(client: UpstreamClient, limits: UpstreamLimits, clock: Clock, timers: TimerWheel): Upstreams {
  const own = createHttp1Upstreams(limits, clock, timers);
  const http1 = client === 'undici' ? createUndiciUpstreams(limits, timers) : own;
  // undici hands on no answer to an upgrade but a 101.
  const overHttp1: Upstreams['send'] = (request, handler) => (request.isUpgrade === true ? own : http1).send(request, handler);
  const http2 = createHttp2Upstreams(limits, clock, timers, overHttp1);
  return {
    send: (request, handler) => (request.upstream.protocol === undefined ? overHttp1(request, handler) : http2.send(request, handler)),
    drop: (target) => {
      for (const carrier of new Set([http2, http1, own])) carrier.drop(target);
    },
    depth: () => totalDepth([...new Set([http2, http1, own])].map((carrier) => carrier.depth?.())),
    close: async () => {
      await Promise.all([http2.close(), http1.close(), own.close()]);
    },
  };
}
