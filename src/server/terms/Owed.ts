/**
 * What is to be given back to buyers and could not be, since the store was away: tried again every second until it is known what came of it.
 *
 * A store that has written down that something was spent, and whose answer was lost, leaves a buyer with nothing for it. Whoever held it knows
 * that; nobody else does, so that what a killed process owed stays spent.
 */
import type { Clock } from '../../core/Clock.ts';

/** See the head of this file. */
export type Owed = {
  /** Tries it from now on until it does not throw. */
  readonly add: (giveBack: () => Promise<unknown>) => void;
  /** Tries what is owed once more, and then no longer. */
  readonly close: () => Promise<void>;
};

/** Between one attempt and the next. */
const pauseMs = 1000;

/** So much is remembered at most; a store forgets what it knew of it after an hour. */
const maxOwed = 10_000;

/** Nothing owed yet. */
export function createOwed(clock: Clock): Owed {
  const owed: (() => Promise<unknown>)[] = [];
  let cancel: (() => void) | undefined;
  let trying: Promise<void> | undefined;
  let closed = false;

  /** One after the other; where one fails, the others would too. */
  async function tryAll(): Promise<void> {
    for (let first = owed[0]; first !== undefined; first = owed[0]) {
      try {
        await first();
      } catch {
        return;
      }
      owed.shift();
    }
  }

  function attempt(): Promise<void> {
    cancel = undefined;
    trying ??= tryAll().finally(() => {
      trying = undefined;
      if (owed.length > 0) schedule();
    });
    return trying;
  }

  function schedule(): void {
    if (closed || cancel !== undefined || trying !== undefined) return;
    cancel = clock.after(pauseMs, () => void attempt());
  }

  return {
    add: (giveBack) => {
      if (owed.length >= maxOwed) return;
      owed.push(giveBack);
      schedule();
    },
    close: async () => {
      closed = true;
      cancel?.();
      await trying;
      await attempt();
    },
  };
}
