/**
 * What a store with tables keeps about money, row by row, as `Books.verify` reads it.
 */
import * as AccountLife from './accountLife.ts';
import { type AccountRow, type DebitRow, fromLotRow, type LotRow, type ReservationRow } from './accountRow.ts';
import { type BookRow, fromBookRow, fromLedgerRow, type LedgerTableRow } from './bookRow.ts';
import type { ClaimRow } from './claimRow.ts';
import type { AccountStanding, BookStanding, ClaimStanding, Closing, ReservationStanding, Standing } from './Standing.ts';
import type { LedgerRow } from './Store.ts';

/** What is read of a row of `claims`. */
export type ClaimStandingRow = Pick<ClaimRow, 'key' | 'state' | 'amount_msat' | 'lease_ends_at' | 'expires_at' | 'committed_at'>;

/** A row of `closings`. */
export type ClosingRow = { readonly payment_hash: string; readonly kind: Closing['kind']; readonly amount_msat: string; readonly earned_msat: string };

/** An amount as it stands in a row; one that is no whole number counts as nothing and is told. */
export type ReadAmount = (text: string | null, table: string, row: string | number) => bigint;

/** Reads amounts, and keeps what cannot be read until it has been told. */
export function createAmounts() {
  let waiting: Standing[] = [];
  const read: ReadAmount = (text, table, row) => {
    if (text !== null && /^-?\d+$/.test(text)) return BigInt(text);
    waiting.push({ kind: 'unreadable', table, row: `${row}` });
    return 0n;
  };
  return {
    read,
    unreadable: (): readonly Standing[] => {
      const told = waiting;
      if (told.length === 0) return told;
      waiting = [];
      return told;
    },
  };
}

/** The sums beside the ledger. */
export function bookOf(row: BookRow, at: number, msat: ReadAmount): BookStanding {
  const sum = (text: string) => `${msat(text, 'book', 'the only one')}`;
  const { settled_msat, received_msat, earned_msat, reversed_msat } = row;
  const readable = {
    ...row,
    settled_msat: sum(settled_msat),
    received_msat: sum(received_msat),
    earned_msat: sum(earned_msat),
    reversed_msat: sum(reversed_msat),
  };
  return { kind: 'book', at, ...fromBookRow(readable), untiedSeq: row.untied_seq, untiedUntil: row.untied_until };
}

/** An entry of the ledger. */
export function entryOf(row: LedgerTableRow, msat: ReadAmount): LedgerRow {
  return fromLedgerRow(row, msat(row.amount_msat, 'ledger', row.seq));
}

/** A claim of a payment. */
export function claimOf(row: ClaimStandingRow, msat: ReadAmount): ClaimStanding {
  return {
    state: row.state,
    amountMsat: msat(row.amount_msat, 'claims', row.key),
    leaseEndsAt: row.lease_ends_at ?? undefined,
    expiresAt: row.expires_at,
    committedAt: row.committed_at,
  };
}

/** How a payment ended. */
export function closingOf(row: ClosingRow, msat: ReadAmount): Closing {
  return { kind: row.kind, amountMsat: msat(row.amount_msat, 'closings', row.payment_hash), earnedMsat: msat(row.earned_msat, 'closings', row.payment_hash) };
}

/** How a payment ended, to be kept. */
export function toClosingRow(paymentHash: string, { kind, amountMsat, earnedMsat }: Closing): ClosingRow {
  return { payment_hash: paymentHash, kind, amount_msat: `${amountMsat}`, earned_msat: `${earnedMsat}` };
}

/** How a payment ended, as it is kept. */
export function fromClosingRow({ kind, amount_msat, earned_msat }: ClosingRow): Closing {
  return { kind, amountMsat: BigInt(amount_msat), earnedMsat: BigInt(earned_msat) };
}

/** An account beside its lots and debits; it may be gone. */
export function accountOf(
  key: string,
  { account, lots, debits }: { readonly account: AccountRow | undefined; readonly lots: readonly LotRow[]; readonly debits: readonly DebitRow[] },
  at: number,
  read: ReadAmount,
): AccountStanding {
  const spent = debits.reduce((sum, debit) => sum + readOr(debit.spent), 0n);
  const held = debits.filter(({ held_until }) => held_until !== null && held_until > at);
  return {
    kind: 'account',
    account: key,
    balance: account && {
      units: read(account.units, 'accounts', key),
      spent: read(account.spent, 'accounts', key),
      reserved: held.reduce((sum, debit) => sum + readOr(debit.units), 0n),
    },
    ...AccountLife.checkLots(lots.map((row) => fromLotRow(row, (text) => read(text, 'lots', row.source)))),
    lotsExpireAt: lots.reduce((latest, { expires_at }) => Math.max(latest, expires_at), 0),
    debited: spent + (account ? read(account.forgotten, 'accounts', key) : 0n),
  };
}

/** A reservation beside its debits; it may be gone. */
export function reservationOf(
  key: string,
  { life, debits }: { readonly life: ReservationRow | undefined; readonly debits: readonly DebitRow[] },
  read: ReadAmount,
): ReservationStanding {
  return {
    kind: 'reservation',
    reservation: key,
    life: life && { state: life.state, units: read(life.units, 'reservations', key), leaseEndsAt: life.lease_ends_at },
    debits: debits.map(({ account, units, spent, held_until }) => ({
      account,
      units: read(units, 'debits', `${key}, ${account}`),
      spent: read(spent, 'debits', `${key}, ${account}`),
      heldUntil: held_until ?? undefined,
    })),
  };
}

/** The amount alone: what is unreadable is told where the row itself is read. */
export function readOr(text: string): bigint {
  return /^-?\d+$/.test(text) ? BigInt(text) : 0n;
}
