/**
 * The feed of changes over any store: rows behind a number, read again when something woke it.
 *
 * A change of this process wakes it at once; one of another process is found by asking a few times a second whether anything was
 * written, and only while somebody waits.
 */
import type { Clock } from '../core/Clock.ts';
import type { Change, ChangesQuery } from './Store.ts';

/** What a store offers to be followed. */
export type FeedSource = {
  /** Changes behind `after`, of one kind or of all, oldest first, all of one moment. */
  readonly read: (after: number, limit: number, kind: Change['kind'] | undefined) => readonly Change[];
  /** The newest change's number. */
  readonly latest: () => number;
  /** Whether another process has written since this was last asked; absent where there is none. */
  readonly changedElsewhere?: () => boolean;
};

/** Follows a store for any number of readers. */
export type Feed = {
  /** See {@link Store.changes}; ends when the feed is closed as well. */
  readonly changes: (options: ChangesQuery) => AsyncIterable<Change>;
  /** Something of this kind was written by this process. */
  readonly wake: (kind: Change['kind']) => void;
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

  async function* follow(start: Start, { kind, signal }: ChangesQuery): AsyncGenerator<Change> {
    if ('error' in start) throw start.error;
    let after = start.after;
    while (!closed && !signal.aborted) {
      const batch = source.read(after, batchSize, kind);
      for (const change of batch) {
        if (closed || signal.aborted) return;
        after = change.seq;
        yield change;
      }
      if (batch.length === 0) await sleepers.sleep(kind, signal);
    }
  }

  return {
    changes: (query) => follow(startAt(query.after, source), query),
    wake: sleepers.wake,
    close: () => {
      closed = true;
      sleepers.wake();
    },
  };
}

/** Readers that wait for a change; while there are any, other processes are looked for. */
function createSleepers(changedElsewhere: FeedSource['changedElsewhere'], clock: Clock) {
  const sleeping = new Map<() => void, Change['kind'] | undefined>();
  let stopPolling: (() => void) | undefined;

  /** Those who wait for changes of this kind; without one, everybody. */
  function wake(kind?: Change['kind']): void {
    for (const [resume, awaited] of [...sleeping]) if (kind === undefined || awaited === undefined || awaited === kind) resume();
  }

  function poll(): void {
    if (!changedElsewhere) return;
    stopPolling ??= clock.after(pollMs, () => {
      stopPolling = undefined;
      if (isTrueOrBroken(changedElsewhere)) wake();
      else poll();
    });
  }

  function sleep(kind: Change['kind'] | undefined, signal: AbortSignal): Promise<void> {
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
      sleeping.set(resume, kind);
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
