/**
 * Counters in Redis, counted there: the hot ones are everybody's.
 */
import type { Reached } from '../../core/CrashPoint.ts';
import type { Store } from '../Store.ts';
import type { Asking } from './asking.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';

/** Counters by key; one that has expired begins again. */
export function createCounters(asking: Asking, keys: Keys, now: () => number, reached: Reached) {
  return {
    count: async ({ key, by, ceiling, expiresAt }: Parameters<Store['count']>[0]) => {
      reached('store.count.written');
      const args = [key, `${by}`, `${ceiling}`, `${expiresAt}`, `${now()}`];
      const [, counted, value] = await asking.run(scripts.count, [keys.counter(key), keys.expiring('counters')], args);
      reached('store.count.committed');
      return { counted: counted === 1, value: Number(value) };
    },
  };
}
