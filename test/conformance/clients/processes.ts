/**
 * Four connections of their own to one client store, as four processes have them: together they set aside what one could.
 */
import { expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import { purchaseOf, requestOf, totalOf } from '../../../src/testing/clientStoreContract.ts';
import { recounted } from '../../../src/testing/recounted.ts';
import { type ClientPlace, openClientAt } from './Place.ts';

/** See the head of this file. */
export function testClientProcesses(newPlace: () => ClientPlace): void {
  test('four at once keep one limit, and see what the others have written', async () => {
    const place = newPlace();
    // At once, on a place where nothing is: all of them make it.
    const stores = await Promise.all(Array.from({ length: 4 }, () => openClientAt(place)));
    try {
      const outcomes = await Promise.all(
        stores.flatMap((store, one) =>
          Array.from({ length: 15 }, (_, index) => {
            const word = `${one}-${index}`;
            return store.reserve({ ...requestOf(purchaseOf(word, { resource: word })), maxFeeMsat: Amount.zero, ...totalOf(Amount.fromSat(1000)) });
          }),
        ),
      );
      expect(outcomes.filter(({ kind }) => kind === 'reserved').length).toBe(20);
      for (const store of stores) {
        expect(await store.spending()).toMatchObject({ heldMsat: 1_000_000n, spentMsat: 0n });
        expect((await store.list()).length).toBe(20);
      }
      expect(await recounted(stores[0] as (typeof stores)[number])).toEqual([]);
    } finally {
      for (const store of stores) await store.close();
    }
  });
}
