/**
 * Services and their routes, completed and held against each other: names that stand in tokens are unique, no route hides another, and no
 * token for one route opens a dearer one.
 */
import { METHODS } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import * as Amount from '../core/Amount.ts';
import * as Path from '../http/Path.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import * as Offer from '../server/Offer.ts';
import * as Price from '../server/Price.ts';
import { bucket, maxUnits } from '../server/terms/Bucket.ts';
import { credit } from '../server/terms/Credit.ts';
import { pass } from '../server/terms/Pass.ts';
import { perRequest } from '../server/terms/PerRequest.ts';
import type { Terms } from '../server/terms/Terms.ts';
import type { RouteConfig, SaleConfig, TermsConfig } from './Config.ts';
import { checkSale, type PayeesConfig } from './ConfigPayees.ts';
import type { ServiceFile } from './ConfigSchema.ts';
import type { ConfigPath, Mistakes } from './ConfigText.ts';
import type { UpstreamConfig, UpstreamFile } from './ConfigUpstreams.ts';
import { type Destination, readDestination } from './config/ConfigGroups.ts';
import { readRewrite } from './config/ConfigRewrites.ts';
import { findDuplicate, haveCommon } from './Router.ts';
import * as Pattern from './routing/Pattern.ts';

/** What holds for every route that does not say otherwise, and who can be paid. */
export type RouteDefaults = {
  readonly timeoutMs: number;
  readonly payees: PayeesConfig;
  /** Completes an upstream that stands there. */
  readonly upstreamAt: (upstream: UpstreamFile, path: ConfigPath) => UpstreamConfig;
  readonly absolute: (path: string) => string;
};

/** All routes of all services, in the order of the file. */
export function readRoutes(services: readonly ServiceFile[], defaults: RouteDefaults, mistakes: Mistakes): readonly RouteConfig[] {
  const routes: RouteConfig[] = [];
  const names = new Set<string>();
  for (const [index, service] of services.entries()) {
    if (names.has(service.name)) mistakes.add(['services', index, 'name'], `there are two services "${service.name}": their tokens would open both`);
    names.add(service.name);
    const failService = (path: ConfigPath, message: string) => mistakes.add(['services', index, ...path], message);
    const destination = readDestination(service, (one, path) => defaults.upstreamAt(one, ['services', index, ...path]), failService);
    for (const [number, route] of service.routes.entries()) {
      const at = ['services', index, 'routes', number];
      const fail = (key: string, message: string) => mistakes.add([...at, key], message);
      const read = readRoute(service, route, destination, defaults, fail);
      if (read.sale) checkSale(defaults.payees, read.name, read.sale, fail);
      checkAgainst(routes, read, at, mistakes);
      checkHeaders(routes, read, (message) => mistakes.add([...at, route.headers === undefined ? 'path' : 'headers'], message));
      checkPayee(routes, read, (message) => mistakes.add([...at, route.payee === undefined ? 'path' : 'payee'], message));
      checkConsume(routes, read, (message) => mistakes.add([...at, route.consume === undefined ? 'path' : 'consume'], message));
      routes.push(read);
    }
  }
  return routes;
}

/** The paywall's offer for a route that sells. `receiver`: who is paid for it, where it names somebody. */
export function offerOf(route: RouteConfig, sale: SaleConfig, receiver?: Receiver): Offer.Offer {
  return Offer.create({
    service: route.service,
    route: route.name,
    pattern: boundPattern(route.pattern),
    price: Price.fixed(sale.priceMsat),
    terms: termsOf(sale.terms),
    description: sale.description,
    capabilities: sale.capabilities,
    exactMsat: sale.exactMsat,
    receiver,
    verify: sale.verify,
    outage: sale.outage,
    free: sale.free,
    leased: sale.leased,
    consume: sale.consume,
  });
}

/** What a token of a route can be bound to. An expression cannot stand in one that clients read: its tokens are bound to the path they were bought for. */
function boundPattern(pattern: string): string | undefined {
  return Pattern.isExpression(pattern) ? undefined : pattern;
}

/** What an invoice of this route asks: for a request, or for what is sold with more than one in it. */
export function invoiceMsat({ priceMsat, terms, exactMsat }: Pick<SaleConfig, 'priceMsat' | 'terms' | 'exactMsat'>): Amount.Msat {
  const asked = termsOf(terms).priceMsat ?? priceMsat;
  return exactMsat ? asked : Amount.ceilToSat(asked);
}

/** The terms as configured. */
export function termsOf(terms: TermsConfig): Terms {
  switch (terms.kind) {
    case 'pass':
      return pass({ seconds: terms.seconds });
    case 'bucket':
      return bucket(terms);
    case 'credit':
      return credit({ creditMsat: terms.creditMsat, priceMsat: terms.creditPriceMsat, seconds: terms.seconds });
    default:
      return perRequest();
  }
}

type RouteFile = ServiceFile['routes'][number];

/** Told of a mistake, and of the key of the route where it is. */
type Fail = (key: string, message: string) => void;

function readRoute(service: ServiceFile, route: RouteFile, { upstream, group }: Destination, { timeoutMs, absolute }: RouteDefaults, fail: Fail): RouteConfig {
  const pattern = Pattern.canonical(route.path);
  const { headers = [] } = route;
  const asked = headers.length === 0 ? '' : ` with ${headers.map(([name, value]) => `${name}: ${value}`).join(', ')}`;
  return {
    host: service.host,
    pattern,
    methods: route.methods,
    headers,
    priority: route.priority ?? 0,
    name: `${route.methods ? `${route.methods.join(',')} ` : ''}${service.host ?? ''}${route.path}${asked}`,
    service: service.name,
    upstream,
    group,
    rewrite: readRewrite(service, route, pattern, absolute, fail),
    preserveHost: service.preserveHost ?? false,
    disabled: route.disabled ?? service.disabled ?? false,
    timeoutMs: route.timeout ?? service.timeout ?? timeoutMs,
    sale: readSale(service, route, fail),
    rate: route.rate,
  };
}

function readSale(service: ServiceFile, route: RouteFile, fail: Fail): SaleConfig | undefined {
  const { price, free } = route;
  if (free?.kind === 'always') {
    for (const key of onSale) if (route[key] !== undefined) fail(key, `a route that is free has no \`${key}\``);
    return undefined;
  }
  const terms = readTerms(service, route, fail);
  if (terms === undefined) return undefined;
  const isShared = terms.kind === 'bucket' && terms.servicePriceMsat !== undefined;
  if (isShared && price !== undefined) fail('price', 'the bucket has a price: say what a request takes off it with `weight`');
  const priceMsat = isShared ? terms.servicePriceMsat : price;
  if (priceMsat === undefined) {
    fail('path', `${route.path} has no price: write "price: 10 sat", or "free: true"`);
    return undefined;
  }
  const description = route.description ?? `${route.title ?? service.title ?? service.name} - ${termsOf(terms).units}`;
  if (Buffer.byteLength(description) > 600) fail(route.title === undefined ? 'path' : 'title', 'title and units together are at most 600 bytes of text');
  return {
    priceMsat,
    terms,
    description,
    capabilities: service.capabilities ?? [],
    exactMsat: route.exactMsat ?? false,
    payee: route.payee ?? service.payee,
    verify: route.verify ?? service.verify ?? 'preimage',
    outage: route.outage ?? service.outage ?? 'refuse',
    free: free && { requests: free.requests, seconds: free.seconds, inAll: free.inAll, clients: free.clients },
    leased: readLeased(service, route, terms, fail),
    consume: readConsume(service, route, terms, fail),
  };
}

const onSale = ['price', 'terms', 'weight', 'leased', 'consume', 'exactMsat', 'payee', 'verify', 'outage'] as const;

/** Of what is not counted call by call, nothing is leased; said of the whole service, it is meant for those that are. */
function readLeased(service: ServiceFile, route: RouteFile, { kind }: TermsConfig, fail: Fail): number | undefined {
  const isCounted = kind === 'bucket' || kind === 'credit';
  if (route.leased !== undefined && !isCounted) fail('leased', 'only what is counted request by request can be counted ahead: a bucket or a credit');
  const leased = isCounted ? (route.leased ?? service.leased) : undefined;
  if (leased !== undefined && leased > Offer.maxLeased) fail('leased', `at most ${Offer.maxLeased} requests are counted ahead`);
  return leased;
}

/** Of a pass nothing is used up; said of the whole service, it is meant for what is. */
function readConsume(service: ServiceFile, route: RouteFile, { kind }: TermsConfig, fail: Fail): SaleConfig['consume'] {
  if (kind !== 'pass') return route.consume ?? service.consume ?? 'on-success';
  if (route.consume !== undefined) fail('consume', 'of a pass nothing is used up, be it on request or on success');
  return 'on-success';
}

const month = 30 * 86_400;

/** What a route sells; undefined where that cannot be. */
function readTerms(service: ServiceFile, route: RouteFile, fail: Fail): TermsConfig | undefined {
  const { terms = { kind: 'per-request' }, weight } = route;
  const isShared = terms.kind === 'bucket' && terms.units === undefined;
  if (weight !== undefined && !isShared) fail('weight', "only a request that is taken off the service's bucket has a weight");
  if (isShared) return sharedBucket(service, weight ?? 1, fail);
  if (terms.kind === 'bucket') {
    if ((terms.units ?? 1) > maxUnits) fail('terms', `a bucket holds ${maxUnits} at most`);
    return { kind: 'bucket', units: Math.min(terms.units ?? 1, maxUnits), weight: 1, seconds: month, servicePriceMsat: undefined };
  }
  if (terms.kind !== 'credit') return terms;
  const { credit: balance } = service;
  if (balance === undefined) return missing('credit', '{ amount: 10000 sat }', fail);
  if ((route.price ?? 0n) > balance.amount) fail('price', 'a request costs more than a whole credit');
  return { kind: 'credit', creditMsat: balance.amount, creditPriceMsat: balance.price ?? balance.amount, seconds: balance.lasts ?? month };
}

function sharedBucket({ bucket: shared }: ServiceFile, weight: number, fail: Fail): TermsConfig | undefined {
  if (shared === undefined) return missing('bucket', '{ units: 1500, price: 1000 sat }', fail);
  const { units, price, lasts = month } = shared;
  if (units > maxUnits || weight > units) {
    fail(weight > units ? 'weight' : 'terms', weight > units ? 'a request takes more than the whole bucket' : `a bucket holds ${maxUnits} at most`);
    return undefined;
  }
  return { kind: 'bucket', units, weight, seconds: lasts, servicePriceMsat: price };
}

function missing(key: string, example: string, fail: Fail): undefined {
  fail('terms', `the service sells no ${key}: write "${key}: ${example}" there`);
}

function checkAgainst(earlier: readonly RouteConfig[], route: RouteConfig, at: ConfigPath, mistakes: Mistakes): void {
  const duplicate = findDuplicate(earlier, route);
  if (duplicate) mistakes.add([...at, 'path'], `${route.name} is there already, as ${duplicate.name} of the service "${duplicate.service}"`);
  for (const other of earlier) {
    const opened = opensDearer(other, route) ? route : opensDearer(route, other) ? other : undefined;
    if (opened === undefined) continue;
    const wide = opened === route ? other : route;
    mistakes.add([...at, 'path'], `a pass for ${wide.name} would open ${opened.name} as well, which is sold on its own: put one of them into another service`);
  }
}

/** Whether a pass for one route is good on another that is sold under other conditions: same service, and the pattern covers it. */
function opensDearer(one: RouteConfig, other: RouteConfig): boolean {
  if (one.sale?.terms.kind !== 'pass' || other.sale === undefined || one.service !== other.service || one.host !== other.host) return false;
  if (!Path.coversPattern(one.pattern, other.pattern) || one.pattern === other.pattern) return false;
  const same = other.sale.terms.kind === 'pass' && other.sale.priceMsat <= one.sale.priceMsat;
  return !same && haveCommon(one.methods ?? METHODS, other.methods ?? METHODS, true);
}

/** Names the route whose tokens would be good on this one: they hold service, method and path, and no headers. */
function checkHeaders(earlier: readonly RouteConfig[], route: RouteConfig, fail: (message: string) => void): void {
  const other = earlier.find((one) => one.service === route.service && isToldByHeaders(one, route) && !isSoldAlike(one, route));
  if (other === undefined) return;
  fail(`headers tell ${route.name} from ${other.name}, and a token of one would open the other, which is sold otherwise: put one of them into another service`);
}

/** Whether one request, but for its headers, may be of either. */
function isToldByHeaders(one: RouteConfig, other: RouteConfig): boolean {
  if ((one.headers ?? []).length + (other.headers ?? []).length === 0) return false;
  return haveCommon(one.methods ?? METHODS, other.methods ?? METHODS, true) && Pattern.overlap(one.pattern, other.pattern);
}

/** Whether it makes no difference which of the two a token was bought for. What is sold for the whole service is spent at each one's own price. */
function isSoldAlike({ sale: one }: RouteConfig, { sale: other }: RouteConfig): boolean {
  if (one === undefined || other === undefined) return true;
  if (termsOf(one.terms).binds === 'service' && termsOf(other.terms).binds === 'service') return true;
  return one.priceMsat === other.priceMsat && isDeepStrictEqual(one.terms, other.terms) && one.payee === other.payee && one.verify === other.verify;
}

/** Names the route that sells, for the whole service, what could be spent on another whose payee is somebody else: he would see nothing of it. */
function checkPayee(earlier: readonly RouteConfig[], route: RouteConfig, fail: (message: string) => void): void {
  const other = earlier.find(
    (one) => one.service === route.service && one.sale?.payee !== route.sale?.payee && (isSpentOn(one, route) || isSpentOn(route, one)),
  );
  if (other === undefined) return;
  const [seller, place] = isSpentOn(other, route) ? [other, route] : [route, other];
  const name = (payee: string | undefined) => (payee === undefined ? 'the seller' : `"${payee}"`);
  const paid = `what ${seller.name} sells for the whole service is paid to ${name(seller.sale?.payee)}`;
  fail(`${paid}, and could be spent on ${place.name}, where ${name(place.sale?.payee)} is paid: put one of them into another service`);
}

/** Names the routes that one balance is spent on, of which one charges what fails and another does not: its buyer is told of one of them alone. */
function checkConsume(earlier: readonly RouteConfig[], route: RouteConfig, fail: (message: string) => void): void {
  const other = earlier.find(
    (one) => one.service === route.service && one.sale?.consume !== route.sale?.consume && (isSpentOn(one, route) || isSpentOn(route, one)),
  );
  if (other === undefined) return;
  const [charging, sparing] = route.sale?.consume === 'on-request' ? [route, other] : [other, route];
  fail(
    `one balance is spent on ${charging.name}, which charges what fails (consume: on-request), and on ${sparing.name}, which does not: say the same of both, or put one of them into another service`,
  );
}

/** Whether what one route sells is good on another of its service. */
function isSpentOn(seller: RouteConfig, place: RouteConfig): boolean {
  const [sold, there] = [seller.sale?.terms, place.sale?.terms];
  if (sold?.kind === 'credit') return there?.kind === 'credit' || there?.kind === 'per-request';
  return sold?.kind === 'bucket' && there?.kind === 'bucket' && sold.servicePriceMsat !== undefined && there.servicePriceMsat !== undefined;
}
