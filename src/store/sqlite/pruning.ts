/**
 * What a store's file forgets, a few hundred rows at a time so that nobody waits for it.
 */
import { fromLotRow, type LotRow } from '../accountRow.ts';
import { type ClaimLife, graceSeconds } from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { Closing } from '../Standing.ts';
import type { Connection } from './connection.ts';

const batchSize = 500;

/** What deletes what is over, table by table; its answer is how many rows went. */
export function createPruning(connection: Connection, now: () => number): () => Promise<number> {
  const all = sweeps(connection, now);
  return async () => {
    let gone = 0;
    for (const sweep of all) {
      for (let went = batchSize; went >= batchSize; gone += went) went = await connection.write('prune', sweep);
    }
    return gone;
  };
}

/** Each deletes one batch. */
function sweeps(connection: Connection, now: () => number): readonly (() => number)[] {
  const over = () => now() - graceSeconds;
  const close = createClosing(connection);
  const claims = createClaimSweep(connection, close);
  const reservations = createReservationSweep(connection);
  const answers = deletion(connection, 'answers', 'key', 'expires_at < ?');
  const counters = deletion(connection, 'counters', 'key', 'expires_at <= ?');
  const accounts = createAccountSweep(connection, close);
  const lots = deletion(connection, 'lots', 'number', 'expires_at <= ? AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.account = lots.account)');
  const denials = connection.prepare('DELETE FROM denials WHERE expires_at <= ?');
  return [
    () => claims(over(), now()),
    () => reservations(over()),
    () => answers(now()),
    () => counters(now()),
    () => accounts(over()),
    () => lots(over()),
    () => Number(denials.run(over()).changes),
  ];
}

/** Writes down how payments ended. */
function createClosing(connection: Connection): (closed: readonly Closings.ClosedPayment[]) => void {
  const select = connection.prepare('SELECT kind, amount_msat, earned_msat FROM closings WHERE payment_hash = ?');
  const upsert = connection.prepare('INSERT OR REPLACE INTO closings (payment_hash, kind, amount_msat, earned_msat) VALUES (?, ?, ?, ?)');
  return (closed) => {
    for (const { paymentHash, closing } of closed) {
      const before = select.get(paymentHash) as ClosingRow | undefined;
      const next = Closings.again(before && { kind: before.kind, amountMsat: BigInt(before.amount_msat), earnedMsat: BigInt(before.earned_msat) }, closing);
      upsert.run(paymentHash, next.kind, `${next.amountMsat}`, `${next.earnedMsat}`);
    }
  };
}

/** Claims, their answers with them. */
function createClaimSweep(connection: Connection, close: ReturnType<typeof createClosing>): (overAt: number, nowAt: number) => number {
  const select = connection.prepare(
    `SELECT key, state, payment_hash, amount_msat FROM claims WHERE expires_at <= ? AND (lease_ends_at IS NULL OR lease_ends_at <= ?) LIMIT ${batchSize}`,
  );
  const deleteClaim = connection.prepare('DELETE FROM claims WHERE key = ?');
  const deleteAnswer = connection.prepare('DELETE FROM answers WHERE key = ?');
  return (overAt, nowAt) => {
    const rows = select.all(overAt, nowAt) as ClaimRow[];
    for (const { key, state, payment_hash, amount_msat } of rows) {
      if (payment_hash !== null) close(Closings.ofClaim({ state, payment: { paymentHash: payment_hash, amountMsat: BigInt(amount_msat ?? 0) } }));
      deleteClaim.run(key);
      deleteAnswer.run(key);
    }
    return rows.length;
  };
}

/** Reservations, their debits with them; the account keeps what they had spent. */
function createReservationSweep(connection: Connection): (overAt: number) => number {
  const select = connection.prepare(`SELECT reservation FROM reservations WHERE lease_ends_at <= ? LIMIT ${batchSize}`);
  const selectDebits = connection.prepare(
    `SELECT debits.account, debits.spent, accounts.forgotten FROM debits
     JOIN accounts ON accounts.account = debits.account WHERE reservation = ?`,
  );
  const updateForgotten = connection.prepare('UPDATE accounts SET forgotten = ? WHERE account = ?');
  const deleteReservation = connection.prepare('DELETE FROM reservations WHERE reservation = ?');
  const deleteDebits = connection.prepare('DELETE FROM debits WHERE reservation = ?');
  return (overAt) => {
    const rows = select.all(overAt) as { readonly reservation: string }[];
    for (const { reservation } of rows) {
      for (const { account, spent, forgotten } of selectDebits.all(reservation) as DebitRow[]) {
        updateForgotten.run(`${BigInt(forgotten) + BigInt(spent)}`, account);
      }
      deleteReservation.run(reservation);
      deleteDebits.run(reservation);
    }
    return rows.length;
  };
}

/** Accounts that no reservation names any more. */
function createAccountSweep(connection: Connection, close: ReturnType<typeof createClosing>): (overAt: number) => number {
  const select = connection.prepare(
    `SELECT account FROM accounts WHERE expires_at <= ?
     AND NOT EXISTS (SELECT 1 FROM debits WHERE debits.account = accounts.account) LIMIT ${batchSize}`,
  );
  const selectLots = connection.prepare('SELECT * FROM lots WHERE account = ? ORDER BY number');
  const deleteAccount = connection.prepare('DELETE FROM accounts WHERE account = ?');
  return (overAt) => {
    const rows = select.all(overAt) as { readonly account: string }[];
    for (const { account } of rows) {
      close(Closings.ofLots((selectLots.all(account) as LotRow[]).map((row) => fromLotRow(row))));
      deleteAccount.run(account);
    }
    return rows.length;
  };
}

function deletion(connection: Connection, table: string, key: string, where: string): (...at: number[]) => number {
  const statement = connection.prepare(`DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${where} LIMIT ${batchSize})`);
  return (...at) => Number(statement.run(...at).changes);
}

type ClaimRow = { readonly key: string; readonly state: ClaimLife['state']; readonly payment_hash: string | null; readonly amount_msat: string | null };
type DebitRow = { readonly account: string; readonly spent: string; readonly forgotten: string };
type ClosingRow = { readonly kind: Closing['kind']; readonly amount_msat: string; readonly earned_msat: string };
