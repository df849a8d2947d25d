/**
 * A route in front of several upstreams that do the same.
 */
import type { StandRoute } from '../conformance/shop/stands.ts';

/** At 50 sat a request. @param options - what else its configuration says of them */
export function groupRoute(target: string, upstreams: readonly string[], options: object): StandRoute {
  const path = target.split('?')[0] as string;
  return { methods: ['GET', 'POST'], path, upstream: upstreams[0] as string, group: { upstreams, ...options }, options: { price: '50 sat' } };
}
