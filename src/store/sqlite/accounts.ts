/**
 * Accounts in SQLite: what is credited and spent are numbers of the account and of its lots; what is reserved is the sum over debits that are
 * still held.
 */
import * as AccountLife from '../accountLife.ts';
import type { LedgerEntry, Store } from '../Store.ts';
import type { Connection } from './connection.ts';

/** Accounts, what was credited to them and what is reserved on them; entries go to `append`. Every function but `balance` runs inside a writing transaction. */
export function createAccounts(connection: Connection, now: () => number, append: (entries: readonly LedgerEntry[]) => void) {
  const kept: AccountLife.Kept = { now, append, ...createRows(connection, now), ...createReservations(connection) };
  return {
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
  const selectAccount = connection.prepare('SELECT units, spent, forgotten, given_back, expires_at FROM accounts WHERE account = ?');
  const upsertAccount = connection.prepare(
    'INSERT OR REPLACE INTO accounts (account, units, spent, forgotten, given_back, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const selectLots = connection.prepare('SELECT * FROM lots WHERE account = ? ORDER BY number');
  const selectLot = connection.prepare('SELECT 1 FROM lots WHERE source = ?');
  const upsertLot = connection.prepare(
    `INSERT INTO lots (source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (source) DO UPDATE SET spent = excluded.spent, earned_msat = excluded.earned_msat`,
  );
  const selectHeld = connection.prepare('SELECT reservation, units FROM debits WHERE account = ? AND held_until > ?');
  return {
    account: (name: string): AccountLife.AccountLife | undefined => {
      const row = selectAccount.get(name) as AccountRow | undefined;
      return (
        row && {
          units: BigInt(row.units),
          spent: BigInt(row.spent),
          forgotten: BigInt(row.forgotten),
          givenBack: JSON.parse(row.given_back) as Readonly<Record<string, number>>,
          expiresAt: row.expires_at,
        }
      );
    },
    setAccount: (name: string, { units, spent, forgotten, givenBack, expiresAt }: AccountLife.AccountLife): void => {
      upsertAccount.run(name, `${units}`, `${spent}`, `${forgotten}`, JSON.stringify(givenBack), expiresAt);
    },
    lots: (account: string): readonly AccountLife.Lot[] => (selectLots.all(account) as LotRow[]).map((row) => fromLotRow(row)),
    hasLot: (source: string): boolean => selectLot.get(source) !== undefined,
    setLot: (account: string, { source, units, spent, paidMsat, earnedMsat, paymentHash, expiresAt }: AccountLife.Lot): void => {
      upsertLot.run(source, account, `${units}`, `${spent}`, `${paidMsat}`, `${earnedMsat}`, paymentHash ?? null, expiresAt);
    },
    reserved: (account: string, but?: string): bigint => {
      const rows = selectHeld.all(account, now()) as { readonly reservation: string; readonly units: string }[];
      return rows.reduce((sum, { reservation, units }) => (reservation === but ? sum : sum + BigInt(units)), 0n);
    },
  };
}

function createReservations(connection: Connection) {
  const select = connection.prepare('SELECT state, lease_ends_at FROM reservations WHERE reservation = ?');
  const selectDebits = connection.prepare('SELECT account, units, spent, taken FROM debits WHERE reservation = ? ORDER BY number');
  const upsert = connection.prepare('INSERT OR REPLACE INTO reservations (reservation, state, lease_ends_at, units) VALUES (?, ?, ?, ?)');
  const deleteDebits = connection.prepare('DELETE FROM debits WHERE reservation = ?');
  const insertDebit = connection.prepare('INSERT INTO debits (reservation, number, account, units, spent, taken, held_until) VALUES (?, ?, ?, ?, ?, ?, ?)');
  return {
    reservation: (name: string): AccountLife.ReservationLife | undefined => {
      const row = select.get(name) as ReservationRow | undefined;
      if (!row) return undefined;
      const debits = (selectDebits.all(name) as DebitRow[]).map(({ account, units, spent, taken }) => ({
        account,
        units: BigInt(units),
        spent: BigInt(spent),
        taken: decodeTaken(taken),
      }));
      return { state: row.state, leaseEndsAt: row.lease_ends_at, debits };
    },
    setReservation: (name: string, { state, leaseEndsAt, debits }: AccountLife.ReservationLife): void => {
      upsert.run(name, state, leaseEndsAt, `${debits.reduce((sum, { units }) => sum + units, 0n)}`);
      deleteDebits.run(name);
      const heldUntil = state === 'held' ? leaseEndsAt : null;
      for (const [number, { account, units, spent, taken }] of debits.entries()) {
        insertDebit.run(name, number, account, `${units}`, `${spent}`, encodeTaken(taken), heldUntil);
      }
    },
  };
}

/** A lot as it is kept. */
export function fromLotRow(row: LotRow, read: (text: string) => bigint = BigInt): AccountLife.Lot {
  return {
    source: row.source,
    units: read(row.units),
    spent: read(row.spent),
    paidMsat: read(row.paid_msat),
    earnedMsat: read(row.earned_msat),
    paymentHash: row.payment_hash ?? undefined,
    expiresAt: row.expires_at,
  };
}

function encodeTaken(taken: readonly AccountLife.Taken[]): string {
  return JSON.stringify(taken.map(({ source, units, msat }) => [source, `${units}`, `${msat}`]));
}

function decodeTaken(text: string): readonly AccountLife.Taken[] {
  return (JSON.parse(text) as readonly (readonly [string, string, string])[]).map(([source, units, msat]) => ({
    source,
    units: BigInt(units),
    msat: BigInt(msat),
  }));
}

/** A row of `lots`. */
export type LotRow = {
  readonly source: string;
  readonly account: string;
  readonly units: string;
  readonly spent: string;
  readonly paid_msat: string;
  readonly earned_msat: string;
  readonly payment_hash: string | null;
  readonly expires_at: number;
};

type AccountRow = { readonly units: string; readonly spent: string; readonly forgotten: string; readonly given_back: string; readonly expires_at: number };
type ReservationRow = { readonly state: AccountLife.ReservationLife['state']; readonly lease_ends_at: number };
type DebitRow = { readonly account: string; readonly units: string; readonly spent: string; readonly taken: string };
