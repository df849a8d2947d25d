/**
 * Shows a credential and waits for the answer. Nothing here pays.
 *
 * A server that is busy with the same credential (409 with `Retry-After`) or cannot answer yet (503) is asked again, a few times and for
 * a minute at most. A refusal (402, or 401 in our scheme) sets the credential aside.
 *
 * @see docs/wire.md, "The client" and "The life of a claim"
 */
import * as Amount from '../core/Amount.ts';
import { nowAt, wait } from '../core/Clock.ts';
import { unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import { watchBody } from './answerBody.ts';
import { type Client, keepLease, shown } from './Client.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import { type Outgoing, send, withSignal } from './Outgoing.ts';
import { drain } from './responseBody.ts';
import { sendWithin } from './Timeouts.ts';
import * as Tokens from './Tokens.ts';

/** What came of showing a credential. */
export type Redeemed =
  | { readonly kind: 'answered'; readonly response: Response }
  /** It is set aside, unless it is another service's. The body of the response has not been read. */
  | { readonly kind: 'refused'; readonly response: Response };

/**
 * Sends a request with a credential.
 * @param payment - settled; where it is exclusive, this call has taken it
 */
export async function redeem(client: Client, outgoing: Outgoing, payment: Payment, owner: string): Promise<Redeemed> {
  const { paymentHash } = payment;
  const exclusive = Tokens.isExclusive(payment);
  const stop = exclusive ? keepLease(client, paymentHash, owner) : () => {};
  let isRead = false;
  const release = async () => {
    if (exclusive) await note(client, payment, { kind: 'release', owner });
  };
  try {
    const response = await sendPatiently(client, outgoing, payment);
    if (isRefusal(response) && Tokens.isForAnother(payment, response)) {
      await release();
      return { kind: 'refused', response };
    }
    if (isRefusal(response)) {
      client.emit({ kind: 'set-aside', paymentHash, status: response.status });
      client.left.delete(paymentHash);
      await note(client, payment, { kind: 'reject', note: `The server answered ${response.status} to its credential.` });
      return { kind: 'refused', response };
    }
    const { terms } = Tokens.readingOf(payment);
    const last = terms === 'per-request' || terms === 'topup';
    const left = terms === 'pass' || last ? null : response.headers.get('L402-Remaining');
    if (left !== null) client.left.set(paymentHash, left.slice(0, 40));
    const isNews = payment.state === 'settled' || last;
    // What serves many, and has served before, needs no line in the journal.
    if (!isNews) return { kind: 'answered', response };
    if (!isCharged(response)) await release();
    else if (last && response.body) {
      const watched = untilRead(client, response, response.body, payment, { owner, stop });
      await note(client, payment, watched ? { kind: 'bind', owner, resource: outgoing.resource } : { kind: 'redeem', owner, last });
      isRead = watched !== undefined;
      return { kind: 'answered', response: watched ?? response };
    } else await note(client, payment, { kind: 'redeem', owner, last });
    return { kind: 'answered', response };
  } catch (error) {
    await release();
    throw error;
  } finally {
    if (!isRead) stop();
  }
}

/** Sends a request once and tells of it. */
export function sendOnce(client: Client, outgoing: Outgoing, payment?: Payment): Promise<Response> {
  const authorization = payment && Tokens.authorizationOf(payment);
  // Where nobody watches and nothing is limited, sending is all there is to it.
  if (!client.isWatched && !client.isLimited && client.reached === unwatched) return send(outgoing, client.fetch, authorization);
  return sendWatched(client, outgoing, payment, authorization);
}

async function sendWatched(client: Client, outgoing: Outgoing, payment: Payment | undefined, authorization: string | undefined): Promise<Response> {
  const { emit, isWatched, reached } = client;
  const { method } = outgoing;
  const url = isWatched ? shown(outgoing) : '';
  const credential = payment?.paymentHash;
  if (isWatched) emit({ kind: 'sent', method, url, credential });
  reached(payment ? 'client.credential.sending' : 'client.request.sending');
  const response = await (client.isLimited
    ? sendWithin(client, outgoing, payment, (signal) => send(withSignal(outgoing, signal), client.fetch, authorization))
    : send(outgoing, client.fetch, authorization));
  reached(payment ? 'client.credential.answered' : 'client.request.answered');
  if (isWatched) emit({ kind: 'answered', method, url, status: response.status, credential });
  return response;
}

/** Paid, and the server refuses the credential, or sends it nowhere: what it takes to complain, and no second payment. */
export function notHonoured(payment: Payment, status: number, cause?: unknown): FareboxError {
  const { paymentHash, origin } = payment;
  const amount = Amount.format(payment.amountMsat);
  const message =
    `${origin} was paid ${amount} (payment ${paymentHash}) and answers ${status} to the credential. It is not paid again on its own. ` +
    'The proof of payment is kept in the client store: show it to the seller.';
  const details = { paymentHash, amount, fee: Amount.format(Journal.feeMsatOf(payment)), origin, status };
  return new FareboxError('PAYMENT_NOT_HONOURED', message, { details, cause });
}

/** Paid, and no answer came: nothing is lost. */
export function unanswered(payment: Payment, cause: unknown): FareboxError {
  const { paymentHash, origin } = payment;
  const amount = Amount.format(payment.amountMsat);
  const { phase, limitMs } = FareboxError.is(cause, 'REQUEST_TIMED_OUT') ? cause.details : {};
  const what = phase === undefined ? 'the connection broke before an answer came' : `no answer came within ${limitMs} ms (phase ${phase})`;
  const message =
    `${origin} was paid ${amount} (payment ${paymentHash}), and ${what}. ` +
    'The credential is kept: send the same request again, and it is used instead of another payment.';
  const details = { paymentHash, amount, origin, ...(phase !== undefined && { phase }), ...(limitMs !== undefined && { limitMs }) };
  return new FareboxError('PAYMENT_INTERRUPTED', message, { details, cause });
}

/** Whether an error says for itself how a paid call ended. Where time ran out, it is told of as a payment that has no answer yet. */
export function speaksForItself(error: unknown): boolean {
  return FareboxError.is(error) && error.code !== 'REQUEST_TIMED_OUT';
}

/** Nobody else is given a credential as long as its answer is being read; a reader that stands still for so long, or twice that, has gone. */
const maxStillMs = 60_000;

/** The one answer that a credential buys: it is used up when that has come whole; broken off, it is good for the same request. */
function untilRead(client: Client, response: Response, body: ReadableStream<Uint8Array>, payment: Payment, { owner, stop }: Holding): Response | undefined {
  const { clock } = client;
  let hasMoved = true;
  let cancel = () => {};
  // By its own length, not by the time of day: a clock that is set while somebody reads takes nothing from him.
  const watch = () => {
    if (!hasMoved) return stop();
    hasMoved = false;
    cancel = clock.after(maxStillMs, watch);
  };
  const watched = watchBody(response, body, {
    onPart: () => {
      hasMoved = true;
    },
    onEnd: async (isWhole) => {
      cancel();
      stop();
      await note(client, payment, isWhole ? { kind: 'redeem', owner, last: true } : { kind: 'release', owner });
    },
  });
  if (watched) watch();
  return watched;
}

/** Who has a credential, and how to let go of its lease. */
type Holding = { readonly owner: string; readonly stop: () => void };

/** How often a server that is busy is asked, the first time included. */
const maxTries = 6;

/** How long it is waited for a busy server, all in all. */
const maxWaitMs = 60_000;

/** Where the server does not say when to ask again. */
const defaultWaitMs = 1000;

async function sendPatiently(client: Client, outgoing: Outgoing, payment: Payment): Promise<Response> {
  let leftMs = maxWaitMs;
  for (let tries = 1; ; tries++) {
    const response = await sendOnce(client, outgoing, payment);
    const ms = pauseMs(response, client.clock.nowMs());
    if (ms === undefined || ms > leftMs || tries === maxTries) return response;
    leftMs -= ms;
    await drain(response, client.clock);
    client.emit({ kind: 'waiting', why: 'server', ms });
    await wait(client.clock, ms, outgoing.signal, true);
    outgoing.signal.throwIfAborted();
  }
}

/** How long to wait before asking again; undefined where this is the answer. A 409 without `Retry-After` is the application's own. */
function pauseMs(response: Response, nowMs: number): number | undefined {
  if ((response.status !== 409 && response.status !== 503) || chargeSaid(response) === 'charged') return undefined;
  const header = response.headers.get('Retry-After')?.trim();
  if (header === undefined) return response.status === 503 ? defaultWaitMs : undefined;
  if (/^\d{1,9}$/.test(header)) return Math.max(Number(header) * 1000, 100);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? defaultWaitMs : Math.max(atMs - nowMs, 100);
}

/** Whether the answer used the credential up, where it can be used up: as the server says, or by its status. */
function isCharged(response: Response): boolean {
  const said = chargeSaid(response);
  return said === undefined ? response.status < 400 : said === 'charged';
}

function chargeSaid(response: Response): 'charged' | 'not-charged' | undefined {
  const said = response.headers.get('L402-Payment')?.trim().toLowerCase();
  return said === 'charged' || said === 'not-charged' ? said : undefined;
}

/** Another 401 is the application's own: the credential has nothing to do with it. */
function isRefusal(response: Response): boolean {
  if (response.status === 402) return true;
  return response.status === 401 && /(?:^|,)\s*(?:L402|LSAT)(?:\s|$)/i.test(response.headers.get('WWW-Authenticate') ?? '');
}

/** The answer is here already, and is worth more than a line in the journal: where it cannot be written now, the next call writes it. */
async function note({ store, clock, unwritten }: Client, { paymentHash }: Payment, step: Journal.Step): Promise<void> {
  const write = () => store.step(paymentHash, step, nowAt(clock));
  try {
    await write();
  } catch (error) {
    if (!FareboxError.is(error, 'STORE_UNAVAILABLE')) throw error;
    unwritten.set(paymentHash, write);
  }
}
