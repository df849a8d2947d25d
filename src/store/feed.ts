/**
 * The feed of changes over any store: rows behind a number, read again when something woke it.
 *
 * A change of this process wakes it at once; one of another process is found by asking a few times a second whether anything was
 * written, and only while somebody waits.
 */
import type { Clock } from '../core/Clock.ts';
import type { Change } from './Store.ts';

/** What a store offers to be followed. */
export type FeedSource = {
  /** Changes behind `after`, oldest first, all of one moment. */
  readonly read: (after: number, limit: number) => readonly Change[];
  /** The newest change's number. */
  readonly latest: () => number;
  /** Whether another process has written since this was last asked; absent where there is none. */
  readonly changedElsewhere?: () => boolean;
};

/** Follows a store for any number of readers. */
export type Feed = {
  /** Changes behind `after`, or behind the newest at this moment, until `signal` aborts or the feed is closed. */
  readonly changes: (options: { readonly after?: number; readonly signal: AbortSignal }) => AsyncIterable<Change>;
  /** Something was written by this process. */
  readonly wake: () => void;
  /** Ends every reader. */
  readonly close: () => void;
};

/** How often other processes are looked for. */
export const pollMs = 400;

const batchSize = 256;

/** A feed over `source`. */
export function createFeed(source: FeedSource, clock: Clock): Feed {
  const sleepers = createSleepers(source.changedElsewhere, clock);
  let closed = false;

  async function* follow(start: Start, signal: AbortSignal): AsyncGenerator<Change> {
    if ('error' in start) throw start.error;
    let after = start.after;
    while (!closed && !signal.aborted) {
      const batch = source.read(after, batchSize);
      for (const change of batch) {
        if (closed || signal.aborted) return;
        after = change.seq;
        yield change;
      }
      if (batch.length === 0) await sleepers.sleep(signal);
    }
  }

  return {
    changes: ({ after, signal }) => follow(startAt(after, source), signal),
    wake: sleepers.wake,
    close: () => {
      closed = true;
      sleepers.wake();
    },
  };
}

/** Readers that wait for a change; while there are any, other processes are looked for. */
function createSleepers(changedElsewhere: FeedSource['changedElsewhere'], clock: Clock) {
  const sleeping = new Set<() => void>();
  let stopPolling: (() => void) | undefined;

  function wake(): void {
    for (const resume of [...sleeping]) resume();
  }

  function poll(): void {
    if (!changedElsewhere) return;
    stopPolling ??= clock.after(pollMs, () => {
      stopPolling = undefined;
      if (isTrueOrBroken(changedElsewhere)) wake();
      else poll();
    });
  }

  function sleep(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const resume = () => {
        sleeping.delete(resume);
        signal.removeEventListener('abort', resume);
        if (sleeping.size === 0) {
          stopPolling?.();
          stopPolling = undefined;
        }
        resolve();
      };
      sleeping.add(resume);
      signal.addEventListener('abort', resume);
      poll();
    });
  }

  return { sleep, wake };
}

type Start = { readonly after: number } | { readonly error: unknown };

/** "From now on" means from the call, not from the first look; a store that cannot tell, or is closed, is the reader's error. */
function startAt(after: number | undefined, source: FeedSource): Start {
  try {
    const latest = source.latest();
    return { after: after ?? latest };
  } catch (error) {
    return { error };
  }
}

/** A store that cannot be asked is read instead, so that its reader hears of the error. */
function isTrueOrBroken(ask: () => boolean): boolean {
  try {
    return ask();
  } catch {
    return true;
  }
}
