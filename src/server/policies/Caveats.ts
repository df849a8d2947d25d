/**
 * All caveats of a token held against a request: every one must hold, a repeated one may only narrow, and one that is not understood
 * refuses the token, since a typo must not silently fail to narrow.
 *
 * @see docs/wire.md, "The token"
 */
import type { Msat } from '../../core/Amount.ts';
import * as Caveat from '../../core/Caveat.ts';
import * as capabilities from './capabilities.ts';
import * as limits from './limits.ts';
import * as method from './method.ts';
import type { Author, Failure, Policy, PolicyContext } from './Policy.ts';
import * as path from './path.ts';
import * as preimage from './preimage.ts';
import * as priced from './priced.ts';
import * as services from './services.ts';
import * as sold from './sold.ts';
import * as topUp from './topUp.ts';
import * as validUntil from './validUntil.ts';

/** What the caveats of a token say, all of them holding. */
export type CaveatFacts = {
  readonly kind: 'holds';
  readonly tier: number;
  readonly capabilities: readonly string[];
  /** Unix seconds; the earliest one. */
  readonly validUntil: number;
  /** Unix seconds, as minted: until then somebody may hold the token as it was before it was narrowed. */
  readonly mintedUntil: number;
  /** What was paid for the token. */
  readonly amountMsat: Msat;
  /** What it was sold as. */
  readonly terms: sold.SoldTerms;
  /** Whether it is bound to a path; what is sold for a whole service is not. */
  readonly isBound: boolean;
  /** What those who held it allow, in order. */
  readonly limits: readonly limits.Limit[];
  /** The account that it adds to, of a top-up. */
  readonly topUp: string | undefined;
};

/** The first caveat that does not hold. */
export type CaveatFailure = {
  readonly kind: 'fails';
  readonly failure: Failure | 'widened' | 'unknown';
  /** Whether the token was minted so, or somebody narrowed it to this. */
  readonly by: Author;
  readonly condition: string;
};

/** What a service mints, in the order in which it stands in every token. */
export type MintedCaveats = {
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  /** What is sold for a whole service is bound to neither method nor path. */
  readonly method: string | undefined;
  /** An exact path, or a prefix that ends in `/*`. */
  readonly pattern: string | undefined;
  /** Digest of the inputs that the price depended on, or ''. */
  readonly priced: string;
  /** Unix seconds. */
  readonly validUntil: number;
  readonly amountMsat: Msat;
  readonly terms: string;
  /** The account that it adds to, of a top-up. */
  readonly topUp?: string | undefined;
};

/** The caveats of a new token. */
export function write(minted: MintedCaveats): readonly string[] {
  const { service } = minted;
  const caveats = [
    services.write(service, minted.tier),
    capabilities.write(service, minted.capabilities),
    minted.method === undefined ? undefined : method.write(service, minted.method),
    minted.pattern === undefined ? undefined : path.write(service, minted.pattern),
    priced.write(service, minted.priced),
    validUntil.write(service, minted.validUntil),
    minted.topUp === undefined ? undefined : topUp.write(minted.topUp),
    ...sold.write(service, minted.amountMsat, minted.terms),
  ];
  return caveats.filter((caveat) => caveat !== undefined);
}

/**
 * Holds every caveat of a token against a request.
 * @param skipUnknown - the specification's reading: a condition that is not understood is passed over
 */
export function check(caveats: readonly string[], context: PolicyContext, skipUnknown = false): CaveatFacts | CaveatFailure {
  const { service } = context;
  const slots = slotsOf(service);
  const last: Last = new Array<string | undefined>(slotCount).fill(undefined);
  let by: Author = 'minted';
  let named: readonly Caveat.Service[] = [];
  let mintedUntil: number | undefined;
  let grants = false;
  let counted: limits.Limit[] | undefined;
  let isBound = false;
  for (let index = 0; index < caveats.length; index++) {
    const text = caveats[index] as string;
    const caveat = parse(text);
    if (caveat === undefined) return { kind: 'fails', failure: 'unreadable', by, condition: text.slice(0, 32) };
    const { condition, value } = caveat;
    if (index === 0) {
      named = (condition === services.condition ? services.read(value) : undefined) ?? [];
      if (named.length === 0) return { kind: 'fails', failure: 'elsewhere', by, condition };
    }
    const slot = slots.get(condition);
    if (slot === undefined) {
      if (skipUnknown || named.some(({ name }) => name !== service && condition.startsWith(`${name}_`))) continue;
      return { kind: 'fails', failure: 'unknown', by, condition };
    }
    const { policy, place } = slot;
    const earlier = last[place];
    if (earlier !== undefined && policy.narrows && !policy.narrows(earlier, value)) return { kind: 'fails', failure: 'widened', by, condition };
    const failure = policy.check(value, context, by);
    if (failure) return { kind: 'fails', failure, by, condition };
    last[place] = value;
    if (place === places.nUses || place === places.maxSats) {
      counted ??= [];
      const limit = limits.limitOf(place === places.nUses ? 'n_uses' : 'max_sats', value, index);
      if (limit === undefined || counted.push(limit) > limits.maxLimits) return { kind: 'fails', failure: 'unreadable', by, condition };
    }
    if (place === places.validUntil) mintedUntil ??= validUntil.read(value);
    if (by === 'minted' && place === places.terms) {
      if (saysTooLittle(last, context)) return { kind: 'fails', failure: 'elsewhere', by, condition };
      // Where no capabilities were minted, those that a holder writes are his own words.
      grants = last[places.capabilities] !== undefined;
      // A path that a holder writes narrows what was sold, and makes nothing else of it.
      isBound = last[places.path] !== undefined;
      by = 'holder';
    }
  }
  return (
    facts(last, { mintedUntil, grants, isBound, limits: counted ?? [] }, service) ?? {
      kind: 'fails',
      failure: 'elsewhere',
      by: 'minted',
      condition: sold.termsCondition(service),
    }
  );
}

/** The latest value under each condition, at its place. */
type Last = (string | undefined)[];

/** What was seen on the way through the caveats, beside the latest of each. */
type Seen = {
  readonly mintedUntil: number | undefined;
  /** Whether the seller minted capabilities. */
  readonly grants: boolean;
  readonly isBound: boolean;
  readonly limits: readonly limits.Limit[];
};

/** What a token that holds says of itself; undefined where something that every token of ours carries is missing. */
function facts(last: Last, { mintedUntil, grants, isBound, limits: set }: Seen, service: string): CaveatFacts | undefined {
  const said = last[places.terms];
  const terms = said === undefined ? undefined : sold.readTerms(said);
  const price = last[places.price];
  const amountMsat = price === undefined ? undefined : sold.readPrice(price);
  if (terms === undefined || amountMsat === undefined || mintedUntil === undefined) return undefined;
  // Neither is ever minted without the other.
  if (topUp.isTopUp(terms.kind) !== (last[places.topUp] !== undefined)) return undefined;
  let until = mintedUntil;
  for (const place of times) {
    const value = last[place];
    const at = value === undefined ? undefined : validUntil.read(value);
    if (at !== undefined && at < until) until = at;
  }
  const listed = grants ? last[places.capabilities] : undefined;
  return {
    kind: 'holds',
    tier: services.read(last[places.services] ?? '')?.find(({ name }) => name === service)?.tier ?? 0,
    capabilities: listed === undefined ? [] : capabilities.read(listed),
    validUntil: until,
    mintedUntil,
    amountMsat,
    terms,
    isBound,
    limits: set,
    topUp: last[places.topUp],
  };
}

/**
 * Whether the seller's part leaves out what it must say: its end and price; its inputs, where they count now and it is bound to what was bought; its
 * capabilities, where some are demanded now.
 */
function saysTooLittle(minted: Last, { priced: asked, capabilities: demanded }: PolicyContext): boolean {
  if (minted[places.validUntil] === undefined || minted[places.price] === undefined) return true;
  return (
    (asked !== '' && minted[places.path] !== undefined && minted[places.priced] === undefined) ||
    (demanded.length > 0 && minted[places.capabilities] === undefined)
  );
}

const holds: Policy = { check: () => undefined };

/** Where the latest value under a condition is kept while a token's caveats are read. */
const places = {
  services: 0,
  capabilities: 1,
  method: 2,
  path: 3,
  priced: 4,
  validUntil: 5,
  price: 6,
  terms: 7,
  scope: 8,
  pathPrefix: 9,
  expires: 10,
  heldUntil: 11,
  heldMethod: 12,
  tokenId: 13,
  budgetId: 14,
  preimage: 15,
  nUses: 16,
  maxSats: 17,
  part: 18,
  topUp: 19,
} as const;

const slotCount = Object.keys(places).length;

/** Everything that ends a token's time. */
const times = [places.validUntil, places.heldUntil, places.expires] as const;

/** A condition that is understood. */
type Slot = { readonly policy: Policy; readonly place: number };

/** What is written whatever the service: by holders, but for `topup`. `token_id` and `budget_id` are their own labels and narrow nothing. */
const ofAnyService: readonly (readonly [string, Slot])[] = [
  ['scope', { policy: path.prefix, place: places.scope }],
  ['path_prefix', { policy: path.prefix, place: places.pathPrefix }],
  ['expires', { policy: validUntil.validUntil, place: places.expires }],
  ['valid_until', { policy: validUntil.validUntil, place: places.heldUntil }],
  ['method', { policy: method.method, place: places.heldMethod }],
  ['n_uses', { policy: limits.counted, place: places.nUses }],
  ['max_sats', { policy: limits.counted, place: places.maxSats }],
  ['part', { policy: limits.part, place: places.part }],
  ['token_id', { policy: holds, place: places.tokenId }],
  ['budget_id', { policy: holds, place: places.budgetId }],
  [preimage.condition, { policy: preimage.preimage, place: places.preimage }],
  [topUp.condition, { policy: topUp.topUp, place: places.topUp }],
];

const tables = new Map<string, ReadonlyMap<string, Slot>>();

/** Services come from the configuration, never from a request, so the table of tables stays small. */
function slotsOf(service: string): ReadonlyMap<string, Slot> {
  let table = tables.get(service);
  if (table === undefined) {
    table = new Map<string, Slot>([
      ...ofAnyService,
      [services.condition, { policy: services.services, place: places.services }],
      [capabilities.condition(service), { policy: capabilities.capabilities, place: places.capabilities }],
      [method.condition(service), { policy: method.method, place: places.method }],
      [path.condition(service), { policy: path.path, place: places.path }],
      [priced.condition(service), { policy: priced.priced, place: places.priced }],
      [validUntil.condition(service), { policy: validUntil.validUntil, place: places.validUntil }],
      [sold.priceCondition(service), { policy: sold.sold, place: places.price }],
      [sold.termsCondition(service), { policy: sold.sold, place: places.terms }],
    ]);
    tables.set(service, table);
  }
  return table;
}

function parse(text: string): Caveat.Caveat | undefined {
  try {
    return Caveat.parse(text);
  } catch {
    return undefined;
  }
}
