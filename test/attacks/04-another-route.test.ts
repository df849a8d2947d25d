/**
 * A cheap route's token on a dear route of the same service; another method; another tenant; another host.
 */
import { describe, expect, test } from 'vitest';
import { createConfig } from '../../src/gateway/Config.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { pass } from '../../src/server/terms/Pass.ts';
import { masterKey, type Shop } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { testRoutesOnEveryWire } from './everyWireRows.ts';
import { askRaw, auth, codeOf, enter, expectRefused, expectServed, narrowed, path, standing, wires } from './thief.ts';

const elsewhere = { status: 402, code: 'CREDENTIAL_WRONG_SERVICE' } as const;

/** Cheap things beside dear ones: by path, by depth, by method, by host. */
const shelves = ({ url }: Upstream): readonly StandRoute[] => [
  { methods: ['GET'], path: '/docs/cheap', upstream: url, options: { price: '1 sat', service: 'docs' } },
  { methods: ['GET'], path: '/docs/dear', upstream: url, options: { price: '900 sat', service: 'docs' } },
  { methods: ['DELETE'], path: '/docs/cheap', upstream: url, options: { price: '900 sat', service: 'docs' } },
  { methods: ['GET'], path: '/files/*', upstream: url, options: { price: '1 sat', service: 'files' } },
  { methods: ['GET'], path: '/files/inner/*', upstream: url, options: { price: '900 sat', service: 'files' } },
  { methods: ['GET'], path: '/month/*', upstream: url, options: { price: '1 sat', service: 'month', terms: pass({ seconds: 3600 }) } },
  { methods: ['DELETE'], path: '/month/*', upstream: url, options: { price: '900 sat', service: 'month' } },
  { methods: ['GET'], path: '/monthly', upstream: url, options: { price: '900 sat', service: 'monthly' } },
  { methods: ['GET'], host: 'cheap.test', path: '/data', upstream: url, options: { price: '1 sat', service: 'cheap' } },
  { methods: ['GET'], host: 'dear.test', path: '/data', upstream: url, options: { price: '900 sat', service: 'dear' } },
];

describe.each(wires)('%s', (name) => {
  test.each([
    ['another route of the same service', '/docs/cheap', '/docs/dear'],
    ['a route of another service', '/docs/cheap', '/monthly'],
    ['a narrower route below the same prefix', '/files/a', '/files/inner/a'],
    ['another path of its own route', '/files/a', '/files/b'],
    ['a path below its own', '/files/a', '/files/a/b'],
    ['the path above its own', '/files/a/b', '/files/a'],
    ['a pass: a path that begins like its prefix', '/month/a', '/monthly'],
  ])('%s: 402, and a new challenge for the dear thing', async (_, cheap, dear) => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy(cheap);
    await expectRefused(shop, () => shop.get(dear, auth(bought.authorization)), elsewhere);
    for (const service of ['docs', 'files', 'month', 'monthly']) {
      const { status } = await shop.get(dear, auth(narrowed(bought, `services=${service}:0`, `${service}_path=${dear}`, `${service}_terms=per-request`)));
      expect([402, 403], service).toContain(status);
    }
    expect(shop.upstream.seen.length).toBe(0);
  });

  test('another method on the same path: 402, the other way round too', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const [get, del] = [await shop.buy('/docs/cheap'), await shop.buy('/docs/cheap', { method: 'DELETE' })];
    await expectRefused(shop, () => shop.get('/docs/cheap', { method: 'DELETE', ...auth(get.authorization) }), elsewhere);
    await expectRefused(shop, () => shop.get('/docs/cheap', auth(del.authorization)), elsewhere);
    await expectServed(shop, () => shop.get('/docs/cheap', auth(get.authorization)));
  });

  test('a pass that has been seen, and is remembered, opens no more than one that has not', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy('/month/a');
    const ask = auth(bought.authorization);
    for (const target of ['/month/a', '/month/a', '/month/b/c']) expect((await shop.get(target, ask)).status).toBe(200);
    for (const target of ['/monthly', '/docs/cheap', '/files/a']) await expectRefused(shop, () => shop.get(target, ask), elsewhere, target);
    for (const target of ['/month/b/c', '/month/a']) await expectRefused(shop, () => shop.get(target, { method: 'DELETE', ...ask }), elsewhere, target);
    const spoilt = `${bought.authorization.slice(0, -1)}${bought.authorization.endsWith('0') ? '1' : '0'}`;
    await expectRefused(shop, () => shop.get('/month/a', auth(spoilt)), { status: 401, code: 'CREDENTIAL_UNPAID' });
    expect((await shop.get('/month/a', auth(narrowed(bought, 'path_prefix=/month/b')))).status).toBe(403);
    expect((await shop.get('/month/a', ask)).status).toBe(200);
    shop.clock.advance(4_201_000);
    await expectRefused(shop, () => shop.get('/month/a', ask), { status: 402, code: 'CREDENTIAL_EXPIRED' });
  });

  test('a method that a header wishes for is not the method', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy('/docs/cheap');
    const wishes = {
      'x-http-method-override': 'DELETE',
      'x-http-method': 'DELETE',
      'x-method-override': 'DELETE',
      'x-original-url': '/docs/dear',
      'x-rewrite-url': '/docs/dear',
    };
    await expectServed(shop, () => shop.get('/docs/cheap?_method=DELETE', auth(bought.authorization, wishes)));
    const [seen] = shop.upstream.seen;
    expect([seen?.method, seen?.url]).toEqual(['GET', '/docs/cheap?_method=DELETE']);
    for (const wish of Object.keys(wishes)) expect(seen?.headers[wish]).toBeUndefined();
  });

  test.each(['GET\t', 'get', 'G ET', 'GET,DELETE'])('a method spelled %j is not GET', async (method) => {
    const shop = await enter(name, {}, { routes: shelves });
    const bought = await shop.buy('/docs/cheap');
    const before = await standing(shop);
    const got = await askRaw(shop, '/docs/cheap', [`Authorization: ${bought.authorization}`], { method });
    expect(got.status).toBeGreaterThanOrEqual(400);
    expect(await standing(shop)).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
  });

  test('another tenant under the same master key: 401', async () => {
    const [shop, other] = [await enter(name), await tenant(name, 'other')];
    const bought = await shop.buy(path);
    await expectRefused(other, () => other.get(path, auth(bought.authorization)), { status: 401, code: 'CREDENTIAL_TAMPERED' });
    for (const realm of ['test-2', 'tes', 'Test']) {
      const near = await tenant(name, realm);
      expect(codeOf(await near.get(path, auth(bought.authorization))), realm).toBe('CREDENTIAL_TAMPERED');
    }
    await expectServed(shop, () => shop.get(path, auth(bought.authorization)));
  });

  test('another tenant with a key of his own: 402, for his token is somebody else’s', async () => {
    const [shop, other] = [await enter(name), await tenant(name, 'test', new Uint8Array(32).fill(9))];
    const bought = await other.buy(path);
    await expectRefused(shop, () => shop.get(path, auth(bought.authorization)), { status: 402, code: 'CREDENTIAL_UNKNOWN_KEY' });
  });

  test.each([
    ['the dear host', '/data', 'dear.test'],
    ['with its port', '/data', 'dear.test:80'],
    ['in capitals', '/data', 'DEAR.test'],
    ['with the root’s dot', '/data', 'dear.test.'],
    ['the dear host in the request line, the cheap one in Host', 'http://dear.test/data', 'cheap.test'],
    ['the cheap host in the request line, the dear one in Host', 'http://cheap.test/data', 'dear.test'],
    ['a user before the host', 'http://cheap.test@dear.test/data', 'cheap.test'],
  ])('another host: %s', async (_, target, host) => {
    const shop = await enter(name, {}, { routes: shelves });
    const { authorization } = await buyAt(shop, 'cheap.test');
    const before = await standing(shop);
    const got = await askRaw(shop, target, [`Authorization: ${authorization}`], { host });
    // Where the request line names the cheap host, it is the cheap host that is asked.
    const asksCheap = name !== 'express' && target === 'http://cheap.test/data';
    if (asksCheap && got.status === 200) return expect(shop.upstream.seen.at(-1)?.headers.host).not.toBe('dear.test');
    expect(got.status).toBeGreaterThanOrEqual(400);
    expect(await standing(shop)).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
  });

  test('several hosts at once, or one in another header: the dear host is not what was paid for', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const { authorization } = await buyAt(shop, 'cheap.test');
    const before = await standing(shop);
    for (const header of ['Host: cheap.test', 'X-Forwarded-Host: cheap.test', 'Forwarded: host=cheap.test', 'X-Host: cheap.test']) {
      const got = await askRaw(shop, '/data', [`Authorization: ${authorization}`, header], { host: 'dear.test' });
      expect(got.status, header).toBeGreaterThanOrEqual(400);
    }
    expect(await standing(shop)).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
  });
});

describe('routes that only a gateway has', () => {
  const template = (url: string): StandRoute => ({
    ...{ methods: ['GET'], path: '/people/{id}', upstream: url },
    options: { price: '1 sat', service: 'people', terms: pass({ seconds: 3600 }) },
  });

  test('a pass for a template opens what the template takes, and nothing within it that is sold on its own', async () => {
    const shop = await enter('gateway', {}, { routes: ({ url }) => [template(url)] });
    const bought = await shop.buy('/people/7');
    for (const target of ['/people/7', '/people/8', '/people/me']) expect((await shop.get(target, auth(bought.authorization))).status).toBe(200);
    const dear = (path: string): ((upstream: Upstream) => readonly StandRoute[]) => {
      return ({ url }) => [{ methods: ['GET'], path, upstream: url, options: { price: '900 sat', service: 'people', terms: pass({ seconds: 3600 }) } }];
    };
    for (const path of ['/people/me', '/people/*', '/{what}/me', 'regex:/people/[a-z]+']) {
      const later = await enter('gateway', {}, { routes: dear(path) });
      await expectRefused(later, () => later.get('/people/me', auth(bought.authorization)), elsewhere, path);
    }
    const renamed = await enter('gateway', {}, { routes: ({ url }) => [{ ...template(url), path: '/people/{name}' }] });
    expect((await renamed.get('/people/9', auth(bought.authorization))).status).toBe(200);
  });

  test('what was bought of a template or an expression by the request, or of an expression by the hour, is for that very path', async () => {
    const shop = await enter(
      'gateway',
      {},
      {
        routes: ({ url }) => [
          { methods: ['GET'], path: '/carts/{id}', upstream: url, options: { price: '1 sat', service: 'carts' } },
          { methods: ['GET'], path: 'regex:/reports/[0-9]+', upstream: url, options: { price: '1 sat', service: 'carts' } },
          { methods: ['GET'], path: 'regex:/months/[0-9]+', upstream: url, options: { price: '1 sat', service: 'carts', terms: pass({ seconds: 3600 }) } },
        ],
      },
    );
    for (const [bought, other] of [
      ['/carts/1', '/carts/2'],
      ['/reports/1', '/reports/2'],
      ['/months/1', '/months/2'],
    ] as const) {
      const { authorization } = await shop.buy(bought);
      await expectRefused(shop, () => shop.get(other, auth(authorization)), elsewhere, other);
      expect((await shop.get(bought, auth(authorization))).status).toBe(200);
    }
  });

  test('a configuration in which a pass would cover something dearer is a mistake', () => {
    const selling = (wide: string, dear: string) => () =>
      createConfig({
        services: [
          {
            ...{ name: 'a', upstream: 'http://127.0.0.1:1' },
            routes: [
              { path: wide, price: '1 sat', terms: 'pass: 1h' },
              { path: dear, price: '900 sat' },
            ],
          },
        ],
      });
    for (const [wide, dear] of [
      ['/people/{id}', '/people/me'],
      ['/{kind}/{id}', '/people/{id}'],
      ['/people/*', '/people/{id}'],
    ] as const) {
      expect(selling(wide, dear), `${wide} ${dear}`).toThrow(/would open .* as well/);
    }
    expect(selling('/people/{id}', '/people/{id}/orders')).not.toThrow();
  });

  test('a wildcard takes no host that only ends like its own, and not the host itself', async () => {
    const shop = await enter(
      'gateway',
      {},
      {
        routes: ({ url }) => [
          { methods: ['GET'], host: '*.cheap.test', path: '/data', upstream: url, options: { price: '1 sat', service: 'cheap' } },
          { methods: ['GET'], host: 'dear.cheap.test', path: '/data', upstream: url, options: { price: '900 sat', service: 'dear' } },
        ],
      },
    );
    const { authorization } = await buyAt(shop, 'a.cheap.test');
    for (const host of ['dear.cheap.test', 'DEAR.cheap.test.', 'cheap.test', 'acheap.test', 'a.cheap.test.evil', 'b.a.cheap.test', 'dear.test']) {
      const before = await standing(shop);
      const got = await askRaw(shop, '/data', [`Authorization: ${authorization}`], { host });
      expect(got.status, host).toBeGreaterThanOrEqual(400);
      expect(await standing(shop), host).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
    }
    expect((await askRaw(shop, '/data', [`Authorization: ${authorization}`], { host: 'b.cheap.test' })).status).toBe(200);
  });
});

/** The same shop for another tenant: the same master key, or one of his own. */
function tenant(name: (typeof wires)[number], realm: string, master = masterKey): Promise<Shop> {
  return enter(name, { keys: createRootKeys({ masters: [master], network: 'sandbox', realm }) });
}

/** Routes that only the gateway has: templates, expressions, wildcard hosts, and what headers tell apart. */
const kinds = ({ url }: Upstream): readonly StandRoute[] => [
  { methods: ['GET'], path: '/users/{id}/orders', upstream: url, options: { price: '1 sat', service: 'users' } },
  { methods: ['GET'], path: '/teams/{team}/docs', upstream: url, options: { price: '1 sat', service: 'teams', terms: pass({ seconds: 3600 }) } },
  { methods: ['GET'], path: '/teams/gold/{what}', upstream: url, options: { price: '900 sat', service: 'teams', terms: pass({ seconds: 3600 }) } },
  { methods: ['GET'], path: 'regex:/items/[0-9]+', upstream: url, options: { price: '1 sat', service: 'items', terms: pass({ seconds: 3600 }) } },
  { methods: ['GET'], path: '/tiers', upstream: url, options: { price: '1 sat', service: 'basic' }, more: { headers: { 'x-tier': 'basic' } } },
  { methods: ['GET'], path: '/tiers', upstream: url, options: { price: '900 sat', service: 'gold' } },
  { methods: ['GET'], host: '*.wild.test', path: '/data', upstream: url, options: { price: '1 sat', service: 'wild' } },
  { methods: ['GET'], host: 'dear.wild.test', path: '/data', upstream: url, options: { price: '900 sat', service: 'named' } },
];

describe('the gateway’s own kinds of routes', () => {
  test.each([
    ['a template: another segment', '/users/1/orders', '/users/2/orders'],
    ['a pass for a template: a dearer one that takes the same path', '/teams/red/docs', '/teams/gold/docs'],
    ['a pass for a template: a path beside it', '/teams/red/docs', '/teams/gold/plans'],
    ['a pass of an expression: another path that it holds', '/items/1', '/items/2'],
  ])('%s: 402', async (_, cheap, dear) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    const bought = await shop.buy(cheap);
    await expectRefused(shop, () => shop.get(dear, auth(bought.authorization)), elsewhere);
    expect(shop.upstream.seen.length).toBe(0);
    expect((await shop.get(cheap, auth(bought.authorization))).status).toBe(200);
  });

  test('a pass for a template is good for all that it takes', async () => {
    const shop = await enter('gateway', {}, { routes: kinds });
    const { authorization } = await shop.buy('/teams/red/docs');
    expect((await shop.get('/teams/blue/docs', auth(authorization))).status).toBe(200);
  });

  test('what is bought under a wildcard is good at each of its hosts, and not at one that has a service of its own', async () => {
    const shop = await enter('gateway', {}, { routes: kinds });
    const { authorization } = await buyAt(shop, 'one.wild.test');
    const statusAt = async (host: string) => (await askRaw(shop, '/data', [`Authorization: ${authorization}`], { host })).status;
    for (const host of ['dear.wild.test', 'DEAR.wild.test.', 'wild.test', 'a.b.wild.test']) expect(await statusAt(host), host).toBeGreaterThanOrEqual(400);
    expect(shop.upstream.seen.length).toBe(0);
    expect(await statusAt('two.wild.test')).toBe(200);
  });

  test.each([
    ['without the header', []],
    ['with another value', ['X-Tier: gold']],
    ['with two lines of it', ['X-Tier: basic', 'X-Tier: gold']],
    ['with a list', ['X-Tier: gold, basic']],
    ['with _ for -', ['X_Tier: basic']],
    ['in another letter case', ['X-Tier: BASIC']],
    ['with one that does not go on to the upstream', ['X-Tier: basic', 'Connection: close, X-Tier']],
  ])('what is bought with a header is good with that header alone: %s', async (_, lines) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    const { authorization } = await shop.buy('/tiers', { headers: { 'x-tier': 'basic' } });
    const got = await askRaw(shop, '/tiers', [`Authorization: ${authorization}`, ...lines]);
    expect(got.status).toBeGreaterThanOrEqual(400);
    expect(shop.upstream.seen.length).toBe(0);
    expect((await shop.get('/tiers', auth(authorization, { 'x-tier': 'basic' }))).status).toBe(200);
  });

  test('what headers alone tell apart is sold alike within a service, or not at all', async () => {
    const sold = (more: readonly object[]) => () =>
      createConfig({ services: [{ name: 'a', upstream: 'http://x', routes: [{ path: '/a/{b}', price: '1 sat', headers: { 'x-tier': 'basic' } }, ...more] }] });
    for (const path of ['/a/{c}', '/a/*', '/a/b', '/*', 'regex:/a/[a-z]+']) {
      expect(sold([{ path, price: '900 sat' }]), path).toThrow(/headers tell .* from .*, and a token of one would open the other/);
      expect(sold([{ path, price: '1 sat', terms: 'pass: 1h' }]), path).toThrow(/a token of one would open the other/);
      expect(sold([{ path, price: '1 sat' }]), path).not.toThrow();
    }
    expect(
      sold([
        { path: '/b', price: '900 sat' },
        { path: '/a/b', methods: 'GET', price: '1 sat' },
      ]),
    ).not.toThrow();
  });
});

/** Buys `/data` of a host. */
function buyAt(shop: Shop, host: string) {
  return shop.buy('/data', { headers: { host } });
}

describe('on every protocol', testRoutesOnEveryWire);
