/**
 * A store in PostgreSQL 13 or later, for any number of processes on any number of machines: every commit flushed to disk before it is
 * answered, changes told to every process within a second.
 *
 * Needs the package `pg`. Each process holds up to four connections, which must be its own: a pooler that hands them round between
 * transactions (PgBouncer's "transaction" mode) cannot stand between.
 *
 * @see docs/decisions/0025-postgresql.md
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { withCheckedArguments } from './arguments.ts';
import { createFeed, type FeedSource } from './feed.ts';
import { balanceOf, createAccounts } from './postgres/accounts.ts';
import { placeOf } from './postgres/address.ts';
import { audit, auditTimeoutMs } from './postgres/audit.ts';
import { channelOf, createBookReading } from './postgres/book.ts';
import { claimStateOf, createClaims } from './postgres/claims.ts';
import type { Client } from './postgres/client.ts';
import { type Connection, createConnection } from './postgres/connection.ts';
import { createCounters } from './postgres/counters.ts';
import { createListener } from './postgres/listener.ts';
import { migrate } from './postgres/migrations.ts';
import { exportSchema, importSchema } from './postgres/moving.ts';
import { createPruning } from './postgres/pruning.ts';
import { type Durability, openSession, type SessionOptions } from './postgres/session.ts';
import type { Change, Store, Versions } from './Store.ts';

export type { Durability } from './postgres/session.ts';

/** Where the store is, what it must promise, and whose time its leases follow. */
export type PostgresOptions = {
  /** As `postgres://user:password@host:5432/database?sslmode=verify-full`. A secret: it is in no error. */
  readonly url: string;
  /** The store's own schema in that database, made where it is not there. Default: `farebox`. Several stores can share a database. */
  readonly schema?: string;
  /**
   * `flushed` (default): a server whose settings may lose commits is refused. `unflushed`: it is not, and after a crash of the server a
   * payment may be served twice, or a sale be gone from the books.
   */
  readonly durability?: Durability;
  /** Whether to make the tables where they are not there. Default: yes. */
  readonly create?: boolean;
  /** The longest wait for an answer of the server, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
  /** Told from which version to which the schema was brought. */
  readonly onVersions?: (versions: Versions) => void;
};

/**
 * Opens a store, new or old.
 *
 * @throws STORE_UNAVAILABLE – the server cannot be reached, or only reads; STORE_VERSION – the schema is another program's, or a newer
 * Farebox's; CONFIG_INVALID – the server does not keep the promise, is too old, or `pg` is not installed
 * @example const store = await createPostgresStore({ url: 'postgres://farebox@localhost/shop' });
 */
export async function createPostgresStore(options: PostgresOptions): Promise<Store> {
  const { clock = systemClock, reached = unwatched, create = true } = options;
  const session = sessionOf(options);
  const now = () => clock.nowMs() / 1000;
  const open = () => openSession(session);
  const first = await openFirst(session, { reached, create, onVersions: options.onVersions ?? (() => {}) });
  const onCommit = (changed: Iterable<Change['kind']>) => {
    for (const kind of changed) feed.wake(kind);
  };
  const connection = createConnection({ open, first, reached, now, onCommit });
  const { read, write } = connection;
  const book = createBookReading(read, now);
  const claims = createClaims(now);
  const counters = createCounters(now);
  const accounts = createAccounts(now);
  const feed = createFeed(
    feedSource(connection, book, () => listener.ensure()),
    clock,
  );
  const listener = createListener(open, channelOf(session.schema), connection.isOwn, feed.wake);

  return withCheckedArguments({
    name: 'postgres',
    capabilities: { durable: true, shared: true, flushed: session.durability === 'flushed' },
    claim: (request) => write('claim', claims.claim(request)),
    heartbeat: (request) => write('heartbeat', claims.heartbeat(request)),
    commit: (request) => write('commit', claims.commit(request)),
    deliver: (ref) => write('deliver', claims.deliver(ref)),
    undelivered: (ref) => write('undelivered', claims.undelivered(ref)),
    claimState: (key) => claimStateOf(read, key, now()),
    release: (request) => write('release', claims.release(request)),
    count: (request) => write('count', counters.count(request)),
    credit: (request) => write('credit', accounts.credit(request)),
    reserve: (request) => write('reserve', accounts.reserve(request)),
    extend: (request) => write('extend', accounts.extend(request)),
    settle: (request) => write('settle', accounts.settle(request)),
    cancel: (request) => write('cancel', accounts.cancel(request)),
    balance: (account) => balanceOf(read, account, now()),
    deny: (denial) => write('deny', { want: () => {}, take: (group) => group.deny(denial) }),
    denials: book.denials,
    append: (entries, bookmark) => write('append', { want: () => {}, take: (group) => group.append(entries, bookmark) }),
    bookmark: book.bookmark,
    ledger: book.ledger,
    totals: book.totals,
    audit: async function* () {
      connection.assertOpen();
      yield* audit(() => openSession({ ...session, timeoutMs: auditTimeoutMs }), now);
    },
    export: async function* () {
      connection.assertOpen();
      yield* exportSchema(() => openSession({ ...session, timeoutMs: auditTimeoutMs }));
    },
    import: async (pieces) => {
      connection.assertOpen();
      await importSchema(() => openSession({ ...session, timeoutMs: auditTimeoutMs }), pieces);
      feed.wake();
    },
    changes: (query) => {
      listener.ensure();
      return feed.changes(query);
    },
    prune: createPruning(connection, now),
    close: async () => {
      feed.close();
      await Promise.all([connection.close(), listener.close()]);
    },
  });
}

/** What is followed. "From now on" is before anything that this process asks to be written later. */
function feedSource(connection: Connection, book: ReturnType<typeof createBookReading>, listen: () => void): FeedSource {
  let seen = 0;
  return {
    read: book.changes,
    latest: () => {
      const reading = book.latest();
      connection.hold(reading);
      return reading;
    },
    changedElsewhere: async () => {
      listen();
      const before = seen;
      seen = await book.latest();
      return seen !== before;
    },
  };
}

function sessionOf({ url, schema = 'farebox', durability = 'flushed', timeoutMs = 10_000 }: PostgresOptions): SessionOptions {
  if (typeof url !== 'string' || url === '') throw new TypeError('url: expected an address such as postgres://user@host:5432/database');
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) throw new TypeError('schema: expected a name of up to 48 lower-case letters, digits and underscores');
  if (durability !== 'flushed' && durability !== 'unflushed') throw new TypeError('durability: expected "flushed" or "unflushed"');
  if (!(timeoutMs >= 1 && timeoutMs < 2 ** 31)) throw new RangeError(`timeoutMs: expected a number of milliseconds from 1, not ${timeoutMs}`);
  return { url, schema, durability, timeoutMs, connectTimeoutMs: timeoutMs / 2 };
}

/** The first connection, with the tables brought up to date. */
async function openFirst(session: SessionOptions, how: Required<Pick<PostgresOptions, 'reached' | 'create' | 'onVersions'>>): Promise<Client> {
  let client: Client | undefined;
  try {
    client = await openSession(session);
    how.onVersions(await migrate(client, session.schema, how));
    return client;
  } catch (cause) {
    await client?.end();
    if (cause instanceof TypeError && !('code' in cause)) throw cause;
    const place = `The store in PostgreSQL at ${placeOf(session.url)} cannot be opened`;
    if (FareboxError.is(cause)) throw new FareboxError(cause.code, `${place}. ${cause.message}`, { cause });
    throw new FareboxError('STORE_UNAVAILABLE', `${place}: ${sayCause(cause)}.`, { cause });
  }
}

/** Several addresses that were tried are one error without a word. */
function sayCause(cause: unknown): string {
  const [first = cause] = cause instanceof AggregateError ? cause.errors : [];
  return first instanceof Error ? first.message : String(first);
}
