/**
 * The machine's clock with the hour moved on: what would be waited for is skipped instead. Timers run at their own speed, and those that fall
 * due when the hour moves fire at once, in order.
 *
 * @see src/core/Clock.ts
 */
import type { Clock } from '../../src/core/Clock.ts';

/** A clock that can be moved on while others use it. */
export type MovedClock = Clock & {
  readonly move: (ms: number) => void;
  /** Sets the hour on or back, as a machine's clock is set: timers go on as they were. */
  readonly step: (ms: number) => void;
};

/** A clock that is so far ahead of the machine's. */
export function create(aheadMs = 0): MovedClock {
  let ahead = aheadMs;
  const timers = new Set<Timer>();
  const nowMs = () => Date.now() + ahead;
  const set = (timer: Timer) => {
    timer.handle = setTimeout(() => fire(timer), Math.max(0, timer.dueMs - nowMs()));
    if (!timer.keepAlive) timer.handle.unref();
  };
  const fire = (timer: Timer) => {
    timers.delete(timer);
    clearTimeout(timer.handle);
    timer.then();
  };
  return {
    nowMs,
    after: (ms, then, keepAlive = false) => {
      const timer: Timer = { dueMs: nowMs() + ms, then, keepAlive, handle: undefined };
      timers.add(timer);
      set(timer);
      return () => {
        timers.delete(timer);
        clearTimeout(timer.handle);
      };
    },
    move: (ms) => {
      ahead += ms;
      const waiting = [...timers].sort((a, b) => a.dueMs - b.dueMs);
      for (const timer of waiting) {
        if (!timers.has(timer)) continue;
        clearTimeout(timer.handle);
        if (timer.dueMs <= nowMs()) fire(timer);
        else set(timer);
      }
    },
    step: (ms) => {
      ahead += ms;
      for (const timer of timers) timer.dueMs += ms;
    },
  };
}

type Timer = { dueMs: number; readonly then: () => void; readonly keepAlive: boolean; handle: NodeJS.Timeout | undefined };
