/**
 * What is for sale behind one route: the price, what one payment buys, and the words for it. Checked once, when it is made.
 */
import type { Msat } from '../core/Amount.ts';
import * as Caveat from '../core/Caveat.ts';
import * as Path from '../http/Path.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import type { Outage } from './Denials.ts';
import { checked as checkQuota, type FreeQuotaOptions } from './FreeQuota.ts';
import type { RequestRate } from './Limits.ts';
import type { Price } from './Price.ts';
import * as path from './policies/path.ts';
import type { Consume, Terms } from './terms/Terms.ts';

/** A route's offer. */
export type Offer = {
  /** The service's name, as it stands in caveats. */
  readonly service: string;
  /** 0 is the base tier. */
  readonly tier: number;
  /** Names the route in the ledger and in events, such as `GET /api/v1/translate`. */
  readonly route: string;
  /** The route's path pattern, normalised: an exact path, a prefix that ends in `/*`, or either with `{}` for a segment. Undefined where the route cannot be said so, as one that an adapter does not see: tokens are then bound to the path they were bought for. */
  readonly pattern: string | undefined;
  readonly price: Price;
  readonly terms: Terms;
  /** What the invoice and the 402 say is bought, such as `Translation API - 1 request`. */
  readonly description: string;
  readonly capabilities: readonly string[];
  /** False: a price that is no whole satoshi is rounded up to one. */
  readonly exactMsat: boolean;
  /** Who is paid; undefined: the paywall's receiver. */
  readonly receiver: Receiver | undefined;
  /** His name, for events. */
  readonly payee?: string | undefined;
  /** What a payment is known by: its preimage alone, or the word of its wallet as well, which is then asked once a payment. */
  readonly verify: 'preimage' | 'settled';
  /** What is served while the store does not answer. */
  readonly outage: Outage;
  /** What each client has for nothing before it is asked to pay. */
  readonly free: FreeQuotaOptions | undefined;
  /** For how many calls of one token units are reserved at once, and then counted in this process; undefined: each call by itself. */
  readonly leased: number | undefined;
  /** When what was paid for is spent, where uses are counted. */
  readonly consume: Consume;
  /** How often one token may be used, whatever is left on it; undefined: as often as its holder likes. */
  readonly tokenRate?: RequestRate | undefined;
};

/** What an offer is made from. */
export type OfferOptions = {
  readonly service: string;
  readonly tier?: number;
  readonly route: string;
  readonly pattern?: string | undefined;
  readonly price: Price;
  readonly terms: Terms;
  /** Used in the description `{title} - {units}`; default: the service's name. */
  readonly title?: string | undefined;
  /** Instead of title and units. */
  readonly description?: string | undefined;
  readonly capabilities?: readonly string[];
  readonly exactMsat?: boolean;
  readonly receiver?: Receiver | undefined;
  /** Default: `preimage`. */
  readonly verify?: Offer['verify'];
  /** Default: `refuse`. */
  readonly outage?: Outage;
  /** Default: nothing. */
  readonly free?: FreeQuotaOptions | undefined;
  /** Default: each call by itself. */
  readonly leased?: number | undefined;
  /** Default: `on-success`. */
  readonly consume?: Consume | undefined;
};

/**
 * Checks and completes an offer.
 * @throws RangeError – a service or capability that cannot stand in a caveat, a tier outside 0 to 255, calls to count ahead or to spend on request that are not counted, names and description that make a 402's head longer than proxies take
 */
export function create(options: OfferOptions): Offer {
  const tier = options.tier ?? 0;
  Caveat.formatServices([{ name: options.service, tier }]);
  for (const capability of options.capabilities ?? []) {
    if (!Caveat.isName(capability)) throw new RangeError(`"${capability.slice(0, 64)}" cannot be a capability's name: use letters, digits, "_", "-" and "."`);
  }
  const description = options.description ?? `${options.title ?? options.service} - ${options.terms.units}`;
  assertHeadFits(options, description);
  return {
    service: options.service,
    tier,
    route: options.route,
    pattern: options.pattern,
    price: options.price,
    terms: options.terms,
    description,
    capabilities: options.capabilities ?? [],
    exactMsat: options.exactMsat ?? false,
    receiver: options.receiver,
    verify: options.verify ?? 'preimage',
    outage: options.outage ?? 'refuse',
    free: options.free && checkQuota(options.free),
    leased: checkLeased(options),
    consume: checkConsume(options),
  };
}

/** What a verified credential says of its bearer: everything after verification uses this, and never parses again. */
export type Principal = {
  /** 64 hex digits; names the payment. */
  readonly paymentHash: string;
  /** 64 hex digits. */
  readonly tokenId: string;
  /** Of the master key, 8 hex digits. */
  readonly fingerprint: string;
  /** Unix seconds. */
  readonly mintedAt: number;
  /** Unix seconds; the earliest of what was minted and what the holder added. */
  readonly validUntil: number;
  /** Unix seconds; as minted. What is kept about a use is kept until then, whatever a holder added. */
  readonly mintedUntil: number;
  readonly service: string;
  readonly tier: number;
  readonly capabilities: readonly string[];
  /** What was paid for it. */
  readonly amountMsat: Msat;
  /** The kind of terms it was sold under, such as `per-request`. */
  readonly terms: string;
  /** How much was sold, where it is counted: calls of a bucket, millisatoshi of a credit. */
  readonly units: bigint | undefined;
  /** Whether it is good on one route alone; otherwise on all of its service. */
  readonly isBound: boolean;
  /** What those who held it allow, the first of them first. */
  readonly parts: readonly Part[];
  /** What was carved out of the whole for him: the name of its account, and how many units. */
  readonly carved: { readonly key: string; readonly units: bigint } | undefined;
  /** SHA-256 of the identifier under a label, 64 hex digits: what use is counted on, and the name of its account. Undefined for a pass that no holder has limited, whose uses nobody counts. */
  readonly useKey: string | undefined;
  /** The account that it adds to, of a top-up: it opens nothing. */
  readonly topUp: string | undefined;
};

/** A limit that a holder set, and what it is counted on. */
export type Part = {
  /** SHA-256 of the signature at that caveat under a label, 64 hex digits. */
  readonly key: string;
  readonly unit: 'uses' | 'msat';
  readonly most: bigint;
};

/** Most calls that are counted ahead: what a process that dies gives away, for each token. */
export const maxLeased = 10_000;

function checkLeased({ leased, terms }: OfferOptions): number | undefined {
  if (leased === undefined) return undefined;
  if (!Number.isSafeInteger(leased) || leased < 1 || leased > maxLeased) throw new RangeError(`leased is a whole number from 1 to ${maxLeased}, not ${leased}`);
  if (terms.holds === undefined) throw new RangeError(`what is sold as "${terms.kind}" is not counted call by call, and nothing of it can be leased`);
  return leased;
}

function checkConsume({ consume = 'on-success', terms }: OfferOptions): Consume {
  if (consume === 'on-request' && terms.kind === 'pass') throw new RangeError('of a pass nothing is used up, be it on request or on success');
  return consume;
}

/** nginx takes an upstream's head of 4 KB by default. */
const maxHeadBytes = 4096;

/** What the token of a top-up has more than that of what it adds to, and its invoice in its description. */
const topUpBytes = { token: 80, invoice: 16 };

/** The head of a 402 holds the token three times and the invoice, with its description, twice. */
function assertHeadFits({ service, capabilities = [], pattern, terms }: OfferOptions, description: string): void {
  const more = terms.holds === undefined ? { token: 0, invoice: 0 } : topUpBytes;
  const pathLength = terms.binds === 'service' ? 0 : Math.max(path.maxLength, pattern !== undefined && Path.coversMany(pattern) ? pattern.length : 0);
  const tokenBytes = 250 + 8 * service.length + capabilities.join(',').length + pathLength + more.token;
  const invoiceLength = 300 + more.invoice + Math.ceil((new TextEncoder().encode(description).length * 8) / 5);
  const longest = 500 + 3 * Math.ceil(tokenBytes / 3) * 4 + 2 * invoiceLength;
  if (longest <= maxHeadBytes) return;
  throw new RangeError(
    `service, capabilities, path and description make the head of a 402 ${longest} bytes long, and proxies take ${maxHeadBytes}: shorten them`,
  );
}
