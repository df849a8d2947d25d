/**
 * Accounts in SQLite: what is credited and spent are numbers of the account and of its lots; what is reserved is the sum over debits that are
 * still held.
 */
import * as AccountLife from '../accountLife.ts';
import {
  type AccountRow,
  type DebitRow,
  fromAccountRow,
  fromLotRow,
  fromReservationRow,
  type LotRow,
  type ReservationRow,
  toAccountRow,
  toDebitRows,
  toLotRow,
  toReservationRow,
} from '../accountRow.ts';
import type { Closing } from '../Standing.ts';
import type { LedgerEntry, Store } from '../Store.ts';
import type { ClosingRow } from '../standingRows.ts';
import type { Connection } from './connection.ts';

/** Accounts, what was credited to them and what is reserved on them; entries go to `append`. Every function but `balance` runs inside a writing transaction. */
export function createAccounts(connection: Connection, now: () => number, append: (entries: readonly LedgerEntry[]) => void) {
  const kept: AccountLife.Kept = { now, append, ...createRows(connection, now), ...createReservations(connection) };
  return {
    /** For steps that take a claim with them. */
    kept,
    balance: (account: string) => AccountLife.balance(kept, account),
    credit: (request: Parameters<Store['credit']>[0]) => AccountLife.credit(kept, request),
    reserve: (request: Parameters<Store['reserve']>[0]) => AccountLife.reserve(kept, request),
    extend: (request: Parameters<Store['extend']>[0]) => AccountLife.extend(kept, request),
    settle: (request: Parameters<Store['settle']>[0]) => AccountLife.settle(kept, request),
    cancel: (request: Parameters<Store['cancel']>[0]) => AccountLife.cancel(kept, request),
  };
}

/** Accounts and their lots. */
function createRows(connection: Connection, now: () => number) {
  const selectAccount = connection.prepare('SELECT units, spent, forgotten, given_back, opened, expires_at FROM accounts WHERE account = ?');
  const upsertAccount = connection.prepare(
    'INSERT OR REPLACE INTO accounts (account, units, spent, forgotten, given_back, opened, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const selectLots = connection.prepare('SELECT * FROM lots WHERE account = ? ORDER BY number');
  const selectLot = connection.prepare('SELECT 1 FROM lots WHERE source = ?');
  const upsertLot = connection.prepare(
    `INSERT INTO lots (source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (source) DO UPDATE SET spent = excluded.spent, earned_msat = excluded.earned_msat`,
  );
  const selectClosing = connection.prepare('SELECT kind, amount_msat, earned_msat FROM closings WHERE payment_hash = ?');
  const selectHeld = connection.prepare('SELECT reservation, units FROM debits WHERE account = ? AND held_until > ?');
  return {
    account: (name: string): AccountLife.AccountLife | undefined => {
      const row = selectAccount.get(name) as AccountRow | undefined;
      return row && fromAccountRow(row);
    },
    setAccount: (name: string, account: AccountLife.AccountLife): void => {
      const { units, spent, forgotten, given_back, opened, expires_at } = toAccountRow(account);
      upsertAccount.run(name, units, spent, forgotten, given_back, opened, expires_at);
    },
    lots: (account: string): readonly AccountLife.Lot[] => (selectLots.all(account) as LotRow[]).map((row) => fromLotRow(row)),
    hasLot: (source: string): boolean => selectLot.get(source) !== undefined,
    closing: (paymentHash: string): Closing | undefined => {
      const row = selectClosing.get(paymentHash) as Omit<ClosingRow, 'payment_hash'> | undefined;
      return row && { kind: row.kind, amountMsat: BigInt(row.amount_msat), earnedMsat: BigInt(row.earned_msat) };
    },
    setLot: (account: string, lot: AccountLife.Lot): void => {
      const { source, units, spent, paid_msat, earned_msat, payment_hash, expires_at } = toLotRow(account, lot);
      upsertLot.run(source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at);
    },
    reserved: (account: string, but?: string): bigint => {
      const rows = selectHeld.all(account, now()) as { readonly reservation: string; readonly units: string }[];
      return rows.reduce((sum, { reservation, units }) => (reservation === but ? sum : sum + BigInt(units)), 0n);
    },
  };
}

function createReservations(connection: Connection) {
  const select = connection.prepare('SELECT state, lease_ends_at, units FROM reservations WHERE reservation = ?');
  const selectDebits = connection.prepare('SELECT account, units, spent, taken FROM debits WHERE reservation = ? ORDER BY number');
  const upsert = connection.prepare('INSERT OR REPLACE INTO reservations (reservation, state, lease_ends_at, units) VALUES (?, ?, ?, ?)');
  const deleteDebits = connection.prepare('DELETE FROM debits WHERE reservation = ?');
  const insertDebit = connection.prepare('INSERT INTO debits (reservation, number, account, units, spent, taken, held_until) VALUES (?, ?, ?, ?, ?, ?, ?)');
  return {
    reservation: (name: string): AccountLife.ReservationLife | undefined => {
      const row = select.get(name) as ReservationRow | undefined;
      return row && fromReservationRow(row, selectDebits.all(name) as DebitRow[]);
    },
    setReservation: (name: string, life: AccountLife.ReservationLife): void => {
      const { state, units, lease_ends_at } = toReservationRow(name, life);
      upsert.run(name, state, lease_ends_at, units);
      deleteDebits.run(name);
      for (const { number, account, units, spent, taken, held_until } of toDebitRows(name, life)) {
        insertDebit.run(name, number, account, units, spent, taken, held_until);
      }
    },
  };
}
