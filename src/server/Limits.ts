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

/** Most clients whose buckets are kept; beyond it the one that asked longest ago is forgotten. */
const maxClients = 10_000;

/**
 * Buckets that hold a minute's worth and refill steadily.
 * @throws RangeError – a limit below 1
 */
export function createMintLimiter(limits: MintLimits, clock: Clock): MintLimiter {
  const perClient = positive(limits.perClientPerMinute ?? 600, 'perClientPerMinute');
  const inAll = positive(limits.perMinute ?? 6000, 'perMinute');
  const clients = new Map<string, Bucket>();
  const all: Bucket = { tokens: inAll, atMs: clock.nowMs() };
  return (clientAddress) => {
    const key = clientKey(clientAddress);
    const nowMs = clock.nowMs();
    const bucket = clients.get(key) ?? { tokens: perClient, atMs: nowMs };
    clients.delete(key);
    clients.set(key, bucket);
    if (clients.size > maxClients) clients.delete(clients.keys().next().value as string);
    const wait = Math.max(shortOf(bucket, perClient, nowMs), shortOf(all, inAll, nowMs));
    if (wait === 0) {
      bucket.tokens -= 1;
      all.tokens -= 1;
    }
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

type Bucket = { tokens: number; atMs: number };

/** Refills a bucket and says after how many whole seconds it will hold a token; 0 where it does. */
function shortOf(bucket: Bucket, perMinute: number, nowMs: number): number {
  bucket.tokens = Math.min(perMinute, bucket.tokens + (Math.max(0, nowMs - bucket.atMs) * perMinute) / 60_000);
  bucket.atMs = nowMs;
  return bucket.tokens >= 1 ? 0 : Math.ceil(((1 - bucket.tokens) * 60) / perMinute);
}

function positive(limit: number, name: string): number {
  if (!(limit >= 1)) throw new RangeError(`${name} is at least 1`);
  return limit;
}
