/**
 * A store's file told whole, and written whole: each over a connection of its own and in one transaction, so that what is told is of one moment,
 * and what is written is all or nothing.
 */
import { resolve } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { FareboxError } from '../../core/Errors.ts';
import { malformed, notEmpty, type Piece, type PieceRows, pieceColumns, pieceOf, selectOf, type TableName, tableNames } from '../pieces.ts';

/** Rows between two turns that everything else in the process has. */
const turnRows = 500;

const busyTimeoutMs = 5000;

/**
 * Everything that the file holds, of the moment at which the first is asked for.
 * @throws STORE_UNAVAILABLE – the file cannot be read
 */
export async function* exportFile(path: string): AsyncGenerator<Piece> {
  let db: DatabaseSync | undefined;
  try {
    db = await open(path, true);
    db.exec('BEGIN');
    let read = 0;
    for (const table of tableNames) {
      for (const row of db.prepare(selectOf(table)).iterate()) {
        yield pieceOf(table, { ...row } as PieceRows[typeof table]);
        read += 1;
        if (read % turnRows === 0) await setImmediate();
      }
    }
  } catch (cause) {
    throw FareboxError.is(cause) ? cause : new FareboxError('STORE_UNAVAILABLE', 'The store could not be read.', { cause });
  } finally {
    db?.close();
  }
}

/**
 * Fills an empty file.
 * @throws STORE_NOT_EMPTY; EXPORT_MALFORMED – two rows are one, or a row is none of its table's; STORE_UNAVAILABLE – the file cannot be written;
 *   whatever the pieces throw. Nothing was written then
 */
export async function importFile(path: string, pieces: AsyncIterable<Piece>): Promise<void> {
  let db: DatabaseSync | undefined;
  try {
    db = await open(path, false);
    db.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
    db.exec('BEGIN IMMEDIATE');
    assertEmpty(db);
    db.exec('DELETE FROM book');
    const inserts = new Map<TableName, StatementSync>();
    for await (const { table, row } of pieces) {
      const insert = inserts.get(table) ?? db.prepare(insertInto(table));
      inserts.set(table, insert);
      insert.run(...pieceColumns[table].map((column) => (row as Readonly<Record<string, string | number | null>>)[column] ?? null));
    }
    db.exec('COMMIT');
  } catch (cause) {
    throw toError(cause);
  } finally {
    // What was not committed goes with the connection.
    db?.close();
  }
}

async function open(path: string, readOnly: boolean): Promise<DatabaseSync> {
  const { DatabaseSync } = await import('node:sqlite');
  return new DatabaseSync(resolve(path), { readOnly, timeout: busyTimeoutMs });
}

function assertEmpty(db: DatabaseSync): void {
  const seq = Number(db.prepare('SELECT seq FROM book').get()?.seq);
  const isFilled = (table: string) => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined;
  if (seq !== 0 || tableNames.some((table) => table !== 'book' && isFilled(table))) throw new FareboxError('STORE_NOT_EMPTY', notEmpty);
}

function insertInto(table: TableName): string {
  const columns: readonly string[] = table === 'book' ? ['id', ...pieceColumns.book] : pieceColumns[table];
  const values = pieceColumns[table].map(() => '?');
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${(table === 'book' ? ['1', ...values] : values).join(', ')})`;
}

/** SQLITE_CONSTRAINT and its finer kinds are about what was to be written. */
function toError(cause: unknown): unknown {
  if (!(cause instanceof Error) || !('errcode' in cause)) return cause;
  if ((Number(cause.errcode) & 0xff) === 19) return malformed(cause.message, cause);
  return new FareboxError('STORE_UNAVAILABLE', 'The store could not be written. Nothing was imported.', { cause });
}
