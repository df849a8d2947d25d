/**
 * One process's hold on a store's file: how it is opened, how its errors read, and how writes of one moment share a transaction.
 *
 * Group commit: what is asked for within one turn of the event loop runs in one `BEGIN IMMEDIATE … COMMIT`, one after the other, and
 * is answered after the commit. A durable commit costs a flush to disk, so that under load this is the difference of an order of magnitude.
 */
import { closeSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import type { Operation, Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Versions } from '../Store.ts';
import { assertReadable, migrate } from './migrations.ts';

/** An open file. */
export type Connection = {
  readonly prepare: (sql: string) => StatementSync;
  /** Reads from one moment. @throws STORE_UNAVAILABLE – the file cannot be read, or is closed */
  readonly read: <T>(work: () => T) => T;
  /**
   * Runs `work` in a transaction and answers when that is on disk. The operation names its crash points. `work` may run twice; a `TypeError` or `RangeError` in it comes before its first write.
   * @throws STORE_UNAVAILABLE – the file cannot be written, or is closed
   */
  readonly write: <T>(operation: Operation<'store'>, work: () => T) => Promise<T>;
  /** Whether another process has written since this was last asked. */
  readonly changedElsewhere: () => boolean;
  /** Finishes what was asked for, then lets go of the file. */
  readonly close: () => void;
};

/** How long one process waits for another's transaction. */
const busyTimeoutMs = 5000;

/** A file's change to WAL does not wait for another process by itself: it is tried again after this long. */
const busyPauseMs = 10;

/** Transactions share a flush, but never hold the file for long. */
const groupLimit = 128;

/**
 * Opens the file, made where there is none and readable by its owner only, and brings it up to date.
 * @throws STORE_UNAVAILABLE – it cannot be opened; STORE_VERSION – not ours to read
 */
export async function openFile(path: string, reached: Reached, onVersions: (versions: Versions) => void = () => {}): Promise<DatabaseSync> {
  if (typeof path !== 'string' || path === '') throw new TypeError('path: expected the name of a file');
  if (path === ':memory:') throw new TypeError('path: a store in memory is createMemoryStore()');
  const { DatabaseSync } = await import('node:sqlite');
  let db: DatabaseSync | undefined;
  try {
    closeSync(openSync(resolve(path), 'a', 0o600));
    db = new DatabaseSync(resolve(path), { timeout: busyTimeoutMs });
    onVersions(await setUp(db, reached));
    return db;
  } catch (cause) {
    db?.close();
    if (FareboxError.is(cause)) throw new FareboxError(cause.code, `The store ${path} cannot be opened. ${cause.message}`, { cause });
    throw new FareboxError('STORE_UNAVAILABLE', `The store ${path} cannot be opened: ${cause instanceof Error ? cause.message : cause}.`, { cause });
  }
}

/**
 * Holds an open file.
 * @param onCommit - called after every commit, before its callers hear of it
 */
export function createConnection(db: DatabaseSync, onCommit: () => void, reached: Reached): Connection {
  const queue: Job[] = [];
  let scheduled = false;
  let closed = false;
  const version = db.prepare('PRAGMA data_version');
  let seenVersion = version.get()?.data_version;

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      flush();
      if (queue.length > 0) schedule();
    });
  }

  function flush(): void {
    const group = queue.splice(0, groupLimit);
    if (group.length === 0) return;
    for (const answer of commitGroup({ db, onCommit, reached }, group)) answer();
  }

  function assertOpen(): void {
    if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The store is closed.');
  }

  return {
    prepare: (sql) => db.prepare(sql),
    read: (work) => {
      assertOpen();
      try {
        return readAtOnce(db, work);
      } catch (error) {
        throw unavailable(error);
      }
    },
    write: (operation, work) =>
      new Promise((resolve, reject) => {
        assertOpen();
        queue.push({ operation, work, resolve: resolve as (value: unknown) => void, reject });
        schedule();
      }),
    changedElsewhere: () => {
      const before = seenVersion;
      seenVersion = version.get()?.data_version;
      return seenVersion !== before;
    },
    close: () => {
      if (closed) return;
      closed = true;
      while (queue.length > 0) flush();
      db.close();
    },
  };
}

async function setUp(db: DatabaseSync, reached: Reached): Promise<Versions> {
  readAtOnce(db, () => assertReadable(db));
  for (let waitedMs = 0; !isLogged(db, waitedMs); waitedMs += busyPauseMs) await setTimeout(busyPauseMs);
  db.exec('PRAGMA synchronous = FULL; PRAGMA fullfsync = ON');
  return migrate(db, reached);
}

/** Puts the file into WAL mode. False: another process is doing the same; to be tried again. */
function isLogged(db: DatabaseSync, waitedMs: number): boolean {
  try {
    if (db.prepare('PRAGMA journal_mode = WAL').get()?.journal_mode === 'wal') return true;
  } catch (error) {
    if (isBusy(error) && waitedMs < busyTimeoutMs) return false;
    throw error;
  }
  throw new Error('the file system does not carry a write-ahead log');
}

type Job = {
  readonly operation: Operation<'store'>;
  readonly work: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
};

type Committing = { readonly db: DatabaseSync; readonly onCommit: () => void; readonly reached: Reached };

/** Commits a group and returns how to answer each; where one breaks the transaction, each gets its own, so that it breaks nobody else's. */
function commitGroup(committing: Committing, group: readonly Job[]): (() => void)[] {
  const { db, onCommit, reached } = committing;
  let answers: (() => void)[] = [];
  let working = false;
  try {
    db.exec('BEGIN IMMEDIATE');
    working = true;
    answers = group.map((job) => attempt(job, reached));
    working = false;
    db.exec('COMMIT');
  } catch (cause) {
    rollBack(db);
    if (working && group.length > 1) return group.flatMap((job) => commitGroup(committing, [job]));
    const error = unavailable(cause);
    return group.map((job) => () => job.reject(error));
  }
  for (const { operation } of group) reached(`store.${operation}.committed`);
  onCommit();
  return answers;
}

/** Does one job's work; a caller's mistake is that caller's answer. */
function attempt({ operation, work, resolve, reject }: Job, reached: Reached): () => void {
  try {
    const value = work();
    reached(`store.${operation}.written`);
    return () => resolve(value);
  } catch (error) {
    if (!isCallersMistake(error)) throw error;
    return () => reject(error);
  }
}

/** Reads from one moment. */
function readAtOnce<T>(db: DatabaseSync, work: () => T): T {
  try {
    db.exec('BEGIN');
    const value = work();
    db.exec('COMMIT');
    return value;
  } catch (error) {
    rollBack(db);
    throw error;
  }
}

function rollBack(db: DatabaseSync): void {
  try {
    if (db.isTransaction) db.exec('ROLLBACK');
  } catch {
    // The first error is the one to tell; the next BEGIN fails on what is left of this one.
  }
}

/** Node's own argument errors carry a code; ours do not. */
function isCallersMistake(error: unknown): boolean {
  return (error instanceof TypeError || error instanceof RangeError) && !('code' in error);
}

/** SQLITE_BUSY and its finer kinds. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5;
}

function unavailable(cause: unknown): FareboxError {
  return new FareboxError('STORE_UNAVAILABLE', 'The store could not be read or written.', { cause });
}
