/**
 * A request for a top-up, or a top-up, used as a free request; a top-up presented twice. Both are answered by the seller itself, on every route:
 * neither reaches what is sold, and a payment is added once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Caveats from '../../src/server/policies/Caveats.ts';
import { credit } from '../../src/server/terms/Credit.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { calls, enterCounted, spendRest, things } from './counted.ts';
import { auth, enter, expectRefused, mintWith, names, narrowed, standing } from './thief.ts';
import { asking, balances, buyTopUp, present, said, unitsOf } from './topUps.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-thief-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const refused = { status: 403, code: 'TOPUP_REFUSED' } as const;

describe.each(names)('%s', (name) => {
  test.each(balances)('asking opens nothing and takes nothing: $what', async ({ path }) => {
    const shop = await enterCounted(name);
    const bought = await shop.buy(path);
    // A bucket of a route is its method's, too.
    for (const method of path === '/pail/a' ? ['GET', 'HEAD'] : ['GET', 'HEAD', 'POST']) {
      const got = await shop.get(path, { ...asking(bought.authorization), method });
      expect([method, got.status, got.lines.length]).toEqual([method, 402, 2]);
    }
    expect(await standing(shop)).toMatchObject({ forwarded: 0, charged: 0 });
    expect(await spendRest(shop, { path }, bought)).toEqual([calls, 'CREDENTIAL_USED']);
  });

  test('asking without a credential is no request that is given away, or sold', async () => {
    const creditMsat = Amount.parse('150 sat');
    const options = { price: '50 sat', terms: credit({ creditMsat }), free: { requests: 5, seconds: 86_400 } };
    const shop = await enter(name, {}, { routes: ({ url }) => [{ methods: ['GET'], path: '/given', upstream: url, options }] });
    await expectRefused(shop, () => shop.get('/given', asking()), refused);
    expect((await shop.get('/given')).status).toBe(200);
  });

  test('asking with what has no balance of its own, or is good no more, is refused, and nothing else is sold instead', async () => {
    const shop = await enterCounted(name);
    const [purse, club] = [await shop.buy('/purse/a'), await shop.buy('/club/a')];
    await expectRefused(shop, () => shop.get('/club/a', asking(club.authorization)), refused, 'a pass');
    for (const part of [['n_uses=3'], ['part=a', 'max_sats=500'], ['max_sats=500', 'part=b', 'n_uses=1']])
      await expectRefused(shop, () => shop.get('/purse/a', asking(narrowed(purse, ...part))), refused, part.join());
    await expectRefused(shop, () => shop.get('/credit/a', asking(purse.authorization)), refused, 'of another service');
    await expectRefused(shop, () => shop.get('/purse/a', { headers: { ...asking(purse.authorization).headers, 'l402-topup': 'now' } }), {
      status: 400,
      code: 'REQUEST_MALFORMED',
    });
    const pail = await shop.buy('/pail/a');
    await expectRefused(shop, () => shop.get('/pail/a', asking(narrowed(pail, 'valid_until=1'))), { status: 403, code: 'CREDENTIAL_NARROWED' });
    shop.clock.advance(31 * 86_400_000);
    await expectRefused(shop, () => shop.get('/pail/a', asking(pail.authorization)), refused, 'expired');
  });

  test.each(balances)('a top-up opens no route, and adds once whatever it is presented on and however it is written: $what', async ({ path, units }) => {
    const shop = await enterCounted(name);
    const bought = await shop.buy(path);
    const top = await buyTopUp(shop, path, bought);
    expect(await present(shop, path, top)).toBe('200 credited');
    const presented = [
      top.authorization,
      top.authorization.replace('L402', 'LSAT'),
      top.authorization.replaceAll('+', '-').replaceAll('/', '_').replace(/=+:/, ':'),
      narrowed(top, 'n_uses=5'),
      narrowed(top, 'part=a', 'max_sats=100'),
      narrowed(top, `preimage=${top.preimage}`),
    ];
    for (const authorization of presented)
      expect([authorization.slice(0, 4), await present(shop, path, { authorization })]).toEqual([authorization.slice(0, 4), '200 already']);
    expect(said(await shop.get(path, { ...auth(top.authorization), method: 'POST', body: 'x' }))).toBe(path === '/pail/a' ? '402' : '200 already');
    for (const thing of things) {
      const got = await shop.get(thing.path, auth(top.authorization));
      expect([thing.path, got.headers['l402-payment'], [200, 402].includes(got.status)]).toEqual([thing.path, undefined, true]);
    }
    expect(await standing(shop)).toMatchObject({ forwarded: 0, charged: 0 });
    expect(await unitsOf(shop, bought)).toBe(2n * units);
    expect(await spendRest(shop, { path }, bought)).toEqual([2 * calls, 'CREDENTIAL_USED']);
  });

  test('what a top-up says of itself is not made something else by whoever holds it', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/credit/a');
    const top = await buyTopUp(shop, '/credit/a', bought);
    for (const caveat of ['credit_terms=credit:150000', 'credit_terms=pass', 'credit_terms=per-request', `topup=${'0'.repeat(64)}`, 'topup='])
      await expectRefused(shop, () => shop.get('/credit/a', auth(narrowed(top, caveat))), { status: 403, code: 'CREDENTIAL_NARROWED' }, caveat);
    expect(await present(shop, '/credit/a', top)).toBe('200 credited');
  });

  test('nor is one that was sold as what can be spent: a caveat without the other is refused', async () => {
    const shop = await enterCounted(name);
    const sold = { service: 'credit', tier: 0, capabilities: [], method: undefined, pattern: undefined, priced: '', validUntil: 1_800_086_400 } as const;
    const amountMsat = Amount.parse('90 sat');
    for (const [terms, topUp] of [
      ['credit:150000', 'ab'.repeat(32)],
      ['credit-topup:150000', undefined],
      ['pass', 'ab'.repeat(32)],
    ] as const) {
      const made = mintWith(Caveats.write({ ...sold, amountMsat, terms, topUp }));
      await expectRefused(shop, () => shop.get('/credit/a', auth(made.authorization)), { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' }, terms);
    }
  });

  test('at the same instant, many times: it is added once, and the others hear so', async () => {
    const shop = await enterCounted(name);
    const bought = await shop.buy('/credit/a');
    const top = await buyTopUp(shop, '/credit/a', bought);
    const got = await Promise.all(Array.from({ length: 16 }, () => present(shop, '/credit/a', top)));
    expect([...got].sort()).toEqual([...Array(15).fill('200 already'), '200 credited']);
    expect(await unitsOf(shop, bought)).toBe(300_000n);
  });
});

test('at two sellers on one store at the same instant it is added once', async () => {
  const open = () => enterCounted('gateway', {}, { store: (clock) => createSqliteStore({ path: join(folder, 'shared.db'), clock }) });
  const [one, two] = [await open(), await open()];
  const bought = await one.buy('/credit/a');
  const top = await buyTopUp(one, '/credit/a', bought);
  const got = await Promise.all(Array.from({ length: 12 }, (_, index) => present(index % 2 === 0 ? one : two, '/credit/a', top)));
  expect([...got].sort()).toEqual([...Array(11).fill('200 already'), '200 credited']);
  expect(await unitsOf(two, bought)).toBe(300_000n);
});
