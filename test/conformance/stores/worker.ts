/**
 * A process with a store open, told what to do by messages: the other half of processes.ts.
 *
 * Arguments: the store's place as JSON, and the Unix seconds at which its clock stands.
 */
import { FareboxError } from '../../../src/core/Errors.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, leaseSeconds, spendingOf } from '../../../src/testing/storeContract/StoreCase.ts';
import { openAt, type Place } from './Place.ts';

/** What the test asks for. */
export type Order =
  | { readonly kind: 'open' | 'close' | 'sell' }
  | { readonly kind: 'sell-through'; readonly name: string }
  | { readonly kind: 'claim' | 'claim-in-turn'; readonly keys: readonly string[] }
  | { readonly kind: 'commit'; readonly key: string; readonly fence: number }
  | { readonly kind: 'count'; readonly times: number; readonly ceiling: number }
  | { readonly kind: 'reserve'; readonly names: readonly string[] };

const [place = '', startAt = ''] = process.argv.slice(2);
let store: Store;

process.on('message', (order: Order) => {
  obey(order).then(
    (answer) => process.send?.({ answer }),
    (error: Error) => process.send?.({ error: `${error.message} ${error.cause ?? ''}` }),
  );
});
process.send?.({ answer: 'ready' });

async function obey(order: Order): Promise<unknown> {
  switch (order.kind) {
    case 'open':
      store = await openAt(JSON.parse(place) as Place, FixedClock.create(Number(startAt)));
      return 'open';
    case 'close':
      await store.close();
      process.disconnect();
      return 'closed';
    case 'claim':
      return Promise.all(order.keys.map((key) => store.claim(claimOf(key))));
    case 'claim-in-turn': {
      const outcomes = [];
      for (const key of order.keys) outcomes.push(await store.claim(claimOf(key)));
      return outcomes;
    }
    case 'commit':
      return store.commit({ key: digest(order.key), fence: order.fence, entry: entryOf('earned', order.key) });
    case 'count':
      return Promise.all(Array.from({ length: order.times }, () => store.count({ key: 'uses', by: 1, ceiling: order.ceiling, expiresAt })));
    case 'reserve':
      return Promise.all(order.names.map((reservation) => store.reserve({ reservation, leaseSeconds, debits: [{ account: 'a', units: 10n }] })));
    case 'sell':
      return sell();
    case 'sell-through':
      return sellThrough(order.name);
  }
}

/** Sells without end, a few at a time, and tells of each sale as soon as its commit has returned. */
async function sell(): Promise<void> {
  let sold = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (;;) {
        sold += 1;
        const name = `sale ${sold}`;
        const outcome = await store.claim(claimOf(name));
        if (outcome.kind !== 'granted') throw new Error(`${name} is ${outcome.kind}`);
        await store.commit({ key: digest(name), fence: outcome.fence, entry: entryOf('earned', name) });
        process.send?.({ answer: name });
      }
    }),
  );
}

/**
 * Sells without end, whatever becomes of the store: a use of its own each time, and a unit of an account that all share. Tells of each of both as
 * soon as it has returned, and goes on with the next where it does not.
 */
async function sellThrough(who: string): Promise<void> {
  let sold = 0;
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (;;) {
        sold += 1;
        const name = `${who} ${sold}`;
        try {
          const outcome = await store.claim(claimOf(name, { entry: entryOf('received', name) }));
          if (outcome.kind !== 'granted') throw new Error(`${name} is ${outcome.kind}`);
          if ((await store.commit({ key: digest(name), fence: outcome.fence, entry: entryOf('earned', name, { nonce: '1' }) })) === 'committed') {
            process.send?.({ answer: `sold ${name}` });
          }
          await store.reserve({ reservation: name, leaseSeconds, debits: [{ account: 'shared', units: 1n }] });
          if ((await store.settle({ reservation: name, entry: spendingOf(name) })) === 'settled') process.send?.({ answer: `spent ${name}` });
        } catch (error) {
          if (!FareboxError.is(error, 'STORE_UNAVAILABLE')) throw error;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }),
  );
}
