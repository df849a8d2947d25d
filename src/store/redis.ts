/**
 * A store in Redis or Valkey: any number of processes on any number of machines share it.
 *
 * What was acknowledged is on the server's disk, where the server is set to it: `appendonly yes`, `appendfsync always` and
 * `maxmemory-policy noeviction` are looked for on every connection, and a server that is set otherwise is refused, unless the weaker promise is
 * chosen by name. Everything is held in the server's memory, the ledger too. A replica that takes over may not have the last writes: that is no
 * promise of Redis', and none of this store.
 *
 * All keys of one store belong to one step and so to one slot: in a cluster it lives on one node, under a prefix with a hash tag.
 *
 * @see https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/
 */
import { type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { withCheckedArguments } from './arguments.ts';
import { createFeed } from './feed.ts';
import { createAccounts } from './redis/accounts.ts';
import { parseAddress } from './redis/address.ts';
import { createAsking } from './redis/asking.ts';
import { audit } from './redis/audit.ts';
import { createBook } from './redis/book.ts';
import { createClaims } from './redis/claims.ts';
import { createConnection } from './redis/connection.ts';
import { createCounters } from './redis/counters.ts';
import { exportKeys } from './redis/exporting.ts';
import { clear, importKeys } from './redis/importing.ts';
import { createKeys } from './redis/keys.ts';
import { createIdentity, isLocked } from './redis/opening.ts';
import { createPruning } from './redis/pruning.ts';
import type { Durability } from './redis/settings.ts';
import { createSteps } from './redis/steps.ts';
import { createWatch } from './redis/watching.ts';
import type { Store, Versions } from './Store.ts';

export type { Durability } from './redis/settings.ts';

/** Where the store is, and what it has to promise. */
export type RedisOptions = {
  /** `redis://user:password@host:6379/0`, `rediss://…` over TLS, `unix:///run/redis.sock?db=0`. A secret: it is told nowhere. */
  readonly url: string;
  /** What all keys begin with; default `farebox:`. Gateways that share a store name the same. In a cluster it needs a hash tag: `{farebox}:`. */
  readonly prefix?: string;
  /**
   * `flushed` (default): a server that may lose what it has acknowledged is refused. `everysec`: one is not that flushes once a second; with its
   * machine the last second or two are lost, and what was paid for then may be served twice, or be gone from the books. `unflushed`: none is.
   */
  readonly durability?: Durability;
  /** The certificate in PEM that the server's has to be signed by, with `rediss://`. Default: what the machine's own authorities vouch for. */
  readonly ca?: string;
  /** Whether to make the store where it is not there. Default: yes. Without, looking makes nothing. */
  readonly create?: boolean;
  /** Whether what an import that was cut off has left is cleared away. Default: no, and such a store is refused. */
  readonly clears?: boolean;
  /** How long a reply may take, in milliseconds, before nobody knows what came of a call; default 5,000. */
  readonly timeoutMs?: number;
  /** Default: the machine's. Leases and expiries follow it, never the server's. */
  readonly clock?: Clock;
  /** What the store's own name is drawn from. */
  readonly random?: Random;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
  /** Told from which version to which the store was brought. */
  readonly onVersions?: (versions: Versions) => void;
};

/**
 * Opens a store, new or old. Needs the package `ioredis`.
 *
 * @throws STORE_UNAVAILABLE – the server cannot be reached, takes no writes, or holds no store and none is to be made; CONFIG_INVALID – it does not keep what is promised, or could not be
 *   asked whether it does, or `ioredis` is not installed; STORE_VERSION – made by a newer Farebox or by another program
 * @example const store = await createRedisStore({ url: 'redis://127.0.0.1:6379' });
 */
export async function createRedisStore(options: RedisOptions): Promise<Store> {
  const { url, prefix = 'farebox:', durability = 'flushed', timeoutMs = 5000, clock = systemClock, random = systemRandom, reached = unwatched } = options;
  assertOptions(prefix, durability, timeoutMs);
  const server = { address: { ...parseAddress(url), ...(options.ca !== undefined && { ca: options.ca }) }, timeoutMs };
  const now = () => clock.nowMs() / 1000;
  const keys = createKeys(prefix);
  const identity = createIdentity({ keys, prefix, durability, create: options.create ?? true, clears: options.clears ?? false, random, reached });
  const connection = await createConnection({ ...server, look: identity.look });
  const asking = createAsking(connection, identity, keys);
  options.onVersions?.(identity.versions());
  const filling = { asking, identity, keys, prefix, now };
  if (isLocked(identity.text())) await clear(filling);
  const steps = createSteps(asking, keys, () => feed.wake('ledger'), reached);
  const book = createBook(steps, asking, keys, now, () => feed.wake('denial'), reached);
  const claims = createClaims(steps, asking, keys, now);
  const counters = createCounters(asking, keys, now, reached);
  const accounts = createAccounts(steps, asking, keys, now);
  const prune = createPruning(steps, asking, keys, now, reached);
  const feed = createFeed({ read: book.changes, latest: book.latest }, clock);
  const watch = createWatch(server, keys, feed.wake);
  const { call, close } = createDoor();

  return withCheckedArguments({
    name: 'redis',
    capabilities: { durable: true, shared: true, flushed: durability === 'flushed' },
    claim: (request) => call(() => claims.claim(request)),
    heartbeat: (request) => call(() => claims.heartbeat(request)),
    commit: (request) => call(() => claims.commit(request)),
    deliver: (ref) => call(() => claims.deliver(ref)),
    undelivered: (ref) => call(() => claims.undelivered(ref)),
    claimState: (key) => call(() => claims.state(key)),
    release: (request) => call(() => claims.release(request)),
    count: (request) => call(() => counters.count(request)),
    credit: (request) => call(() => accounts.credit(request)),
    reserve: (request) => call(() => accounts.reserve(request)),
    extend: (request) => call(() => accounts.extend(request)),
    settle: (request) => call(() => accounts.settle(request)),
    cancel: (request) => call(() => accounts.cancel(request)),
    balance: (account) => call(() => accounts.balance(account)),
    deny: (denial) => call(() => book.deny(denial)),
    denials: (after) => call(() => book.denials(after)),
    append: (entries, bookmark) => call(() => book.append(entries, bookmark)),
    bookmark: (reader) => call(() => book.bookmark(reader)),
    ledger: (query) => call(() => book.ledger(query)),
    totals: () => call(book.totals),
    audit: () => audit(asking, keys, now, nameOf(random)),
    export: () => exportKeys(asking, keys, nameOf(random)),
    import: (pieces) =>
      call(async () => {
        await importKeys(filling, pieces);
        feed.wake();
      }),
    changes: (query) => {
      watch.start();
      return feed.changes(query);
    },
    prune: () => call(prune),
    close: async () => {
      feed.close();
      await close();
      await watch.close();
      await connection.close();
    },
  });
}

/** Lets calls in until it is closed, and then waits for those that are under way. */
function createDoor() {
  const underWay = new Set<Promise<unknown>>();
  let closed = false;
  return {
    call: async <T>(work: () => Promise<T>): Promise<T> => {
      if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The store is closed.');
      const result = work();
      underWay.add(result);
      return result.finally(() => underWay.delete(result));
    },
    close: async (): Promise<void> => {
      closed = true;
      await Promise.allSettled(underWay);
    },
  };
}

function nameOf(random: Random): string {
  return Array.from(random(8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function assertOptions(prefix: string, durability: string, timeoutMs: number): void {
  if (typeof prefix !== 'string' || prefix === '' || prefix.includes('\0')) throw new TypeError('prefix: expected what keys begin with, such as farebox:');
  if (!['flushed', 'everysec', 'unflushed'].includes(durability)) throw new TypeError('durability: expected flushed, everysec or unflushed');
  if (!(timeoutMs > 0 && timeoutMs < 2 ** 31)) throw new RangeError(`timeoutMs: expected a length in milliseconds above 0, not ${timeoutMs}`);
}
