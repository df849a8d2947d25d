/**
 * A clock that stands still until it is told to move, so that no test waits.
 *
 * @see src/core/Clock.ts
 */
import type { Clock } from '../core/Clock.ts';

/** A clock under the test's hand. */
export type FixedClock = Clock & {
  /** Moves time on by that many milliseconds; timers that fall due fire on the way, in order, each at its own time. */
  readonly advance: (ms: number) => void;
  /** How many timers are set: none after everything has been closed. */
  readonly timers: () => number;
};

/**
 * A clock that stands at a whole second.
 * @param startAt - Unix seconds
 * @example const clock = FixedClock.create(); clock.advance(30_000);
 */
export function create(startAt = 1_800_000_000): FixedClock {
  let nowMs = startAt * 1000;
  const timers = new Set<Timer>();
  return {
    nowMs: () => nowMs,
    after: (ms, then) => {
      const timer = { dueMs: nowMs + Math.max(0, ms), then };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance: (ms) => {
      if (!(ms >= 0)) throw new RangeError(`ms: time moves forward only, not by ${ms}`);
      const endMs = nowMs + ms;
      for (let next = firstDue(timers, endMs); next; next = firstDue(timers, endMs)) {
        timers.delete(next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.then();
      }
      nowMs = endMs;
    },
    timers: () => timers.size,
  };
}

type Timer = { readonly dueMs: number; readonly then: () => void };

/** The timer that falls due first, at the latest at `endMs`; of equal ones the one that was set first. */
function firstDue(timers: ReadonlySet<Timer>, endMs: number): Timer | undefined {
  let first: Timer | undefined;
  for (const timer of timers) if (timer.dueMs <= endMs && (!first || timer.dueMs < first.dueMs)) first = timer;
  return first;
}
