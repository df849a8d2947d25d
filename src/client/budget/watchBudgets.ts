/**
 * Says when a limit comes to its end: at 80, 90 and 100 of a hundred, each once for each stretch of time that it counts. What is held for payments whose end
 * is not known counts, as it does when something is refused.
 *
 *     const watch = watchBudgets({ store, onAlert: ({ words }) => console.warn(words) });
 *     const client = createClient({ payer, store, maxPerRequest: '50 sat', onEvent: watch.onEvent });
 *
 * Each process tells what it sees while it pays; of two on one store, both may.
 */
import * as Amount from '../../core/Amount.ts';
import { type Clock, nowAt, systemClock } from '../../core/Clock.ts';
import { formatAt } from '../../core/Time.ts';
import type { ClientEvent } from '../Client.ts';
import type { ClientStore } from '../ClientStore.ts';
import { type BudgetOptions, type NamedBudget, readBudget } from './Limit.ts';
import type { LimitState } from './LimitState.ts';
import { sayPeriod } from './windows.ts';

/** Parts of a limit, in hundredths, from the largest. */
const shares = [100n, 90n, 80n] as const;

/** So much of a limit is used up. */
export type BudgetAlert = {
  readonly percent: 80 | 90 | 100;
  readonly state: LimitState;
  /** For people: no host or tag in it is a seller's. */
  readonly words: string;
};

/** What is watched. */
export type WatchBudgetsOptions = {
  readonly store: Pick<ClientStore, 'report'>;
  /** Told of each. What it throws is dropped. */
  readonly onAlert: (alert: BudgetAlert) => void;
  /** As the client has them; those that stand in the store are watched anyway. Default: none. */
  readonly budgets?: readonly BudgetOptions[];
  readonly clock?: Clock;
};

/** See the head of this file. */
export type BudgetWatch = {
  /** Give it to the client as `onEvent`, or call it from there. */
  readonly onEvent: (event: ClientEvent) => void;
  /** Resolves when everything that was told has been looked at. */
  readonly settled: () => Promise<void>;
};

/**
 * Watches from now on: what is used up already is not told.
 * @throws AMOUNT_MALFORMED, RangeError, TypeError – a budget that is none
 */
export function watchBudgets({ store, onAlert, budgets = [], clock = systemClock }: WatchBudgetsOptions): BudgetWatch {
  const named: readonly NamedBudget[] = budgets.map(readBudget);
  let seen: ReadonlyMap<string, bigint> = new Map();
  const look = async (isFirst: boolean): Promise<void> => {
    let states: readonly LimitState[];
    try {
      states = await store.report({ budgets: named, nowAt: nowAt(clock) });
    } catch {
      // Nothing was found out, and the next payment asks again.
      return;
    }
    const before = seen;
    seen = new Map(states.map((state) => [keyOf(state), usedMsat(state)]));
    if (isFirst) return;
    for (const state of states) {
      const percent = reached(state, before.get(keyOf(state)) ?? 0n);
      if (percent !== undefined) tell(state, percent);
    }
  };
  const tell = (state: LimitState, percent: BudgetAlert['percent']) => {
    try {
      onAlert({ percent, state, words: sayAlert(state, percent) });
    } catch {
      // Whoever is told disturbs no payment.
    }
  };
  let last = look(true);
  return {
    onEvent: ({ kind }) => {
      if (kind === 'paid' || kind === 'unpaid') last = last.then(() => look(false));
    },
    settled: () => last,
  };
}

/** The largest part that is used up now and was not before. */
function reached(state: LimitState, beforeMsat: bigint): BudgetAlert['percent'] | undefined {
  const { limit } = state;
  if (limit.per === 'request') return undefined;
  const isUsed = (msat: bigint, share: bigint) => msat * 100n >= limit.maxMsat * share;
  const share = shares.find((one) => isUsed(usedMsat(state), one));
  return share === undefined || isUsed(beforeMsat, share) ? undefined : (Number(share) as BudgetAlert['percent']);
}

function usedMsat({ spentMsat, heldMsat }: LimitState): bigint {
  return spentMsat + heldMsat;
}

/** A limit in one stretch of time. One that was changed is another one. */
function keyOf({ budget, limit, isStanding, endAt }: LimitState): string {
  return JSON.stringify([budget, limit.per, limit.host, limit.tag, String(limit.maxMsat), isStanding, endAt]);
}

function sayAlert({ budget, limit, spentMsat, heldMsat, endAt }: LimitState, percent: number): string {
  const whose = budget === '' ? 'of everything that may be spent' : `of the budget "${budget}"`;
  const scope = `${limit.host === undefined ? '' : ` to ${limit.host}`}${limit.tag === undefined ? '' : ` tagged ${limit.tag}`}`;
  const held = heldMsat === 0n ? '' : ` and ${Amount.format(heldMsat)} held`;
  const until = endAt === undefined ? '' : `, until ${formatAt(endAt)}`;
  return `${percent} % ${whose} is used up: ${Amount.format(spentMsat)} spent${held}, ${Amount.format(limit.maxMsat)} allowed ${sayPeriod(limit.per)}${scope}, fees included${until}.`;
}
