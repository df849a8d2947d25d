/**
 * A replay marker that expires before its token does: what is kept about a use is kept for as long as any form of its token is good.
 */
import { describe, expect, test } from 'vitest';
import type { Clock } from '../../src/core/Clock.ts';
import type { Bought, Shop } from '../conformance/shop/shop.ts';
import { buyThing, calls, enterCounted, spendRest, things } from './counted.ts';
import { kindsAt, opening } from './stores.ts';
import { auth, codeOf, enter, expectServed, names, narrowed, path } from './thief.ts';

const now = 1_800_000_000;
/** How long a token is good: its invoice's ten minutes, and a day. */
const lifeSeconds = 600 + 86_400;

/** A bucket of a route lasts thirty times as long. */
const lasting = things.filter(({ path }) => path !== '/pail/a');

/** Parts of a pass are limits and no money: how often it is used costs its seller nothing. */
const paid = things.filter(({ path }) => path !== '/club/a');

/** Comes back again and again until the token has expired, and whatever can be forgotten has been, each time. */
async function comesBack(shop: Shop, bought: Bought, fromSeconds: number, others: readonly string[] = []): Promise<void> {
  const already = shop.upstream.seen.length;
  const times = [fromSeconds, 601, 3602, 4202, 43_200, lifeSeconds].filter((at) => at >= fromSeconds);
  for (const at of times) {
    shop.clock.advance(now * 1000 + at * 1000 - shop.clock.nowMs());
    await shop.store.prune();
    for (const authorization of [bought.authorization, ...others]) {
      const got = await shop.get(path, auth(authorization));
      expect([200, 403].includes(got.status) ? got.status : codeOf(got), `after ${at} s`).toBe(got.status === 403 ? 403 : 'CREDENTIAL_USED');
    }
  }
  shop.clock.advance(1000);
  await shop.store.prune();
  expect(codeOf(await shop.get(path, auth(bought.authorization)))).toBe('CREDENTIAL_EXPIRED');
  expect(shop.upstream.seen.length).toBe(already);
}

describe.each(names)('%s', (name) => {
  // What a store forgets is the store's own; one stand shows that of the second store.
  describe.each(kindsAt(name))('%s', (kind) => {
    const open = () => enter(name, { mintLimits: { perClientPerMinute: 10_000 } }, { store: opening(kind) });

    test('used: used until it expires', async () => {
      const shop = await open();
      const bought = await shop.buy(path);
      await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
      await shop.ended('delivered');
      await comesBack(shop, bought, 1);
    });

    test.each(['valid_until', 'expires', 'api_valid_until'])(
      'used in a form that ends in a second, by %s: the other forms are used all the same',
      async (condition) => {
        const shop = await open();
        const bought = await shop.buy(path);
        await expectServed(shop, () => shop.get(path, auth(narrowed(bought, `${condition}=${now + 1}`))));
        await shop.ended('delivered');
        await comesBack(shop, bought, 2, [narrowed(bought, 'token_id=another'), narrowed(bought, `${condition}=${now + 1}`)]);
      },
    );

    test('tried in a short form, given back, used in a long one', async () => {
      const shop = await open();
      const bought = await shop.buy(path);
      expect((await shop.get(`${path}&do=status-500`, auth(narrowed(bought, `valid_until=${now + 1}`)))).status).toBe(500);
      await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
      await shop.ended('delivered');
      await comesBack(shop, bought, 2);
    });

    test('used in its last second', async () => {
      const shop = await open();
      const bought = await shop.buy(path);
      shop.clock.advance(lifeSeconds * 1000);
      await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
      await shop.ended('delivered');
      await comesBack(shop, bought, lifeSeconds);
    });

    test('left in the middle of its answer, which is owed for ten minutes: used after them', async () => {
      const shop = await open();
      const bought = await shop.buy(path);
      await shop.leave(`${path}&do=stall`, auth(bought.authorization), 'headed');
      await shop.ended('left');
      shop.upstream.release();
      shop.clock.advance(601_000);
      await comesBack(shop, bought, 601);
    });

    test.each(lasting)('what is counted is counted until it expires: $what', async (thing) => {
      const shop = await enterCounted(name, {}, { store: opening(kind) });
      const held = await buyThing(shop, thing);
      // Half of it in a form that ends in a second.
      await expectCounted(shop, 2, () => shop.get(thing.path, auth(narrowed(held, `valid_until=${now + 1}`))));
      expect(await spendRest(shop, thing, held)).toEqual([calls - 2, thing.usedUp]);
      const forms = [held.authorization, narrowed(held, 'token_id=another'), narrowed(held, `valid_until=${now + lifeSeconds}`)];
      for (const at of [2, 601, 3602, 4202, 43_200, lifeSeconds - 3601, lifeSeconds]) {
        shop.clock.advance(now * 1000 + at * 1000 - shop.clock.nowMs());
        await shop.store.prune();
        for (const authorization of forms) expect(await spendRest(shop, thing, { authorization }), `after ${at} s`).toEqual([0, thing.usedUp]);
      }
      shop.clock.advance(1000);
      await shop.store.prune();
      expect(await spendRest(shop, thing, held)).toEqual([0, 'CREDENTIAL_EXPIRED']);
      expect(shop.upstream.seen.length).toBe(calls);
    });

    test.each(paid)('what a clock that was months ahead has had forgotten is not served again when it is set back: $what', async (thing) => {
      let aheadMs = 0;
      const behind = (clock: Clock) => opening(kind)({ ...clock, nowMs: () => clock.nowMs() + aheadMs });
      const shop = await enterCounted(name, {}, { store: behind });
      const held = await buyThing(shop, thing);
      await expectCounted(shop, 1, () => shop.get(thing.path, auth(held.authorization)));
      aheadMs = 100 * 86_400_000;
      // Its reservation, its accounts and their lots.
      expect(await shop.store.prune()).toBeGreaterThanOrEqual(3);
      aheadMs = 0;
      expect((await spendRest(shop, thing, held))[0]).toBe(0);
      expect(shop.upstream.seen.length).toBe(1);
    });

    test.each(lasting)('and what is left of it stays until then: $what', async (thing) => {
      const shop = await enterCounted(name, {}, { store: opening(kind) });
      const held = await buyThing(shop, thing);
      await expectCounted(shop, 1, () => shop.get(thing.path, auth(held.authorization)));
      expect((await shop.get(`${thing.path}?do=status-500`, auth(held.authorization))).status).toBe(500);
      for (const at of [601, 3602, lifeSeconds]) {
        shop.clock.advance(now * 1000 + at * 1000 - shop.clock.nowMs());
        await shop.store.prune();
      }
      expect(await spendRest(shop, thing, held)).toEqual([calls - 1, thing.usedUp]);
    });
  });
});

/** Sees so many calls served. */
async function expectCounted(shop: Shop, count: number, act: () => Promise<{ readonly status: number }>): Promise<void> {
  const before = shop.upstream.seen.length;
  for (let call = 0; call < count; call++) expect((await act()).status).toBe(200);
  expect(shop.upstream.seen.length).toBe(before + count);
}
