/**
 * The embedded store: one SQLite file in WAL mode, flushed to disk with every commit, open in any number of processes of one machine.
 *
 * Nothing to install: it is Node's own `node:sqlite`. Not for network file systems.
 *
 * @see https://www.sqlite.org/wal.html
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { withCheckedArguments } from './arguments.ts';
import { createFeed, type FeedSource } from './feed.ts';
import type { Change, Store, Versions } from './Store.ts';
import { createAccounts } from './sqlite/accounts.ts';
import { audit } from './sqlite/audit.ts';
import { createBook } from './sqlite/book.ts';
import { createClaims } from './sqlite/claims.ts';
import { createConnection, openFile } from './sqlite/connection.ts';
import { createCounters } from './sqlite/counters.ts';
import { exportFile, importFile } from './sqlite/moving.ts';
import { createPruning } from './sqlite/pruning.ts';

/** Where the store is, and whose time its leases follow. */
export type SqliteOptions = {
  /** The file's name; made where there is none, in a folder that exists, readable by its owner only. Two more files appear beside it. */
  readonly path: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
  /** Told from which version to which the file was brought. */
  readonly onVersions?: (versions: Versions) => void;
};

/**
 * Opens a store, new or old.
 *
 * @throws STORE_UNAVAILABLE – the file cannot be opened; STORE_VERSION – made by a newer Farebox or by another program
 * @example const store = await createSqliteStore({ path: 'farebox.db' });
 */
export async function createSqliteStore({ path, clock = systemClock, reached = unwatched, onVersions }: SqliteOptions): Promise<Store> {
  const now = () => clock.nowMs() / 1000;
  const db = await openFile(path, reached, onVersions);
  const changed = new Set<Change['kind']>();
  const connection = createConnection(
    db,
    () => {
      for (const kind of changed) feed.wake(kind);
      changed.clear();
    },
    reached,
  );
  const { read, write, changedElsewhere } = connection;
  const book = createBook(connection, now, (kind) => changed.add(kind));
  const counters = createCounters(connection, now);
  const accounts = createAccounts(connection, now, book.append);
  const claims = createClaims(connection, accounts.kept);
  const source: FeedSource = { read: (after, limit, kind) => read(() => book.changes(after, limit, kind)), latest: () => read(book.latest), changedElsewhere };
  const feed = createFeed(source, clock);

  return withCheckedArguments({
    name: 'sqlite',
    capabilities: { durable: true, shared: true, flushed: true },
    claim: (request) => write('claim', () => claims.claim(request)),
    heartbeat: (request) => write('heartbeat', () => claims.heartbeat(request)),
    commit: (request) => write('commit', () => claims.commit(request)),
    deliver: (ref) => write('deliver', () => claims.deliver(ref)),
    undelivered: (ref) => write('undelivered', () => claims.undelivered(ref)),
    claimState: async (key) => read(() => claims.state(key)),
    release: (request) => write('release', () => claims.release(request)),
    count: (request) => write('count', () => counters.count(request)),
    credit: (request) => write('credit', () => accounts.credit(request)),
    reserve: (request) => write('reserve', () => accounts.reserve(request)),
    extend: (request) => write('extend', () => accounts.extend(request)),
    settle: (request) => write('settle', () => accounts.settle(request)),
    cancel: (request) => write('cancel', () => accounts.cancel(request)),
    balance: async (account) => read(() => accounts.balance(account)),
    deny: (denial) => write('deny', () => book.deny(denial)),
    denials: async (after) => read(() => book.denials(after)),
    append: (entries, bookmark) => write('append', () => book.append(entries, bookmark)),
    bookmark: async (reader) => read(() => book.bookmark(reader)),
    ledger: async (query) => read(() => book.ledger(query)),
    totals: async () => read(book.totals),
    audit: async function* () {
      // Its own connection would go on reading the file of a store that is closed.
      read(book.latest);
      yield* audit(path, now);
    },
    export: async function* () {
      read(book.latest);
      yield* exportFile(path);
    },
    import: async (pieces) => {
      read(book.latest);
      await importFile(path, pieces);
      feed.wake();
    },
    changes: feed.changes,
    prune: createPruning(connection, now),
    close: async () => {
      feed.close();
      connection.close();
    },
  });
}
