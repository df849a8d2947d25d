/**
 * A store that is missing, read as "allowed": what was revoked is not known before the list has been loaded, nor when it is too old; what
 * was used is not known where the store does not say it. Then nothing is served, and nothing is sold that would not be served.
 */
import { describe, expect, test } from 'vitest';
import { FareboxError } from '../../src/core/Errors.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import type { Shop } from '../conformance/shop/shop.ts';
import { auth, codeOf, enter, names, path, standing } from './thief.ts';

/** How a store is away: it says so, or says nothing. */
const absences = {
  'that says so': () => Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'The store could not be read.')),
  'that breaks as a careless driver does': () => Promise.reject(new TypeError('undefined is not a row')),
  'that is silent': () => new Promise<never>(() => {}),
} as const;

/** A store that comes and goes. */
function leaving(how: keyof typeof absences, isAway: boolean) {
  const door = { isAway };
  const open = async (clock: FixedClock.FixedClock): Promise<Store> => {
    const memory = createMemoryStore({ clock });
    return new Proxy(memory, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== 'function' || name === 'close') return value;
        // A feed that is lost says nothing.
        if (name === 'changes') return () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) });
        return (...given: unknown[]) => (door.isAway ? absences[how]() : (value.apply(target, given) as unknown));
      },
    });
  };
  return { door, open };
}

async function wait(shop: Shop, seconds: number): Promise<void> {
  for (let left = seconds * 1000; left > 0; left -= 200) {
    shop.clock.advance(Math.min(200, left));
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Sees that a request is neither served nor sold to, and told to come back. */
async function expectNothing(shop: Shop, target: string, authorization: string | undefined): Promise<void> {
  const before = await standing({ ...shop, ledger: async () => [] });
  const got = await shop.get(target, authorization === undefined ? {} : auth(authorization));
  const after = await standing({ ...shop, ledger: async () => [] });
  expect([got.status, codeOf(got), got.lines, got.headers['retry-after']]).toEqual([503, 'STORE_UNAVAILABLE', [], '5']);
  expect([after.forwarded, after.invoices]).toEqual([before.forwarded, before.invoices]);
}

/** How it is away is the store's own; one stand shows it in every way. */
const ways = (name: string) => (name === 'gateway' ? (Object.keys(absences) as (keyof typeof absences)[]) : (['that says so'] as const));

describe.each(names)('%s', (name) => {
  // One that is silent is not waited for: see src/server/Denials.test.ts.
  describe.each(ways(name).filter((how) => how !== 'that is silent'))('with a store %s', (how) => {
    test('at the start: nothing is served before the list has been loaded, and everything within a second of that', async () => {
      const other = await enter(name);
      const [revoked, good, steady] = [await other.buy('/pass'), await other.buy('/pass'), await other.buy('/steady')];
      const { door, open } = leaving(how, true);
      const shop = await enter(name, {}, { store: open });
      for (const credential of [revoked.authorization, good.authorization, undefined]) await expectNothing(shop, '/pass', credential);
      for (const credential of [steady.authorization, undefined]) await expectNothing(shop, '/steady', credential);
      await wait(shop, 90);
      await expectNothing(shop, '/pass', good.authorization);
      door.isAway = false;
      await shop.store.deny({ kind: 'payment', value: paymentOf(revoked), expiresAt: 2_000_000_000 });
      await wait(shop, 1);
      expect((await shop.get('/pass', auth(good.authorization))).status).toBe(200);
      expect((await shop.get('/steady', auth(steady.authorization))).status).toBe(200);
      expect(codeOf(await shop.get('/pass', auth(revoked.authorization)))).toBe('CREDENTIAL_REVOKED');
    });

    test('in the middle of a sale: what is used once is not served on a guess', async () => {
      const { door, open } = leaving(how, false);
      const shop = await enter(name, {}, { store: open });
      const bought = await shop.buy(path);
      door.isAway = true;
      await expectNothing(shop, path, bought.authorization);
      door.isAway = false;
      expect((await shop.get(path, auth(bought.authorization))).status).toBe(200);
    });
  });

  test.each(ways(name))(
    'with a store %s later: where a route says so, passes go on by the last list for a minute, and not for longer, whatever they were before',
    async (how) => {
      const { door, open } = leaving(how, false);
      const shop = await enter(name, {}, { store: open });
      const [revoked, remembered, fresh] = [await shop.buy('/steady'), await shop.buy('/steady'), await shop.buy('/steady')];
      await shop.store.deny({ kind: 'payment', value: paymentOf(revoked), expiresAt: 2_000_000_000 });
      await wait(shop, 1);
      for (let times = 0; times < 3; times++) expect((await shop.get('/steady', auth(remembered.authorization))).status).toBe(200);
      door.isAway = true;
      await wait(shop, 58);
      expect((await shop.get('/steady', auth(remembered.authorization))).status).toBe(200);
      expect(codeOf(await shop.get('/steady', auth(revoked.authorization)))).toBe('CREDENTIAL_REVOKED');
      await wait(shop, 3);
      for (const { authorization } of [revoked, remembered, fresh]) await expectNothing(shop, '/steady', authorization);
      await expectNothing(shop, '/steady', undefined);
    },
  );

  test.each(ways(name))('with a store %s later: where a route says nothing, no pass is served and none is sold, until it is back', async (how) => {
    const { door, open } = leaving(how, false);
    const shop = await enter(name, {}, { store: open });
    const { authorization } = await shop.buy('/pass');
    const steady = await shop.buy('/steady');
    for (let times = 0; times < 2; times++) {
      expect((await shop.get('/pass', auth(authorization))).status).toBe(200);
      expect((await shop.get('/steady', auth(steady.authorization))).status).toBe(200);
      await wait(shop, 1);
    }
    door.isAway = true;
    await wait(shop, how === 'that is silent' ? 3 : 1);
    for (const shown of [authorization, undefined]) await expectNothing(shop, '/pass', shown);
    expect((await shop.get('/steady', auth(steady.authorization))).status, 'a route by itself').toBe(200);
    // Whatever was asked of a silent one is never answered, and nobody asks without end.
    if (how === 'that is silent') return;
    door.isAway = false;
    await wait(shop, 1);
    expect((await shop.get('/pass', auth(authorization))).status).toBe(200);
  });
});

function paymentOf({ macaroon }: { readonly macaroon: { readonly identifier: Uint8Array } }): string {
  return Buffer.from(macaroon.identifier.subarray(2, 34)).toString('hex');
}
