/**
 * Token buckets on minting: anonymous requests must not cost the node an invoice each without bound. Kept in this process, bounded in
 * number, never in the store.
 */
import type { Clock } from '../core/Clock.ts';

/** How many challenges may be minted. */
export type MintLimits = {
  /** For one client address (IPv6: its /64), a minute. Default 600. */
  readonly perClientPerMinute?: number;
  /** For all clients together, a minute. Default 6000. */
  readonly perMinute?: number;
};

/** Asks for one; the answer is 0 where it was granted, or after how many seconds to ask again. */
export type MintLimiter = (clientAddress: string) => number;

/** So many requests in a time, as `100/s` says it: all at once, or one after the other as they refill. */
export type RequestRate = {
  /** From 1 on. */
  readonly requests: number;
  readonly perMs: number;
};

/** Whose requests are counted together: a client address's, a token's, or a route's. */
export type RateScope = 'client' | 'token' | 'route';

/** Asks for a request of whoever `key` is; the answer is 0 where it may go on, or after how many seconds to ask again. */
export type RequestLimiter = (scope: RateScope, key: string, rate: RequestRate) => number;

/** Most clients whose buckets are kept; the half of them that asked last is kept for certain. */
const maxClients = 10_000;

/** Most routes whose buckets are kept. */
const maxRoutes = 100_000;

/**
 * Buckets that hold a minute's worth and refill steadily.
 * @throws RangeError – a limit below 1
 */
export function createMintLimiter(limits: MintLimits, clock: Clock): MintLimiter {
  const perClient = positive(limits.perClientPerMinute ?? 600, 'perClientPerMinute');
  const inAll = positive(limits.perMinute ?? 6000, 'perMinute');
  const bucketOf = createBuckets();
  const all: Bucket = { tokens: inAll, atMs: clock.nowMs() };
  return (clientAddress) => {
    const key = clientKey(clientAddress);
    const nowMs = clock.nowMs();
    const bucket = bucketOf(key, perClient, nowMs);
    const wait = Math.max(shortOf(bucket, perClient, nowMs), shortOf(all, inAll, nowMs));
    if (wait === 0) {
      bucket.tokens -= 1;
      all.tokens -= 1;
    }
    return wait;
  };
}

/**
 * Buckets for requests, full at first. A rate that changes holds at once: what is left in a bucket stays, as far as it fits. Each kind has a table of
 * its own, so that strangers who come from many addresses push no route's bucket out.
 */
export function createRequestLimiter(clock: Clock): RequestLimiter {
  const tables = { client: createBuckets(), token: createBuckets(), route: createBuckets(maxRoutes) };
  return (scope, key, { requests, perMs }) => {
    const nowMs = clock.nowMs();
    const bucket = tables[scope](scope === 'client' ? clientKey(key) : key, requests, nowMs);
    const wait = shortOf(bucket, requests, nowMs, perMs);
    if (wait === 0) bucket.tokens -= 1;
    return wait;
  };
}

/** The address that limits are counted on: IPv4 as it is, IPv6 by its /64. */
export function clientKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped) return mapped[1] as string;
  if (!address.includes(':')) return address;
  const [head = '', tail] = (address.split('%')[0] as string).toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0');
  return [...left, ...zeros, ...right]
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}

/** A clock that is behind by more has been set back. */
const setBackMs = 60_000;

type Bucket = { tokens: number; atMs: number };

/**
 * The bucket of each client, a full one for a new client. Two generations: who asks moves to the young one, and when that is full, the old
 * one goes as a whole. Looking for the one that asked longest ago took longer, in a full table, than all the rest of a challenge.
 */
function createBuckets(most = maxClients): (key: string, tokens: number, atMs: number) => Bucket {
  let young = new Map<string, Bucket>();
  let old = new Map<string, Bucket>();
  return (key, tokens, atMs) => {
    const recent = young.get(key);
    if (recent !== undefined) return recent;
    const bucket = old.get(key) ?? { tokens, atMs };
    if (young.size >= most / 2) {
      old = young;
      young = new Map();
    }
    young.set(key, bucket);
    return bucket;
  };
}

/** Refills a bucket and says after how many whole seconds it will hold a token; 0 where it does. */
function shortOf(bucket: Bucket, many: number, nowMs: number, perMs = 60_000): number {
  bucket.tokens = Math.min(many, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) * many) / perMs);
  // A clock that goes back and comes again fills nothing twice; one that was set back for good is followed.
  if (nowMs > bucket.atMs || nowMs < bucket.atMs - setBackMs) bucket.atMs = nowMs;
  return bucket.tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - bucket.tokens) * perMs) / (1000 * many)));
}

function positive(limit: number, name: string): number {
  if (!(limit >= 1)) throw new RangeError(`${name} is at least 1`);
  return limit;
}
