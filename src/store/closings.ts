/**
 * What stays of a payment when its claim or account has expired and is forgotten: how much of it was earned. Without it nobody could tell
 * a claim that was forgotten in its time from one that was taken out of the store.
 */
import type { Lot } from './accountLife.ts';
import { type ClaimLife, isEarned } from './claimLife.ts';
import type { Closing } from './Standing.ts';

/** A payment and how it ended. */
export type ClosedPayment = { readonly paymentHash: string; readonly closing: Closing };

/** Of a claim; of one that is no payment's nothing stays. */
export function ofClaim(life: Pick<ClaimLife, 'state' | 'payment'>): readonly ClosedPayment[] {
  if (!life.payment) return [];
  const { paymentHash, amountMsat } = life.payment;
  return [{ paymentHash, closing: { kind: 'claim', amountMsat, earnedMsat: isEarned(life) ? amountMsat : 0n } }];
}

/** Whether a payment that has ended bought something by its claim. */
export function isEarnedByClaim(closing: Closing | undefined): boolean {
  return closing?.kind === 'claim' && closing.earnedMsat > 0n;
}

/** Whether it had bought something off its account. */
export function isEarnedByAccount(closing: Closing | undefined): boolean {
  return closing?.kind === 'account' && closing.earnedMsat > 0n;
}

/** Of an account's lots: what each payment has not earned has expired. */
export function ofLots(lots: readonly Pick<Lot, 'paymentHash' | 'paidMsat' | 'earnedMsat'>[]): readonly ClosedPayment[] {
  return lots.flatMap(({ paymentHash, paidMsat, earnedMsat }) =>
    paymentHash === undefined ? [] : [{ paymentHash, closing: { kind: 'account', amountMsat: paidMsat, earnedMsat } }],
  );
}

/** A payment that ends once more, because a clock was set back, has earned what it had, and what it has since. */
export function again(before: Closing | undefined, closing: Closing): Closing {
  return before ? { ...closing, earnedMsat: before.earnedMsat + closing.earnedMsat } : closing;
}
