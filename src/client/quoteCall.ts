/**
 * What a call would cost, before anything is paid: the call is sent once, as it would be, and what comes back is read and weighed.
 *
 * A quote writes nothing down and sets no money aside. Whether the limits allow it is said as they stand now; what decides is the moment
 * in which it is paid.
 *
 * @see docs/wire.md, "The client"
 */
import type { Msat } from '../core/Amount.ts';
import { nowAt } from '../core/Clock.ts';
import type { Code, Details } from '../core/Errors.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { type Allowance, allowance } from './allowance.ts';
import { buy } from './buy.ts';
import { type Client, shown } from './Client.ts';
import { exchange, follow, hasOwnCredential, nextAfter } from './exchange.ts';
import type { Payment } from './Journal.ts';
import { readOffer } from './kept.ts';
import * as Outgoing from './Outgoing.ts';
import * as Quote from './Quote.ts';
import { sendOnce } from './redeem.ts';
import * as Tokens from './Tokens.ts';

/** What a call would cost. */
export type CallQuote = FreeQuote | CoveredQuote | PricedQuote | RefusedQuote;

/** Nothing: it has been answered. A 402 in another scheme than L402 comes here too, as `fetch` would hand it out. */
export type FreeQuote = { readonly kind: 'free'; readonly response: Response };

/** Nothing more: a credential that is kept would be shown. The call has not been sent. */
export type CoveredQuote = {
  readonly kind: 'covered';
  readonly paymentHash: PaymentHash;
  /** What the credential cost when it was bought, without the fee. */
  readonly amountMsat: Msat;
  /** What it buys, by what it says of itself. */
  readonly terms: Tokens.Reading['terms'];
  /** What is left of it in the server's own words, such as `1499` or `9950 sat`, where an answer of this process has said so. */
  readonly left: string | undefined;
  /** Unix seconds; undefined where it names no end. */
  readonly validUntil: number | undefined;
  /**
   * Sends the call with what is kept, and pays nothing.
   * @param options - `signal` replaces the call's own
   * @throws CHALLENGE_REFUSED – the credential is not good any more, and was set aside: ask for another quote; and what else `fetch` of the
   * client throws that has paid nothing
   */
  readonly send: (options?: { readonly signal?: AbortSignal }) => Promise<Response>;
};

/** So much, for that invoice. */
export type PricedQuote = {
  readonly kind: 'priced';
  /** Where the price was said, without a query: after redirects, another place than was asked. */
  readonly url: string;
  readonly method: string;
  readonly paymentHash: PaymentHash;
  /** What the invoice asks. */
  readonly amountMsat: Msat;
  /** What the limits leave for the fee, which comes on top; zero where they do not allow the payment at all. */
  readonly maxFeeMsat: Msat;
  readonly invoice: string;
  /** The node that gets the money: a compressed public key, 66 hex digits. */
  readonly payee: string;
  /** Whatever the payee wrote: escape it. */
  readonly description: string | undefined;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** What the token says that it buys: the server's word. */
  readonly terms: Tokens.Reading['terms'];
  /** What the body says that it buys, as it stands there: anybody's word. Undefined where it says nothing. */
  readonly buys: unknown;
  /** Whether the limits allow it now, or which of them does not. */
  readonly allowed: Allowance;
  /**
   * Pays this challenge and no other, and sends the call again with the credential. Where a credential that serves the call has been bought
   * meanwhile, it is shown instead, and nothing is paid. Once it has been paid it is not paid again.
   * @param options - `signal` replaces the call's own
   * @throws INVOICE_EXPIRED – ask for another quote; and everything else that `fetch` of the client throws
   */
  readonly pay: (options?: { readonly signal?: AbortSignal }) => Promise<Response>;
};

/** It could not be paid safely, or not be read: `fetch` would throw this. */
export type RefusedQuote = { readonly kind: 'refused'; readonly code: Code; readonly message: string; readonly details: Details };

/** Asks what a call costs. */
export async function quoteCall(client: Client, first: Outgoing.Outgoing): Promise<CallQuote> {
  let outgoing = first;
  for (let hops = 0; ; hops++) {
    const hasOwn = Outgoing.hasHeader(outgoing, 'authorization');
    const kept = hasOwn || !outgoing.isSafe ? [] : (await client.store.find({ origin: outgoing.origin })).credentials;
    const [best] = Tokens.candidates([...kept], outgoing, nowAt(client.clock));
    if (best) return covered(client, outgoing, best);
    const response = await sendOnce(client, outgoing);
    const next = nextAfter(client, outgoing, response, hops);
    if (!next) return response.status === 402 ? weigh(client, outgoing, response, kept, hasOwn) : { kind: 'free', response };
    outgoing = await next;
  }
}

function covered(client: Client, outgoing: Outgoing.Outgoing, payment: Payment): CoveredQuote {
  const { terms, validUntil } = Tokens.readingOf(payment);
  const { paymentHash, amountMsat } = payment;
  const send: CoveredQuote['send'] = ({ signal } = {}) => follow(client, calledOffBy(outgoing, signal), { ...client.newCall(), isQuoted: true }, exchange);
  return { kind: 'covered', paymentHash, amountMsat, terms, left: client.left.get(paymentHash), validUntil, send };
}

function calledOffBy(outgoing: Outgoing.Outgoing, signal: AbortSignal | undefined): Outgoing.Outgoing {
  return signal ? Outgoing.withSignal(outgoing, signal) : outgoing;
}

async function weigh(client: Client, outgoing: Outgoing.Outgoing, response: Response, kept: readonly Payment[], hasOwn: boolean): Promise<CallQuote> {
  try {
    const offer = await readOffer(client, outgoing, response);
    if (!offer) return { kind: 'free', response };
    if (hasOwn) throw hasOwnCredential(outgoing.url);
    const quote = Quote.from(offer, client.payer.network, nowAt(client.clock));
    const { maxFeeMsat, allowed } = await allowance(client, outgoing, quote);
    const { paymentHash, amountMsat, invoice, payee, description, expiresAt } = quote;
    const known = new Set(kept.map((payment) => payment.paymentHash));
    const pay: PricedQuote['pay'] = ({ signal } = {}) =>
      follow(client, calledOffBy(outgoing, signal), { ...client.newCall(), isQuoted: true }, (_, asked, call) =>
        buy(client, asked, call, { quote, isFixed: true, known }),
      );
    return {
      kind: 'priced',
      url: shown(outgoing),
      method: outgoing.method,
      ...{ paymentHash, amountMsat, maxFeeMsat, invoice, payee, description, expiresAt },
      terms: Tokens.read(quote.token).terms,
      buys: typeof offer.body === 'object' && offer.body !== null && 'buys' in offer.body ? offer.body.buys : undefined,
      allowed,
      pay,
    };
  } catch (error) {
    if (!FareboxError.is(error, ...unsafe)) throw error;
    const { code, message, details } = error;
    return { kind: 'refused', code, message, details };
  }
}

/** What makes an offer one that is not paid. */
const unsafe: readonly Code[] = ['CHALLENGE_MALFORMED', 'CHALLENGE_REFUSED', 'INVOICE_EXPIRED', 'INVOICE_MALFORMED', 'JOURNAL_CONFLICT'];
