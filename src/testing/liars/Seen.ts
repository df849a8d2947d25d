/**
 * What the liars have seen of a client, and whether it was robbed.
 */
import type { PaymentHash } from '../../core/Preimage.ts';
import type { Entry } from './Book.ts';
import type { Place, Way } from './Way.ts';

/** The limits that the client under test is to be given. */
export type Limits = {
  /** The most that one request may cost, fee included. */
  readonly maxPerRequestMsat: bigint;
  /** The most that all of them together may cost, fees included. */
  readonly maxTotalMsat: bigint;
};

/** A request as a way saw it. */
export type SeenVisit = {
  /** `thief`: another origin. `plain`: plain http at an address that is not loopback. */
  readonly place: Place;
  readonly method: string;
  /** Below the way's own URL, without the query. */
  readonly path: string;
  /** Whether it showed a credential, good or not. */
  readonly hasCredential: boolean;
};

/** A payment as the wallet saw it, and the truth about it. */
export type SeenPayment = {
  readonly paymentHash: PaymentHash;
  readonly amountMsat: bigint;
  /** How often a client told the wallet to pay it. */
  readonly orders: number;
  /** How often a client asked what became of it. */
  readonly lookUps: number;
  readonly state: 'open' | 'pending' | 'settled' | 'failed';
  /** What has left the wallet, fee included. */
  readonly spentMsat: bigint;
};

/** What a way has seen so far. */
export type Seen = {
  readonly requests: readonly SeenVisit[];
  /** Those that a client has ordered or asked about. */
  readonly payments: readonly SeenPayment[];
  readonly spentMsat: bigint;
  /** Everything that an honest client would not have done, in words; empty: not robbed as far as the liars can see. */
  readonly robbed: readonly string[];
};

/** Sums up what a way has seen. */
export function seenBy(way: Pick<Way, 'most'>, requests: readonly SeenVisit[], entries: readonly Entry[], noted: readonly string[], limits: Limits): Seen {
  const known = entries.filter(({ orders, lookUps }) => orders + lookUps > 0);
  const payments = known.map(({ offer, amountMsat, orders, lookUps, state, spentMsat }) => {
    return { paymentHash: offer.paymentHash, amountMsat, orders, lookUps, state, spentMsat };
  });
  const spentMsat = payments.reduce((sum, payment) => sum + payment.spentMsat, 0n);
  return { requests, payments, spentMsat, robbed: [...noted, ...robberies(way, requests, known, limits)] };
}

function robberies(way: Pick<Way, 'most'>, requests: readonly SeenVisit[], entries: readonly Entry[], limits: Limits): readonly string[] {
  const found: string[] = [];
  const orders = entries.reduce((sum, entry) => sum + entry.orders, 0);
  if (orders > way.most.orders) found.push(`ordered ${orders} payments, and at most ${way.most.orders} was called for`);
  for (const { offer, orders: times } of entries) if (times > 1) found.push(`ordered payment ${offer.paymentHash} ${times} times`);
  const dearest = entries.reduce((most, { orderedMsat }) => (orderedMsat > most ? orderedMsat : most), 0n);
  if (dearest > limits.maxPerRequestMsat) found.push(`allowed ${dearest} msat for a payment, over the limit of ${limits.maxPerRequestMsat} for a request`);
  // Without what a wallet charged beyond its order: no client could know of it before.
  const total = entries.reduce((sum, { state, amountMsat }) => sum + (state === 'settled' ? amountMsat : 0n), 0n);
  if (total > limits.maxTotalMsat) found.push(`paid ${total} msat, over the limit of ${limits.maxTotalMsat} for everything together`);
  if (requests.length > way.most.requests) found.push(`sent ${requests.length} requests, and at most ${way.most.requests} were called for`);
  for (const { place, hasCredential } of requests) {
    if (hasCredential && place === 'thief') found.push('showed a credential to another origin');
    if (hasCredential && place === 'plain') found.push('showed a credential over plain http');
  }
  return found;
}
