/**
 * A client store in one SQLite file that several processes of one user may share. It holds bearer secrets (tokens with their preimages),
 * so only its owner may read it, and they are sealed with a key that lies beside it, or in the keychain of the operating system.
 *
 * Every change is one `BEGIN IMMEDIATE` transaction in WAL mode with `synchronous = FULL`: what was written before a wallet was called
 * is still there after a crash or a power cut.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import type { ClientStore } from './ClientStore.ts';
import { migrate } from './sqlite/migrations.ts';
import { createRows } from './sqlite/rows.ts';
import { sealed, wipe } from './sqlite/sealing.ts';
import { takeAtOnce, toClientStore } from './store/engine.ts';
import type { Seal } from './store/Seal.ts';

export { type Keychain, type KeychainEntry, type KeychainOptions, keychainKey } from './store/SealKey.ts';

/**
 * Opens the store in this file; file and folder are made, for their owner alone, where they are not there yet.
 *
 * @param options - `path`: of the file. SQLite keeps two more beside it, `<path>-wal` and `<path>-shm`. `key`: 32 bytes that seal its secrets, such
 *   as from {@link keychainKey}; default: those in `<path>.key`, which is made with a new store. `reached`: told of every crash point that is
 *   reached; for tests
 * @throws STORE_LOCKED – it is sealed with a key that is not here; nothing was changed
 * @throws STORE_UNAVAILABLE – the file cannot be opened or written
 * @throws STORE_VERSION – the file is something else, or was written by a newer version of Farebox
 */
export function createSqliteClientStore(options: { readonly path: string; readonly key?: Uint8Array; readonly reached?: Reached }): ClientStore {
  const { path, key, reached = unwatched } = options;
  if (typeof path !== 'string' || path === '') throw new TypeError('path is the name of a file');
  const { database, seal } = guarded(path, () => open(path, key, reached));
  const { shelf, get, openAt, usableAt, list, audit } = guarded(path, () => createRows(database, seal));
  const reading = async <T>(work: () => T): Promise<T> => guarded(path, work);
  /** What is read in several statements is of one moment. */
  const atOnce = async <T>(work: () => T): Promise<T> => guarded(path, () => transaction(database, 'BEGIN', work));

  return toClientStore({
    name: 'sqlite',
    capabilities: { durable: true, shared: true },
    take: async (decision) => {
      const { operation } = decision;
      if (operation === undefined) return atOnce(() => takeAtOnce(shelf, decision));
      const work = () => takeAtOnce(shelf, decision);
      return guarded(path, () => transaction(database, 'BEGIN IMMEDIATE', work, (how) => reached(`journal.${operation}.${how}`)));
    },
    // In this order: a payment that settles in between is seen twice rather than not at all.
    find: ({ origin }) => reading(() => ({ open: openAt(origin), credentials: usableAt(origin) })),
    get: (paymentHash) => reading(() => get(paymentHash)),
    list: (states) => reading(() => list(states)),
    audit: () => atOnce(audit),
    close: async () => {
      if (database.isOpen) database.close();
    },
  });
}

/** How long a transaction waits for another process's. */
const busyMs = 5000;

function open(path: string, key: Uint8Array | undefined, reached: Reached): { readonly database: DatabaseSync; readonly seal: Seal } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyMs}; PRAGMA secure_delete = ON`);
    const { seal, hasSealed } = transaction(
      database,
      'BEGIN IMMEDIATE',
      () => {
        migrate(database, path);
        return sealed(database, path, key);
      },
      (how) => reached(`journal.migrate.${how}`),
    );
    // SQLite gives the two files beside it the mode of the first.
    chmodSync(path, 0o600);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    if (hasSealed) wipe(database);
    return { database, seal };
  } catch (error) {
    database.close();
    throw error;
  }
}

function transaction<T>(database: DatabaseSync, begin: 'BEGIN' | 'BEGIN IMMEDIATE', work: () => T, reached?: (how: 'written' | 'committed') => void): T {
  database.exec(begin);
  try {
    const result = work();
    reached?.('written');
    database.exec('COMMIT');
    reached?.('committed');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (FareboxError.is(error)) throw error;
    throw new FareboxError('STORE_UNAVAILABLE', `The client store ${path} did not answer: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
