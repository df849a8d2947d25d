/**
 * What a store's file forgets, a few hundred rows at a time so that nobody waits for it.
 */
import { graceSeconds } from '../claimLife.ts';
import type { Connection } from './connection.ts';

const batchSize = 500;

/** What deletes what is over, table by table; its answer is how many rows went. */
export function createPruning(connection: Connection, now: () => number): () => Promise<number> {
  const all = sweeps(connection, now);
  return async () => {
    let gone = 0;
    for (const sweep of all) {
      for (let went = batchSize; went >= batchSize; gone += went) went = await connection.write(sweep);
    }
    return gone;
  };
}

/** Each deletes one batch; answers and debits go with what they belong to. */
function sweeps(connection: Connection, now: () => number): readonly (() => number)[] {
  const over = () => now() - graceSeconds;
  const claims = connection.prepare(`SELECT key FROM claims WHERE expires_at <= ? AND (lease_ends_at IS NULL OR lease_ends_at <= ?) LIMIT ${batchSize}`);
  const deleteClaim = connection.prepare('DELETE FROM claims WHERE key = ?');
  const deleteAnswer = connection.prepare('DELETE FROM answers WHERE key = ?');
  const reservations = connection.prepare(`SELECT reservation FROM reservations WHERE lease_ends_at <= ? LIMIT ${batchSize}`);
  const deleteReservation = connection.prepare('DELETE FROM reservations WHERE reservation = ?');
  const deleteDebits = connection.prepare('DELETE FROM debits WHERE reservation = ?');
  const answers = deletion(connection, 'answers', 'key', 'expires_at < ?');
  const counters = deletion(connection, 'counters', 'key', 'expires_at <= ?');
  const accounts = deletion(
    connection,
    'accounts',
    'account',
    'expires_at <= ? AND NOT EXISTS (SELECT 1 FROM debits WHERE debits.account = accounts.account AND held_until > ?)',
  );
  const sources = deletion(connection, 'sources', 'source', 'expires_at <= ? AND NOT EXISTS (SELECT 1 FROM accounts WHERE accounts.account = sources.account)');
  const denials = connection.prepare('DELETE FROM denials WHERE expires_at <= ?');
  return [
    () => {
      const rows = claims.all(over(), now()) as { readonly key: string }[];
      for (const { key } of rows) {
        deleteClaim.run(key);
        deleteAnswer.run(key);
      }
      return rows.length;
    },
    () => {
      const rows = reservations.all(over()) as { readonly reservation: string }[];
      for (const { reservation } of rows) {
        deleteReservation.run(reservation);
        deleteDebits.run(reservation);
      }
      return rows.length;
    },
    () => answers(now()),
    () => counters(now()),
    () => accounts(over(), now()),
    () => sources(over()),
    () => Number(denials.run(over()).changes),
  ];
}

function deletion(connection: Connection, table: string, key: string, where: string): (...at: number[]) => number {
  const statement = connection.prepare(`DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} WHERE ${where} LIMIT ${batchSize})`);
  return (...at) => Number(statement.run(...at).changes);
}
