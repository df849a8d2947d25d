/**
 * The client stores' contract, against one kind of them.
 */
import { test } from 'vitest';
import { clientStoreContract } from '../../../src/testing/clientStoreContract.ts';
import { type ClientPlace, openClientAt } from './Place.ts';

/** Every case, each in a place of its own. */
export function testClientContract(newPlace: () => ClientPlace): void {
  for (const { name, run } of clientStoreContract) {
    test(name, async () => {
      const store = await openClientAt(newPlace());
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
  }
}
