/**
 * So many free requests a period for each client, before it is asked to pay. Counted by address, in this process, bounded in number: nothing that
 * is given away is written down.
 *
 * An address is cheap where IPv6 is: a client is its /64, four of them may come from one /56 and sixteen from one /48, and there is a cap on all
 * together. What was forgotten, because too many asked, is given again; the cap stands.
 *
 * Where an address may have several clients, those that show a trial token have a share each, and all others there one together. A share is taken by the
 * first token that is used, and is its own until it has not been used for two periods: tokens that were hoarded find none left. Wider blocks and the cap
 * stay as they are.
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
  /** How many clients an address may have, told apart by trial tokens; default: 1, and there are no such tokens. */
  readonly clients?: number | undefined;
};

/** Takes one for a client; how many it has left then, or undefined where it has had its share. `trial`: the number of its trial token, where it has shown one. */
export type FreeQuota = (clientAddress: string, trial?: string) => number | undefined;

/** Most clients at one address. */
export const maxClients = 100;

/** How many clients' shares one /56 and one /48 have. */
const shares = { 56: 4, 48: 16 } as const;

/** Most counts that are kept; the half that was asked for last is kept for certain. */
const maxCounts = 50_000;

/**
 * A quota that has given nothing yet.
 * @throws RangeError – no whole number of requests or seconds from 1 on
 */
export function createFreeQuota(options: FreeQuotaOptions, clock: Clock): FreeQuota {
  const { requests, seconds, inAll = 1000 * requests, clients = 1 } = checked(options);
  const periodMs = seconds * 1000;
  const countOf = createCounts(periodMs);
  const all: Count = { taken: 0, sinceMs: clock.nowMs() };
  return (clientAddress, trial) => {
    const nowMs = clock.nowMs();
    const key = clientKey(clientAddress);
    const address = countOf(key, nowMs);
    const own = trial === undefined ? undefined : ownShare(address, trial, { clients, periodMs, nowMs });
    const client = own ?? address;
    const limits: (readonly [Count, number])[] = [
      [client, requests],
      [begun(all, periodMs, nowMs), inAll],
    ];
    for (const prefix of prefixesOf(key)) limits.push([countOf(prefix.key, nowMs), requests * shares[prefix.bits]]);
    if (limits.some(([{ taken }, most]) => taken >= most)) return undefined;
    for (const [count] of limits) count.taken += 1;
    if (own !== undefined && trial !== undefined) address.trials = (address.trials ?? new Map()).set(trial, own);
    return requests - client.taken;
  };
}

/** Checks a quota once. @throws RangeError – as for {@link createFreeQuota} */
export function checked(options: FreeQuotaOptions): FreeQuotaOptions {
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) throw new RangeError(`${name} is a whole number from 1 on, not ${value}`);
  }
  if ((options.clients ?? 1) > maxClients) throw new RangeError(`clients is ${maxClients} at most`);
  return options;
}

/** What was taken in the period that began then; of an address, `trials` are those of its clients that have a share of their own. */
type Count = { taken: number; sinceMs: number; trials?: Map<string, Count> };

/** What the client of a trial token has taken; undefined where all shares of its address are others'. */
function ownShare({ trials }: Count, trial: string, of: { readonly clients: number; readonly periodMs: number; readonly nowMs: number }): Count | undefined {
  const { clients, periodMs, nowMs } = of;
  const known = trials?.get(trial);
  if (known !== undefined) return begun(known, periodMs, nowMs);
  // One share is for all that show none.
  if (trials !== undefined && trials.size >= clients - 1) {
    for (const [other, { sinceMs }] of trials) if (Math.abs(nowMs - sinceMs) >= 2 * periodMs) trials.delete(other);
  }
  return (trials?.size ?? 0) < clients - 1 ? { taken: 0, sinceMs: nowMs } : undefined;
}

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
