/**
 * Which route a request belongs to: of all that match host, path and method, the most specific one. A named host goes before any host, an
 * exact path before a prefix, a longer prefix before a shorter one, a named method before any method.
 *
 * Exact paths stand in a table and prefixes in a tree of segments, so a look-up costs no more with ten thousand routes than with one.
 *
 * A path that only a strict reading keeps from a more specific route (another letter case, a trailing slash or dot, a parameter) matches
 * nothing: the upstream may read it as that route's path, and it would be sold at the price of the wider one.
 *
 * @see src/http/Path.ts for what a path pattern is
 */
import * as Path from '../http/Path.ts';

/** A route's address. */
export type RouteKey = {
  /** Lower case, without a port; undefined matches every host. */
  readonly host: string | undefined;
  /** In normal form: an exact path, or a prefix that ends in `/*` (everything below it, and not the prefix itself). */
  readonly pattern: string;
  /** Upper case; `GET` takes `HEAD` in. Undefined matches every method. */
  readonly methods: readonly string[] | undefined;
};

/** Finds routes. */
export type Router<Route> = {
  /**
   * @param host - lower case, without a port
   * @param path - in normal form
   * @returns undefined where nothing matches: such a request is refused
   */
  readonly find: (host: string | undefined, method: string, path: string) => Route | undefined;
};

/**
 * A router over these routes, in any order.
 * @throws RangeError – two routes with the same host, pattern and method
 */
export function createRouter<Route extends RouteKey>(routes: readonly Route[]): Router<Route> {
  const strict = createStrictRouter(routes);
  const folded: FoldedRoute<Route>[] = [];
  const taken = new Set<string>();
  const patterns = new Map<Route, string>();
  for (const route of routes) {
    const { host } = route;
    const strictPattern = route.pattern;
    patterns.set(route, strictPattern);
    const pattern = foldPattern(strictPattern);
    const names = (route.methods ?? ['*']).map((method) => `${method} ${host ?? ''}${pattern}`);
    if (names.some((name) => taken.has(name))) continue;
    for (const name of names) taken.add(name);
    folded.push({ host, methods: route.methods, pattern, route });
  }
  const loose = createStrictRouter(folded);
  return {
    find: (host, method, path) => {
      const route = strict.find(host, method, path);
      const wide = route && (patterns.get(route) as string);
      if (!wide?.endsWith('/*')) return route;
      const meant = loose.find(host, method, fold(path))?.route;
      return meant !== undefined && meant !== route && Path.coversPattern(wide, patterns.get(meant) as string) ? undefined : route;
    },
  };
}

type FoldedRoute<Route> = RouteKey & { readonly route: Route };

/** What is left of a path for a server that looks at neither case nor parameters nor what trails, and takes an escaped `?` or `#` for one. */
function fold(path: string): string {
  const segments = path
    .toLowerCase()
    .replace(/%(?:3f|23).*$/, '')
    .split('/')
    .map((segment) => withoutTail(segment.replace(/(?:;|%3b).*$/, ''), ['.', '%20']));
  return withoutTail(segments.join('/'), ['/']) || '/';
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
  return pattern.endsWith('/*') ? `${fold(pattern.slice(0, -2)).replace(/^\/$/, '')}/*` : fold(pattern);
}

function createStrictRouter<Route extends RouteKey>(routes: readonly Route[]): Router<Route> {
  const anyHost = createTable<Route>();
  const hosts = new Map<string, Table<Route>>();
  for (const route of routes) {
    const table = route.host === undefined ? anyHost : (hosts.get(route.host) ?? createTable<Route>());
    if (route.host !== undefined) hosts.set(route.host, table);
    add(methodsAt(table, route.pattern), route);
  }
  return {
    find: (host, method, path) => {
      const named = host === undefined ? undefined : hosts.get(host);
      return (named && findIn(named, method, path)) ?? findIn(anyHost, method, path);
    },
  };
}

/** The first other route that a route would hide or be hidden by: the same host and pattern, and a method in common. */
export function findDuplicate<Route extends RouteKey>(earlier: readonly Route[], route: RouteKey): Route | undefined {
  return earlier.find(({ host, pattern, methods }) => host === route.host && pattern === route.pattern && haveCommon(methods, route.methods, false));
}

/** Whether two sets of methods have one in common; `loosely`: one that matches every method has. */
export function haveCommon(one: RouteKey['methods'], other: RouteKey['methods'], loosely: boolean): boolean {
  if (one === undefined || other === undefined) return loosely || one === other;
  return one.some((method) => other.includes(method));
}

type Methods<Route> = { readonly named: Map<string, Route>; any: Route | undefined };
type Segment<Route> = { readonly below: Map<string, Segment<Route>>; methods: Methods<Route> | undefined };
type Table<Route> = { readonly exact: Map<string, Methods<Route>>; readonly prefixes: Segment<Route> };

function createTable<Route>(): Table<Route> {
  return { exact: new Map(), prefixes: { below: new Map(), methods: undefined } };
}

function methodsAt<Route>(table: Table<Route>, pattern: string): Methods<Route> {
  if (!pattern.endsWith('/*')) {
    const methods = table.exact.get(pattern) ?? { named: new Map(), any: undefined };
    table.exact.set(pattern, methods);
    return methods;
  }
  let segment = table.prefixes;
  for (const name of pattern.split('/').slice(1, -1)) {
    const next = segment.below.get(name) ?? { below: new Map(), methods: undefined };
    segment.below.set(name, next);
    segment = next;
  }
  segment.methods ??= { named: new Map(), any: undefined };
  return segment.methods;
}

function add<Route extends RouteKey>(methods: Methods<Route>, route: Route): void {
  const taken = (method: string) => new RangeError(`two routes for ${method} ${route.host ?? ''}${route.pattern}`);
  if (route.methods === undefined) {
    if (methods.any !== undefined) throw taken('any method of');
    methods.any = route;
    return;
  }
  for (const method of route.methods) {
    if (methods.named.has(method)) throw taken(method);
    methods.named.set(method, route);
  }
}

function findIn<Route>(table: Table<Route>, method: string, path: string): Route | undefined {
  const exact = table.exact.get(path);
  return (exact && pick(exact, method)) ?? findBelow(table.prefixes, method, path, 1);
}

/** The deepest segment first: what stands below one is more specific than what stands at it. */
function findBelow<Route>(segment: Segment<Route>, method: string, path: string, from: number): Route | undefined {
  const to = segment.below.size === 0 ? -1 : path.indexOf('/', from);
  const next = to < 0 ? undefined : segment.below.get(path.slice(from, to));
  return (next && findBelow(next, method, path, to + 1)) ?? (segment.methods && pick(segment.methods, method));
}

function pick<Route>(methods: Methods<Route>, method: string): Route | undefined {
  return methods.named.get(method) ?? (method === 'HEAD' ? methods.named.get('GET') : undefined) ?? methods.any;
}
