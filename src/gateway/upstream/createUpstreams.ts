/**
 * Who carries requests to upstreams.
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../TimerWheel.ts';
import type { UpstreamLimits, Upstreams } from '../Upstream.ts';
import { createHttp1Upstreams } from './Http1Upstream.ts';
import { createUndiciUpstreams } from './UndiciUpstream.ts';

/** Our own client, or undici's. */
export type UpstreamClient = 'farebox' | 'undici';

/** Upstreams that open as they are needed. */
export function createUpstreams(client: UpstreamClient, limits: UpstreamLimits, clock: Clock, timers: TimerWheel): Upstreams {
  const own = createHttp1Upstreams(limits, clock, timers);
  if (client === 'farebox') return own;
  const others = createUndiciUpstreams(limits, timers);
  return {
    // undici hands on no answer to an upgrade but a 101.
    send: (request, handler) => (request.isUpgrade === true ? own : others).send(request, handler),
    close: async () => {
      await Promise.all([own.close(), others.close()]);
    },
  };
}
