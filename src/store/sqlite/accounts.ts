/**
 * Accounts in SQLite: what is credited and spent are numbers of the account; what is reserved is the sum over debits that are still held.
 */
import * as AccountLife from '../accountLife.ts';
import type { AccountBalance, LedgerEntry, ReserveOutcome, ReserveRequest, Store } from '../Store.ts';
import type { Connection } from './connection.ts';

/** Accounts, what was credited to them and what is reserved on them; entries go to `append`. Every function but `balance` runs inside a writing transaction. */
export function createAccounts(connection: Connection, now: () => number, append: (entries: readonly LedgerEntry[]) => void) {
  const selectAccount = connection.prepare('SELECT credited_msat, spent_msat, expires_at FROM accounts WHERE account = ?');
  const upsertAccount = connection.prepare(
    `INSERT INTO accounts (account, credited_msat, spent_msat, expires_at) VALUES (?, ?, ?, ?)
     ON CONFLICT (account) DO UPDATE SET credited_msat = excluded.credited_msat, spent_msat = excluded.spent_msat, expires_at = excluded.expires_at`,
  );
  const updateSpent = connection.prepare('UPDATE accounts SET spent_msat = ? WHERE account = ?');
  const selectHeld = connection.prepare('SELECT amount_msat FROM debits WHERE account = ? AND held_until > ?');
  const insertSource = connection.prepare(
    'INSERT INTO sources (source, account, expires_at, payment_hash, amount_msat) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const reservations = createReservations(connection);

  function accountOf(account: string) {
    const row = selectAccount.get(account) as AccountRow | undefined;
    return row && { creditedMsat: BigInt(row.credited_msat), spentMsat: BigInt(row.spent_msat), expiresAt: row.expires_at };
  }

  function balance(account: string): AccountBalance | undefined {
    const found = accountOf(account);
    if (!found) return undefined;
    const held = (selectHeld.all(account, now()) as { readonly amount_msat: string }[]).map((row) => ({ amountMsat: BigInt(row.amount_msat) }));
    return AccountLife.balance(found, AccountLife.sumOf(held));
  }

  return {
    balance,
    credit: ({ account, amountMsat, source, expiresAt, entry }: Parameters<Store['credit']>[0]): 'credited' | 'already' => {
      if (insertSource.run(source, account, expiresAt, entry?.paymentHash ?? null, `${amountMsat}`).changes === 0) return 'already';
      const before = accountOf(account) ?? { creditedMsat: 0n, spentMsat: 0n, expiresAt: 0 };
      upsertAccount.run(account, `${before.creditedMsat + amountMsat}`, `${before.spentMsat}`, Math.max(before.expiresAt, expiresAt));
      if (entry) append([entry]);
      return 'credited';
    },
    reserve: (request: ReserveRequest): ReserveOutcome => {
      const { outcome, next } = AccountLife.reserve(reservations.get(request.reservation), request, now(), balance);
      if (next) reservations.set(request.reservation, next);
      return outcome;
    },
    settle: ({ reservation, amountMsat, entry }: Parameters<Store['settle']>[0]): 'settled' | 'lost' => {
      const { outcome, next } = AccountLife.settle(reservations.get(reservation), amountMsat, now());
      if (!next) return outcome;
      reservations.set(reservation, next);
      for (const debit of next.debits) {
        const before = accountOf(debit.account);
        if (before) updateSpent.run(`${before.spentMsat + debit.spentMsat}`, debit.account);
      }
      if (entry) append([entry]);
      return outcome;
    },
    cancel: (reservation: string): 'cancelled' | 'lost' => {
      const { outcome, next } = AccountLife.cancel(reservations.get(reservation), now());
      if (next) reservations.set(reservation, next);
      return outcome;
    },
  };
}

function createReservations(connection: Connection) {
  const select = connection.prepare('SELECT state, lease_ends_at FROM reservations WHERE reservation = ?');
  const selectDebits = connection.prepare('SELECT account, amount_msat, spent_msat FROM debits WHERE reservation = ?');
  const upsert = connection.prepare('INSERT OR REPLACE INTO reservations (reservation, state, lease_ends_at, amount_msat) VALUES (?, ?, ?, ?)');
  const deleteDebits = connection.prepare('DELETE FROM debits WHERE reservation = ?');
  const insertDebit = connection.prepare('INSERT INTO debits (reservation, account, amount_msat, spent_msat, held_until) VALUES (?, ?, ?, ?, ?)');
  return {
    get: (reservation: string): AccountLife.ReservationLife | undefined => {
      const row = select.get(reservation) as ReservationRow | undefined;
      if (!row) return undefined;
      const debits = (selectDebits.all(reservation) as DebitRow[]).map(({ account, amount_msat, spent_msat }) => ({
        account,
        amountMsat: BigInt(amount_msat),
        spentMsat: BigInt(spent_msat),
      }));
      return { state: row.state, leaseEndsAt: row.lease_ends_at, debits };
    },
    set: (reservation: string, life: AccountLife.ReservationLife): void => {
      upsert.run(reservation, life.state, life.leaseEndsAt, `${AccountLife.sumOf(life.debits)}`);
      deleteDebits.run(reservation);
      const heldUntil = life.state === 'held' ? life.leaseEndsAt : null;
      for (const debit of life.debits) insertDebit.run(reservation, debit.account, `${debit.amountMsat}`, `${debit.spentMsat}`, heldUntil);
    },
  };
}

type AccountRow = { readonly credited_msat: string; readonly spent_msat: string; readonly expires_at: number };
type ReservationRow = { readonly state: AccountLife.ReservationLife['state']; readonly lease_ends_at: number };
type DebitRow = { readonly account: string; readonly amount_msat: string; readonly spent_msat: string };
