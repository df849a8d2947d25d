/**
 * What is for sale on an MCP server: a price for each tool, by its name or by a pattern.
 *
 *     { search: '10 sat', 'admin_*': { price: '1000 sat', terms: pass({ seconds: 3600 }) }, echo: 'free', '*': '1 sat' }
 *
 * A name goes before every pattern, and of two patterns the one with more letters.
 */
import * as Amount from '../core/Amount.ts';
import * as Canonical from '../core/Canonical.ts';
import { FareboxError } from '../core/Errors.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import * as Offer from '../server/Offer.ts';
import { perRequest } from '../server/terms/PerRequest.ts';
import type { Terms } from '../server/terms/Terms.ts';
import type { JsonObject } from './ToolPayment.ts';

/** Such as `"10 sat"`, or millisatoshi. */
export type Price = string | Amount.Msat;

/** How one tool, or all that a pattern names, is sold. */
export type ToolOptions = {
  /** Of a call; or what a call with these arguments costs, where 0 is free. What a payment buys is then bound to the arguments. */
  readonly price: Price | ((args: JsonObject) => Price);
  /** The least that a call costs, to be advertised where `price` is a function; default: it is said that the price depends. */
  readonly from?: Price;
  /** What one payment buys; default: one call with these arguments. */
  readonly terms?: Terms;
  /** The service's name in the token; default `tools`. What is sold for a whole service is good for all of its tools. */
  readonly service?: string;
  /** What the invoice says is bought: `{title} - 1 request`; default: the tool's name. */
  readonly title?: string;
  /** Instead of the title and its units. */
  readonly description?: string;
  readonly capabilities?: readonly string[];
  /** Ask for the price to the millisatoshi; default: rounded up to a whole satoshi. */
  readonly exactMsat?: boolean;
  /** What each client has for nothing, before it is asked to pay: by address over HTTP; over stdio there is one client. Default: nothing. */
  readonly free?: { readonly requests: number; readonly seconds: number; readonly inAll?: number | undefined };
  /** Who is paid for it; default: the paywall's receiver. */
  readonly receiver?: Receiver;
  /** `settled`: the payee's wallet has to say that it was paid; default: `preimage`, which proves the payment and asks nobody. */
  readonly verify?: Offer.Offer['verify'];
  /** `passes-only`: passes are served while the store does not answer; default: `refuse`, nothing is. */
  readonly outage?: Offer.Offer['outage'];
  /** `on-request`: a call is charged when it is let through, also where it fails then; default: `on-success`. */
  readonly consume?: Offer.Offer['consume'];
};

/** Prices by the name of a tool, or by a pattern with `*` for any letters. */
export type ToolPrices = { readonly [nameOrPattern: string]: 'free' | Price | ToolOptions };

/** A tool that is sold. */
export type ToolOffer = {
  readonly name: string;
  /** Its path, as its credentials are bound to it. */
  readonly path: string;
  /** Named by itself, and not by a pattern alone. */
  readonly isNamed: boolean;
  readonly offer: Offer.Offer;
  /** What is advertised; undefined where it depends on the arguments, and nobody said what the least is. */
  readonly fromMsat: Amount.Msat | undefined;
  readonly dependsOnArguments: boolean;
  /**
   * What a call costs.
   * @throws PRICE_UNKNOWN – the seller's own function failed
   */
  readonly priceOf: (args: JsonObject) => Amount.Msat;
};

/** Answers how a tool is sold; undefined: it is free. */
export type ToolOffers = (name: string) => ToolOffer | undefined;

/** A tool call, as the paywall sees it. */
export type ToolRequest = RequestView & {
  readonly amountMsat: Amount.Msat;
  /** The arguments in canonical form. */
  readonly canonical: string;
};

/** Tools that are remembered at most. */
const maxOffers = 10_000;

/**
 * Checks all prices at once, so that a mistake shows at start and not with the first buyer.
 * @throws AMOUNT_MALFORMED, RangeError – a price or an offer that cannot be sold; two patterns that nobody could tell apart
 */
export function createToolOffers(prices: ToolPrices): ToolOffers {
  const table = Object.entries(prices).map(([pattern, sold]) => ({ pattern, sold, isNamed: !pattern.includes('*'), matches: matcherOf(pattern) }));
  table.sort((one, other) => Number(other.isNamed) - Number(one.isNamed) || lettersOf(other.pattern) - lettersOf(one.pattern));
  for (const { pattern, sold, isNamed } of table) if (sold !== 'free') createToolOffer(isNamed ? pattern : 'tool', optionsOf(sold), isNamed);
  const known = new Map<string, ToolOffer | undefined>();
  return (name) => {
    if (known.has(name)) return known.get(name);
    const found = table.find(({ matches }) => matches(name));
    const offer = found === undefined || found.sold === 'free' ? undefined : createToolOffer(name, optionsOf(found.sold), found.isNamed);
    if (known.size < maxOffers) known.set(name, offer);
    return offer;
  };
}

function pathOf(name: string): string {
  return `/tools/${encodeURIComponent(name).replaceAll('*', '%2A')}`;
}

/**
 * The offer of one tool.
 * @throws AMOUNT_MALFORMED, RangeError – see `createToolOffers`
 */
export function createToolOffer(name: string, options: ToolOptions, isNamed = true): ToolOffer {
  const { price, from, terms = perRequest(), title = name, service = 'tools', ...words } = options;
  const dependsOnArguments = typeof price === 'function';
  const fixedMsat = dependsOnArguments ? undefined : amountOf(price);
  if (fixedMsat === 0n) throw new RangeError(`a price is more than 0 sat: say that ${name} is "free"`);
  // What was sold for many calls is bound to arguments only where they set its price; a balance is spent at each call's own.
  const bindsArguments = terms.kind === 'per-request' || (dependsOnArguments && terms.binds !== 'service');
  const offer = Offer.create({
    service,
    route: `tools/call ${name}`,
    terms,
    title,
    ...words,
    price: {
      of: (request) => {
        const { amountMsat, canonical } = request as ToolRequest;
        return { amountMsat, inputs: bindsArguments ? [canonical] : [] };
      },
    },
  });
  return {
    name,
    path: pathOf(name),
    isNamed,
    offer,
    dependsOnArguments,
    fromMsat: fixedMsat ?? (from === undefined ? undefined : amountOf(from)),
    priceOf: dependsOnArguments ? (args) => ask(name, price, args) : () => fixedMsat as Amount.Msat,
  };
}

/** The arguments of a call in the one form in which they are priced, bound, and told apart. @throws REQUEST_MALFORMED – see `Canonical.format` */
export function canonicalOf(args: JsonObject): string {
  return Canonical.format(args, (why) => new FareboxError('REQUEST_MALFORMED', `The arguments of this call hold ${why}. Nothing was charged.`));
}

/** A price that could not be found out is not 0. */
function ask(name: string, price: (args: JsonObject) => Price, args: JsonObject): Amount.Msat {
  try {
    // A function that changes what it is shown would change what is bound and forwarded.
    return amountOf(price(structuredClone(args)));
  } catch (cause) {
    throw new FareboxError('PRICE_UNKNOWN', `What this call of ${name.slice(0, 64)} costs could not be found out. Nothing was charged.`, { cause });
  }
}

function amountOf(price: Price): Amount.Msat {
  return typeof price === 'string' ? Amount.parse(price) : Amount.fromMsat(price);
}

function optionsOf(sold: Price | ToolOptions): ToolOptions {
  return typeof sold === 'object' ? sold : { price: sold };
}

function lettersOf(pattern: string): number {
  return pattern.replaceAll('*', '').length;
}

/** Takes time that grows with the name alone: each piece is looked for behind the one before. */
function matcherOf(pattern: string): (name: string) => boolean {
  if (pattern === '') throw new RangeError('a tool has a name');
  const [first = '', ...pieces] = pattern.split('*');
  const last = pieces.pop();
  if (last === undefined) return (name) => name === pattern;
  return (name) => {
    if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false;
    let at = first.length;
    const end = name.length - last.length;
    for (const piece of pieces) {
      const found = name.indexOf(piece, at);
      if (found < 0 || found + piece.length > end) return false;
      at = found + piece.length;
    }
    return true;
  };
}
