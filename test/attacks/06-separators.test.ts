/**
 * A comma, a colon or an equals sign from a URL inside `services=` or any other caveat: nothing from a request reaches a caveat but its
 * method and its path, and neither can be read as anything else.
 */
import { describe, expect, test } from 'vitest';
import * as Caveat from '../../src/core/Caveat.ts';
import * as Offer from '../../src/server/Offer.ts';
import * as Price from '../../src/server/Price.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { perRequest } from '../../src/server/terms/PerRequest.ts';
import { masterKey } from '../conformance/shop/shop.ts';
import { askRaw, auth, challengeOf, enter, expectRefused, expectServed, wires } from './thief.ts';

/** Paths that try to end their caveat and begin another one. */
const inserts = [
  '/deep/a,vault:0',
  '/deep/services=vault:0',
  '/deep/a=b',
  '/deep/a:9,other:9',
  '/deep/a%2Cvault%3A0',
  '/deep/a%3Db',
  '/deep/a;deep_terms=pass',
  '/deep/a%3Bdeep_terms%3Dpass',
  '/deep/a%20',
  '/deep/%20a',
  '/deep/a%22',
  "/deep/'a'",
  "/deep/a'",
  '/deep/=',
  '/deep/,',
  '/deep/:',
  '/deep/sha256:0000',
  '/deep/deep_path=/%2A',
];

const mean = ['services=vault:0', 'deep_terms=pass', '\nservices=vault:0', 'a,b:c=d', '"', "'", ' '];

describe.each(wires)('%s', (name) => {
  test.each(inserts)('bought at %s, the token is for that path of that service, and for nothing else', async (target) => {
    const shop = await enter(name);
    const { token, macaroon } = await challengeOf(shop, target);
    const caveats = macaroon.caveats.map(Caveat.parse);
    expect(caveats.map(({ condition }) => condition)).toEqual(['services', 'deep_method', 'deep_path', 'deep_valid_until', 'deep_price', 'deep_terms']);
    expect(caveats.map(({ value }) => value)).toEqual(['deep:0', 'GET', target, expect.stringMatching(/^\d{10}$/), '50 sat', 'per-request']);
    expect(token).toHaveLength(Math.ceil(token.length / 4) * 4);
    const bought = await shop.buy(target);
    await expectRefused(shop, () => shop.get('/vault', auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' });
    await expectServed(shop, () => shop.get(target, auth(bought.authorization)));
    expect(shop.upstream.seen.map(({ url }) => url)).toEqual([target]);
  });

  test.each(['/deep/a%0aservices=vault:0', '/deep/a%0d%0aservices=vault:0', '/deep/a%00', '/deep/a b', '/deep/a\tb'])(
    '%j is not sold at all',
    async (target) => {
      const shop = await enter(name);
      const got = await askRaw(shop, target);
      expect([got.status, got.lines, shop.invoices()]).toEqual([400, [], 0]);
    },
  );

  test('query, headers, host and a pass’s path leave no trace in a token', async () => {
    const shop = await enter(name);
    for (const what of mean.filter((text) => !text.includes('\n'))) {
      const headers = { 'x-service': what, 'user-agent': what, accept: what, host: 'services.test', 'idempotency-key': what };
      const { macaroon } = await challengeOf(shop, `/library/a?services=${encodeURIComponent(what)}&x=${encodeURIComponent(what)}`, { headers });
      expect(macaroon.caveats).toEqual([
        'services=library:0',
        'library_method=GET',
        'library_path=/library/*',
        expect.stringMatching(/^library_valid_until=\d{10}$/),
        'library_price=100 sat',
        'library_terms=pass',
      ]);
      expect(macaroon.location).toBe('lsat');
    }
  });

  test('a price that hangs on the query writes a digest of it', async () => {
    const shop = await enter(name);
    for (const what of mean) {
      const { macaroon } = await challengeOf(shop, `/priced?model=${encodeURIComponent(what)}`);
      expect(macaroon.caveats.filter((caveat) => caveat.includes('_priced='))).toEqual([expect.stringMatching(/^[a-z0-9]+_priced=[0-9a-f]{32}$/)]);
      expect(macaroon.caveats.length).toBe(7);
    }
  });

  test.each(['GET=', 'GET,POST', 'GET:POST', 'G"T', 'get'])('a method %s enters no caveat', async (method) => {
    const shop = await enter(name);
    const got = await askRaw(shop, '/deep/a', [], { method });
    expect(got.status).toBeGreaterThanOrEqual(400);
    expect([got.lines, shop.invoices()]).toEqual([[], 0]);
  });
});

test.each(mean)('no service, capability or realm is called %j', (what) => {
  const offer = { service: 'api', route: 'GET /a', price: Price.fixed('1 sat'), terms: perRequest() };
  expect(() => Offer.create({ ...offer, service: `api${what}` })).toThrow(RangeError);
  expect(() => Offer.create({ ...offer, capabilities: [`read${what}`] })).toThrow(RangeError);
  expect(() => createRootKeys({ masters: [masterKey], network: 'sandbox', realm: `main${what}` })).toThrow(RangeError);
  expect(() => Caveat.formatServices([{ name: `api${what}`, tier: 0 }])).toThrow(RangeError);
});

test('a service that is called like a caveat of another reads no caveat of the other’s', () => {
  const conditions = ['capabilities', 'method', 'path', 'priced', 'valid_until', 'price', 'terms'];
  const services = ['api', 'api_valid', 'api_v2', 'api_method', 'valid', 'path', 'token', 'budget'];
  const written = services.flatMap((service) => conditions.map((condition) => `${service}_${condition}`));
  expect(new Set(written).size).toBe(written.length);
  for (const holder of [
    'scope',
    'expires',
    'token_id',
    'budget_id',
    'method',
    'path_prefix',
    'valid_until',
    'n_uses',
    'max_sats',
    'part',
    'preimage',
    'services',
  ])
    expect(written).not.toContain(holder);
});
