/**
 * What every driver does alike, whatever product is behind it: a payment ends as far as can be known, an invoice is held against what was
 * asked for, and whoever closes a driver gets its calls back.
 *
 * A payment ends `failed` where the product says so for certain, and where it was never handed over (`details.sent === false` on the error).
 * Whatever else keeps the answer away (a reset, an answer that cannot be read, a node that is down, the time-out) is `unknown`.
 */
import * as Bolt11 from '../core/Bolt11.ts';
import { type Clock, wait } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Preimage from '../core/Preimage.ts';
import { assertPaymentRequest } from './arguments.ts';
import type { CreatedInvoice, FailureReason, InvoiceRequest, Network, PaymentOutcome, PaymentRequest, TrackedPayment } from './Lightning.ts';

/** A payment as it is handed to a product: readable, with an amount, on its chain. */
export type Attempt = PaymentRequest & {
  readonly paymentHash: Preimage.PaymentHash;
  /** What the invoice asks. */
  readonly amountMsat: NonNullable<Bolt11.InvoiceFields['amountMsat']>;
};

/** How a product pays. */
export type PayOptions = {
  /** For messages, such as `the node`. */
  readonly product: string;
  readonly network: Network;
  /** Measures the time-out. */
  readonly clock: Clock;
  /** Aborted: the driver is closed. */
  readonly closing: AbortSignal;
  /**
   * Hands the payment over, once. What it throws says whether anything was sent.
   * The answer follows what was handed over to its end: what that throws says nothing of the payment.
   */
  readonly handOver: (attempt: Attempt, signal: AbortSignal) => Promise<() => Promise<PaymentOutcome> | PaymentOutcome>;
};

/** Pays once; see the head of this file. @throws TypeError, RangeError – a caller's mistake */
export async function pay(options: PayOptions, request: PaymentRequest, signal: AbortSignal | undefined): Promise<PaymentOutcome> {
  assertPaymentRequest(request);
  if (options.closing.aborted || signal?.aborted) return { kind: 'failed', reason: 'rejected', message: 'It was called off before it was sent.' };
  const attempt = attemptOf(request, options.network);
  if (attempt === undefined) return { kind: 'failed', reason: 'malformed', message: 'The invoice cannot be read, or names no amount. Ask for a new one.' };
  if (typeof attempt === 'string') return { kind: 'failed', reason: 'rejected', message: attempt };
  const callOffs = signal ? AbortSignal.any([signal, options.closing]) : options.closing;
  const timeout = new AbortController();
  const cancel = options.clock.after(Math.min(request.timeoutSeconds * 1000, longestTimerMs), () => timeout.abort(), true);
  const ends = AbortSignal.any([callOffs, timeout.signal]);
  let isHandedOver = false;
  try {
    const follow = await options.handOver(attempt, ends);
    isHandedOver = true;
    return believed(options.product, await follow(), attempt.paymentHash);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (!isHandedOver && FareboxError.is(error) && error.details.sent === false)
      return { kind: 'failed', reason: 'rejected', message: `The payment was not sent: ${why}` };
    if (timeout.signal.aborted) return unknown(`No answer within ${request.timeoutSeconds} s`);
    if (callOffs.aborted) return unknown('It was called off after it was sent');
    return unknown(`No answer that can be trusted: ${why.replace(/\.$/, '')}`);
  } finally {
    cancel();
  }
}

/** Throws what kept a payment from being handed over; where the product did not let us in (401, 403), nothing was sent. */
export function refusedAtTheDoor(error: unknown): never {
  if (FareboxError.is(error, 'LIGHTNING_UNAUTHORIZED')) throw new FareboxError(error.code, error.message, { cause: error, details: { sent: false } });
  throw error;
}

/** Settled is what proves to be. */
export function believed<Outcome extends { readonly kind: string }>(product: string, outcome: Outcome, paymentHash: Preimage.PaymentHash) {
  if (outcome.kind !== 'settled' || !('preimage' in outcome)) return outcome;
  if (Preimage.proves(outcome.preimage as Preimage.Preimage, paymentHash)) return outcome;
  return unknown(`Settled without a proof: the preimage that ${product} gives does not fit`);
}

/** The answer where the end of a payment could not be found out. */
export function unknown(what: string): PaymentOutcome & { readonly kind: 'unknown' } {
  return { kind: 'unknown', message: `${what}. Look it up by payment hash; do not pay again.` };
}

/**
 * Whether a product's words for a failure are about the size of the payment. A channel has a least and a largest amount, and so have wallets:
 * phoenixd says "the payment amount is too small", lnd "payment of … is too large, max payment allowed is …", Core Lightning "below
 * htlc_minimum_msat". What is said of fees is not about the payment's size.
 */
export function sizeReasonIn(said: string): Extract<FailureReason, 'too-small' | 'too-large'> | undefined {
  if (/\b(?:amount|payment|invoice|value|htlc)\b(?:(?!fee|\. )[^;]){0,60}\b(?:too (?:small|low)|below (?:the )?(?:minimum|dust))|below htlc_min/i.test(said))
    return 'too-small';
  if (
    /\b(?:amount|payment|invoice|value|htlc)\b(?:(?!fee|\. )[^;]){0,60}\btoo (?:large|big|high)\b|exceeds (?:the )?(?:htlc_max|maximum (?:amount|payment))/i.test(
      said,
    )
  )
    return 'too-large';
  return undefined;
}

/** How a product is asked what became of a payment that it has taken. */
export type FollowOptions = {
  readonly product: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly ask: () => Promise<TrackedPayment>;
};

/** The end of a payment that a product has taken and tells of when it is asked: once a second, until it has ended or `signal` aborts. */
export async function follow({ product, clock, signal, ask }: FollowOptions, first: TrackedPayment): Promise<PaymentOutcome> {
  for (let tracked = first; ; tracked = await ask()) {
    if (tracked.kind === 'absent') return unknown(`${product} has taken the payment, and now says that it has never seen it`);
    if (tracked.kind !== 'pending') return tracked;
    await wait(clock, 1000, signal, true);
    signal.throwIfAborted();
  }
}

/**
 * An invoice that a product made, held against what it was asked for: a payee that asks for something else, or on another chain, sells
 * nothing here.
 * @throws LIGHTNING_UNAVAILABLE – it is unreadable, for another amount or description, or on another chain
 */
export function created(product: string, network: Network, request: Pick<InvoiceRequest, 'amountMsat'>, text: string): CreatedInvoice {
  const invoice = peek(text);
  if (invoice === undefined) throw unfit(product, 'an invoice that cannot be read');
  if (invoice.chain !== chainOf(network)) throw unfit(product, `an invoice on ${invoice.chain}, and it is set to ${network}`);
  if (invoice.amountMsat !== request.amountMsat)
    throw unfit(product, `an invoice over ${invoice.amountMsat ?? 'any amount'} msat instead of ${request.amountMsat} msat`);
  return { invoice: invoice.text, paymentHash: invoice.paymentHash, expiresAt: invoice.expiresAt };
}

/** Which chain's invoices a network has. */
export function chainOf(network: Network): Bolt11.Chain {
  return network === 'sandbox' ? 'regtest' : network;
}

/**
 * Asks unless the driver is closed, and lets go when either the driver closes or the caller aborts.
 * @throws LIGHTNING_UNAVAILABLE – the driver is closed
 */
export async function call<T>(product: string, closing: AbortSignal, signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
  try {
    closing.throwIfAborted();
    signal?.throwIfAborted();
    return await ask(signal ? AbortSignal.any([signal, closing]) : closing);
  } catch (error) {
    if (!closing.aborted) throw error;
    throw new FareboxError('LIGHTNING_UNAVAILABLE', `The driver of ${product} is closed. Create it again.`);
  }
}

/** What may be known, or not be ours to ask: undefined where we are not let in to it. */
export async function ifAllowed<T>(ask: Promise<T>): Promise<T | undefined> {
  try {
    return await ask;
  } catch (error) {
    if (FareboxError.is(error, 'LIGHTNING_UNAUTHORIZED')) return undefined;
    throw error;
  }
}

/** The watch of a product that tells of no settlements; its capabilities say so. */
export function watchesNothing(product: string): AsyncIterable<never> {
  throw new TypeError(`${product} tells of no settlements (capabilities.watch is false): look invoices up`);
}

/** The longest that a timer of JavaScript can wait: 24 days. */
const longestTimerMs = 2 ** 31 - 1;

/** The payment as it can be handed over, why it cannot, or undefined where the invoice is no invoice that can be paid. */
function attemptOf(request: PaymentRequest, network: Network): Attempt | string | undefined {
  const invoice = peek(request.invoice);
  if (invoice?.amountMsat === undefined) return undefined;
  if (invoice.chain !== chainOf(network)) return `The invoice is on ${invoice.chain}, and this wallet is on ${network}.`;
  return { ...request, invoice: invoice.text, paymentHash: invoice.paymentHash, amountMsat: invoice.amountMsat };
}

function peek(text: string): Bolt11.InvoiceFields | undefined {
  try {
    return Bolt11.peek(text);
  } catch (error) {
    if (FareboxError.is(error, 'INVOICE_MALFORMED')) return undefined;
    throw error;
  }
}

function unfit(product: string, what: string): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `${product} made ${what}. Nothing is sold with it.`);
}
