/**
 * Buying with cheap inputs and redeeming with dear ones, where the price depends on query or header: the inputs that were priced are bound
 * into the token, and priced again when it is redeemed.
 */
import { describe, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import type { Price } from '../../src/server/Price.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { askRaw, auth, challengeOf, enter, expectRefused, expectServed, names, narrowed } from './thief.ts';

const elsewhere = { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' } as const;

/** By the query's model and size, and by a header: small costs 1 sat, large 100, a tenth more for haste. */
const byInputs: Price = {
  of: (request) => {
    const query = new URL(request.target, 'http://shop').searchParams;
    const [model, size, speed] = [query.getAll('model').join('+') || 'mini', query.get('size') ?? '', request.headerLines('x-speed').join('+')];
    return { amountMsat: Amount.fromSat((model === 'mini' ? 10 : 1000) + (speed === '' ? 0 : 100)), inputs: [model, size, speed] };
  },
};

/** By the one value of a header, as most would write it. */
const byHeader: Price = {
  of: (request) => {
    const model = request.header('x-model') ?? 'mini';
    return { amountMsat: Amount.fromSat(model === 'mini' ? 10 : 1000), inputs: [model] };
  },
};

const shelves = ({ url }: Upstream): readonly StandRoute[] => [
  { methods: ['GET', 'POST'], path: '/ask', upstream: url, options: { price: byInputs, service: 'ask' } },
  { methods: ['GET'], path: '/headed', upstream: url, options: { price: byHeader, service: 'headed' } },
  { methods: ['GET'], path: '/month/*', upstream: url, options: { price: byInputs, service: 'month', terms: pass({ seconds: 3600 }) } },
];

/** What was bought, and what is then asked with it. */
const switches: readonly (readonly [string, string, string, { readonly [name: string]: string | string[] }])[] = [
  ['a dear model', '/ask?model=mini', '/ask?model=large', {}],
  ['no model, which is the cheap one, and then a dear one', '/ask', '/ask?model=large', {}],
  ['the cheap model once and the dear one behind it', '/ask?model=mini', '/ask?model=mini&model=large', {}],
  ['the dear model first', '/ask?model=mini', '/ask?model=large&model=mini', {}],
  ['the dear model, escaped', '/ask?model=mini', '/ask?model=%6c%61rge', {}],
  ['the name, escaped', '/ask?model=mini', '/ask?mod%65l=large', {}],
  ['another size', '/ask?model=mini&size=1', '/ask?model=mini&size=9', {}],
  ['inputs that are the same in a row', '/ask?model=mini&size=12', '/ask?model=mini1&size=2', {}],
  ['an input moved into the next', '/ask?model=mini&size=a', '/ask?model=minia&size=', {}],
  ['a separator in an input', '/ask?model=mini&size=4:mini', '/ask?model=mini4:mini', {}],
  ['a header that costs more', '/ask?model=mini', '/ask?model=mini', { 'x-speed': 'fast' }],
  ['the header in capitals', '/ask?model=mini', '/ask?model=mini', { 'X-SPEED': 'fast' }],
  ['the header twice, empty first', '/ask?model=mini', '/ask?model=mini', { 'x-speed': ['', 'fast'] }],
  ['a header alone', '/headed', '/headed', { 'x-model': 'large' }],
  ['a header twice, the cheap one first', '/headed', '/headed', { 'x-model': ['mini', 'large'] }],
  ['a header twice, the dear one first', '/headed', '/headed', { 'x-model': ['large', 'mini'] }],
  ['a header with a list in it', '/headed', '/headed', { 'x-model': 'mini, large' }],
  ['a pass: a dear model', '/month/a?model=mini', '/month/a?model=large', {}],
  ['a pass: on another path', '/month/a?model=mini', '/month/b?model=large', {}],
];

describe.each(names)('%s', (name) => {
  test.each(switches)('%s: 402, and the dear price', async (_, cheap, dear, headers) => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy(cheap);
    await expectRefused(shop, () => shop.get(dear, { headers: { ...headers, authorization: bought.authorization } }), elsewhere);
    const got = await shop.get(cheap, auth(bought.authorization));
    expect([got.status, shop.upstream.seen.map(({ url }) => url)]).toEqual([200, [cheap]]);
  });

  test('a pass that has been seen with cheap inputs, and is remembered, is priced again with dear ones', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const { authorization } = await shop.buy('/month/a?model=mini');
    for (let i = 0; i < 3; i++) {
      expect((await shop.get('/month/a?model=mini', auth(authorization))).status).toBe(200);
      await expectRefused(shop, () => shop.get('/month/a?model=large', auth(authorization)), elsewhere);
    }
  });

  test('the other way round too: what was bought dear is for what was bought', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy('/ask?model=large');
    await expectRefused(shop, () => shop.get('/ask?model=mini', auth(bought.authorization)), elsewhere);
    await expectServed(shop, () => shop.get('/ask?x=y&model=large', auth(bought.authorization)));
  });

  test('no caveat of the bearer’s changes what was priced', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const [bought, dear] = [await shop.buy('/ask?model=mini'), await challengeOf(shop, '/ask?model=large')];
    const priced = dear.macaroon.caveats.find((caveat) => caveat.startsWith('ask_priced=')) as string;
    for (const caveat of [priced, 'ask_priced=', 'model=large', 'ask_model=large'])
      expect([402, 403]).toContain((await shop.get('/ask?model=large', auth(narrowed(bought, caveat)))).status);
    expect((await shop.get('/ask?model=mini', auth(narrowed(bought, priced)))).status).toBe(403);
    expect(shop.upstream.seen.length).toBe(0);
  });

  test('a digest names the inputs and shows none of them', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const tokens = await Promise.all(['/ask?model=secret-model', '/ask?model=mini', '/ask?model=mini&size=1'].map((target) => challengeOf(shop, target)));
    const priced = tokens.map(({ macaroon }) => macaroon.caveats.find((caveat) => caveat.startsWith('ask_priced=')));
    expect(new Set(priced).size).toBe(3);
    expect(JSON.stringify(priced)).not.toContain('secret-model');
  });
});

describe('a route that a header chooses', () => {
  /** The same path, cheap without the header and dear with it: by the request, by the hour, and below a prefix. */
  const told = ({ url }: Upstream): readonly StandRoute[] =>
    (
      [
        ['/model', '/model', {}],
        ['/models/*', '/models/*', { terms: pass({ seconds: 3600 }) }],
        ['/deep/*', '/deep/x', {}],
      ] as const
    ).flatMap(([dear, cheap, terms]): StandRoute[] => [
      { methods: ['GET'], path: dear, upstream: url, options: { price: '900 sat', service: 'dear', ...terms }, more: { headers: { 'x-model': 'large' } } },
      { methods: ['GET'], path: cheap, upstream: url, options: { price: '1 sat', service: 'cheap', ...terms } },
    ]);

  test('two of one service are sold alike, or the configuration is a mistake: a token knows no headers', () => {
    const selling = (dear: object) => () =>
      createConfig({
        services: [
          {
            name: 'a',
            upstream: 'http://127.0.0.1:1',
            routes: [
              { path: '/model', price: '1 sat' },
              { path: '/model', headers: { 'x-model': 'large' }, ...dear },
            ],
          },
        ],
      });
    expect(selling({ price: '900 sat' })).toThrow(/a token of one would open the other/);
    expect(selling({ price: '1 sat', terms: 'pass: 1h' })).toThrow(/a token of one would open the other/);
    expect(selling({ price: '1 sat' })).not.toThrow();
  });

  test.each(['/model', '/models/a'])('what was bought without it is worth nothing with it, and the other way round: %s', async (target) => {
    const shop = await enter('gateway', {}, { routes: told });
    const large = { 'x-model': 'large' };
    const [cheap, dear] = [await shop.buy(target), await shop.buy(target, { headers: large })];
    await expectRefused(shop, () => shop.get(target, auth(cheap.authorization, large)), elsewhere);
    await expectRefused(shop, () => shop.get(target, auth(dear.authorization)), elsewhere);
    expect(shop.upstream.seen.length).toBe(0);
    expect((await shop.get(target, auth(dear.authorization, large))).status).toBe(200);
    expect(shop.upstream.seen.at(-1)?.headers['x-model']).toBe('large');
    expect((await shop.get(target, auth(cheap.authorization))).status).toBe(200);
  });

  test.each<readonly [string, readonly string[]]>([
    ['twice, the cheap one first', ['X-Model: mini', 'X-Model: large']],
    ['twice, the dear one first', ['X-Model: large', 'X-Model: mini']],
    ['twice the same', ['X-Model: large', 'X-Model: large']],
    ['as a list', ['X-Model: large, mini']],
    ['in capitals', ['X-Model: LARGE']],
    ['in quotes', ['X-Model: "large"']],
    ['with an underscore', ['X_Model: large']],
    ['and named by Connection', ['X-Model: large', 'Connection: x-model']],
    ['beside another under an underscore', ['X_Model: huge', 'X-Model: large']],
  ])('said %s, it is nobody’s request', async (_, lines) => {
    const shop = await enter('gateway', {}, { routes: told });
    const { authorization } = await shop.buy('/model');
    for (const headers of [lines, [`Authorization: ${authorization}`, ...lines]]) expect((await askRaw(shop, '/model', headers)).status).toBe(404);
    expect(shop.upstream.seen.length).toBe(0);
  });

  test.each<readonly [string, readonly string[]]>([
    ['with something behind it', ['X-Model: large;q=1']],
    ['with something before it', ['X_Model: model=large']],
    ['in half a pair of quotes', ['X-Model: "large']],
    ['escaped', ['X-Model: l%61rge']],
  ])('said %s, it is the cheap route, and the upstream hears nothing of it', async (_, lines) => {
    const shop = await enter('gateway', {}, { routes: told });
    for (const target of ['/model', '/deep/x']) {
      const unpaid = await askRaw(shop, target, lines);
      expect(unpaid.headers['l402-price']).toBe('1 sat');
      const { authorization } = await shop.pay(unpaid);
      expect((await askRaw(shop, target, [`Authorization: ${authorization}`, ...lines])).status).toBe(200);
      const headers = shop.upstream.seen.at(-1)?.headers;
      expect([headers?.['x-model'], headers?.x_model]).toEqual([undefined, undefined]);
    }
  });
});
