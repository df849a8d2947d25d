/**
 * Upstreams by our own HTTP/1.1 client: a pool each, over plain connections or TLS.
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../TimerWheel.ts';
import type { UpstreamLimits, Upstreams, UpstreamTarget } from '../Upstream.ts';
import { Pool } from './Pool.ts';

/** Pools that open as they are needed. */
export function createHttp1Upstreams(limits: UpstreamLimits, clock: Clock, timers: TimerWheel): Upstreams {
  const pools = new Map<UpstreamTarget, Pool>();
  let isClosed = false;
  const open = (target: UpstreamTarget): Pool => {
    const pool = new Pool(target, limits, clock, timers);
    pools.set(target, pool);
    if (isClosed) pool.close();
    return pool;
  };
  return {
    send: (request, handler) => (pools.get(request.upstream) ?? open(request.upstream)).send(request, handler),
    drop: (target) => {
      pools.get(target)?.close();
      pools.delete(target);
    },
    close: async () => {
      isClosed = true;
      for (const pool of pools.values()) pool.close();
    },
  };
}
