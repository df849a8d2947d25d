/**
 * New challenges: an invoice from the receiver and a token bound to it. Nothing is kept: an unpaid challenge costs no memory and no row.
 *
 * @see docs/wire.md, "The challenge" and "The token"
 */
import * as Amount from '../core/Amount.ts';
import { type Clock, nowAt, type Random, within } from '../core/Clock.ts';
import type { Reached } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import { glance } from '../core/internal/bolt11Glance.ts';
import * as Macaroon from '../core/Macaroon.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Path from '../http/Path.ts';
import type { CreatedInvoice, Receiver } from '../lightning/Lightning.ts';
import type { Offer } from './Offer.ts';
import * as Caveats from './policies/Caveats.ts';
import * as method from './policies/method.ts';
import type { RootKeys } from './RootKeys.ts';

/** A challenge as minted. */
export type MintedChallenge = {
  /** Padded standard base64. */
  readonly token: string;
  /** BOLT 11, lower case. */
  readonly invoice: string;
  readonly paymentHash: PaymentHash;
  /** What the invoice asks. */
  readonly amountMsat: Amount.Msat;
  /** Of the invoice, Unix seconds. */
  readonly expiresAt: number;
};

/** What a challenge is minted for. */
export type MintRequest = {
  readonly offer: Offer;
  /** As `countsAs` of the method policy has it. */
  readonly method: string;
  /** Normalised. */
  readonly path: string;
  /** Digest of the inputs that the price depended on, or ''. */
  readonly priced: string;
  /** Before rounding. */
  readonly amountMsat: Amount.Msat;
  /** The account that is added to, and the Unix seconds until which what it holds can be spent; left out where something new is sold. */
  readonly topUp?: { readonly account: string; readonly until: number } | undefined;
};

/** Mints a challenge. @throws LIGHTNING_UNAVAILABLE – the node gave no invoice in time, or one for something else */
export type Mint = (request: MintRequest) => Promise<MintedChallenge>;

/** What minting needs. */
export type MintOptions = {
  readonly keys: RootKeys;
  /** Who is paid where an offer names nobody. */
  readonly receiver: Receiver;
  readonly clock: Clock;
  readonly random: Random;
  /** How long an invoice can be paid. */
  readonly invoiceExpirySeconds: number;
  /** How long to wait for the node. */
  readonly nodeTimeoutMs: number;
  readonly reached: Reached;
};

/** A mint at this receiver. */
export function createMint(options: MintOptions): Mint {
  const { keys, clock } = options;
  const draw = createDraw(options.random, Identifier.randomLength);
  const caveatsOf = createCaveats();
  return async (request) => {
    const { offer, topUp } = request;
    const { binds, priceMsat = request.amountMsat } = offer.terms;
    const amountMsat = offer.exactMsat ? priceMsat : Amount.ceilToSat(priceMsat);
    const receiver = offer.receiver ?? options.receiver;
    if (receiver.network !== keys.network) throw new TypeError(`the keys are for ${keys.network}, the payee of ${offer.route} is on ${receiver.network}`);
    const created = await createInvoice(options, receiver, amountMsat, offer.description);
    const mintedAt = nowAt(clock);
    const fingerprint = keys.mintingAt(mintedAt);
    const identifier = Identifier.create(created.paymentHash, fingerprint, mintedAt, draw());
    const bytes = Identifier.encode(identifier);
    const rootKey = keys.derive(fingerprint, bytes);
    if (rootKey === undefined) throw new TypeError('the ring has no key under its own fingerprint');
    const caveats = caveatsOf(offer, {
      service: offer.service,
      tier: offer.tier,
      capabilities: offer.capabilities,
      method: binds === 'service' ? undefined : method.countsAs(request.method),
      pattern: binds === 'service' ? undefined : boundTo(offer, request.path),
      priced: binds === 'service' ? '' : request.priced,
      // A node may let an invoice live longer than it was asked to.
      validUntil: topUp?.until ?? Math.max(mintedAt + options.invoiceExpirySeconds, created.expiresAt) + offer.terms.lastsSeconds,
      amountMsat,
      terms: offer.terms.caveat,
      topUp: topUp?.account,
    });
    const token = Macaroon.format(Macaroon.mint(rootKey, bytes, caveats));
    return { token, invoice: created.invoice, paymentHash: created.paymentHash, amountMsat, expiresAt: created.expiresAt };
  };
}

/** The caveats of a new token. Of one offer most of those that are made in one second say the same, and are written once. */
function createCaveats(): (offer: Offer, minted: Caveats.MintedCaveats) => readonly string[] {
  const written = new WeakMap<Offer, { readonly minted: Caveats.MintedCaveats; readonly caveats: readonly string[] }>();
  return (offer, minted) => {
    const last = written.get(offer);
    if (last !== undefined && isSame(last.minted, minted)) return last.caveats;
    const caveats = Caveats.write(minted);
    written.set(offer, { minted, caveats });
    return caveats;
  };
}

/** Of one offer: what does not hang on the request is the same. */
function isSame(one: Caveats.MintedCaveats, other: Caveats.MintedCaveats): boolean {
  return (
    one.validUntil === other.validUntil &&
    one.method === other.method &&
    one.pattern === other.pattern &&
    one.priced === other.priced &&
    one.amountMsat === other.amountMsat &&
    one.topUp === other.topUp
  );
}

/** Random bytes, so many at a time, asked for in bulk: asking costs more than what is asked for. They stand in every token and are no secret. */
function createDraw(random: Random, length: number): () => Uint8Array {
  let drawn: Uint8Array = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at === drawn.length) {
      drawn = random(64 * length);
      at = 0;
    }
    at += length;
    return drawn.subarray(at - length, at);
  };
}

/** The route's pattern, where the terms bind to the route and its pattern is known; the very path otherwise. */
function boundTo({ terms, pattern }: Offer, path: string): string {
  return terms.binds === 'route' && pattern !== undefined && Path.covers(pattern, path) ? pattern : path;
}

/** One invoice, or a coded error: what a driver throws otherwise is its own fault and says nothing to a buyer. */
async function createInvoice(options: MintOptions, receiver: Receiver, amountMsat: Amount.Msat, description: string): Promise<CreatedInvoice> {
  const { clock, nodeTimeoutMs, invoiceExpirySeconds, reached } = options;
  try {
    reached('paywall.invoice.asking');
    const deadline = { clock, ms: nodeTimeoutMs, late: () => unavailable('did not answer in time') };
    const request = { amountMsat, description, expirySeconds: invoiceExpirySeconds };
    const created = await within(deadline, (signal) => receiver.createInvoice(request, signal));
    reached('paywall.invoice.answered');
    const { amountMsat: asked, paymentHash } = glance(created.invoice);
    if (asked !== amountMsat || paymentHash !== created.paymentHash) throw unavailable('gave an invoice for something else');
    if (!Number.isSafeInteger(created.expiresAt)) throw unavailable('gave an invoice without an end');
    return created;
  } catch (error) {
    throw FareboxError.is(error) && error.status >= 500 ? error : unavailable('gave no invoice', error);
  }
}

function unavailable(what: string, cause?: unknown): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `The seller's Lightning node ${what}. Try again in a moment; nothing was paid.`, { cause });
}
