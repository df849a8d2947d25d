/**
 * What the cells of a store say about money, as its books are read: nothing here asks anything.
 */
import * as AccountLife from '../accountLife.ts';
import type { ClaimLife } from '../claimLife.ts';
import type { AccountStanding, BookStanding, ClaimStanding, Closing, CreditStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import type { LedgerRow } from '../Store.ts';
import { reservedOn } from './accounts.ts';
import { type Item, parseBook, toRow } from './book.ts';
import { type AccountCell, type ReservationCell, toBigInt } from './cells.ts';

/** What could not be read, until it is told: it counts as nothing, or as not there. */
export type Unreadable = {
  /** Runs what reads; undefined where it throws. */
  readonly attempt: <T>(table: string, row: string | number, read: () => T) => T | undefined;
  /** What has been found since this was last asked. */
  readonly told: () => readonly Standing[];
};

/** Nothing found yet. */
export function createUnreadable(): Unreadable {
  let waiting: Standing[] = [];
  return {
    attempt: (table, row, read) => {
      try {
        return read();
      } catch {
        waiting.push({ kind: 'unreadable', table, row: `${row}` });
        return undefined;
      }
    },
    told: () => {
      const told = waiting;
      waiting = [];
      return told;
    },
  };
}

/** The sums beside the ledger. */
export function bookOf(reply: unknown, at: number, unreadable: Unreadable): BookStanding {
  const msat = (text: string) => unreadable.attempt('book', 'the only one', () => toBigInt(text)) ?? 0n;
  return { kind: 'book', at, ...parseBook(reply, msat), untiedSeq: 0, untiedUntil: 0 };
}

/** An entry of the ledger. */
export function entryOf(item: Item, unreadable: Unreadable): LedgerRow {
  return toRow(item, (text) => unreadable.attempt('ledger', item.seq, () => toBigInt(text)) ?? 0n);
}

/** A claim, where it is this payment's. */
export function claimOf(life: ClaimLife | undefined, paymentHash: string): readonly ClaimStanding[] {
  if (life?.payment?.paymentHash !== paymentHash) return [];
  const { state, payment, leaseEndsAt, expiresAt, committedAt } = life;
  return [{ state, amountMsat: payment.amountMsat, leaseEndsAt, expiresAt, committedAt }];
}

/** A lot that a payment bought, in the account that the source is of. */
export function creditOf(source: string, account: string, cell: AccountCell | undefined, paymentHash: string, at: number): readonly CreditStanding[] {
  const lot = cell?.lots.find((one) => one.source === source);
  if (cell && lot?.paymentHash !== paymentHash) return [];
  if (!cell || !lot) return [{ account, amountMsat: 0n }];
  const heldMsat = AccountLife.heldMsat(cell.lots, reservedOn(cell, at)).get(source) ?? 0n;
  return [{ account, amountMsat: lot.paidMsat, balance: { earnedMsat: lot.earnedMsat, heldMsat, expiresAt: cell.expiresAt } }];
}

/** A payment and what holds its money. */
export function paymentOf(
  paymentHash: string,
  found: Omit<PaymentStanding, 'kind' | 'paymentHash' | 'closing'>,
  closing: Closing | undefined,
): PaymentStanding {
  return { kind: 'payment', paymentHash, ...found, ...(closing && { closing }) };
}

/** An account, and what the reservations over it have spent of it. One that is not there is missed. */
export function accountOf(account: string, cell: AccountCell | undefined, debited: bigint, at: number): AccountStanding {
  if (!cell) return { kind: 'account', account, balance: undefined, ...AccountLife.checkLots([]), lotsExpireAt: Number.POSITIVE_INFINITY, debited };
  return {
    kind: 'account',
    account,
    balance: { units: cell.units, spent: cell.spent, reserved: reservedOn(cell, at) },
    ...AccountLife.checkLots(cell.lots),
    lotsExpireAt: cell.lots.reduce((latest, { expiresAt }) => Math.max(latest, expiresAt), 0),
    debited: debited + cell.forgotten,
  };
}

/** A reservation against what is held for it on its accounts. */
export function reservationOf(
  reservation: string,
  cell: ReservationCell | undefined,
  accounts: ReadonlyMap<string, AccountCell>,
  at: number,
): ReservationStanding {
  const heldUntil = ({ account, units }: AccountLife.DebitLife) => {
    const hold = accounts.get(account)?.holds[reservation];
    // A hold whose lease has ended may be gone from its account: it holds nothing either way.
    if (!hold) return cell?.state === 'held' && cell.leaseEndsAt <= at ? cell.leaseEndsAt : undefined;
    return hold.units === units ? hold.until : Number.NaN;
  };
  return {
    kind: 'reservation',
    reservation,
    life: cell && { state: cell.state, units: cell.units, leaseEndsAt: cell.leaseEndsAt },
    debits: (cell?.debits ?? []).map((debit) => ({ account: debit.account, units: debit.units, spent: debit.spent, heldUntil: heldUntil(debit) })),
  };
}
