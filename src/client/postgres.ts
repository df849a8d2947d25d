/**
 * A client store in PostgreSQL 13 or later: buyers on any number of machines share a journal, its credentials and its budgets.
 *
 * Every change is one transaction that is on disk when it is answered. One writes at a time: a payment is slow beside that. It holds bearer secrets:
 * whoever may read its tables may use what was bought, unless a `key` seals them.
 *
 * Needs the package `pg`.
 */
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { placeOf } from '../store/postgres/address.ts';
import type { Client } from '../store/postgres/client.ts';
import { createLine, type Line } from '../store/postgres/line.ts';
import { type Durability, openSession, type SessionOptions } from '../store/postgres/session.ts';
import type { ClientStore } from './ClientStore.ts';
import type { Payment } from './Journal.ts';
import { migrate } from './postgres/migrations.ts';
import { bearingOn, byHash, byStates, createRows, statesOf } from './postgres/rows.ts';
import type { Decision } from './store/decisions.ts';
import { createTurns, decideInTurn, toClientStore } from './store/engine.ts';
import { unsealed } from './store/row.ts';
import { createSeal } from './store/Seal.ts';

/** Where the store is, and what it must promise. */
export type PostgresClientOptions = {
  /** As `postgres://user:password@host:5432/database?sslmode=verify-full`. A secret: it is in no error. */
  readonly url: string;
  /** The store's own schema in that database, made where it is not there. Default: `farebox_client`. */
  readonly schema?: string;
  /** 32 bytes that seal tokens and preimages. Chosen when the store is made; all who share it name the same. Default: they are kept as they are. */
  readonly key?: Uint8Array;
  /** `flushed` (default): a server whose settings may lose commits is refused. `unflushed`: it is not, and after its crash a payment may be made twice. */
  readonly durability?: Durability;
  /** Whether to make the tables where they are not there. Default: yes. */
  readonly create?: boolean;
  /** The longest wait for an answer of the server, in milliseconds. Default: 10,000. */
  readonly timeoutMs?: number;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/**
 * Opens a store, new or old.
 *
 * @throws STORE_UNAVAILABLE – the server cannot be reached, or only reads; STORE_VERSION – the schema is another program's, or a newer Farebox's;
 * STORE_LOCKED – it was made with another key; CONFIG_INVALID – the server does not keep the promise, is too old, or `pg` is not installed
 * @example const store = await createPostgresClientStore({ url: 'postgres://farebox@localhost/agents' });
 */
export async function createPostgresClientStore(options: PostgresClientOptions): Promise<ClientStore> {
  const { reached = unwatched, create = true, key } = options;
  const session = sessionOf(options);
  const seal = key === undefined ? undefined : createSeal(key);
  const open = () => openSession(session);
  const writing = createLine(open, await openFirst(session, (client) => migrate(client, { schema: session.schema, create, keyId: seal?.keyId, reached })));
  const reading = createLine(open);
  const rows = createRows(seal ?? unsealed);
  const [writes, reads] = [createTurns(), createTurns()];

  /** Reads of one moment. */
  const read = <T>(work: (client: Client) => Promise<T>) => reads.take(() => onLine(reading, (client) => inTransaction(client, readOnly, () => work(client))));
  const readRows = (statement: typeof byHash, values: readonly unknown[]) =>
    reads.take(() => onLine(reading, (client) => untilSent(client, () => rows.payments(client, statement, values))));

  async function take<T>(decision: Decision<T>): Promise<T> {
    const { operation } = decision;
    if (operation === undefined) return read(async (client) => (await decideInTurn(rows.shelfOn(client, false), decision)).outcome);
    return writes.take(() =>
      onLine(writing, async (client) => {
        const decided = await untilSent(client, async () => {
          await client.ask('BEGIN');
          const found = await decideInTurn(rows.shelfOn(client, true), decision);
          reached(`journal.${operation}.written`);
          return found;
        });
        await commit(client, () => rows.write(client, decided));
        reached(`journal.${operation}.committed`);
        return decided.outcome;
      }),
    );
  }

  return toClientStore({
    name: 'postgres',
    capabilities: { durable: true, shared: true },
    take,
    find: async ({ origin }) => {
      const found = await readRows(bearingOn, [origin]);
      const isOpen = ({ state }: Payment) => state === 'dispatched' || state === 'unknown';
      return { open: found.filter(isOpen), credentials: found.filter(({ usable }) => usable) };
    },
    get: async (paymentHash) => (await readRows(byHash, [paymentHash]))[0],
    list: (states) => readRows(byStates, [statesOf(states)]),
    audit: () => read(rows.audit),
    close: async () => {
      await Promise.all([writes.close(), reads.close()]);
      await Promise.all([writing.end(), reading.end()]);
    },
  });
}

const readOnly = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';

/** A transaction that was not sent to its end: nothing is written. */
class Unsent extends Error {}

/** Does the work on a connection, and once more on a new one where it was lost before anything could be written. */
async function onLine<T>(line: Line, work: (client: Client) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let client: Client | undefined;
    try {
      client = await line.client();
      return await work(client);
    } catch (error) {
      if (attempt === 1 && error instanceof Unsent && client?.isGone()) continue;
      throw unavailable(error instanceof Unsent ? error.cause : error);
    }
  }
}

/** Whatever goes wrong in it, nothing has been written. */
async function untilSent<T>(client: Client, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!client.isGone()) await client.ask('ROLLBACK').catch(() => {});
    throw new Unsent('', { cause });
  }
}

async function inTransaction<T>(client: Client, begin: string, work: () => Promise<T>): Promise<T> {
  return untilSent(client, async () => {
    await client.ask(begin);
    const result = await work();
    await client.ask('COMMIT');
    return result;
  });
}

/** Writes and commits in one go. From here on a connection that is lost leaves the outcome open. */
async function commit(client: Client, write: () => readonly Promise<unknown>[]): Promise<void> {
  const asked = client.together(() => {
    const writes = write();
    return [...writes, client.ask('COMMIT')] as const;
  });
  const answers = await Promise.allSettled(asked);
  const failed = answers.find((one) => one.status === 'rejected');
  const last = answers.at(-1);
  const isCommitted = last?.status === 'fulfilled' && (last.value as { readonly command?: string }).command === 'COMMIT';
  if (isCommitted) return;
  if (!client.isGone()) await client.ask('ROLLBACK').catch(() => {});
  throw failed?.status === 'rejected' ? failed.reason : new Error('the server has rolled it back');
}

/** A caller's mistake stays one; whatever the server or the network said goes no further than its own words. */
function unavailable(cause: unknown): unknown {
  if (FareboxError.is(cause)) return cause;
  return new FareboxError('STORE_UNAVAILABLE', `The client store in PostgreSQL did not answer: ${sayCause(cause)}.`, { cause });
}

function sessionOf({ url, schema = 'farebox_client', durability = 'flushed', timeoutMs = 10_000 }: PostgresClientOptions): SessionOptions {
  if (typeof url !== 'string' || url === '') throw new TypeError('url: expected an address such as postgres://user@host:5432/database');
  if (!/^[a-z_][a-z0-9_]{0,47}$/.test(schema)) throw new TypeError('schema: expected a name of up to 48 lower-case letters, digits and underscores');
  if (durability !== 'flushed' && durability !== 'unflushed') throw new TypeError('durability: expected "flushed" or "unflushed"');
  if (!(timeoutMs >= 1 && timeoutMs < 2 ** 31)) throw new RangeError(`timeoutMs: expected a number of milliseconds from 1, not ${timeoutMs}`);
  return { url, schema, durability, timeoutMs, connectTimeoutMs: timeoutMs / 2 };
}

/** The first connection, with the tables brought up to date. */
async function openFirst(session: SessionOptions, prepare: (client: Client) => Promise<void>): Promise<Client> {
  let client: Client | undefined;
  try {
    client = await openSession(session);
    await prepare(client);
    return client;
  } catch (cause) {
    await client?.end();
    if (cause instanceof TypeError && !('code' in cause)) throw cause;
    const place = `The client store in PostgreSQL at ${placeOf(session.url)} cannot be opened`;
    if (FareboxError.is(cause)) throw new FareboxError(cause.code, `${place}. ${cause.message}`, { cause });
    throw new FareboxError('STORE_UNAVAILABLE', `${place}: ${sayCause(cause)}.`, { cause });
  }
}

/** Several addresses that were tried are one error without a word. */
function sayCause(cause: unknown): string {
  const [first = cause] = cause instanceof AggregateError ? cause.errors : [];
  return first instanceof Error ? first.message : String(first);
}
