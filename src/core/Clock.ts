/**
 * Time as an argument: whoever needs the hour or a timer is handed a clock, so that no test waits.
 */

/** Wall time and timers. Points in time end in `At` and are Unix seconds; lengths end in `Seconds` or `Ms`. */
export type Clock = {
  /** Milliseconds since the Unix epoch. */
  readonly nowMs: () => number;
  /** Calls `then` once after that long; the answer calls it off. The process is kept alive for it only where `keepAlive` says so. */
  readonly after: (ms: number, then: () => void, keepAlive?: boolean) => () => void;
};

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after: (ms, then, keepAlive = false) => {
    const timer: unknown = setTimeout(then, ms);
    if (!keepAlive && typeof timer === 'object' && timer !== null && 'unref' in timer) (timer as { unref: () => void }).unref();
    return () => clearTimeout(timer as number);
  },
};

/** The time in whole Unix seconds. */
export function nowAt(clock: Clock): number {
  return Math.floor(clock.nowMs() / 1000);
}

/** Resolves after that long, or at once when `signal` aborts. `keepAlive`: somebody waits for what comes after, so the process must not end before. */
export function wait(clock: Clock, ms: number, signal?: AbortSignal, keepAlive = false): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done, keepAlive);
    signal?.addEventListener('abort', done);
  });
}

/** What bounds a wait for work; see {@link within}. */
export type Deadline = {
  readonly clock: Clock;
  readonly ms: number;
  /** What is thrown when it took longer. */
  readonly late: () => Error;
  /** Handed on to the work, joined with the deadline's own. */
  readonly signal?: AbortSignal | undefined;
  /** See {@link Clock.after}. */
  readonly keepAlive?: boolean;
};

/** Runs work for so long at most. Its signal aborts then; work that does not let go keeps nobody all the same. @throws what `late` makes – it took longer */
export async function within<T>({ clock, ms, late, signal, keepAlive }: Deadline, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const timedOut = Promise.withResolvers<never>();
  const timeOut = () => {
    timedOut.reject(late());
    timeout.abort();
  };
  const cancel = clock.after(ms, timeOut, keepAlive);
  try {
    return await Promise.race([work(signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal), timedOut.promise]);
  } finally {
    cancel();
  }
}

/** Where random bytes come from. */
export type Random = (length: number) => Uint8Array;

/** The runtime's cryptographic randomness. */
export const systemRandom: Random = (length) => crypto.getRandomValues(new Uint8Array(length));

/** Waits for something that does not fail, for so long at most, and until `signal` aborts. */
export function atMost(clock: Clock, ms: number, what: Promise<void>, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal?.addEventListener('abort', done);
    void what.then(done);
  });
}

/** Does something at most once a minute. */
export function seldom(clock: Clock, act: () => void): () => void {
  let didAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (clock.nowMs() - didAtMs < 60_000) return;
    didAtMs = clock.nowMs();
    act();
  };
}
