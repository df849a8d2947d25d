/**
 * The life of a reservation as pure steps: what is kept, what is asked and the hour go in; what to keep and what to answer come out.
 *
 * For every account, always: credited = available + reserved + spent. What is reserved is never kept as a number: it is the sum over the
 * reservations whose lease runs, so that money comes back by itself when a process dies.
 */
import type { Msat } from '../core/Amount.ts';
import { leaseEnd } from './claimLife.ts';
import type { AccountBalance, ReserveOutcome, ReserveRequest } from './Store.ts';

/** What is kept of an account. */
export type AccountLife = { readonly creditedMsat: bigint; readonly spentMsat: bigint };

/** One account's part of a reservation; `spentMsat` once it is settled. */
export type Debit = { readonly account: string; readonly amountMsat: bigint; readonly spentMsat: bigint };

/** What is kept of a reservation. */
export type ReservationLife = {
  readonly state: 'held' | 'settled' | 'cancelled';
  /** Unix seconds. */
  readonly leaseEndsAt: number;
  readonly debits: readonly Debit[];
};

/** An account's standing. */
export function balance(account: AccountLife, reservedMsat: bigint): AccountBalance {
  const { creditedMsat, spentMsat } = account;
  return {
    creditedMsat: creditedMsat as Msat,
    availableMsat: (creditedMsat - spentMsat - reservedMsat) as Msat,
    reservedMsat: reservedMsat as Msat,
    spentMsat: spentMsat as Msat,
  };
}

/** What debits take together. */
export function sumOf(debits: readonly { readonly amountMsat: bigint }[]): bigint {
  return debits.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
}

/**
 * Reserves on every account or on none; one that was cancelled or whose lease ended may be asked for afresh. `now` is Unix seconds, with its fraction.
 * @param balanceOf - an account's standing, the earlier life of this reservation not counted
 * @throws RangeError – the name was settled, or is held over other debits: each reservation takes a name of its own
 */
export function reserve(
  life: ReservationLife | undefined,
  request: ReserveRequest,
  now: number,
  balanceOf: (account: string) => AccountBalance | undefined,
): { readonly outcome: ReserveOutcome; readonly next?: ReservationLife } {
  if (life?.state === 'settled') throw new RangeError(`reservation: "${request.reservation}" was settled before`);
  if (life && isHeld(life, now)) {
    if (!isSame(life.debits, request.debits)) throw new RangeError(`reservation: "${request.reservation}" is held over other debits`);
    return { outcome: { kind: 'reserved' } };
  }
  for (const { account, amountMsat } of request.debits) {
    const standing = balanceOf(account);
    if (!standing) return { outcome: { kind: 'absent', account } };
    if (standing.availableMsat < amountMsat) return { outcome: { kind: 'insufficient', account, availableMsat: standing.availableMsat } };
  }
  const debits = request.debits.map(({ account, amountMsat }) => ({ account, amountMsat, spentMsat: 0n }));
  return { outcome: { kind: 'reserved' }, next: { state: 'held', leaseEndsAt: leaseEnd(now, request.leaseSeconds), debits } };
}

/** Spends that amount of every debit, or all of each; what is spent now stands in the next life. Settling twice alike is settling once. */
export function settle(
  life: ReservationLife | undefined,
  amountMsat: Msat | undefined,
  now: number,
): { readonly outcome: 'settled' | 'lost'; readonly next?: ReservationLife } {
  if (!life) return { outcome: 'lost' };
  const debits = life.debits.map((debit) => ({ ...debit, spentMsat: atMost(debit.amountMsat, amountMsat) }));
  if (life.state === 'settled') return { outcome: debits.every((debit, i) => debit.spentMsat === life.debits[i]?.spentMsat) ? 'settled' : 'lost' };
  if (!isHeld(life, now)) return { outcome: 'lost' };
  return { outcome: 'settled', next: { ...life, state: 'settled', debits } };
}

/** Gives back what was reserved. Cancelling twice is cancelling once. */
export function cancel(life: ReservationLife | undefined, now: number): { readonly outcome: 'cancelled' | 'lost'; readonly next?: ReservationLife } {
  if (life?.state === 'cancelled') return { outcome: 'cancelled' };
  if (!life || !isHeld(life, now)) return { outcome: 'lost' };
  return { outcome: 'cancelled', next: { ...life, state: 'cancelled' } };
}

/** Whether its money is off the accounts: neither ended nor lapsed. */
export function isHeld(life: ReservationLife, now: number): boolean {
  return life.state === 'held' && now < life.leaseEndsAt;
}

function atMost(debitMsat: bigint, amountMsat: bigint | undefined): bigint {
  return amountMsat === undefined || amountMsat > debitMsat ? debitMsat : amountMsat;
}

function isSame(held: readonly Debit[], asked: ReserveRequest['debits']): boolean {
  const amounts = new Map(held.map(({ account, amountMsat }) => [account, amountMsat]));
  return held.length === asked.length && asked.every(({ account, amountMsat }) => amounts.get(account) === amountMsat);
}
