/**
 * A `fetch` that buys what it is asked to pay for, within a budget.
 *
 *     request ─ 402 ─ quote ─ budget and journal ─ wallet ─ credential kept ─ the same request again
 *
 * A call pays at most once. Nothing is ever paid twice: not after a crash, not for a server that takes the money and refuses the
 * credential, not when the wallet could not say how a payment ended.
 *
 * @see docs/wire.md, "The client"
 */
import { type Clock, nowAt, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { toHex } from '../core/internal/bytes.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Payer } from '../lightning/Lightning.ts';
import type { AmountOption } from './Budget.ts';
import * as Budget from './Budget.ts';
import { type Client, type ClientEvent, emitter, leaseOf } from './Client.ts';
import type { ClientStore } from './ClientStore.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import { createMemoryClientStore } from './memory.ts';
import * as Outgoing from './Outgoing.ts';
import { pay, unknown } from './pay.ts';
import * as Quote from './Quote.ts';
import { notHonoured, redeem, sendOnce, unanswered } from './redeem.ts';
import { drain, readJson } from './responseBody.ts';
import { clearWay } from './resume.ts';
import * as Tokens from './Tokens.ts';

/** How a paying `fetch` is made. */
export type CreateFetchOptions = {
  /** The wallet. */
  readonly payer: Payer;
  /** The most that one call may cost, fee included: msat, or text with a unit such as `"50 sat"`. */
  readonly maxPerRequest: AmountOption;
  /** The most that everything together may cost, fees included, counted over all that the store has ever seen. Default: no such limit. */
  readonly maxTotal?: AmountOption;
  /** The fee that a wallet without a fee limit is taken to charge at most. Such a wallet is refused without it. */
  readonly assumedMaxFee?: AmountOption;
  /** Where journal and credentials are kept. Default: in memory, so that a payment under way when the process ends is forgotten. */
  readonly store?: ClientStore;
  /** What requests are sent with. Default: the runtime's own, as it is when the client is made. */
  readonly fetch?: (input: string, init?: RequestInit) => Promise<Response>;
  /** Longest request body; it is held in memory to be sent again. Default: 16 MiB. */
  readonly maxBodyBytes?: number;
  /** How long the wallet may take for a payment. Default: 60. */
  readonly paymentTimeoutSeconds?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Told what happens, as it happens; what it throws is dropped. */
  readonly onEvent?: (event: ClientEvent) => void;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/** As `fetch`. Redirects are followed by hand: the response says `redirected: false`, and its `url` is the last one. */
export type PayingFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

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

/**
 * Makes a paying `fetch`.
 *
 * It throws what `fetch` throws, and `FareboxError`s that say what was paid: `BUDGET_EXCEEDED`, `CHALLENGE_MALFORMED`,
 * `CHALLENGE_REFUSED`, `INVOICE_EXPIRED`, `INVOICE_MALFORMED`, `JOURNAL_CONFLICT`, `PAYMENT_FAILED`, `PAYMENT_INTERRUPTED`,
 * `PAYMENT_NOT_HONOURED`, `PAYMENT_UNKNOWN`, `REQUEST_UNREPEATABLE`, `STORE_UNAVAILABLE`. A 402 in another scheme is returned as it is.
 *
 * @throws AMOUNT_MALFORMED – a limit without a unit, or no amount
 * @throws TypeError – an option is missing or of another type; a wallet without a fee limit and no `assumedMaxFee`
 * @throws RangeError – an option is out of range
 * @example
 * const fetch = createFetch({ payer, maxPerRequest: '60 sat', maxTotal: '1000 sat' });
 * const response = await fetch('https://api.example.com/v1/translate?text=hello&target=es');
 * console.log(paymentOf(response)?.amountMsat);
 */
export function createFetch(options: CreateFetchOptions): PayingFetch {
  const { payer, maxBodyBytes = 16 * 1024 * 1024, paymentTimeoutSeconds = 60 } = options;
  if (typeof payer?.pay !== 'function') throw new TypeError('payer is a Payer: a wallet that can pay');
  assertWhole('maxBodyBytes', maxBodyBytes, 0, 1024 ** 3);
  assertWhole('paymentTimeoutSeconds', paymentTimeoutSeconds, 1, 86_400);
  const fetch = options.fetch ?? globalThis.fetch;
  const client: Client = {
    id: toHex((options.random ?? systemRandom)(8)),
    payer,
    budget: Budget.create(options, payer),
    store: options.store ?? createMemoryClientStore(),
    clock: options.clock ?? systemClock,
    fetch: (url, init) => fetch(url, init),
    paymentTimeoutSeconds,
    unwritten: new Map(),
    emit: emitter(options.onEvent),
    isWatched: options.onEvent !== undefined,
    reached: options.reached ?? unwatched,
  };
  let calls = 0;
  return async (input, init) => {
    const call: Call = { owner: `${client.id}.${++calls}`, payment: undefined };
    return follow(client, await Outgoing.from(input, init, maxBodyBytes), call);
  };
}

/** What was paid for a response as it was handed out, or undefined where it was free. A `clone()` of it says nothing: ask before. */
export function paymentOf(response: Response): ResponsePayment | undefined {
  return payments.get(response);
}

/** One call of the caller's, over all its redirects. */
type Call = {
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

/** Follows redirects. A credential never goes along: each place is asked with what is kept for it, and is paid for by itself. */
async function follow(client: Client, first: Outgoing.Outgoing, call: Call): Promise<Response> {
  let outgoing = first;
  for (let hops = 0; ; hops++) {
    const response = await exchange(client, outgoing, call);
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
async function exchange(client: Client, outgoing: Outgoing.Outgoing, call: Call): Promise<Response> {
  for (let turn = 1; ; turn++) {
    const hasOwn = Outgoing.hasHeader(outgoing, 'authorization');
    const way = !hasOwn && Outgoing.isSafe(outgoing) ? await clearWay(client, outgoing, call.owner) : undefined;
    const tried = way && way.credentials.length > 0 ? await tryKept(client, outgoing, call, way.credentials) : undefined;
    if (tried?.kind === 'answered') return tried.response;
    if (way?.blockedBy) throw unknown(way.blockedBy);
    const response = tried ? await withOffer(client, outgoing, tried.response) : await sendOnce(client, outgoing);
    const offer = response.status === 402 ? await readOffer(client, outgoing, response) : undefined;
    if (!offer) return response;
    if (hasOwn) throw refused(outgoing.url, 'the request has an Authorization of its own, where the credential would go');
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

/** After a kept credential was refused: a 402 holds a new offer; anything else is asked again without a credential. */
async function withOffer(client: Client, outgoing: Outgoing.Outgoing, refusal: Response): Promise<Response> {
  if (refusal.status === 402) return refusal;
  await drain(refusal, client.clock);
  return sendOnce(client, outgoing);
}

/** The offer in a 402, its body read; undefined, and the body left alone, where it is another scheme's. */
async function readOffer(client: Client, outgoing: Outgoing.Outgoing, response: Response): Promise<Quote.Offer | undefined> {
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

function refused(url: URL, why: string): FareboxError {
  return new FareboxError('CHALLENGE_REFUSED', `${url.host} asks for a payment, and ${why}. Nothing was paid for it.`, { details: { host: url.host } });
}

function assertWhole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`${name} is a whole number between ${least} and ${most}, not ${value}`);
}
