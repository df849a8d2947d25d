/**
 * All caveats of a token held against a request: every one must hold, a repeated one may only narrow, and one that is not understood
 * refuses the token, since a typo must not silently fail to narrow.
 *
 * @see docs/wire.md, "The token"
 */
import type { Msat } from '../../core/Amount.ts';
import * as Caveat from '../../core/Caveat.ts';
import * as capabilities from './capabilities.ts';
import * as method from './method.ts';
import type { Author, Failure, Policy, PolicyContext } from './Policy.ts';
import * as path from './path.ts';
import * as preimage from './preimage.ts';
import * as priced from './priced.ts';
import * as services from './services.ts';
import * as sold from './sold.ts';
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
  /** The kind of terms it was sold under. */
  readonly terms: string;
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
  readonly method: string;
  /** An exact path, or a prefix that ends in `/*`. */
  readonly pattern: string;
  /** Digest of the inputs that the price depended on, or ''. */
  readonly priced: string;
  /** Unix seconds. */
  readonly validUntil: number;
  readonly amountMsat: Msat;
  readonly terms: string;
};

/** The caveats of a new token. */
export function write(minted: MintedCaveats): readonly string[] {
  const { service } = minted;
  const caveats = [
    services.write(service, minted.tier),
    capabilities.write(service, minted.capabilities),
    method.write(service, minted.method),
    path.write(service, minted.pattern),
    priced.write(service, minted.priced),
    validUntil.write(service, minted.validUntil),
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
  const known = policiesOf(service);
  const last = new Map<string, string>();
  let by: Author = 'minted';
  let named: readonly Caveat.Service[] = [];
  let mintedUntil: number | undefined;
  const fails = (condition: string, failure: CaveatFailure['failure']): CaveatFailure => ({ kind: 'fails', failure, by, condition });

  for (const [index, text] of caveats.entries()) {
    const caveat = parse(text);
    if (caveat === undefined) return fails(text.slice(0, 32), 'unreadable');
    const { condition, value } = caveat;
    if (index === 0) {
      named = (condition === services.condition ? services.read(value) : undefined) ?? [];
      if (named.length === 0) return fails(condition, 'elsewhere');
    }
    const policy = known.get(condition);
    if (policy === undefined) {
      if (skipUnknown || named.some(({ name }) => name !== service && condition.startsWith(`${name}_`))) continue;
      return fails(condition, 'unknown');
    }
    const earlier = last.get(condition);
    if (earlier !== undefined && policy.narrows && !policy.narrows(earlier, value)) return fails(condition, 'widened');
    const failure = policy.check(value, context, by);
    if (failure) return fails(condition, failure);
    last.set(condition, value);
    if (condition === validUntil.condition(service)) mintedUntil ??= Caveat.parseTime(value);
    if (by === 'minted' && condition === sold.termsCondition(service)) {
      if (saysTooLittle(last, context)) return fails(condition, 'elsewhere');
      by = 'holder';
    }
  }
  return facts(last, mintedUntil, context) ?? { kind: 'fails', failure: 'elsewhere', by: 'minted', condition: sold.termsCondition(service) };
}

/** What a token that holds says of itself; undefined where something that every token of ours carries is missing. */
function facts(last: ReadonlyMap<string, string>, mintedUntil: number | undefined, context: PolicyContext): CaveatFacts | undefined {
  const { service } = context;
  const terms = last.get(sold.termsCondition(service));
  const amountMsat = sold.readPrice(last.get(sold.priceCondition(service)) ?? '');
  if (terms === undefined || amountMsat === undefined || mintedUntil === undefined) return undefined;
  const times = [validUntil.condition(service), 'valid_until', 'expires'].map((condition) => Caveat.parseTime(last.get(condition) ?? ''));
  const listed = last.get(capabilities.condition(service));
  return {
    kind: 'holds',
    tier: services.read(last.get(services.condition) ?? '')?.find(({ name }) => name === service)?.tier ?? 0,
    capabilities: listed === undefined ? [] : capabilities.read(listed),
    validUntil: Math.min(mintedUntil, ...times.filter((at) => at !== undefined)),
    mintedUntil,
    amountMsat,
    terms,
  };
}

/** What a token does not say it was not sold for: inputs that have a price now, capabilities that are demanded now. */
function saysTooLittle(minted: ReadonlyMap<string, string>, { service, priced: asked, capabilities: demanded }: PolicyContext): boolean {
  return (asked !== '' && !minted.has(priced.condition(service))) || (demanded.length > 0 && !minted.has(capabilities.condition(service)));
}

const holds: Policy = { check: () => undefined };

/** What holders write, whatever the service. `token_id` and `budget_id` are their own labels and narrow nothing. */
const fromHolders: readonly (readonly [string, Policy])[] = [
  ['scope', path.prefix],
  ['path_prefix', path.prefix],
  ['expires', validUntil.validUntil],
  ['valid_until', validUntil.validUntil],
  ['method', method.method],
  ['token_id', holds],
  ['budget_id', holds],
  [preimage.condition, preimage.preimage],
];

const tables = new Map<string, ReadonlyMap<string, Policy>>();

/** Services come from the configuration, never from a request, so the table of tables stays small. */
function policiesOf(service: string): ReadonlyMap<string, Policy> {
  let table = tables.get(service);
  if (table === undefined) {
    table = new Map<string, Policy>([
      ...fromHolders,
      [services.condition, services.services],
      [capabilities.condition(service), capabilities.capabilities],
      [method.condition(service), method.method],
      [path.condition(service), path.path],
      [priced.condition(service), priced.priced],
      [validUntil.condition(service), validUntil.validUntil],
      [sold.priceCondition(service), sold.sold],
      [sold.termsCondition(service), sold.sold],
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
