import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Path from '../http/Path.ts';
import { createRouter, findDuplicate, type RouteKey } from './Router.ts';

const segment = fc.constantFrom('a', 'b', 'api', 'v1', '%2A', 'x.y');
const path = fc.tuple(fc.array(segment, { maxLength: 4 }), fc.boolean()).map(([parts, slash]) => `/${parts.join('/')}${slash && parts.length > 0 ? '/' : ''}`);
const template = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant('{}')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([parts, prefix]) => `/${parts.join('/')}${prefix ? '/*' : ''}`);
const plain = fc.tuple(path, fc.boolean()).map(([text, prefix]) => (prefix ? `${text.endsWith('/') ? text : `${text}/`}*` : text));
const pattern = fc.oneof(plain, template);
const host = fc.constantFrom(undefined, 'one.example', 'two.example');
const method = fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS');
const methods = fc.option(fc.uniqueArray(fc.constantFrom('GET', 'POST', 'DELETE'), { minLength: 1 }), { nil: undefined });
const routes = fc.array(fc.record({ host, pattern, methods }), { maxLength: 12 }).map((all) => {
  const kept: RouteKey[] = [];
  for (const route of all) if (!findDuplicate(kept, route)) kept.push(route);
  return kept;
});

/** All that match, sorted by what is said of specificity. */
function naive(all: readonly RouteKey[], at: string | undefined, verb: string, where: string): RouteKey | undefined {
  const counted = verb === 'HEAD' ? 'GET' : verb;
  const rank = (route: RouteKey) => [
    route.host === undefined ? 0 : 1,
    Path.coversMany(route.pattern) ? 0 : 1,
    // Segment by segment, a name goes before a parameter, and that before whatever follows.
    ...Array.from({ length: 6 }, (_, index) => ({ undefined: 3, '{}': 1, '*': 0 })[String(route.pattern.split('/')[index + 1])] ?? 2),
    route.methods === undefined ? 0 : 1,
  ];
  return all
    .filter((route) => (route.host ?? at) === at && Path.covers(route.pattern, where) && (route.methods?.includes(counted) ?? true))
    .sort((one, other) => {
      const [left, right] = [rank(one), rank(other)];
      const at = left.findIndex((value, index) => value !== right[index]);
      return at < 0 ? 0 : (right[at] as number) - (left[at] as number);
    })[0];
}

test('the router finds what a plain search over all routes finds', () => {
  fc.assert(
    fc.property(routes, host, method, path, (all, at, verb, where) => {
      // What only its last slash keeps from a narrower route is found nowhere.
      const twin = where.endsWith('/') ? where.slice(0, -1) : `${where}/`;
      fc.pre(!all.some(({ pattern }) => pattern === twin));
      // Nor is what a template takes, and a loose reading gives to another.
      fc.pre(!where.endsWith('/') || !all.some(({ pattern }) => pattern.includes(Path.parameter)));
      expect(createRouter(all).find(at, verb, where)).toBe(naive(all, at, verb, where));
    }),
    { numRuns: 300 },
  );
});

test('the order in which routes are written changes nothing', () => {
  fc.assert(
    fc.property(routes, host, method, path, (all, at, verb, where) => {
      expect(createRouter([...all].reverse()).find(at, verb, where)).toBe(createRouter(all).find(at, verb, where));
    }),
    { numRuns: 200 },
  );
});
