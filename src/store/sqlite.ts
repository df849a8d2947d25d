/**
 * The embedded store: one SQLite file in WAL mode, flushed to disk with every commit, open in any number of processes of one machine.
 *
 * Nothing to install: it is Node's own `node:sqlite`. Not for network file systems.
 *
 * @see https://www.sqlite.org/wal.html
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { withCheckedArguments } from './arguments.ts';
import { createFeed } from './feed.ts';
import type { Store } from './Store.ts';
import { createAccounts } from './sqlite/accounts.ts';
import { createBook } from './sqlite/book.ts';
import { createClaims } from './sqlite/claims.ts';
import { createConnection, openFile } from './sqlite/connection.ts';
import { createCounters } from './sqlite/counters.ts';
import { createPruning } from './sqlite/pruning.ts';

/** Where the store is, and whose time its leases follow. */
export type SqliteOptions = {
  /** The file's name; made where there is none, in a folder that exists, readable by its owner only. Two more files appear beside it. */
  readonly path: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
};

/**
 * Opens a store, new or old.
 *
 * @throws STORE_UNAVAILABLE – the file cannot be opened; STORE_VERSION – made by a newer Farebox or by another program
 * @example const store = await createSqliteStore({ path: 'farebox.db' });
 */
export async function createSqliteStore({ path, clock = systemClock }: SqliteOptions): Promise<Store> {
  const now = () => clock.nowMs() / 1000;
  const db = await openFile(path);
  let changed = false;
  const connection = createConnection(db, () => {
    if (changed) feed.wake();
    changed = false;
  });
  const { read, write, changedElsewhere } = connection;
  const book = createBook(connection, now, () => {
    changed = true;
  });
  const claims = createClaims(connection, now, book.append);
  const counters = createCounters(connection, now);
  const accounts = createAccounts(connection, now);
  const feed = createFeed({ read: (after, limit) => read(() => book.changes(after, limit)), latest: () => read(book.latest), changedElsewhere }, clock);

  return withCheckedArguments({
    name: 'sqlite',
    capabilities: { durable: true, shared: true },
    claim: (request) => write(() => claims.claim(request)),
    heartbeat: (request) => write(() => claims.heartbeat(request)),
    commit: (request) => write(() => claims.commit(request)),
    deliver: (ref) => write(() => claims.deliver(ref)),
    undelivered: (ref) => write(() => claims.undelivered(ref)),
    release: (request) => write(() => claims.release(request)),
    count: (request) => write(() => counters.count(request)),
    credit: (request) => write(() => accounts.credit(request)),
    reserve: (request) => write(() => accounts.reserve(request)),
    settle: (request) => write(() => accounts.settle(request)),
    cancel: (reservation) => write(() => accounts.cancel(reservation)),
    balance: async (account) => read(() => accounts.balance(account)),
    deny: (denial) => write(() => book.deny(denial)),
    denials: async () => read(book.denials),
    append: (entries) => write(() => book.append(entries)),
    ledger: async (query) => read(() => book.ledger(query)),
    totals: async () => read(book.totals),
    changes: feed.changes,
    prune: createPruning(connection, now),
    close: async () => {
      feed.close();
      connection.close();
    },
  });
}
