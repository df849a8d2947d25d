/**
 * The feed of changes over any store: rows behind a number, read again when something woke it.
 *
 * A change of this process wakes it at once; one of another process is found by asking a few times a second whether anything was
 * written, and only while somebody waits.
 */
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Change, ChangesQuery } from './Store.ts';

/** What a store offers to be followed; one on another machine answers later. */
export type FeedSource = {
  /** Changes behind `after`, of one kind or of all, oldest first, all of one moment. */
  readonly read: (after: number, limit: number, kind: Change['kind'] | undefined) => Later<readonly Change[]>;
  /** The newest change's number at the call, whatever is written behind it. */
  readonly latest: () => Later<number>;
  /** Whether another process has written since this was last asked; absent where there is none. */
  readonly changedElsewhere?: () => Later<boolean>;
};

type Later<T> = T | Promise<T>;

/** Follows a store for any number of readers. */
export type Feed = {
  /** See {@link Store.changes}; ends when the feed is closed as well. */
  readonly changes: (options: ChangesQuery) => AsyncIterable<Change>;
  /** Something of this kind was written; without one, anything may have been. */
  readonly wake: (kind?: Change['kind']) => void;
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

  async function* follow(starting: Promise<Start>, { kind, signal }: ChangesQuery): AsyncGenerator<Change> {
    const start = await starting;
    if ('error' in start) throw start.error;
    let after = start.after;
    while (!closed && !signal.aborted) {
      const mark = sleepers.mark(kind);
      const batch = await read(after, kind);
      for (const change of batch) {
        if (closed || signal.aborted) return;
        after = change.seq;
        yield change;
      }
      if (batch.length === 0) await sleepers.sleep(kind, signal, mark);
    }
  }

  /** What was being read when the feed was closed is nobody's error. */
  async function read(after: number, kind: Change['kind'] | undefined): Promise<readonly Change[]> {
    try {
      return await source.read(after, batchSize, kind);
    } catch (error) {
      if (closed) return [];
      throw error;
    }
  }

  return {
    changes: (query) => follow(startAt(query.after, source, closed), query),
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
  const wakes = { denial: 0, ledger: 0 };
  let stopPolling: (() => void) | undefined;
  let asking = false;

  /** Those who wait for changes of this kind; without one, everybody. */
  function wake(kind?: Change['kind']): void {
    for (const each of ['denial', 'ledger'] as const) wakes[each] += Number(kind === undefined || kind === each);
    for (const [resume, awaited] of [...sleeping]) if (kind === undefined || awaited === undefined || awaited === kind) resume();
  }

  /** How often whoever waits for this kind would have been woken. */
  function mark(kind: Change['kind'] | undefined): number {
    return kind === undefined ? wakes.denial + wakes.ledger : wakes[kind];
  }

  function poll(): void {
    if (!changedElsewhere || asking) return;
    stopPolling ??= clock.after(pollMs, async () => {
      stopPolling = undefined;
      asking = true;
      const changed = await isTrueOrBroken(changedElsewhere);
      asking = false;
      if (changed) wake();
      else if (sleeping.size > 0) poll();
    });
  }

  /** Sleeps, unless something has woken since the mark was taken: it may have come while the reader was being answered. */
  function sleep(kind: Change['kind'] | undefined, signal: AbortSignal, since: number): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || mark(kind) !== since) return resolve();
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

  return { sleep, wake, mark };
}

type Start = { readonly after: number } | { readonly error: unknown };

/** "From now on" means from the call, not from the first look; a store that cannot tell, or is closed, is the reader's error. */
async function startAt(after: number | undefined, source: FeedSource, closed: boolean): Promise<Start> {
  try {
    if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The store is closed.');
    return { after: after ?? (await source.latest()) };
  } catch (error) {
    return { error };
  }
}

/** A store that cannot be asked is read instead, so that its reader hears of the error. */
async function isTrueOrBroken(ask: () => Later<boolean>): Promise<boolean> {
  try {
    return await ask();
  } catch {
    return true;
  }
}
