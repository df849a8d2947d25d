/**
 * Path tricks against the binding and the router: the path that was priced, bound and forwarded is one and the same normalised path, and
 * no server behind reads it as the path of something dearer.
 */
import { describe, expect, test } from 'vitest';
import { pass } from '../../src/server/terms/Pass.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import type { Upstream } from '../conformance/shop/upstream.ts';
import { testPathsOnEveryWire } from './everyWireRows.ts';
import { askRaw, auth, codeOf, enter, mintWith, standing, wires } from './thief.ts';

/** A cheap prefix with something dear below it, and a pass beside it. Each route has an upstream path of its own, which tells what ran. */
const shelves = ({ url }: Upstream): readonly StandRoute[] => [
  { methods: ['GET'], path: '/deep/dear', upstream: `${url}/ran-dear`, options: { price: '900 sat', service: 'dear' } },
  { methods: ['GET'], path: '/deep/*', upstream: `${url}/ran-cheap`, options: { price: '1 sat', service: 'cheap' } },
  { methods: ['GET'], path: '/library/*', upstream: `${url}/ran-pass`, options: { price: '1 sat', service: 'library', terms: pass({ seconds: 3600 }) } },
];

/** Spellings that some server, somewhere, takes for `/deep/dear`. */
const spellings: readonly (readonly [string, string])[] = [
  ['a slash twice', '/deep//dear'],
  ['a slash twice at the root', '//deep/dear'],
  ['a segment of one dot', '/deep/./dear'],
  ['a segment of two dots', '/deep/x/../dear'],
  ['two dots from beside', '/library/../deep/dear'],
  ['two dots that climb out and back', '/../deep/dear'],
  ['an escaped letter', '/deep/d%65ar'],
  ['an escaped letter in the other case', '/deep/%64%65%61%72'],
  ['escaped dots', '/deep/x/%2e%2e/dear'],
  ['half escaped dots', '/deep/x/.%2E/dear'],
  ['an escaped single dot', '/deep/%2e/dear'],
  ['dots behind a parameter', '/deep/x/..;/dear'],
  ['dots with a parameter', '/deep/x/..;a=b/dear'],
  ['dots with an escaped parameter', '/deep/x/..%3b/dear'],
  ['an escaped slash', '/deep%2fdear'],
  ['an escaped slash in capitals', '/deep%2Fdear'],
  ['an escaped backslash', '/deep%5cdear'],
  ['a backslash', '/deep\\dear'],
  ['dots and a backslash', '/deep/x\\..\\dear'],
  ['an escaped slash in another segment', '/deep/x%2f..%2fdear'],
  ['a parameter', '/deep/dear;x=y'],
  ['an empty parameter', '/deep/dear;'],
  ['an escaped parameter', '/deep/dear%3bx=y'],
  ['a parameter in another segment', '/deep;x=y/dear'],
  ['a slash at the end', '/deep/dear/'],
  ['two slashes at the end', '/deep/dear//'],
  ['a dot segment at the end', '/deep/dear/.'],
  ['a way there and back', '/deep/dear/x/..'],
  ['a dot at the end', '/deep/dear.'],
  ['an escaped dot at the end', '/deep/dear%2e'],
  ['a space at the end', '/deep/dear%20'],
  ['capitals', '/deep/DEAR'],
  ['capitals in the prefix', '/DEEP/dear'],
  ['an escaped capital', '/deep/%44ear'],
  ['a letter escaped twice', '/deep/%2564ear'],
  ['a letter escaped three times', '/deep/%252564ear'],
  ['dots escaped twice', '/deep/x/%252e%252e/dear'],
  ['a slash escaped twice', '/deep%252fdear'],
  ['a backslash escaped twice', '/deep%255cdear'],
  ['a parameter escaped twice', '/deep/dear%253bx'],
  ['a question mark, escaped', '/deep/dear%3fx=y'],
  ['a question mark, escaped twice', '/deep/dear%253fx=y'],
  ['a hash, escaped', '/deep/dear%23x'],
  ['a hash', '/deep/dear#x'],
  ['an overlong slash', '/deep%c0%afdear'],
  ['an overlong dot', '/deep/x/%c0%ae%c0%ae/dear'],
  ['a NUL at the end', '/deep/dear%00'],
  ['a NUL and an ending', '/deep/dear%00.html'],
  ['a NUL escaped twice', '/deep/dear%2500'],
  ['a tab at the end', '/deep/dear%09'],
  ['a line feed at the end', '/deep/dear%0a'],
  ['a carriage return at the end', '/deep/dear%0d'],
  ['a line feed and a request', '/deep/dear%0d%0aX:%20y'],
  ['a tab inside', '/deep/de%09ar'],
  ['a broken escape', '/deep/d%6ar%zz'],
  ['an escape cut short', '/deep/dear%2'],
  ['a percent sign alone', '/deep/dear%'],
  ['the letters u and hex', '/deep/%u0064ear'],
  ['an absolute form', 'http://127.0.0.1/deep/dear'],
  ['an absolute form of another host', 'http://elsewhere.test/deep/dear'],
  ['an absolute form without a path', 'http://127.0.0.1'],
  ['another scheme', 'ftp://127.0.0.1/deep/dear'],
  ['no slash before it', 'deep/dear'],
  ['a star', '*'],
  ['an authority', '127.0.0.1:80'],
  ['a byte beyond ASCII', '/deep/d\xe9ar'],
  ['a NUL as it is', '/deep/dear\0'],
  ['a vertical tab as it is', '/deep/dear\x0b'],
  ['a space as it is', '/deep/dear x'],
  ['a query where the path ends', '/deep/dear?'],
  ['a path in the query', '/deep/x?/../dear'],
];

/** What the most forgiving of servers makes of a path: unescapes until nothing changes, cuts parameters, knows neither case nor what trails. */
function readLoosely(target: string): string {
  let text = target;
  for (let last = ''; last !== text; ) {
    last = text;
    text = text.replace(/%u00([0-9a-f]{2})/gi, '%$1').replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  }
  const [plain = ''] = text
    .replaceAll('\xc0\xaf', '/')
    .replaceAll('\xc0\xae', '.')
    .replaceAll('\\', '/')
    .split(/[?#\0\r\n]/);
  const segments: string[] = [];
  for (const segment of plain.toLowerCase().split('/')) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const bare = segment.replace(/;.*$/, '').replace(/[\x00-\x20\x7f\xa0]/g, '');
    if (bare === '..') segments.pop();
    else if (/[^.]/.test(bare)) segments.push(bare.replace(/\.+$/, ''));
  }
  return `/${segments.join('/')}`;
}

describe.each(wires)('%s', (name) => {
  test('every spelling is sold as what it is, or not at all', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const wrong: string[] = [];
    for (const [what, target] of spellings) {
      const { length } = shop.upstream.seen;
      const unpaid = await askRaw(shop, target);
      const bought = unpaid.status === 402 ? await shop.pay(unpaid) : undefined;
      if (bought) await askRaw(shop, target, [`Authorization: ${bought.authorization}`]);
      const seen = shop.upstream.seen.slice(length).map(({ url }) => url);
      const [, ran, rest = ''] = /^\/ran-([a-z]+)(\/.*)$/.exec(seen.join()) ?? [];
      const paid = unpaid.headers['l402-price'];
      const isSold = ran === 'dear' ? paid === '900 sat' : ran === 'cheap' ? paid === '1 sat' : seen.length === 0 && unpaid.status >= 400;
      // What was bound is what was forwarded; Express hands the path on as it came, so that this is all that is sold there.
      const bound = bought?.macaroon.caveats.find((caveat) => caveat.includes('_path='))?.split('_path=')[1];
      const isBound = bought === undefined || bound === (name === 'express' ? target : rest).replace(/[?].*$/, '');
      // A handler has been called by a router that read the path; behind a gateway stands a server that reads it anew.
      const isTaken = name.startsWith('gateway') && ran === 'cheap' && readLoosely(rest) === '/deep/dear';
      if (!isSold || !isBound || isTaken) wrong.push(`${what}: ${paid ?? unpaid.status} for ${seen}`);
    }
    expect(wrong).toEqual([]);
    const sold = shop.upstream.seen.map(({ url }) => url);
    expect(sold.filter((url) => url.startsWith('/ran-dear')).length).toBeGreaterThan(0);
  });

  test('no spelling opens the dear thing to a cheap token, to a pass or to nobody', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const [cheap, pass] = [await shop.buy('/deep/other'), await shop.buy('/library/a')];
    const before = await standing(shop);
    const wrong: string[] = [];
    for (const [what, target] of spellings) {
      for (const headers of [[], [`Authorization: ${cheap.authorization}`], [`Authorization: ${pass.authorization}`]]) {
        const { status } = await askRaw(shop, target, headers);
        if (status < 400) wrong.push(`${what}: ${status}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(await standing(shop)).toMatchObject({ forwarded: before.forwarded, charged: before.charged });
  });

  test.each([
    ['dots', '/library/../deep/dear'],
    ['escaped dots', '/library/%2e%2e/deep/dear'],
    ['escaped slashes', '/library/..%2fdeep%2fdear'],
    ['slashes escaped twice', '/library/..%252fdeep'],
    ['a backslash', '/library/..\\deep\\dear'],
    ['parameters', '/library/..;/deep/dear'],
    ['letter case', '/LIBRARY/a'],
    ['the prefix itself', '/library'],
    ['the prefix’s parameter', '/library;/a'],
  ])('a pass does not reach outside its prefix by %s', async (_, target) => {
    const shop = await enter(name, {}, { routes: shelves });
    const { authorization } = await shop.buy('/library/a');
    const got = await askRaw(shop, target, [`Authorization: ${authorization}`]);
    expect(got.status).toBeGreaterThanOrEqual(400);
    expect(shop.upstream.seen.length).toBe(0);
  });

  test('a token bound to a star, bought by asking for one, is bound to that very path', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    for (const target of ['/deep/*', '/deep/%2A', '/deep/x/*']) {
      const unpaid = await askRaw(shop, target);
      if (unpaid.status !== 402) continue;
      const { authorization } = await shop.pay(unpaid);
      const got = await shop.get('/deep/x/y', auth(authorization));
      expect([got.status, codeOf(got)], target).toEqual([402, 'CREDENTIAL_WRONG_SERVICE']);
    }
    expect(shop.upstream.seen.length).toBe(0);
  });

  test('a holder’s path that is not in normal form binds nothing loosely: refused', async () => {
    const shop = await enter(name, {}, { routes: shelves });
    const caveats = (holder: string) => [
      'services=library:0',
      'library_method=GET',
      'library_path=/library/*',
      'library_valid_until=1800003600',
      'library_price=1 sat',
      'library_terms=pass',
      holder,
    ];
    const statusOf = async (holder: string) => (await shop.get('/library/a/b', auth(mintWith(caveats(holder)).authorization))).status;
    expect(await statusOf('path_prefix=/library/a')).toBe(200);
    const loose = ['/library/a/../..', '/library/%2e%2e', '//', '/./', '/library/a?', '/library/a#', 'library/a', '', '/LIBRARY', 'http://x/library'];
    for (const value of [...loose, '/library/b', '/library/a/b/c']) expect(await statusOf(`path_prefix=${value}`), value).toBe(403);
  });
});

/** Cheap templates and expressions beside dear things, and a path that goes on changed. */
const kinds = ({ url }: Upstream): readonly StandRoute[] => [
  { methods: ['GET'], path: '/gallery/vip', upstream: url, options: { price: '900 sat', service: 'vip' } },
  { methods: ['GET'], path: '/gallery/{id}', upstream: url, options: { price: '1 sat', service: 'gallery' } },
  { methods: ['GET'], path: 'regex:/photos/[0-9]+', upstream: url, options: { price: '900 sat', service: 'photos' } },
  { methods: ['GET'], path: 'regex:/photos/.+', upstream: url, options: { price: '1 sat', service: 'thumbs' } },
  { methods: ['GET'], path: '/api/*', upstream: url, options: { price: '1 sat', service: 'api' }, more: { stripPrefix: '/api', addPrefix: '/v2' } },
];

describe('the gateway’s own kinds of routes', () => {
  test.each([
    ['capitals', 'VIP', '7;A'],
    ['a dot at the end', 'vip.', '7.'],
    ['an escaped dot at the end', 'vip%2e', '7%2e'],
    ['a space at the end', 'vip%20', '7%20'],
    ['a parameter', 'vip;x=y', '7;x=y'],
    ['an escaped parameter', 'vip%3bx', '7%3bx'],
    ['a question mark, escaped', 'vip%3fx', '7%3Fx'],
    ['a hash, escaped', 'vip%23x', '7%23x'],
    ['a question mark, escaped, before it', '%3fvip', '%3f7'],
    ['a slash at the end', 'vip/', '7/'],
    ['a parameter that is a segment', ';a/vip', ';a/7'],
  ])('what a template or an expression takes, and another server reads as the dear thing, is not sold: %s', async (_, vip, seven) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    for (const target of [`/gallery/${vip}`, `/photos/${seven}`]) {
      const { status } = await askRaw(shop, target);
      expect([400, 404], target).toContain(status);
    }
    expect((await askRaw(shop, '/gallery/42')).status).toBe(402);
    expect((await askRaw(shop, '/photos/x7')).status).toBe(402);
  });

  test.each([
    ['as it is', '/api/x?a=b', '/v2/x?a=b'],
    ['with dots', '/api/y/../x', '/v2/x'],
    ['with dots above what is taken off', '/x/../api/x', '/v2/x'],
    ['with escaped letters in what is taken off', '/%61pi/x', '/v2/x'],
    ['with what is taken off in it twice', '/api/api/x', '/v2/api/x'],
    ['with slashes behind what is taken off', '/api//x', '/v2/x'],
    ['with nothing but a slash', '/api/', '/v2/'],
  ])('a path that goes on changed is the one that was sold: %s', async (_, target, expected) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    const { authorization } = await shop.pay(await askRaw(shop, target));
    expect((await askRaw(shop, target, [`Authorization: ${authorization}`])).status).toBe(200);
    expect(shop.upstream.seen.map(({ url }) => url)).toEqual([expected]);
  });

  test.each(['/api/%2e%2e/x', '/api/..%2fx', '/api/..;/x', '/api/%252e%252e/x', '/api', '/apix'])('%s does not climb out of what is put on', async (target) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    expect([400, 404]).toContain((await askRaw(shop, target)).status);
  });

  test('an expression costs one look a character, whatever is sent', async () => {
    const shop = await enter(
      'gateway',
      {},
      {
        routes: ({ url }) => [{ methods: ['GET'], path: 'regex:/(?:a|a)*a*a*a*a*b', upstream: url, options: { price: '1 sat', service: 'slow' } }],
      },
    );
    expect((await askRaw(shop, `/${'a'.repeat(8000)}`)).status).toBe(404);
    expect((await askRaw(shop, `/${'a'.repeat(8000)}b`)).status).toBe(402);
  });
});

describe('routes that only a gateway has', () => {
  /** Something dear behind each kind of route, and something cheap that is wider. */
  const kinds = ({ url }: Upstream): readonly StandRoute[] => [
    ...(
      [
        ['/people/me', '/people/{id}', {}],
        ['/carts/{id}/dear', '/carts/*', {}],
        ['regex:/vault/[a-z]+/gold', '/vault/*', { priority: 1 }],
        ['regex:/forms/[a-z]+/', '/forms/{name}', { priority: 1 }],
        ['regex:/Keys/[A-Z]+', '/Keys/*', { priority: 1 }],
      ] as const
    ).flatMap(([dear, cheap, more]): StandRoute[] => [
      { methods: ['GET'], path: dear, upstream: `${url}/ran-dear`, options: { price: '900 sat', service: 'dear' }, more },
      { methods: ['GET'], path: cheap, upstream: `${url}/ran-cheap`, options: { price: '1 sat', service: 'cheap' } },
    ]),
  ];

  test.each([
    ...['/people/ME', '/people/me.', '/people/me;x=y', '/people/me%3bx', '/people/me%20', '/people/mE;'],
    ...['/carts/7/DEAR', '/carts/7/dear/', '/carts/7/dear.', '/carts/7/dear;x', '/CARTS/7/dear', '/carts/7/dear%3fx'],
    ...['/vault/a/GOLD', '/vault/A/gold', '/vault/a/gold/', '/vault/a;x/gold', '/vault/a/gold;x', '/vault/a/gold.'],
    ...['/forms/a', '/forms/A', '/forms/a.', '/Keys/abc', '/Keys/Abc;x'],
  ])('what only a strict reading keeps from the dear route is sold nowhere: %s', async (target) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    const got = await askRaw(shop, target);
    expect([got.status, codeOf(got)]).toEqual([404, 'ROUTE_UNKNOWN']);
  });

  test.each([
    ['/people/me', '900 sat'],
    ['/people/%6de', '900 sat'],
    ['/people/x/../me', '900 sat'],
    ['/people/you', '1 sat'],
    ['/people/you;x', '1 sat'],
    ['/carts/7/dear', '900 sat'],
    ['/carts//7/./dear', '900 sat'],
    ['/carts/7;x/dear', '900 sat'],
    ['/carts/7/cheap', '1 sat'],
    ['/carts/7/x/dear', '1 sat'],
    ['/vault/a/gold', '900 sat'],
    ['/vault/a/silver', '1 sat'],
  ])('%s is sold at %s', async (target, price) => {
    const shop = await enter('gateway', {}, { routes: kinds });
    expect((await askRaw(shop, target)).headers['l402-price']).toBe(price);
  });

  test('what is forwarded is the path that was bound, with what is stripped and added, and nothing else', async () => {
    const shop = await enter(
      'gateway',
      {},
      {
        routes: ({ url }) => [
          {
            ...{ methods: ['GET'], path: '/api/*', upstream: `${url}/v2`, options: { price: '1 sat', service: 'api' } },
            more: { stripPrefix: '/api', addPrefix: '/in' },
          },
          { methods: ['GET'], path: '/api/x/{id}', upstream: `${url}/v2`, options: { price: '1 sat', service: 'api' }, more: { stripPrefix: '/api/x' } },
        ],
      },
    );
    for (const [target, seen] of [
      ['/api/a?q=/api/b', '/v2/in/a?q=/api/b'],
      ['/x/../api//a/./b', '/v2/in/a/b'],
      ['/api/api/a', '/v2/in/api/a'],
      ['/api/%61pi/..', '/v2/in/'],
      ['/api/', '/v2/in/'],
      ['/%61pi/x/7', '/v2/7'],
    ] as const) {
      const { authorization } = await shop.pay(await askRaw(shop, target));
      expect((await askRaw(shop, target, [`Authorization: ${authorization}`])).status, target).toBe(200);
      expect(shop.upstream.seen.at(-1)?.url, target).toBe(seen);
    }
    for (const target of ['/api', '/api/../a', '/api/..%2fa', '/API/a']) expect((await askRaw(shop, target)).status, target).toBeGreaterThanOrEqual(400);
  });
});

describe('on every protocol', testPathsOnEveryWire);
