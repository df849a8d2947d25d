import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as FixedClock from '../testing/FixedClock.ts';
import { type Timer, TimerWheel } from './TimerWheel.ts';

describe('TimerWheel', () => {
  test('nothing early, and nothing later than it may be', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ at: fc.nat(20_000), ms: fc.nat(70_000), cancelledAt: fc.option(fc.nat(90_000)) }), { maxLength: 40 }),
        fc.nat(999),
        (asked, oddMs) => {
          const clock = FixedClock.create();
          clock.advance(oddMs);
          const startMs = clock.nowMs();
          const wheel = new TimerWheel(clock);
          const fired = new Map<number, number>();
          const cancelled = new Set<number>();
          const steps = asked.flatMap(({ at, ms, cancelledAt }, index) => [
            { at, act: () => timers.set(index, wheel.after(ms, { onTimer: () => fired.set(index, clock.nowMs()) })) },
            ...(cancelledAt === null || cancelledAt < at ? [] : [{ at: cancelledAt, act: () => cancel(index) }]),
          ]);
          const timers = new Map<number, Timer>();
          const cancel = (index: number) => {
            if (!fired.has(index)) cancelled.add(index);
            timers.get(index)?.cancel();
          };
          for (const { at, act } of steps.sort((one, other) => one.at - other.at)) {
            clock.advance(startMs + at - clock.nowMs());
            act();
          }
          clock.advance(200_000);
          for (const [index, { at, ms }] of asked.entries()) {
            const firedMs = fired.get(index);
            expect(firedMs === undefined).toBe(cancelled.has(index));
            if (firedMs === undefined) continue;
            const lateMs = firedMs - (startMs + at + ms);
            expect(lateMs).toBeGreaterThanOrEqual(0);
            expect(lateMs).toBeLessThanOrEqual(ms < 1000 ? 10 : 100);
          }
          wheel.close();
          expect(clock.timers()).toBe(0);
        },
      ),
    );
  });

  test('a thousand cost the clock one timer, and none when it is closed', () => {
    const clock = FixedClock.create();
    const wheel = new TimerWheel(clock);
    for (let ms = 0; ms < 1000; ms++) wheel.after(10_000 + ms, { onTimer: () => {} });
    expect(clock.timers()).toBe(1);
    wheel.close();
    expect(clock.timers()).toBe(0);
  });

  test('one that sets another, calls another off, or does both', () => {
    const clock = FixedClock.create();
    const wheel = new TimerWheel(clock);
    const told: string[] = [];
    let second: Timer | undefined;
    wheel.after(1000, {
      onTimer: () => {
        told.push('first');
        second?.cancel();
        wheel.after(0, { onTimer: () => told.push('third') });
      },
    });
    second = wheel.after(1000, { onTimer: () => told.push('second') });
    clock.advance(999);
    expect(told).toEqual([]);
    clock.advance(1);
    expect(told).toEqual(['first']);
    clock.advance(10);
    expect(told).toEqual(['first', 'third']);
  });

  test('a clock that is set back lets nothing go off early', () => {
    let nowMs = 1_000_000;
    const set: (() => void)[] = [];
    const after = (_: number, then: () => void) => {
      set.push(then);
      return () => {};
    };
    const wheel = new TimerWheel({ nowMs: () => nowMs, after });
    let fired = 0;
    wheel.after(5000, { onTimer: () => fired++ });
    nowMs -= 60_000;
    set.shift()?.();
    expect([fired, set.length]).toEqual([0, 1]);
    nowMs += 70_000;
    set.shift()?.();
    expect(fired).toBe(1);
  });
});
