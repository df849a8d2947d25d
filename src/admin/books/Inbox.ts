/**
 * What several tellers put in, for one reader. What must not be lost waits for room; what is told in passing is dropped where the reader is too slow, so that a
 * reader that stands still holds nothing up and fills no memory.
 */

/** See the head of this file. */
export type Inbox<Item> = {
  /** Told in passing. */
  readonly put: (item: Item) => void;
  /** Told for certain: waits while there is no room. */
  readonly putSafely: (item: Item) => Promise<void>;
  /** What is there, and what comes, until it is ended. */
  readonly items: () => AsyncGenerator<Item>;
  readonly end: () => void;
  readonly fail: (error: unknown) => void;
};

/** What waits at most. */
const capacity = 1000;

/** An empty one; it ends when `signal` aborts. */
export function createInbox<Item>(signal: AbortSignal): Inbox<Item> {
  const waiting: Item[] = [];
  let ended = signal.aborted;
  let error: { readonly cause: unknown } | undefined;
  let changed = Promise.withResolvers<void>();
  const wake = () => {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  };
  const end = () => {
    ended = true;
    wake();
  };
  signal.addEventListener('abort', end, { once: true });
  return {
    put: (item) => {
      if (waiting.length >= capacity || ended) return;
      waiting.push(item);
      wake();
    },
    putSafely: async (item) => {
      while (waiting.length >= capacity && !ended) await changed.promise;
      if (ended) return;
      waiting.push(item);
      wake();
    },
    items: async function* () {
      for (;;) {
        const item = waiting.shift();
        if (item !== undefined) {
          wake();
          yield item;
        } else if (error) throw error.cause;
        else if (ended) return;
        else await changed.promise;
      }
    },
    end,
    fail: (cause) => {
      error ??= { cause };
      wake();
    },
  };
}
