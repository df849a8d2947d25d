/**
 * How many invoices are made, how much is given away and how often is asked, client by client: kept in one place for all who sell at one address. A paywall keeps it by
 * itself; where several processes share the work, it is kept by who started them, and asked for.
 */
import type { Clock } from '../core/Clock.ts';
import { createFreeQuota, type FreeQuota, type FreeQuotaOptions } from './FreeQuota.ts';
import { createMintLimiter, createRequestLimiter, type MintLimits, type RateScope, type RequestRate } from './Limits.ts';

/** See the head of this file. None throws; where it cannot be found out, the answer is no. */
export type Rates = {
  /** Asks for one invoice: 0 where it may be made, or after how many seconds to ask again. */
  readonly mint: (clientAddress: string) => number | Promise<number>;
  /** Asks for something for nothing, of what `name` gives away: how much is left of it after this; undefined: nothing is, and this was not given. `trial`: the number of the client's trial token. */
  readonly give: (name: string, quota: FreeQuotaOptions, clientAddress: string, trial?: string) => number | undefined | Promise<number | undefined>;
  /** Asks for a request: 0 where it may go on, or after how many seconds to ask again. */
  readonly take: (scope: RateScope, key: string, rate: RequestRate) => number | Promise<number>;
};

/**
 * Kept in this process.
 * @throws RangeError – a limit below 1
 */
export function createRates(limits: MintLimits, clock: Clock) {
  let mint = createMintLimiter(limits, clock);
  let current = limits;
  /** By name and how much is given: one that gives more from now on begins anew. */
  const quotas = new Map<string, FreeQuota>();
  return {
    mint: (clientAddress: string) => mint(clientAddress),
    take: createRequestLimiter(clock),
    /** Other limits on invoices from now on. What was given away, and how often was asked, stays counted. @throws RangeError – a limit below 1 */
    adjust: (next: MintLimits): void => {
      if (next.perClientPerMinute === current.perClientPerMinute && next.perMinute === current.perMinute) return;
      mint = createMintLimiter(next, clock);
      current = next;
    },
    give: (name: string, options: FreeQuotaOptions, clientAddress: string, trial?: string): number | undefined => {
      const key = `${name} ${options.requests}/${options.seconds}/${options.inAll}/${options.clients}`;
      const quota = quotas.get(key) ?? createFreeQuota(options, clock);
      quotas.set(key, quota);
      return quota(clientAddress, trial);
    },
  } satisfies Rates & { readonly adjust: (limits: MintLimits) => void };
}
