/**
 * So many free requests a period for each client, before it is asked to pay. Counted by address, in this process, bounded in number: nothing that
 * is given away is written down.
 *
 * An address is cheap where IPv6 is: a client is its /64, four of them may come from one /56 and sixteen from one /48, and there is a cap on all
 * together. What was forgotten, because too many asked, is given again; the cap stands.
 */
import type { Clock } from '../core/Clock.ts';
import { clientKey } from './Limits.ts';

/** What is given away on one route. */
export type FreeQuotaOptions = {
  /** To each client, in a period. */
  readonly requests: number;
  /** How long a period is. */
  readonly seconds: number;
  /** To all clients together, in a period; default: a thousand times as much. */
  readonly inAll?: number | undefined;
};

/** Takes one for a client; how many it has left then, or undefined where it has had its share. */
export type FreeQuota = (clientAddress: string) => number | undefined;

/** How many clients' shares one /56 and one /48 have. */
const shares = { 56: 4, 48: 16 } as const;

/** Most counts that are kept; the half that was asked for last is kept for certain. */
const maxCounts = 50_000;

/**
 * A quota that has given nothing yet.
 * @throws RangeError – no whole number of requests or seconds from 1 on
 */
export function createFreeQuota(options: FreeQuotaOptions, clock: Clock): FreeQuota {
  const { requests, seconds, inAll = 1000 * requests } = checked(options);
  const periodMs = seconds * 1000;
  const countOf = createCounts(periodMs);
  const all: Count = { taken: 0, sinceMs: clock.nowMs() };
  return (clientAddress) => {
    const nowMs = clock.nowMs();
    const key = clientKey(clientAddress);
    const client = countOf(key, nowMs);
    const limits: (readonly [Count, number])[] = [
      [client, requests],
      [begun(all, periodMs, nowMs), inAll],
    ];
    for (const prefix of prefixesOf(key)) limits.push([countOf(prefix.key, nowMs), requests * shares[prefix.bits]]);
    if (limits.some(([{ taken }, most]) => taken >= most)) return undefined;
    for (const [count] of limits) count.taken += 1;
    return requests - client.taken;
  };
}

/** Checks a quota once. @throws RangeError – as for {@link createFreeQuota} */
export function checked(options: FreeQuotaOptions): FreeQuotaOptions {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) throw new RangeError(`${name} is a whole number from 1 on, not ${value}`);
  }
  return options;
}

type Count = { taken: number; sinceMs: number };

/** A count of this period; the time of day may have been set back meanwhile. */
function begun(count: Count, periodMs: number, nowMs: number): Count {
  if (nowMs - count.sinceMs < periodMs && nowMs >= count.sinceMs - periodMs) return count;
  count.taken = 0;
  count.sinceMs = nowMs;
  return count;
}

/** Counts by name, in two generations: who asks moves to the young one, and when that is full, the old one goes as a whole. */
function createCounts(periodMs: number): (key: string, nowMs: number) => Count {
  let young = new Map<string, Count>();
  let old = new Map<string, Count>();
  return (key, nowMs) => {
    const count = begun(young.get(key) ?? old.get(key) ?? { taken: 0, sinceMs: nowMs }, periodMs, nowMs);
    if (young.has(key)) return count;
    if (young.size >= maxCounts / 2) {
      old = young;
      young = new Map();
    }
    young.set(key, count);
    return count;
  };
}

/** The wider blocks that a client of IPv6 is in: four groups of its /64 name them. */
function prefixesOf(key: string): readonly { readonly key: string; readonly bits: 48 | 56 }[] {
  const groups = key.split(':');
  if (groups.length !== 4) return [];
  const last = Number.parseInt(groups[3] as string, 16) >> 8;
  const head = groups.slice(0, 3).join(':');
  return [
    { key: `${head}:${last.toString(16)}/56`, bits: 56 },
    { key: `${head}/48`, bits: 48 },
  ];
}
