/**
 * A top-up that a stranger buys for somebody whose token id he knows, and what he would learn or spoil by it; counters that a top-up makes fresh.
 * A balance is topped up by whoever shows its credential, its token stays the one that it was, and what it has spent stays spent.
 */
import { describe, expect, test } from 'vitest';
import * as Identifier from '../../src/core/Identifier.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Receiver } from '../../src/lightning/Lightning.ts';
import { useKeyOf } from '../../src/server/Verifier.ts';
import { calls, enterCounted, spendRest } from './counted.ts';
import { anyKind, opening } from './stores.ts';
import { auth, challengeOf, codeOf, expectRefused, expectServed, names, narrowed } from './thief.ts';
import { asking, balances, buyTopUp, present, unitsOf } from './topUps.ts';

describe.each(names)('%s', (name) => {
  test('who knows a token, its id or its account, and has no proof that it was paid, is sold nothing for it', async () => {
    const shop = await enterCounted(name);
    const [victim, own] = [await shop.buy('/credit/a'), await shop.buy('/credit/a')];
    const account = useKeyOf(victim.macaroon.identifier);
    const { tokenId } = Identifier.decode(victim.macaroon.identifier);
    const unpaid = { status: 401, code: 'CREDENTIAL_UNPAID' } as const;
    await expectRefused(shop, () => shop.get('/credit/a', asking(`L402 ${victim.token}:${own.preimage}`)), unpaid);
    await expectRefused(shop, () => shop.get('/credit/a', asking(`L402 ${victim.token}:${'0'.repeat(64)}`)), unpaid);
    for (const authorization of [`L402 ${victim.token}`, `L402 ${tokenId}:${own.preimage}`, `L402 ${account}`]) {
      const got = await shop.get('/credit/a', asking(authorization));
      expect([got.status, got.lines.filter((line) => line.includes('invoice='))]).toEqual([401, []]);
    }
    for (const value of [account, tokenId, `ask; account=${account}`]) {
      const got = await shop.get('/credit/a', { headers: { 'l402-topup': value, authorization: own.authorization } });
      expect([got.status, codeOf(got)]).toEqual([400, 'REQUEST_MALFORMED']);
    }
    expect(await unitsOf(shop, victim)).toBe(0n);
  });

  test('an answer is the same of a balance that is full, used up or was never used, and says nothing of what it holds', async () => {
    const shop = await enterCounted(name);
    const [fresh, full, empty] = [await shop.buy('/credit/a'), await shop.buy('/credit/a'), await shop.buy('/credit/a')];
    await spendRest(shop, { path: '/credit/a' }, empty);
    await shop.get('/credit/a', auth(full.authorization));
    for (const bought of [fresh, full, empty]) {
      const asked = await shop.get('/credit/a', asking(bought.authorization));
      const { buys, description, amountMsat } = JSON.parse(asked.body) as Record<string, unknown>;
      expect({ buys, description, amountMsat }).toEqual({
        buys: { terms: 'credit-topup', credit: '150 sat', until: '2027-01-16T08:10:00.000Z' },
        description: 'credit - 150 sat of credit for 1 day (top-up)',
        amountMsat: '90000',
      });
      const top = await shop.pay(asked);
      const got = await shop.get('/credit/a', auth(top.authorization));
      expect([got.status, got.headers['l402-remaining'], JSON.parse(got.body)]).toEqual([
        200,
        undefined,
        { message: 'Added to the balance. Use the token of the balance as before.', toppedUp: true, credit: '150 sat' },
      ]);
    }
  });

  test('what a stranger is given to pay opens nothing for him, and takes nothing from the one whose it is', async () => {
    const shop = await enterCounted(name);
    const victim = await shop.buy('/credit/a');
    await expectServed(shop, () => shop.get('/credit/a', auth(victim.authorization)));
    const top = await buyTopUp(shop, '/credit/a', victim);
    // He has the top-up, and cannot ask for one with it.
    expect(await present(shop, '/credit/a', top)).toBe('200 credited');
    expect(await shop.get('/credit/a', asking(top.authorization))).toMatchObject({ status: 200, lines: [] });
    expect(await spendRest(shop, { path: '/credit/a' }, top)).toEqual([101, '200']);
    expect(shop.upstream.seen.length).toBe(1);
    expect(await spendRest(shop, { path: '/credit/a' }, victim)).toEqual([2 * calls - 1, 'CREDENTIAL_USED']);
  });

  test.each(balances)('what was never used is topped up without losing what it was bought for: $what', async ({ path, units }) => {
    const shop = await enterCounted(name);
    const bought = await shop.buy(path);
    const top = await buyTopUp(shop, path, bought);
    expect(await present(shop, path, top)).toBe('200 credited');
    expect(await unitsOf(shop, bought)).toBe(2n * units);
    expect(await spendRest(shop, { path }, bought)).toEqual([2 * calls, 'CREDENTIAL_USED']);
  });

  test('a balance that a seller does not know, since its store is another one, is opened by its own token alone', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/credit/a');
    const top = await buyTopUp(shop, '/credit/a', bought);
    const restored = await enterCounted(name, {}, { store: opening(anyKind) });
    await expectRefused(restored, () => restored.get('/credit/a', auth(top.authorization)), { status: 403, code: 'TOPUP_REFUSED', asks: ['credit'] });
    await expectServed(restored, () => restored.get('/credit/a', auth(bought.authorization)));
    expect(await present(restored, '/credit/a', top)).toBe('200 credited');
    expect(await spendRest(restored, { path: '/credit/a' }, bought)).toEqual([2 * calls - 1, 'CREDENTIAL_USED']);
  });

  test.each(balances)(
    'no counter is made fresh: what was spent stays spent, the parts of a helper too, and the token is the same: $what',
    async ({ path, units }) => {
      const shop = await enterCounted(name);
      const bought = await shop.buy(path);
      const part = narrowed(bought, 'part=helper', 'n_uses=2');
      expect(await spendRest(shop, { path }, { authorization: part })).toEqual([2, 'CREDENTIAL_NARROWED']);
      const top = await buyTopUp(shop, path, bought);
      expect(await present(shop, path, top)).toBe('200 credited');
      expect(await spendRest(shop, { path }, { authorization: part })).toEqual([0, 'CREDENTIAL_NARROWED']);
      expect(await unitsOf(shop, bought)).toBe(2n * units);
      expect(await spendRest(shop, { path }, bought)).toEqual([2 * calls - 2, 'CREDENTIAL_USED']);
    },
  );

  test('a top-up ends with its balance and lengthens nothing; where too little time is left, none is sold', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/credit/a');
    const until = (text: readonly string[]) => text.find((caveat) => caveat.startsWith('credit_valid_until='));
    shop.clock.advance(86_000_000 - 600_000);
    const top = await buyTopUp(shop, '/credit/a', bought);
    expect(until(top.macaroon.caveats)).toBe(until(bought.macaroon.caveats));
    shop.clock.advance(86_400_000 + 600_000 - 86_000_000 + 600_000 - 1200_000 + 1000);
    await expectRefused(shop, () => shop.get('/credit/a', asking(bought.authorization)), { status: 403, code: 'TOPUP_REFUSED' });
    expect(await present(shop, '/credit/a', top)).toBe('200 credited');
    shop.clock.advance(1_200_000);
    await expectRefused(shop, () => shop.get('/credit/a', auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_EXPIRED' });
  });

  test('nor is an invoice handed out that its node lets live longer than the balance', async () => {
    const receiver = (real: Receiver): Receiver => ({
      ...real,
      createInvoice: async (asked, signal) => {
        const created = await real.createInvoice(asked, signal);
        return { ...created, expiresAt: created.expiresAt + (asked.description.includes('top-up') ? 30 * 86_400 : 0) };
      },
    });
    const shop = await enterCounted(name, {}, { receiver });
    const bought = await shop.buy('/credit/a');
    const got = await shop.get('/credit/a', asking(bought.authorization));
    expect([got.status, codeOf(got), got.lines]).toEqual([403, 'TOPUP_REFUSED', []]);
  });

  test('one balance is topped up so often and no more, each time for another payment', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/units/a');
    for (let time = 0; time < 256; time++)
      await shop.store.count({ key: `topups ${useKeyOf(bought.macaroon.identifier)}`, by: 1, ceiling: 1000, expiresAt: 1_900_000_000 });
    await expectRefused(shop, () => shop.get('/units/a', asking(bought.authorization)), { status: 403, code: 'TOPUP_REFUSED', asks: ['count'] });
    const other = await shop.buy('/units/a');
    const tops = [await buyTopUp(shop, '/units/a', other), await buyTopUp(shop, '/units/a', other)];
    expect(tops.map(({ macaroon }) => Macaroon.format(macaroon))).toHaveLength(new Set(tops.map(({ token }) => token)).size);
    for (const top of tops) expect(await present(shop, '/units/a', top)).toBe('200 credited');
    expect(await unitsOf(shop, other)).toBe(18n);
    expect((await challengeOf(shop, '/units/a', asking(other.authorization))).macaroon.caveats).toContain(`topup=${useKeyOf(other.macaroon.identifier)}`);
  });
});
