/**
 * Upstreams over HTTP/2, by Node's own client: in clear where that has been agreed on beforehand, and over TLS where both ends say so.
 *
 * @see RFC 9113, sections 3.2 and 3.3
 */
import type { Clock } from '../../core/Clock.ts';
import type { TimerWheel } from '../../core/TimerWheel.ts';
import { totalDepth, type UpstreamLimits, type Upstreams } from '../Upstream.ts';
import { Http2Pool } from './http2/Http2Pool.ts';
import { createPools } from './pools.ts';

/**
 * Pools that open as they are needed, two an upstream: WebSockets, which stay for hours, take no room from requests, and do not count to the
 * connections that these may have.
 * @param http1 - for upstreams that may speak either, and speak HTTP/1.1, and for WebSockets to those that take none over HTTP/2
 */
export function createHttp2Upstreams(limits: UpstreamLimits, clock: Clock, timers: TimerWheel, http1: Upstreams['send']): Upstreams {
  const requests = createPools((target) => new Http2Pool(target, limits, clock, timers, http1));
  const tunnels = createPools((target) => new Http2Pool(target, { ...limits, connections: Number.POSITIVE_INFINITY }, clock, timers, http1));
  return {
    send: (request, handler) => (request.isUpgrade === true ? tunnels : requests).send(request, handler),
    drop: (target) => {
      requests.drop(target);
      tunnels.drop(target);
    },
    depth: () => totalDepth([requests.depth?.(), tunnels.depth?.()]),
    close: async () => {
      await Promise.all([requests.close(), tunnels.close()]);
    },
  };
}
