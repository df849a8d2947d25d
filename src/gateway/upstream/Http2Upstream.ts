/**
 * Upstreams over HTTP/2, by Node's own client: in clear where that has been agreed on beforehand, and over TLS where both ends say so.
 *
 * @see RFC 9113, sections 3.2 and 3.3
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../TimerWheel.ts';
import type { UpstreamLimits, Upstreams, UpstreamTarget } from '../Upstream.ts';
import { Http2Pool } from './http2/Http2Pool.ts';

/** Pools that open as they are needed. @param http1 - for upstreams that may speak either, and speak HTTP/1.1; whoever made it closes it */
export function createHttp2Upstreams(limits: UpstreamLimits, clock: Clock, timers: TimerWheel, http1: Upstreams): Upstreams {
  const pools = new Map<UpstreamTarget, Http2Pool>();
  let isClosed = false;
  const open = (target: UpstreamTarget): Http2Pool => {
    const pool = new Http2Pool(target, limits, clock, timers, http1);
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
