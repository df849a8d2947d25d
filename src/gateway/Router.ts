/**
 * Which route a request belongs to: of all that match host, path, headers and method, the one with the highest priority, and of those the
 * most specific one. A named host goes before a wildcard and that before any host; an exact path before templates and prefixes, of which the
 * one goes first that names the segment where they part; expressions last, those that begin with more said in full first, and then as they
 * are written; more headers before fewer; a named method before any method.
 *
 * A look-up costs no more with ten thousand routes than with one: see `routing/RouteTable.ts`.
 *
 * A path that only a strict reading keeps from a more specific route (another letter case, a trailing slash or dot, a parameter) matches
 * nothing: the upstream may read it as that route's path, and it would be sold at the price of the wider one. On a template or an
 * expression, so does one that a loose reading takes anywhere else.
 *
 * @see src/gateway/routing/Pattern.ts for what a path pattern is
 */
import * as Path from '../http/Path.ts';
import { ambiguous } from './routing/HeaderConditions.ts';
import * as Pattern from './routing/Pattern.ts';
import { type RouteKey, sameHeaders } from './routing/RouteKey.ts';
import { createRouteTable } from './routing/RouteTable.ts';

export type { RouteKey } from './routing/RouteKey.ts';

/** Finds routes. */
export type Router<Route> = {
  /**
   * @param host - lower case, without a port
   * @param path - in normal form
   * @param rawHeaders - names and values in turn, as received; default: none, so that routes with conditions on headers match nothing
   * @returns undefined where nothing matches: such a request is refused
   */
  readonly find: (host: string | undefined, method: string, path: string, rawHeaders?: readonly string[]) => Route | undefined;
};

/**
 * A router over these routes, in any order.
 * @throws RangeError – two routes with the same host, pattern, headers, priority and method
 */
export function createRouter<Route extends RouteKey>(routes: readonly Route[]): Router<Route> {
  const strict = createRouteTable(routes);
  const folded: FoldedRoute<Route>[] = [];
  const taken = new Set<string>();
  const readings = new Map<Route, Reading>();
  for (const route of routes) {
    const { host, methods, headers = [], priority = 0 } = route;
    const reading: Reading = { pattern: route.pattern, folded: foldPattern(route.pattern), priority };
    readings.set(route, reading);
    const at = `${priority} ${host ?? ''}${reading.folded} ${JSON.stringify(headers)}`;
    const names = (methods ?? ['*']).map((method) => `${method} ${at}`);
    if (names.some((name) => taken.has(name))) continue;
    for (const name of names) taken.add(name);
    folded.push({ host, methods, headers, priority, pattern: reading.folded, route });
  }
  const loose = createRouteTable(folded, true);
  return {
    find: (host, method, path, rawHeaders = none) => {
      const route = strict.find(host, method, path, rawHeaders);
      if (route === undefined || route === ambiguous) return undefined;
      const wide = readings.get(route) as Reading;
      if (!isWide(wide)) return route;
      const plain = fold(path);
      // What lies below a prefix may be a slash alone.
      const meant = loose.find(host, method, plain, rawHeaders) ?? (path.endsWith('/') ? loose.find(host, method, `${plain}/`, rawHeaders) : undefined);
      if (meant === ambiguous) return undefined;
      if (meant?.route === route) return route;
      return isMeantForAnother(wide, meant && (readings.get(meant.route) as Reading)) ? undefined : route;
    },
  };
}

const none: readonly string[] = [];

type FoldedRoute<Route> = RouteKey & { readonly route: Route };

/** A route's pattern, strictly and loosely. */
type Reading = { readonly pattern: string; readonly folded: string; readonly priority: number };

function isWide({ pattern }: Reading): boolean {
  return Path.coversMany(pattern) || Pattern.isExpression(pattern);
}

/** Whether a path that a route takes is another's for a server that reads loosely. */
function isMeantForAnother(wide: Reading, other: Reading | undefined): boolean {
  // Told apart by letter case alone, and written so.
  if (wide.folded === other?.folded) return false;
  if (wide.pattern.includes(Path.parameter) || Pattern.isExpression(wide.pattern)) return true;
  if (other === undefined) return false;
  return Pattern.isExpression(other.pattern) ? other.priority > wide.priority : Path.coversPattern(wide.pattern, other.pattern);
}

/** What is left of a path for a server that looks at neither case nor parameters nor what trails, and takes an escaped `?` or `#` for one. */
function fold(path: string): string {
  const segments = path
    .toLowerCase()
    .replace(/%(?:3f|23).*$/, '')
    .split('/')
    .map((segment) => withoutTail(segment.replace(/(?:;|%3b).*$/, ''), ['.', '%20']))
    .filter((segment) => segment !== '');
  return `/${segments.join('/')}`;
}

/** A text without what trails. A pattern such as `/\.+$/` takes time by the square of the dots that trail nothing, and a stranger writes them. */
function withoutTail(text: string, tails: readonly string[]): string {
  let end = text.length;
  for (;;) {
    const tail = tails.find((one) => text.endsWith(one, end));
    if (tail === undefined) return text.slice(0, end);
    end -= tail.length;
  }
}

function foldPattern(pattern: string): string {
  if (Pattern.isExpression(pattern)) return pattern;
  return pattern.endsWith('/*') ? `${fold(pattern.slice(0, -2)).replace(/^\/$/, '')}/*` : fold(pattern);
}

/** The first other route that a route would hide or be hidden by: the same host, pattern, headers and priority, and a method in common. */
export function findDuplicate<Route extends RouteKey>(earlier: readonly Route[], route: RouteKey): Route | undefined {
  const { host, pattern, methods, headers, priority = 0 } = route;
  return earlier.find(
    (one) =>
      one.host === host &&
      one.pattern === pattern &&
      (one.priority ?? 0) === priority &&
      sameHeaders(one.headers, headers) &&
      haveCommon(one.methods, methods, false),
  );
}

/** Whether two sets of methods have one in common; `loosely`: one that matches every method has. */
export function haveCommon(one: RouteKey['methods'], other: RouteKey['methods'], loosely: boolean): boolean {
  if (one === undefined || other === undefined) return loosely || one === other;
  return one.some((method) => other.includes(method));
}
