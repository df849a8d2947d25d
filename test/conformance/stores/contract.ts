/**
 * The store contract as tests.
 */
import { test } from 'vitest';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { storeContract } from '../../../src/testing/storeContract.ts';

/** A test for each case, on a new store each. */
export function testContract(create: (clock: FixedClock.FixedClock) => Promise<Store>): void {
  test.each(storeContract.map(({ name, run }) => [name, run] as const))('%s', async (_, run) => {
    const clock = FixedClock.create();
    const store = await create(clock);
    try {
      await run(store, clock);
    } finally {
      await store.close();
    }
  });
}
