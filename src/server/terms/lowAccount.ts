/**
 * Tells when little is left of what somebody bought in bulk: as 80, 90 and 100 % of it are used. A call that is given back may have told it all the same, and
 * what was topped up is told again as it is used.
 */
import type { Alert } from '../Events.ts';
import type { Principal } from '../Offer.ts';

/** In percent of what the token bought. */
const shares = [100n, 90n, 80n];
const leastShare = 80n;

/** The share that this call has reached, if it has reached one. @param left - units of its account after the call, which took `takes` off it */
export function lowAccount({ units, paymentHash, service }: Principal, takes: bigint, left: bigint): ({ readonly kind: 'alert' } & Alert) | undefined {
  if (units === undefined || units === 0n || takes === 0n) return undefined;
  const used = units - left;
  if (used * 100n < units * leastShare) return undefined;
  const share = shares.find((one) => used * 100n >= units * one && (used - takes) * 100n < units * one);
  if (share === undefined) return undefined;
  return {
    kind: 'alert',
    alert: 'account-low',
    subject: paymentHash,
    state: 'raised',
    words: `${share} % of what payment ${paymentHash.slice(0, 16)} bought of ${service} is used.`,
  };
}
