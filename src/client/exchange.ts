/**
 * One call of the caller's: redirects followed by hand, an answer got at each place for nothing, with a credential that is kept, or for a
 * payment.
 *
 *     request ─ 402 ─ quote ─ budget and journal ─ wallet ─ credential kept ─ the same request again
 *
 * A call pays at most once.
 *
 * @see docs/wire.md, "The client"
 */
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { type Client, leaseOf } from './Client.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import * as Outgoing from './Outgoing.ts';
import { pay, unknown } from './pay.ts';
import * as Quote from './Quote.ts';
import { notHonoured, redeem, sendOnce, unanswered } from './redeem.ts';
import { drain, readJson } from './responseBody.ts';
import { clearWay } from './resume.ts';
import * as Tokens from './Tokens.ts';

/** What a response was bought with. */
export type ResponsePayment = {
  readonly paymentHash: PaymentHash;
  /** What the invoice asked. */
  readonly amountMsat: bigint;
  /** What it cost on top. */
  readonly feeMsat: bigint;
  /** True where the payment was made for an earlier call: this one cost nothing. */
  readonly reused: boolean;
};

/** What was paid for a response as it was handed out, or undefined where it was free. A `clone()` of it says nothing: ask before. */
export function paymentOf(response: Response): ResponsePayment | undefined {
  return payments.get(response);
}

/** One call of the caller's, over all its redirects. */
export type Call = {
  /** As it stands in the journal. */
  readonly owner: string;
  /** The one that it has made. */
  payment: Payment | undefined;
};

const payments = new WeakMap<Response, ResponsePayment>();

/** Most kept credentials that are tried for one request. */
const maxCandidates = 3;

/** How often a request begins anew because another process was paying for the same. */
const maxTurns = 3;

/** Gets one answer, without following where it leads. */
export type Exchange = (client: Client, outgoing: Outgoing.Outgoing, call: Call) => Promise<Response>;

/**
 * Follows redirects. A credential never goes along: each place is asked with what is kept for it, and is paid for by itself.
 * @param begin - how the first answer is got; {@link exchange} for a call that begins
 */
export async function follow(client: Client, first: Outgoing.Outgoing, call: Call, begin: Exchange): Promise<Response> {
  let outgoing = first;
  for (let hops = 0; ; hops++) {
    const response = await (hops === 0 ? begin : exchange)(client, outgoing, call);
    const next = await nextAfter(client, outgoing, response, hops).catch((error: unknown) => {
      throw call.payment && outgoing.redirect === 'follow' ? notHonoured(call.payment, response.status, error) : error;
    });
    if (!next) {
      client.reached('client.answer.ready');
      return response;
    }
    outgoing = next;
  }
}

/** The request that a redirect asks for, or undefined where this is the answer. A redirect that is not handed on is read to its end, whoever throws. */
async function nextAfter(client: Client, outgoing: Outgoing.Outgoing, response: Response, hops: number): Promise<Outgoing.Outgoing | undefined> {
  let isAnswer = false;
  try {
    const next = Outgoing.redirected(outgoing, response);
    isAnswer = next === undefined;
    if (next && hops === Outgoing.maxRedirects) throw new TypeError(`fetch failed: more than ${Outgoing.maxRedirects} redirects`);
    return next;
  } finally {
    if (!isAnswer) await drain(response, client.clock);
  }
}

/** Gets one answer: with a credential that is kept, or for nothing, or for a payment. */
export async function exchange(client: Client, outgoing: Outgoing.Outgoing, call: Call): Promise<Response> {
  for (let turn = 1; ; turn++) {
    const hasOwn = Outgoing.hasHeader(outgoing, 'authorization');
    const way = !hasOwn && Outgoing.isSafe(outgoing) ? await clearWay(client, outgoing, call.owner) : undefined;
    const tried = way && way.credentials.length > 0 ? await tryKept(client, outgoing, call, way.credentials) : undefined;
    if (tried?.kind === 'answered') return tried.response;
    if (way?.blockedBy) throw unknown(way.blockedBy);
    const response = tried ? await withOffer(client, outgoing, tried.response) : await sendOnce(client, outgoing);
    const offer = response.status === 402 ? await readOffer(client, outgoing, response) : undefined;
    if (!offer) return response;
    if (hasOwn) throw hasOwnCredential(outgoing.url);
    if (call.payment) throw refused(outgoing.url, 'this call was redirected here after it had paid elsewhere, and a call pays once. Ask there directly');
    const quote = Quote.from(offer, client.payer.network, nowAt(client.clock));
    const paid = await pay(client, outgoing, quote, call.owner);
    if (paid.kind === 'paid') {
      call.payment = paid.payment;
      return answerTo(client, outgoing, paid.payment, call);
    }
    if (turn === maxTurns) throw unknown(paid.by);
  }
}

/**
 * Gets one answer by paying an offer that is here already, or with a credential that has been bought since.
 * @param isNew - whether a credential was not there when the offer was asked for
 * @throws INVOICE_EXPIRED – the offer has expired, or is about to
 */
export async function buy(client: Client, outgoing: Outgoing.Outgoing, call: Call, quote: Quote.Quote, isNew: (payment: Payment) => boolean) {
  for (let turn = 1; ; turn++) {
    const way = await clearWay(client, outgoing, call.owner);
    const tried = await tryKept(client, outgoing, call, way.credentials.filter(isNew));
    if (tried?.kind === 'answered') return tried.response;
    if (tried) await drain(tried.response, client.clock);
    if (way.blockedBy) throw unknown(way.blockedBy);
    Quote.assertFresh(quote, outgoing.url.host, nowAt(client.clock));
    const paid = await pay(client, outgoing, quote, call.owner);
    if (paid.kind === 'paid') {
      call.payment = paid.payment;
      return answerTo(client, outgoing, paid.payment, call);
    }
    if (turn === maxTurns) throw unknown(paid.by);
  }
}

/** After a kept credential was refused: a 402 holds a new offer; anything else is asked again without a credential. */
async function withOffer(client: Client, outgoing: Outgoing.Outgoing, refusal: Response): Promise<Response> {
  if (refusal.status === 402) return refusal;
  await drain(refusal, client.clock);
  return sendOnce(client, outgoing);
}

/** The offer in a 402, its body read; undefined, and the body left alone, where it is another scheme's. */
export async function readOffer(client: Client, outgoing: Outgoing.Outgoing, response: Response): Promise<Quote.Offer | undefined> {
  try {
    const challenge = Quote.challengeOf(response);
    return challenge && { url: outgoing.url, challenge, priceHeader: response.headers.get('L402-Price'), body: await readJson(response, client.clock) };
  } catch (error) {
    await drain(response, client.clock);
    throw error;
  }
}

/** The answer to the request that has just been paid for. */
async function answerTo(client: Client, outgoing: Outgoing.Outgoing, payment: Payment, call: Call): Promise<Response> {
  const redeemed = await redeem(client, outgoing, payment, call.owner).catch((error: unknown) => {
    throw outgoing.signal.aborted || FareboxError.is(error) ? error : unanswered(payment, error);
  });
  if (redeemed.kind === 'answered') return bought(redeemed.response, payment, false);
  await drain(redeemed.response, client.clock);
  throw notHonoured(payment, redeemed.response.status);
}

/** Tries what is kept for this request. The last refusal is handed back: it may hold an offer. */
async function tryKept(client: Client, outgoing: Outgoing.Outgoing, call: Call, credentials: readonly Payment[]) {
  const { store, clock } = client;
  let refusal: { readonly kind: 'refused'; readonly response: Response } | undefined;
  let tries = 0;
  for (const kept of Tokens.candidates(credentials, outgoing, nowAt(clock))) {
    // What is asked for is known from the first refusal.
    if (refusal && Tokens.isForAnother(kept, refusal.response)) continue;
    const payment = Tokens.isExclusive(kept) ? await store.step(kept.paymentHash, { kind: 'take', ...leaseOf(client, call.owner) }, nowAt(clock)) : kept;
    if (!payment) continue;
    if (refusal) await drain(refusal.response, clock);
    const redeemed = await redeem(client, outgoing, payment, call.owner).catch((error: unknown) => {
      // What has bought answers before is no payment in the air: the caller hears what `fetch` says.
      throw payment.state !== 'settled' || outgoing.signal.aborted || FareboxError.is(error) ? error : unanswered(payment, error);
    });
    if (redeemed.kind === 'answered') return { kind: 'answered' as const, response: bought(redeemed.response, payment, true) };
    refusal = redeemed;
    if (++tries === maxCandidates) break;
  }
  return refusal;
}

function bought(response: Response, payment: Payment, reused: boolean): Response {
  const { paymentHash, amountMsat } = payment;
  payments.set(response, { paymentHash, amountMsat, feeMsat: Journal.feeMsatOf(payment), reused });
  return response;
}

/** There is no place for a credential of ours. */
export function hasOwnCredential(url: URL): FareboxError {
  return refused(url, 'the request has an Authorization of its own, where the credential would go');
}

function refused(url: URL, why: string): FareboxError {
  return new FareboxError('CHALLENGE_REFUSED', `${url.host} asks for a payment, and ${why}. Nothing was paid for it.`, { details: { host: url.host } });
}
