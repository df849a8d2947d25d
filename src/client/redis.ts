/**
 * A client store in Redis 7 or Valkey: buyers on any number of machines share a journal, its credentials and its budgets.
 *
 * A server that may lose or throw away what it has acknowledged is refused, unless the weaker promise is chosen by name: a payment whose row is lost
 * could be made twice. A decision is made in this process on what was read, and written if nothing has been written since; otherwise it is made again. It
 * holds bearer secrets: whoever may read its keys may use what was bought, unless a `key` seals them.
 *
 * Needs the package `ioredis`.
 */
import { type Random, systemClock, systemRandom, wait } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { parseAddress } from '../store/redis/address.ts';
import { asUnavailable, createConnection } from '../store/redis/connection.ts';
import type { Script } from '../store/redis/scripts.ts';
import type { Durability } from '../store/redis/settings.ts';
import type { ClientStore } from './ClientStore.ts';
import { createKeys, type Keys } from './redis/keys.ts';
import { assertOurs, createIdentity } from './redis/opening.ts';
import { createRows, formatReads, formatWrites, type Read } from './redis/rows.ts';
import { scripts } from './redis/scripts.ts';
import type { Decided, Decision, Reads, Sheet } from './store/decisions.ts';
import { createTurns, decideInTurn, toClientStore } from './store/engine.ts';
import { unsealed } from './store/row.ts';
import { createSeal } from './store/Seal.ts';

/** Where the store is, and what it has to promise. */
export type RedisClientOptions = {
  /** `redis://user:password@host:6379/0`, `rediss://…` over TLS, `unix:///run/redis.sock?db=0`. A secret: it is told nowhere. */
  readonly url: string;
  /** What all keys begin with; default `{farebox-client}:`. Buyers that share a store name the same. In a cluster it needs a hash tag. */
  readonly prefix?: string;
  /** 32 bytes that seal tokens and preimages. Chosen when the store is made; all who share it name the same. Default: they are kept as they are. */
  readonly key?: Uint8Array;
  /** `flushed` (default): a server that may lose what it has acknowledged is refused. See `createRedisStore`. */
  readonly durability?: Durability;
  /** The certificate in PEM that the server's has to be signed by, with `rediss://`. */
  readonly ca?: string;
  /** Whether to make the store where it is not there. Default: yes. */
  readonly create?: boolean;
  /** How long a reply may take, in milliseconds, before nobody knows what came of a call; default 5,000. */
  readonly timeoutMs?: number;
  /** What the store's own name is drawn from. */
  readonly random?: Random;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/**
 * Opens a store, new or old.
 *
 * @throws STORE_UNAVAILABLE – the server cannot be reached, takes no writes, or holds no store and none is to be made; STORE_LOCKED – it was made with
 * another key; CONFIG_INVALID – it does not keep what is promised, or could not be asked, or `ioredis` is not installed; STORE_VERSION – made by a newer
 * Farebox or by another program
 * @example const store = await createRedisClientStore({ url: 'redis://127.0.0.1:6379' });
 */
export async function createRedisClientStore(options: RedisClientOptions): Promise<ClientStore> {
  const { url, prefix = '{farebox-client}:', durability = 'flushed', timeoutMs = 5000, create = true, random = systemRandom } = options;
  const { reached = unwatched, key } = options;
  assertOptions(prefix, durability, timeoutMs);
  const seal = key === undefined ? undefined : createSeal(key);
  const keys = createKeys(prefix);
  const identity = createIdentity({ keys, prefix, durability, create, keyId: seal?.keyId, random, reached });
  const address = { ...parseAddress(url), ...(options.ca !== undefined && { ca: options.ca }) };
  const connection = await createConnection({ address, timeoutMs, look: identity.look });
  const run = async (script: Script, names: readonly string[], args: readonly string[]): Promise<readonly unknown[]> => {
    const reply = (await connection.run(script, [keys.store, ...names], [identity.text(), ...args])) as readonly unknown[];
    if (reply[0] === 'other') throw whyOther(String(reply[1]), identity.text(), seal?.keyId);
    return reply;
  };
  const rows = createRows(keys, seal ?? unsealed);
  const read = async (reads: readonly Read[]) => {
    const { keys: names, args } = formatReads(keys, keys.store, reads);
    const [, revision, answers] = await run(scripts.ask, names, args);
    return { revision: revision as string, answers: answers as readonly unknown[] };
  };
  const turns = createTurns();

  /** Decides on what is there at one revision, and says what of it was read. */
  async function decideOnce<T>(
    decision: Decision<T>,
  ): Promise<{ readonly decided: Decided<T>; readonly revision: string; readonly before: readonly string[] }> {
    let revision: string | undefined;
    const before: string[] = [];
    const note = async (reads: readonly Read[]) => {
      const found = await read(reads);
      // What was read later has to be of the same revision; where it is not, the first one is refused when it is written.
      revision ??= found.revision;
      if (found.revision !== revision) throw new Changed();
      before.push(...found.answers.flatMap((answer, i) => (reads[i]?.[0] === 'all' || answer === '' ? [] : (answer as string | readonly string[]))));
      return found.answers;
    };
    const decided = await decideInTurn(
      { read: (wanted) => readSheet(keys, rows, wanted, note), since: async (at) => rows.toPayments((await note([['since', keys.created, `${at}`]]))[0]) },
      decision,
    );
    return { decided, revision: revision ?? '0', before };
  }

  async function take<T>(decision: Decision<T>): Promise<T> {
    const endsMs = performance.now() + patienceMs;
    for (let tries = 0; performance.now() < endsMs; tries++) {
      try {
        const { decided, revision, before } = await decideOnce(decision);
        if (decision.operation === undefined) return decided.outcome;
        const commands = rows.commandsFor(decided, before, Number(revision));
        reached(`journal.${decision.operation}.written`);
        const { keys: names, args } = formatWrites(keys, keys.store, revision, commands);
        const [status] = commands.length === 0 ? ['done'] : await run(scripts.apply, names, args);
        if (status === 'done') {
          reached(`journal.${decision.operation}.committed`);
          return decided.outcome;
        }
      } catch (error) {
        if (!(error instanceof Changed)) throw error;
      }
      // Others were faster: the longer that goes on, the more they are let go first.
      await wait(systemClock, (random(1)[0] ?? 0) % Math.min(2 + tries * 2, 50), undefined, true);
    }
    throw new FareboxError('STORE_UNAVAILABLE', 'The client store could not be written: others were faster again and again. Nothing was written.');
  }

  return toClientStore({
    name: 'redis',
    capabilities: { durable: true, shared: true },
    take: (decision) => turns.take(() => take(decision)),
    find: ({ origin }) =>
      turns.take(async () => {
        const { answers } = await read([
          ['rows', keys.open(origin)],
          ['rows', keys.usable(origin)],
        ]);
        return { open: rows.toPayments(answers[0]), credentials: rows.toPayments(answers[1]) };
      }),
    get: (paymentHash) => turns.take(async () => rows.toPayment((await read([['row', keys.payments, paymentHash]])).answers[0])),
    list: (states) =>
      turns.take(async () => rows.toPayments((await read([['rows', keys.order]])).answers[0]).filter(({ state }) => states?.includes(state) ?? true)),
    audit: () =>
      turns.take(async () => {
        const { answers } = await read([
          ['rows', keys.order],
          ['all', keys.sums],
          ['all', keys.counters],
          ['all', keys.budgets],
        ]);
        const [payments, sums, counters, budgets] = answers;
        return { payments: rows.toPayments(payments), spending: rows.toSums(sums), counters: rows.toCounters(counters), standing: rows.toStanding(budgets) };
      }),
    close: async () => {
      await turns.close();
      await connection.close();
    },
  });
}

/** How long a decision is made again before its caller is told that others are always faster. */
const patienceMs = 10_000;

/** Something was written between two reads of one decision. */
class Changed extends Error {}

async function readSheet(
  keys: Keys,
  rows: ReturnType<typeof createRows>,
  wanted: Reads,
  note: (reads: readonly Read[]) => Promise<readonly unknown[]>,
): Promise<Sheet> {
  const { paymentHash, openFor, reserved, books } = wanted;
  const first: Read[] = [['all', keys.sums]];
  if (paymentHash !== undefined) first.push(['row', keys.payments, paymentHash]);
  const [sums, row = ''] = await note(first);
  const payment = rows.toPayment(row);
  const resource = openFor === 'itself' ? payment?.resource : openFor?.resource;
  const more: Read[] = [
    ...(resource === undefined ? [] : [['rows', keys.underWay(resource)] as const]),
    ...(reserved ? [['rows', keys.reserved] as const] : []),
    ...(books ? [['all', keys.counters] as const, ['all', keys.budgets] as const] : []),
  ];
  const answers = more.length === 0 ? [] : [...(await note(more))];
  const open = resource === undefined ? [] : rows.toPayments(answers.shift());
  const aside = reserved ? rows.toPayments(answers.shift()) : [];
  const [counters, standing] = books ? [rows.toCounters(answers.shift()), rows.toStanding(answers.shift())] : [[], []];
  return { payment, open, reserved: aside, spending: rows.toSums(sums), counters, standing };
}

/** What keeps a store that was ours from being asked. */
function whyOther(found: string, whose: string, keyId: string | undefined): unknown {
  try {
    assertOurs(found, whose, keyId);
    return new FareboxError('STORE_UNAVAILABLE', 'The Redis server does not say whose client store it holds.');
  } catch (error) {
    return asUnavailable(error);
  }
}

function assertOptions(prefix: string, durability: string, timeoutMs: number): void {
  if (typeof prefix !== 'string' || prefix === '' || prefix.includes('\0')) throw new TypeError('prefix: expected what keys begin with, such as {agents}:');
  if (!['flushed', 'everysec', 'unflushed'].includes(durability)) throw new TypeError('durability: expected flushed, everysec or unflushed');
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) throw new RangeError(`timeoutMs: expected a length in milliseconds above 0, not ${timeoutMs}`);
}
