/**
 * Counters with a ceiling.
 */
import assert from 'node:assert/strict';
import { digest, expiresAt, type StoreCase } from './StoreCase.ts';

const count = { key: digest('uses'), by: 1, ceiling: 3, expiresAt };

export const counterCases: readonly StoreCase[] = [
  {
    name: 'a counter counts up to its ceiling and says where it stands',
    run: async (store) => {
      assert.deepEqual(await store.count({ ...count, by: 2 }), { counted: true, value: 2 });
      assert.deepEqual(await store.count({ ...count, by: 2 }), { counted: false, value: 2 });
      assert.deepEqual(await store.count(count), { counted: true, value: 3 });
      assert.deepEqual(await store.count(count), { counted: false, value: 3 });
      assert.deepEqual(await store.count({ ...count, key: digest('other') }), { counted: true, value: 1 });
    },
  },
  {
    name: 'of parallel counts no more are counted than there is room for',
    run: async (store) => {
      const outcomes = await Promise.all(Array.from({ length: 40 }, () => store.count(count)));
      assert.equal(outcomes.filter(({ counted }) => counted).length, 3);
    },
  },
  {
    name: 'counting by nought looks, and changes nothing',
    run: async (store) => {
      assert.deepEqual(await store.count({ ...count, by: 0 }), { counted: true, value: 0 });
      await store.count(count);
      assert.deepEqual(await store.count({ ...count, by: 0 }), { counted: true, value: 1 });
      assert.deepEqual(await store.count({ ...count, by: 0, ceiling: 0 }), { counted: false, value: 1 });
    },
  },
  {
    name: 'a counter is forgotten when the first call said, whatever later calls say',
    run: async (store, clock) => {
      await store.count({ ...count, by: 3 });
      await store.count({ ...count, ceiling: 9, expiresAt: expiresAt + 1000 });
      clock.advance(expiresAt * 1000 - clock.nowMs() - 1);
      assert.deepEqual(await store.count(count), { counted: false, value: 4 });
      clock.advance(1);
      assert.deepEqual(await store.count({ ...count, expiresAt: expiresAt + 1000 }), { counted: true, value: 1 });
      await store.prune();
      assert.deepEqual(await store.count(count), { counted: true, value: 2 });
    },
  },
];
