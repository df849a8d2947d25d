/**
 * Terms `bucket`: one payment, so many calls; or so many units, of which a call takes as many as its route weighs. Sold by one route for itself, or
 * by a service for all of its routes that take from buckets.
 */
import type { Msat } from '../../core/Amount.ts';
import { lengthOf } from './Pass.ts';
import type { Terms } from './Terms.ts';

/** What a bucket is. */
export type BucketOptions = {
  /** How many units are in it. */
  readonly units: number;
  /** What a call takes; default 1. */
  readonly weight?: number;
  /** How long it lasts, from the end of its invoice; default 30 days. */
  readonly seconds?: number;
  /** Sold for the whole service at this price; left out, for the route that sells it, at the route's. */
  readonly servicePriceMsat?: Msat | undefined;
};

/** Most units in a bucket. */
export const maxUnits = 1_000_000_000;

const month = 30 * 86_400;

/**
 * A bucket of calls.
 * @throws RangeError – no whole number of units up to a billion, a weight beyond it, a length of time that is none
 * @example bucket({ units: 1500 })
 */
export function bucket({ units, weight = 1, seconds = month, servicePriceMsat }: BucketOptions): Terms {
  if (!Number.isSafeInteger(units) || units < 1 || units > maxUnits) throw new RangeError('a bucket holds between 1 and a billion units, in whole ones');
  if (!Number.isSafeInteger(weight) || weight < 1 || weight > units) throw new RangeError('a call weighs between 1 unit and the whole bucket');
  const length = lengthOf(seconds);
  const isShared = servicePriceMsat !== undefined;
  return {
    kind: 'bucket',
    caveat: `bucket:${units}`,
    units: `${units} ${isShared ? 'units' : 'requests'} within ${length}`,
    lastsSeconds: seconds,
    binds: isShared ? 'service' : 'route',
    ...(isShared && { priceMsat: servicePriceMsat }),
    holds: BigInt(units),
    takes: () => BigInt(weight),
    describe: () => ({ terms: 'bucket', units, perRequest: weight, seconds }),
  };
}
