/**
 * Where routes stand so that a look-up costs the same with ten thousand of them as with ten: hosts and exact paths in tables, prefixes and
 * templates in a tree of segments, expressions in the same tree behind the segments that they begin with.
 *
 *     priority ─ host: named, wildcard, any ─ path: exact, tree, expression ─ headers ─ method
 *
 * In the tree the segment decides that comes first: one that is named goes before a parameter, a parameter before whatever follows.
 */
import * as Path from '../../http/Path.ts';
import * as Expression from './Expression.ts';
import { ambiguous, HeaderGroup } from './HeaderConditions.ts';
import * as Pattern from './Pattern.ts';
import type { RouteKey } from './RouteKey.ts';

/** What was found: a route, nothing, or what could be of two routes and is therefore of none. */
export type Found<Route> = Route | typeof ambiguous | undefined;

/** See the head of this file. */
export type RouteTable<Route> = {
  /** @param rawHeaders - names and values in turn, as received */
  readonly find: (host: string | undefined, method: string, path: string, rawHeaders: readonly string[]) => Found<Route>;
};

/**
 * A table of these routes.
 * @param isLoose - their paths are folded, and paths that are looked for will be
 * @throws RangeError – two with the same address; more expressions that begin alike than may be tried
 */
export function createRouteTable<Route extends RouteKey>(routes: readonly Route[], isLoose = false): RouteTable<Route> {
  const priorities = [...new Set(routes.map(({ priority = 0 }) => priority))].sort((one, other) => other - one);
  const ranks = priorities.map((rank) =>
    createRank(
      routes.filter(({ priority = 0 }) => priority === rank),
      isLoose,
    ),
  );
  const [only] = ranks;
  if (only !== undefined && ranks.length === 1) return only;
  return {
    find: (host, method, path, rawHeaders) => {
      for (const rank of ranks) {
        const found = rank.find(host, method, path, rawHeaders);
        if (found !== undefined) return found;
      }
      return undefined;
    },
  };
}

/** Expressions behind one beginning are tried one by one. */
export const maxExpressions = 32;

function createRank<Route extends RouteKey>(routes: readonly Route[], isLoose: boolean): RouteTable<Route> {
  const anyHost = createPaths<Route>();
  const hosts = new Map<string, Paths<Route>>();
  for (const route of routes) {
    const paths = route.host === undefined ? anyHost : (hosts.get(route.host) ?? createPaths<Route>());
    if (route.host !== undefined) hosts.set(route.host, paths);
    add(leafAt(paths, route.pattern, isLoose), route);
  }
  const hasWildcards = [...hosts.keys()].some((host) => host.startsWith('*.'));
  return {
    find: (host, method, path, rawHeaders) => {
      const ask: Ask = { method, path, rawHeaders };
      if (host !== undefined && hosts.size > 0) {
        const named = hosts.get(host);
        const wild = hasWildcards ? hosts.get(`*${host.slice(Math.max(0, host.indexOf('.')))}`) : undefined;
        const found = (named && findIn(named, ask)) ?? (wild && findIn(wild, ask));
        if (found !== undefined) return found;
      }
      return findIn(anyHost, ask);
    },
  };
}

type Ask = { readonly method: string; readonly path: string; readonly rawHeaders: readonly string[] };
type Methods<Route> = { readonly named: Map<string, Route>; any: Route | undefined };
/** All routes of one pattern. Groups with more headers stand first. */
type Leaf<Route> = { readonly groups: HeaderGroup<Methods<Route>>[]; readonly plain: Methods<Route> };
type Tried<Route> = { readonly source: string; readonly matches: (path: string) => boolean; readonly leaf: Leaf<Route> };
type Segment<Route> = {
  readonly below: Map<string, Segment<Route>>;
  parameter: Segment<Route> | undefined;
  /** Whether a pattern with a parameter ends right below. */
  hasEnds: boolean;
  /** Of such a pattern that ends here. */
  end: Leaf<Route> | undefined;
  /** Of everything below. */
  rest: Leaf<Route> | undefined;
  expressions: Tried<Route>[];
};
type Paths<Route> = { readonly exact: Map<string, Leaf<Route>>; readonly tree: Segment<Route>; hasExpressions: boolean };

function createPaths<Route>(): Paths<Route> {
  return { exact: new Map(), tree: createSegment(), hasExpressions: false };
}

function createSegment<Route>(): Segment<Route> {
  return { below: new Map(), parameter: undefined, hasEnds: false, end: undefined, rest: undefined, expressions: [] };
}

function createLeaf<Route>(): Leaf<Route> {
  return { groups: [], plain: createMethods() };
}

function createMethods<Route>(): Methods<Route> {
  return { named: new Map(), any: undefined };
}

function leafAt<Route>(paths: Paths<Route>, pattern: string, isLoose: boolean): Leaf<Route> {
  if (Pattern.isExpression(pattern)) return expressionAt(paths, pattern.slice(Pattern.expressionMark.length), isLoose);
  if (!Path.coversMany(pattern)) {
    const leaf = paths.exact.get(pattern) ?? createLeaf();
    paths.exact.set(pattern, leaf);
    return leaf;
  }
  const isPrefix = pattern.endsWith('/*');
  const names = pattern.split('/').slice(1, isPrefix ? -1 : undefined);
  let segment = paths.tree;
  for (const [index, name] of names.entries()) {
    if (!isPrefix && index === names.length - 1) segment.hasEnds = true;
    segment = below(segment, name);
  }
  if (isPrefix) {
    segment.rest ??= createLeaf();
    return segment.rest;
  }
  segment.end ??= createLeaf();
  return segment.end;
}

function below<Route>(segment: Segment<Route>, name: string): Segment<Route> {
  if (name === Path.parameter) {
    segment.parameter ??= createSegment();
    return segment.parameter;
  }
  const next = segment.below.get(name) ?? createSegment<Route>();
  segment.below.set(name, next);
  return next;
}

function expressionAt<Route>(paths: Paths<Route>, source: string, isLoose: boolean): Leaf<Route> {
  paths.hasExpressions = true;
  const { start, matches } = Expression.parse(source, isLoose);
  let segment = paths.tree;
  for (const name of start.split('/').slice(1)) segment = below(segment, isLoose ? name.toLowerCase() : name);
  const known = segment.expressions.find((one) => one.source === source);
  if (known) return known.leaf;
  if (segment.expressions.length >= maxExpressions)
    throw new RangeError(`more than ${maxExpressions} expressions begin with "${start}/", and each would be tried: begin them with more that is said in full`);
  const leaf = createLeaf<Route>();
  // A folded path has lost the slash at its end.
  segment.expressions.push({ source, matches: isLoose ? (path) => matches(path) || matches(`${path}/`) : matches, leaf });
  return leaf;
}

function add<Route extends RouteKey>({ groups, plain }: Leaf<Route>, route: Route): void {
  const { headers = [] } = route;
  const names = headers.map(([name]) => name);
  let group = groups.find((one) => one.names.join() === names.join());
  if (group === undefined && names.length > 0) {
    group = new HeaderGroup(names);
    groups.push(group);
    groups.sort((one, other) => other.names.length - one.names.length || (one.names.join() < other.names.join() ? -1 : 1));
  }
  const methods = group === undefined ? plain : group.at(headers, createMethods);
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

function findIn<Route>(paths: Paths<Route>, ask: Ask): Found<Route> {
  const exact = paths.exact.get(ask.path);
  const found = (exact && pick(exact, ask)) ?? findBelow(paths.tree, ask, 1);
  return found === undefined && paths.hasExpressions ? findExpression(paths.tree, ask, 1) : found;
}

/** The deepest segment first: what stands below one is more specific than what stands at it. */
function findBelow<Route>(segment: Segment<Route>, ask: Ask, from: number): Found<Route> {
  return (hasMore(segment) ? findNext(segment, ask, from) : undefined) ?? (segment.rest && pick(segment.rest, ask));
}

function hasMore<Route>({ below: named, parameter }: Segment<Route>): boolean {
  return named.size > 0 || parameter !== undefined;
}

function findNext<Route>(segment: Segment<Route>, ask: Ask, from: number): Found<Route> {
  const to = ask.path.indexOf('/', from);
  if (to < 0 && !segment.hasEnds) return undefined;
  const name = to < 0 ? ask.path.slice(from) : ask.path.slice(from, to);
  const named = segment.below.get(name);
  const any = name === '' ? undefined : segment.parameter;
  if (to < 0) return (named?.end && pick(named.end, ask)) ?? (any?.end && pick(any.end, ask));
  return (named && findBelow(named, ask, to + 1)) ?? (any && findBelow(any, ask, to + 1));
}

/** The longest beginning first; behind one, in the order in which they are written. */
function findExpression<Route>(segment: Segment<Route>, ask: Ask, from: number): Found<Route> {
  const to = ask.path.indexOf('/', from);
  const named = to < 0 ? undefined : segment.below.get(ask.path.slice(from, to));
  const found = named && findExpression(named, ask, to + 1);
  if (found !== undefined) return found;
  for (const { matches, leaf } of segment.expressions) {
    const here = matches(ask.path) ? pick(leaf, ask) : undefined;
    if (here !== undefined) return here;
  }
  return undefined;
}

function pick<Route>({ groups, plain }: Leaf<Route>, { method, rawHeaders }: Ask): Found<Route> {
  for (const group of groups) {
    const methods = group.find(rawHeaders);
    if (methods === ambiguous) return ambiguous;
    const found = methods && byMethod(methods, method);
    if (found !== undefined) return found;
  }
  return byMethod(plain, method);
}

function byMethod<Route>(methods: Methods<Route>, method: string): Route | undefined {
  return methods.named.get(method) ?? (method === 'HEAD' ? methods.named.get('GET') : undefined) ?? methods.any;
}
