import { expect, test } from 'vitest';
import type { Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { startPruning } from './Pruning.ts';

const turns = async () => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};

test('a store forgets a minute after the start and every hour from then on, also where it failed once, until it is closed', async () => {
  const clock = FixedClock.create();
  const runs: number[] = [];
  const troubles: unknown[] = [];
  const prune = async () => {
    runs.push(clock.nowMs());
    if (runs.length === 2) throw new Error('busy');
    return 0;
  };
  const pruning = startPruning({ prune } as unknown as Store, (error) => troubles.push(error), clock);
  for (const ms of [59_999, 1, 3_599_999, 1, 3_600_000]) {
    clock.advance(ms);
    await turns();
  }
  const startedMs = (runs[0] ?? 0) - 60_000;
  expect(runs.map((ms) => ms - startedMs)).toEqual([60_000, 3_660_000, 7_260_000]);
  expect(troubles.length).toBe(1);
  await pruning.close();
  expect(clock.timers()).toBe(0);
});
