/**
 * A pool an upstream, opened with the first request that goes there.
 */
import { type AnswerHandler, type OnwardRequest, type Sending, totalDepth, type UpstreamDepth, type Upstreams, type UpstreamTarget } from '../Upstream.ts';

/** Connections to one upstream. Closed, it fails what comes. */
export type UpstreamPool = {
  readonly send: (request: OnwardRequest, handler: AnswerHandler) => Sending;
  readonly depth: () => UpstreamDepth;
  readonly close: () => void;
};

/** Upstreams of which each has a pool. */
export function createPools(make: (target: UpstreamTarget) => UpstreamPool): Upstreams {
  const pools = new Map<UpstreamTarget, UpstreamPool>();
  let isClosed = false;
  const open = (target: UpstreamTarget): UpstreamPool => {
    const pool = make(target);
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
    depth: () => totalDepth([...pools.values()].map((pool) => pool.depth())),
    close: async () => {
      isClosed = true;
      for (const pool of pools.values()) pool.close();
    },
  };
}
