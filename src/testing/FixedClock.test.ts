import { expect, test } from 'vitest';
import * as FixedClock from './FixedClock.ts';

test('time stands still until it is moved', () => {
  const clock = FixedClock.create(1_000);
  expect(clock.nowMs()).toBe(1_000_000);
  clock.advance(1);
  expect(clock.nowMs()).toBe(1_000_001);
  expect(() => clock.advance(-1)).toThrow(RangeError);
});

test('timers fire in order, each at its own time, those that are set on the way too', () => {
  const clock = FixedClock.create(0);
  const fired: [string, number][] = [];
  const at = (name: string) => () => void fired.push([name, clock.nowMs()]);
  clock.after(30, at('late'));
  clock.after(10, () => {
    at('early')();
    clock.after(5, at('nested'));
    clock.after(50, at('beyond'));
  });
  clock.after(10, at('second'));
  clock.after(20, at('cancelled'))();
  clock.advance(30);
  expect(fired).toEqual([
    ['early', 10],
    ['second', 10],
    ['nested', 15],
    ['late', 30],
  ]);
  expect(clock.timers()).toBe(1);
});
