import { expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createAskedRates } from './asking.ts';
import type { FromWorker } from './messages.ts';

test('each answer goes to who asked for it, whatever their order; where none comes the answer is no', async () => {
  const clock = FixedClock.create();
  const sent: FromWorker[] = [];
  const { rates, hear } = createAskedRates((message) => sent.push(message), clock);
  const quota = { requests: 1, seconds: 60 };
  const [one, other, lost, nothing] = [
    rates.mint('192.0.2.1'),
    rates.give('a', quota, '192.0.2.1'),
    rates.mint('192.0.2.2'),
    rates.give('a', quota, '192.0.2.2', 'ab'),
  ];
  expect(sent).toEqual([
    { kind: 'mint', id: 1, client: '192.0.2.1' },
    { kind: 'give', id: 2, name: 'a', quota, client: '192.0.2.1' },
    { kind: 'mint', id: 3, client: '192.0.2.2' },
    { kind: 'give', id: 4, name: 'a', quota, client: '192.0.2.2', trial: 'ab' },
  ]);
  hear({ kind: 'rate', id: 2, value: 4 });
  hear({ kind: 'rate', id: 1, value: 0 });
  hear({ kind: 'rate', id: 9, value: 0 });
  expect(await Promise.all([one, other])).toEqual([0, 4]);
  clock.advance(2000);
  expect(await Promise.all([lost, nothing])).toEqual([1, undefined]);
  hear({ kind: 'rate', id: 3, value: 0 });
  expect(clock.timers()).toBe(0);
});
