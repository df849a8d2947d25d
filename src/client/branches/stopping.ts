/**
 * Calls under a branch: looked after while they run, and aborted when it has ended, by whomever in whichever process.
 */
import { type Clock, nowAt } from '../../core/Clock.ts';
import { type Branch, hasEnded } from '../budget/Limit.ts';
import type { Fetch } from '../Outgoing.ts';

/** How often a store is looked into while a branch is in use: a pulled one is stopped within twice that, as long as the store answers. */
export const lookEveryMs = 400;

/** A `fetch` whose requests, and whose answers on their way, are aborted by this signal too. */
export function stoppedWith(stop: AbortSignal | undefined, fetch: Fetch): Fetch {
  if (stop === undefined) return (url, init) => fetch(url, init);
  return async (url, init) => {
    stop.throwIfAborted();
    return fetch(url, { ...init, signal: init.signal ? AbortSignal.any([init.signal, stop]) : stop });
  };
}

/** What a watch is given. */
export type Watched = {
  readonly clock: Clock;
  /** The branch and all that it lies within, as the store has them now; undefined for one that is not there any more. */
  readonly look: () => Promise<readonly (Branch | undefined)[]>;
  /** What the calls are aborted with. */
  readonly reason: () => Error;
};

/** A branch that is looked after, from its first use until it has ended or is let go. */
export type Watch = { readonly signal: AbortSignal; readonly begin: () => void; readonly end: () => void };

/** Looks after a branch. What the store cannot say now is asked again: payments are refused by the store itself, in the step that would allow them. */
export function watchBranch({ clock, look, reason }: Watched): Watch {
  const stop = new AbortController();
  let [isOver, cancel] = [false, undefined as (() => void) | undefined];
  const end = () => {
    isOver = true;
    cancel?.();
  };
  const again = () => {
    if (!isOver) cancel = clock.after(lookEveryMs, () => void see());
  };
  const see = async () => {
    const found = await look().catch(() => undefined);
    if (isOver) return;
    if (!found?.some((branch) => branch === undefined || hasEnded(branch, nowAt(clock)))) return again();
    end();
    stop.abort(reason());
  };
  return {
    signal: stop.signal,
    begin: () => {
      if (!isOver && cancel === undefined) again();
    },
    end,
  };
}
