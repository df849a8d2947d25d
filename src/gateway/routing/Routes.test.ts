import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parseConfig } from '../Config.ts';
import { explain } from '../Explain.ts';
import { createRouter, type RouteKey } from '../Router.ts';

afterEach(() => vi.restoreAllMocks());

const route = (pattern: string, more: Partial<RouteKey> = {}): RouteKey => ({ pattern, methods: undefined, host: undefined, ...more });
const finding = (...routes: RouteKey[]) => {
  const router = createRouter(routes);
  return (path: string, headers: readonly string[] = [], host?: string) => router.find(host, 'GET', path, headers);
};

describe('templates', () => {
  const find = finding(route('/users/{}/orders'), route('/users/{}'), route('/users/me'), route('/files/{}/*'), route('/files/public/*'));

  test.each([
    ['/users/42', '/users/{}'],
    ['/users/me', '/users/me'],
    ['/users/42/orders', '/users/{}/orders'],
    ['/users/me/orders', '/users/{}/orders'],
    ['/files/a/b/c', '/files/{}/*'],
    ['/files/public/b', '/files/public/*'],
    ['/files/a/', '/files/{}/*'],
  ])('%s is of %s', (path, pattern) => expect(find(path)?.pattern).toBe(pattern));

  test.each(['/users', '/users/', '/users/42/', '/users//orders', '/users/42/orders/x', '/files/a', '/files/public'])('%s is of none', (path) =>
    expect(find(path)).toBeUndefined(),
  );

  test.each(['/users/ME', '/users/me.', '/users/me;v=1', '/users/Me%20', '/users/%3Fx/orders', '/users/me%3F/orders', '/files/Public/b', '/files/a%23/b'])(
    'what a loose server reads as another route’s is of none: %s',
    (path) => expect(find(path)).toBeUndefined(),
  );

  test('a name is no name of the route: what differs in it alone is the same', () => {
    expect(find('/users/Bob.')?.pattern).toBe('/users/{}');
    expect(() => createRouter([route('/a/{}'), route('/a/{}')])).toThrow(RangeError);
  });

  test('the first segment that is named decides', () => {
    const both = finding(route('/a/{}/c'), route('/a/b/{}'), route('/a/b/*'));
    expect(both('/a/b/c')?.pattern).toBe('/a/b/{}');
    expect(both('/a/x/c')?.pattern).toBe('/a/{}/c');
    expect(both('/a/b/c/d')?.pattern).toBe('/a/b/*');
  });
});

describe('expressions', () => {
  const find = finding(route('regex:/items/[0-9]+'), route('regex:/items/.*'), route('/items/new'), route('regex:/[a-z]+'));

  test.each([
    ['/items/7', 'regex:/items/[0-9]+'],
    ['/items/x', 'regex:/items/.*'],
    ['/items/new', '/items/new'],
    ['/shop', 'regex:/[a-z]+'],
  ])('%s is of %s', (path, pattern) => expect(find(path)?.pattern).toBe(pattern));

  test.each(['/items/7.', '/items/7;v=1', '/items/7/', '/ITEMS/7', '/items/NEW', '/items/new/', '/items/7%3Fx'])('%s could be of another: none', (path) =>
    expect(find(path)).toBeUndefined(),
  );

  test('they come last, unless a priority says otherwise', () => {
    expect(finding(route('/a/*'), route('regex:/a/[0-9]+'))('/a/1')?.pattern).toBe('/a/*');
    const first = finding(route('/a/*'), route('regex:/a/[0-9]+', { priority: 1 }));
    expect(first('/a/1')?.pattern).toBe('regex:/a/[0-9]+');
    expect(first('/a/x')?.pattern).toBe('/a/*');
    expect(first('/a/1.')).toBeUndefined();
    expect(first('/a/')?.pattern).toBe('/a/*');
  });

  test('so many that begin alike would each be tried: refused', () => {
    const many = Array.from({ length: 33 }, (_, index) => route(`regex:/a/${index}[0-9]`));
    expect(() => createRouter(many)).toThrow(/more than 32 expressions begin with "\/a\/"/);
    expect(() => createRouter(many.slice(1))).not.toThrow();
  });
});

describe('headers', () => {
  const two = route('/x', { headers: [['x-version', '2']] });
  const both = route('/x', {
    headers: [
      ['x-tenant', 'acme'],
      ['x-version', '2'],
    ],
  });
  const find = finding(route('/x'), two, both, route('/*'));

  test('more of them go before fewer', () => {
    expect(find('/x')?.headers).toBeUndefined();
    expect(find('/x', ['X-Version', '2'])).toBe(two);
    expect(find('/x', ['X-Version', '3'])?.headers).toBeUndefined();
    expect(find('/x', ['x-tenant', 'acme', 'X-VERSION', ' 2 '])).toBe(both);
    expect(find('/x', ['x-tenant', 'other', 'x-version', '2'])).toBe(two);
  });

  test.each<[string, readonly string[]]>([
    ['said twice', ['x-version', '1', 'x-version', '2']],
    ['said twice alike', ['x-version', '2', 'X-Version', '2']],
    ['a list', ['x-version', '1, 2']],
    ['quoted', ['x-version', '"2"']],
    ['with _ for -', ['x_version', '2']],
    ['taken off on the way', ['x-version', '2', 'Connection', 'keep-alive, X-Version']],
  ])('%s: of none, for the upstream may read it otherwise', (_, headers) => {
    expect(find('/x', headers)).toBeUndefined();
    expect(find('/y', headers)?.pattern).toBe('/*');
  });

  test('a value in another letter case is one too', () => {
    const tier = finding(route('/x'), route('/x', { headers: [['x-tier', 'Basic']] }));
    expect(tier('/x', ['x-tier', 'basic'])).toBeUndefined();
    expect(tier('/x', ['x-tier', 'other'])?.headers).toBeUndefined();
  });

  test('without a condition nothing matches them', () => expect(createRouter([two]).find(undefined, 'GET', '/x')).toBeUndefined());
});

describe('hosts', () => {
  const find = finding(route('/a', { host: 'api.example.com' }), route('/*', { host: '*.example.com' }), route('/only'));

  test('a named one goes before a wildcard, and that before any', () => {
    expect(find('/a', [], 'api.example.com')?.host).toBe('api.example.com');
    expect(find('/b', [], 'api.example.com')?.host).toBe('*.example.com');
    expect(find('/a', [], 'x.example.com')?.host).toBe('*.example.com');
    expect(find('/only', [], 'example.com')?.host).toBeUndefined();
  });

  test.each(['example.com', 'a.b.example.com', 'evilexample.com', 'x.example.com.evil', '.example.org', 'com', ''])('%j is not of the wildcard', (host) =>
    expect(find('/b', [], host)).toBeUndefined(),
  );

  test('what a loose server reads as the named host’s path is not sold by the wildcard', () => expect(find('/A', [], 'api.example.com')).toBeUndefined());
});

test('of two that match, the one with the higher priority goes first, whatever else they say', () => {
  const find = finding(route('/a/b'), route('/a/*', { priority: 1 }), route('/*', { priority: 2, methods: ['POST'] }), route('/*', { priority: -1 }));
  expect(find('/a/b')?.pattern).toBe('/a/*');
  expect(find('/c')?.priority).toBe(-1);
});

test('ten thousand routes of every kind cost as many looks as ten', () => {
  const kinds = (count: number) =>
    createRouter(
      Array.from({ length: count }, (_, index) => [
        route(`/exact/${index}`),
        route(`/prefix/${index}/*`),
        route(`/template/${index}/{}/x`),
        route(`regex:/expression/${index}/[0-9]+`),
        route('/headers', { headers: [['x-tenant', String(index)]] }),
        route('/host', { host: `h${index}.example.com` }),
      ]).flat(),
    );
  const looks = (router: ReturnType<typeof kinds>) => {
    const spies = [vi.spyOn(Map.prototype, 'get'), vi.spyOn(Set.prototype, 'has'), vi.spyOn(String.prototype, 'charCodeAt')];
    const found = [
      router.find(undefined, 'GET', '/exact/7'),
      router.find(undefined, 'GET', '/prefix/7/a/b'),
      router.find(undefined, 'GET', '/template/7/abc/x'),
      router.find(undefined, 'GET', '/expression/7/123'),
      router.find(undefined, 'GET', '/headers', ['x-tenant', '7']),
      router.find('h7.example.com', 'GET', '/host'),
      router.find('nowhere', 'GET', '/expression/7/none'),
    ].map((one) => one !== undefined);
    const count = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    vi.restoreAllMocks();
    expect(found).toEqual([true, true, true, true, true, true, false]);
    return count;
  };
  expect(looks(kinds(1700))).toBe(looks(kinds(10)));
});

test.each(readdirSync(new URL('../../../examples/routing/', import.meta.url)))('examples/routing/%s is a sound configuration', (name) => {
  const text = readFileSync(new URL(`../../../examples/routing/${name}`, import.meta.url), 'utf8');
  expect(explain(parseConfig(text, { file: name, environment: { UPSTREAM_KEY: 'hunter2' } }))).not.toMatch(/hunter2/);
});
