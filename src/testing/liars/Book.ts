/**
 * The truth about every invoice that the liars have made: what was ordered, what has left the wallet, what was delivered.
 */

import type { Msat } from '../../core/Amount.ts';
import type { Preimage } from '../../core/Preimage.ts';
import type { PaymentOutcome, TrackedPayment } from '../../lightning/Lightning.ts';
import type { MadeOffer } from '../Offers.ts';

/** An offer as the liars have it; undefined: a wallet of somebody's own has made its invoice, and knows the preimage alone. */
export type SoldOffer = MadeOffer & { readonly preimage: Preimage | undefined };

/** One invoice and what became of it. */
export type Entry = {
  readonly offer: SoldOffer;
  readonly amountMsat: Msat;
  /** How often a client has told the wallet to pay it. */
  orders: number;
  /** How often a client has asked what became of it. */
  lookUps: number;
  /** Amount and highest fee, as ordered. */
  orderedMsat: bigint;
  state: 'open' | 'pending' | 'settled' | 'failed';
  /** Unix seconds; a pending payment settles then. */
  settlesAt: number;
  /** What has left the wallet, fee included. */
  spentMsat: bigint;
  isDelivered: boolean;
};

/** A payment that has settled, as a wallet says it. */
export type Settled = PaymentOutcome & { readonly kind: 'settled' };

/** What an honest wallet charges. */
export const usualFeeMsat = 1000n as Msat;

/** The entry of an offer that has just been made. */
export function open(offer: SoldOffer, amountMsat: Msat): Entry {
  return { offer, amountMsat, orders: 0, lookUps: 0, orderedMsat: 0n, state: 'open', settlesAt: 0, spentMsat: 0n, isDelivered: false };
}

/** Takes the money; says so as a wallet does. Once is enough: a second time nothing more leaves it. */
export function settle(entry: Entry, feeMsat: bigint = usualFeeMsat, overpaidMsat = 0n): Settled {
  const { preimage } = entry.offer;
  if (preimage === undefined) throw new TypeError('the wallet pays no invoice that another has made');
  if (entry.state !== 'settled') entry.spentMsat = entry.amountMsat + feeMsat + overpaidMsat;
  entry.state = 'settled';
  const amountMsat = (entry.amountMsat + overpaidMsat) as Msat;
  return { kind: 'settled', preimage, amountMsat, feeMsat: (entry.spentMsat - amountMsat) as Msat };
}

/** Pays as an honest wallet does: once, and within the fee that it may charge. */
export function pay(entry: Entry): PaymentOutcome {
  if (entry.state === 'settled') return failed('rejected', 'The invoice has already been paid; nothing moved.');
  if (entry.state === 'pending') return { kind: 'unknown', message: 'An earlier payment of this invoice is still under way.' };
  if (entry.orderedMsat >= entry.amountMsat + usualFeeMsat) return settle(entry);
  entry.state = 'failed';
  return failed('fee-limit', 'The fee is 1 sat, over the limit.');
}

/** What an honest wallet says became of it. */
export function lookUp(entry: Entry, nowAt: number): TrackedPayment {
  if (entry.state === 'pending' && entry.settlesAt <= nowAt) return settle(entry);
  if (entry.state === 'settled') return { ...settle(entry, entry.spentMsat - entry.amountMsat) };
  if (entry.state === 'failed') return failed('no-route', 'No route was found.');
  return { kind: entry.state === 'pending' ? 'pending' : 'absent' };
}

/** For certain: nothing has left the wallet. */
export function failed(reason: (PaymentOutcome & { readonly kind: 'failed' })['reason'], message: string): PaymentOutcome {
  return { kind: 'failed', reason, message };
}
