/**
 * A crash between payment and what it buys, of what is added to a balance: whoever presents it again has it added, once, whichever half of the step
 * was done. (What `kill -9` does to a sale at every step is tried by `npm run crash`.)
 */
import { describe, expect, test } from 'vitest';
import { FareboxError } from '../../src/core/Errors.ts';
import * as Books from '../../src/store/Books.ts';
import type { Store } from '../../src/store/Store.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import { openAt } from '../conformance/stores/Place.ts';
import { enterCounted } from './counted.ts';
import { newPlace } from './stores.ts';
import { names } from './thief.ts';
import { buyTopUp, present, unitsOf } from './topUps.ts';

const path = '/credit/a';

/** A store that dies at a step: before it is written, or after it is and before anybody hears so. */
async function dying(clock: FixedClock.FixedClock, at: { when: 'before' | 'after' | 'never' }): Promise<Store> {
  const store = await openAt(newPlace(), clock);
  return {
    ...store,
    credit: async (request) => {
      if (!request.onlyOpen || at.when === 'never') return store.credit(request);
      if (at.when === 'after') await store.credit(request);
      throw new FareboxError('STORE_UNAVAILABLE', 'The store went away.');
    },
  };
}

describe.each(names)('%s', (name) => {
  test.each(['before', 'after'] as const)('%s it is written: paid, presented, and presented again', async (when) => {
    const at: { when: 'before' | 'after' | 'never' } = { when };
    const shop = await enterCounted(name, {}, { store: (clock) => dying(clock, at) });
    const bought = await shop.buy(path);
    const top = await buyTopUp(shop, path, bought);
    expect(await present(shop, path, top)).toBe('503');
    at.when = 'never';
    expect(await present(shop, path, top)).toBe(when === 'after' ? '200 already' : '200 credited');
    expect(await present(shop, path, top)).toBe('200 already');
    expect(await unitsOf(shop, bought)).toBe(300_000n);
    const { columns, discrepancies } = await Books.verify(shop.store.audit());
    expect([discrepancies, columns.received.amountMsat, columns.unspent.amountMsat]).toEqual([[], 180_000n, 180_000n]);
  });

  test('a seller that starts again on the same store knows what was added before', async () => {
    const place = newPlace();
    const store = (clock: FixedClock.FixedClock) => openAt(place, clock);
    const first = await enterCounted(name, {}, { store });
    const bought = await first.buy(path);
    const [added, kept] = [await buyTopUp(first, path, bought), await buyTopUp(first, path, bought)];
    expect(await present(first, path, added)).toBe('200 credited');
    const second = await enterCounted(name, {}, { store });
    expect([await present(second, path, added), await present(second, path, kept)]).toEqual(['200 already', '200 credited']);
    expect(await unitsOf(second, bought)).toBe(450_000n);
  });
});
