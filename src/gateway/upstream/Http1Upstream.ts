/**
 * Upstreams by our own HTTP/1.1 client: a pool each, over plain connections or TLS.
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../../core/TimerWheel.ts';
import type { UpstreamLimits, Upstreams } from '../Upstream.ts';
import { Pool } from './Pool.ts';
import { createPools } from './pools.ts';

/** Pools that open as they are needed. */
export function createHttp1Upstreams(limits: UpstreamLimits, clock: Clock, timers: TimerWheel): Upstreams {
  return createPools((target) => new Pool(target, limits, clock, timers));
}
