/**
 * A zero price, a changed price or a service added while running, each silently dropping the expiry or the capabilities of its tokens.
 */
import { describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Caveat from '../../src/core/Caveat.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import * as Price from '../../src/server/Price.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import type { Bought } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { auth, challengeOf, codeOf, enter, expectRefused, expectServed, mintWith, names, standing } from './thief.ts';

const now = 1_800_000_000;
const elsewhere = { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' } as const;

/** One route, whose price and inputs a test changes as it goes. */
function shelf(offered: { msat: bigint; inputs?: readonly string[] }, capabilities?: readonly string[], terms = pass({ seconds: 3600 })) {
  const price: Price.Price = { of: () => ({ amountMsat: offered.msat as Amount.Msat, inputs: offered.inputs ?? [] }) };
  return ({ url }: Upstream): readonly StandRoute[] => [
    { methods: ['GET'], path: '/data/*', upstream: url, options: { price, service: 'data', terms, ...(capabilities ? { capabilities } : {}) } },
  ];
}

const caveatsOf = ({ macaroon }: Pick<Bought, 'macaroon'>) => new Map(macaroon.caveats.map((text) => [Caveat.parse(text).condition, Caveat.parse(text).value]));

/** The seller's part of a token, whole. */
const whole = [
  'services=data:0',
  'data_capabilities=read',
  'data_method=GET',
  'data_path=/data/*',
  `data_valid_until=${now + 60}`,
  'data_price=50 sat',
  'data_terms=pass',
];

describe.each(names)('%s', (name) => {
  test.each([0n, -1n, -50_000n])('a price that becomes %d while running sells nothing and gives nothing away', async (msat) => {
    const offered = { msat: 50_000n };
    const shop = await enter(name, {}, { routes: shelf(offered) });
    const bought = await shop.buy('/data/a');
    offered.msat = msat;
    const before = await standing(shop);
    const got = await shop.get('/data/a');
    expect([got.status, got.lines]).toEqual([503, []]);
    expect(await standing(shop)).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
    // What was sold before is still what was sold: good, and over when it is over.
    expect((await shop.get('/data/a', auth(bought.authorization))).status).toBe(200);
    shop.clock.advance(4_201_000);
    expect((await shop.get('/data/a', auth(bought.authorization))).status).toBeGreaterThanOrEqual(402);
    expect(shop.upstream.seen.length).toBe(1);
  });

  test('whatever the price becomes, every token has its end, its path, its method and its capabilities', async () => {
    const offered = { msat: 1n };
    const shop = await enter(name, {}, { routes: shelf(offered, ['read', 'list']) });
    for (const msat of [1n, 999n, 1000n, 1001n, 50_000n, 2_100_000_000n]) {
      offered.msat = msat;
      const caveats = caveatsOf(await challengeOf(shop, '/data/a'));
      expect([...caveats.keys()], `${msat}`).toEqual([
        'services',
        'data_capabilities',
        'data_method',
        'data_path',
        'data_valid_until',
        'data_price',
        'data_terms',
      ]);
      expect(Object.fromEntries(caveats)).toMatchObject({
        data_capabilities: 'read,list',
        data_valid_until: `${now + 4200}`,
        data_price: Amount.format(Amount.ceilToSat(msat as Amount.Msat)),
      });
    }
  });

  test('a price that has risen leaves what was sold as it was, and sells nothing more at the old one', async () => {
    const offered = { msat: 1000n };
    const shop = await enter(name, {}, { routes: shelf(offered) });
    const [bought, unpaid] = [await shop.buy('/data/a'), await shop.get('/data/a')];
    offered.msat = 900_000n;
    expect((await shop.get('/data/a', auth(bought.authorization))).status).toBe(200);
    expect((await shop.get('/data/a')).headers['l402-price']).toBe('900 sat');
    // A challenge is an offer until its invoice ends: a hoarded one still ends when it said it would.
    const late = await shop.pay(unpaid);
    expect(caveatsOf(late).get('data_price')).toBe('1 sat');
    shop.clock.advance(4_201_000);
    for (const { authorization } of [bought, late])
      await expectRefused(shop, () => shop.get('/data/a', auth(authorization)), { status: 402, code: 'CREDENTIAL_EXPIRED' });
  });

  test('capabilities that a route demands from now on: tokens without them were not sold for it', async () => {
    const before = await enter(name, {}, { routes: shelf({ msat: 50_000n }) });
    const old = await before.buy('/data/a');
    const after = await enter(name, {}, { routes: shelf({ msat: 50_000n }, ['read']) });
    await expectRefused(after, () => after.get('/data/a', auth(old.authorization)), elsewhere);
    const [read, write] = [await after.buy('/data/a'), await enter(name, {}, { routes: shelf({ msat: 50_000n }, ['read', 'write']) })];
    await expectRefused(write, () => write.get('/data/a', auth(read.authorization)), elsewhere);
    expect((await after.get('/data/a', auth(read.authorization))).status).toBe(200);
    expect((await before.get('/data/a', auth(read.authorization))).status).toBe(200);
  });

  test('inputs that have a price from now on: tokens that name none were not sold for it', async () => {
    const offered: { msat: bigint; inputs?: readonly string[] } = { msat: 50_000n };
    const shop = await enter(name, {}, { routes: shelf(offered) });
    const old = await shop.buy('/data/a');
    offered.inputs = ['large'];
    await expectRefused(shop, () => shop.get('/data/a', auth(old.authorization)), elsewhere);
  });

  test('a service that comes to a path: tokens of the one before it are not its own', async () => {
    const at = (service: string, price: string) =>
      enter(name, {}, { routes: ({ url }) => [{ methods: ['GET'], path: '/data/a', upstream: url, options: { price, service } }] });
    const [cheap, dear] = [await at('cheap', '1 sat'), await at('dear', '900 sat')];
    const bought = await cheap.buy('/data/a');
    await expectRefused(dear, () => dear.get('/data/a', auth(bought.authorization)), elsewhere);
    await expectServed(cheap, () => cheap.get('/data/a', auth(bought.authorization)));
  });

  test.each(['services', 'data_capabilities', 'data_valid_until', 'data_price', 'data_terms'])(
    'a token that was minted without %s, by a mistake of ours, is good for nothing',
    async (missing) => {
      const shop = await enter(name, {}, { routes: shelf({ msat: 50_000n }, ['read']) });
      expect((await shop.get('/data/a', auth(mintWith(whole).authorization))).status).toBe(200);
      const less = whole.filter((caveat) => !caveat.startsWith(`${missing}=`));
      await expectRefused(shop, () => shop.get('/data/a', auth(mintWith(less).authorization)), elsewhere);
      // Nor does its bearer mend it.
      const mended = await shop.get('/data/a', auth(mintWith([...less, whole.find((caveat) => caveat.startsWith(`${missing}=`)) as string]).authorization));
      if (missing !== 'data_terms') expect([mended.status, codeOf(mended)]).toEqual([402, 'CREDENTIAL_WRONG_SERVICE']);
    },
  );
});

test.each(['0 sat', '0 msat', '0', 0, '-1 sat', '0.0 sat', '', 'free', null])('no route is sold for %j', (price) => {
  const config = (value: unknown) => ({ services: [{ name: 'data', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', price: value }] }] });
  expect(() => createConfig(config(price))).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => createConfig(config('1 sat'))).not.toThrow();
  if (typeof price === 'string') expect(() => Price.fixed(price)).toThrow();
});

test('nor does a route come to be free by leaving its price out', () => {
  const route = (more: object) => createConfig({ services: [{ name: 'data', upstream: 'http://127.0.0.1:1', routes: [{ path: '/a', ...more }] }] });
  expect(() => route({})).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => route({ free: false })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  expect(() => route({ free: true, price: '1 sat' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});
