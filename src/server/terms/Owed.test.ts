import { expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createOwed } from './Owed.ts';

/** What is owed to one, which the store takes back from the given attempt on. */
function open() {
  const clock = FixedClock.create();
  const owed = createOwed(clock);
  const tried: string[] = [];
  let isAway = true;
  return {
    clock,
    owed,
    tried,
    comesBack: () => {
      isAway = false;
    },
    owe: (name: string) =>
      owed.add(async () => {
        tried.push(name);
        if (isAway) throw new Error('gone');
      }),
    /** A second, and what is due in it. */
    second: async () => {
      clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test('what is owed is tried every second, the first first, until the store takes it; then no timer is left', async () => {
  const { clock, owe, tried, comesBack, second } = open();
  owe('a');
  owe('b');
  expect(tried).toEqual([]);
  await second();
  await second();
  expect(tried).toEqual(['a', 'a']);
  comesBack();
  await second();
  expect(tried).toEqual(['a', 'a', 'a', 'b']);
  await second();
  expect([tried.length, clock.timers()]).toEqual([4, 0]);
  owe('c');
  await second();
  expect([tried.at(-1), clock.timers()]).toEqual(['c', 0]);
});

test('at the end it is tried once more, and no timer goes on', async () => {
  const { clock, owed, owe, tried } = open();
  owe('a');
  await owed.close();
  expect([tried, clock.timers()]).toEqual([['a'], 0]);
  owe('b');
  expect(clock.timers()).toBe(0);
});

test('so much is remembered at most', async () => {
  const { owed, owe, tried, comesBack } = open();
  for (let i = 0; i < 10_001; i++) owe('a');
  comesBack();
  await owed.close();
  expect(tried.length).toBe(10_000);
});
