/**
 * Forgetting in time: whoever writes into a store for as long as it runs lets it forget what has expired, or it grows for ever. Any number
 * of processes may do so at once.
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import type { Store } from '../store/Store.ts';

/** Prunes until it is closed. */
export type Pruning = {
  /** Waits for a run that is under way. */
  readonly close: () => Promise<void>;
};

/** A minute after the start, so that a program that soon ends is not held up, and then every hour. */
const firstMs = 60_000;
const everyMs = 3_600_000;

/**
 * Prunes a store from now on. `onTrouble` is told when that fails; the next hour tries again.
 * @example const pruning = startPruning(store, (error) => console.error(error));
 */
export function startPruning(store: Store, onTrouble: (error: unknown) => void, clock: Clock = systemClock): Pruning {
  let isClosed = false;
  let running: Promise<unknown> = Promise.resolve();
  let cancel = clock.after(firstMs, run);

  function run(): void {
    running = store
      .prune()
      .catch(onTrouble)
      .then(() => {
        if (!isClosed) cancel = clock.after(everyMs, run);
      });
  }

  return {
    close: async () => {
      isClosed = true;
      cancel();
      await running;
    },
  };
}
