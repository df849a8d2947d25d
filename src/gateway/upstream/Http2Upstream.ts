/**
 * Upstreams over HTTP/2, by Node's own client: in clear where that has been agreed on beforehand, and over TLS where both ends say so.
 *
 * @see RFC 9113, sections 3.2 and 3.3
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../TimerWheel.ts';
import type { UpstreamLimits, Upstreams } from '../Upstream.ts';
import { Http2Pool } from './http2/Http2Pool.ts';
import { createPools } from './pools.ts';

/** Pools that open as they are needed. @param http1 - for upstreams that may speak either, and speak HTTP/1.1; whoever made it closes it */
export function createHttp2Upstreams(limits: UpstreamLimits, clock: Clock, timers: TimerWheel, http1: Upstreams): Upstreams {
  return createPools((target) => new Http2Pool(target, limits, clock, timers, http1));
}
