/**
 * Routes on which everything is counted, a service for each way: what is bought at `/x/a` is good for three calls there, but for `/purse/a` and
 * `/club/a`, of which parts are handed on.
 */
import * as Amount from '../../src/core/Amount.ts';
import { bucket } from '../../src/server/terms/Bucket.ts';
import { credit } from '../../src/server/terms/Credit.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import type { Terms } from '../../src/server/terms/Terms.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';

/** How long each lasts from the end of its invoice, but for `/pail/a`, which lasts thirty days: nothing else can be said of a route's own bucket. */
export const seconds = 86_400;

/** In front of this upstream. `/units/dear` takes 5 of the bucket's 6 units, `/credit/dear` 140 of the credit's 150 sat. */
export function countedRoutes({ url }: { readonly url: string }): readonly StandRoute[] {
  const sold = (path: string, price: string, terms: Terms): StandRoute => {
    return { methods: ['GET', 'POST'], path, upstream: url, options: { price, terms, service: path.split('/')[1] as string } };
  };
  const units = (weight: number) => bucket({ units: 6, weight, servicePriceMsat: Amount.parse('100 sat'), seconds });
  const small = credit({ creditMsat: Amount.parse('150 sat'), priceMsat: Amount.parse('90 sat'), seconds });
  const large = credit({ creditMsat: Amount.parse('1000 sat'), priceMsat: Amount.parse('900 sat'), seconds });
  return [
    sold('/pail/a', '100 sat', bucket({ units: 3 })),
    sold('/units/a', '100 sat', units(2)),
    sold('/units/dear', '100 sat', units(5)),
    sold('/credit/a', '50 sat', small),
    sold('/credit/dear', '140 sat', small),
    sold('/purse/a', '50 sat', large),
    sold('/club/a', '100 sat', pass({ seconds })),
  ];
}
