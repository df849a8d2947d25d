/**
 * A process that sells without end, a few at a time, and tells of each sale as soon as its commit has returned; where the store cannot be
 * reached it goes on with the next. Where it is told a crash point, it kills itself there.
 *
 * Arguments: the store's place as JSON, its own name, and a crash point or nothing.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../../../src/core/Clock.ts';
import { FareboxError } from '../../../src/core/Errors.ts';
import { createPostgresStore } from '../../../src/store/postgres.ts';
import type { Store } from '../../../src/store/Store.ts';
import { claimOf, entryOf } from '../../../src/testing/storeContract/StoreCase.ts';

const [place = '', name = '', crashPoint = ''] = process.argv.slice(2);
/** Longer than any test. */
const expiresAt = 4_000_000_000;

const store = await createPostgresStore({
  ...JSON.parse(place),
  clock: systemClock,
  reached: (point) => {
    if (point === crashPoint) process.kill(process.pid, 'SIGKILL');
  },
});
process.send?.({ kind: 'open' });

let begun = 0;
await Promise.all(Array.from({ length: 8 }, () => sellOn(store)));

async function sellOn(store: Store): Promise<never> {
  for (;;) {
    begun += 1;
    const sale = `${name} ${begun}`;
    try {
      const request = claimOf(sale, { expiresAt, entry: entryOf('received', sale) });
      const outcome = await store.claim(request);
      if (outcome.kind !== 'granted') throw new Error(`${sale} is ${outcome.kind}`);
      const committed = await store.commit({ key: request.key, fence: outcome.fence, entry: entryOf('earned', sale, { nonce: `${outcome.fence}` }) });
      process.send?.({ kind: committed, sale });
    } catch (error) {
      if (!FareboxError.is(error, 'STORE_UNAVAILABLE')) process.send?.({ kind: 'wrong', sale, error: String(error) });
      else process.send?.({ kind: 'unavailable', sale });
      await pause(20);
    }
  }
}
