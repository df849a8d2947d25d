/**
 * The paywall's own answers: the 402 with its challenge, and every refusal.
 *
 * @see docs/wire.md, sections 1 and 2
 */
import * as Amount from '../core/Amount.ts';
import * as Challenge from '../core/Challenge.ts';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { isoAt } from '../core/Time.ts';
import * as Problem from '../http/Problem.ts';
import type { Answer, RequestView } from '../http/RequestView.ts';
import type { MintedChallenge } from './Mint.ts';
import type { Offer, Principal } from './Offer.ts';
import { receiptHeader } from './receipt.ts';

/** What a browser's script may read of our answers. */
export const exposedHeaders =
  'WWW-Authenticate, L402-Price, L402-Payment, L402-Remaining, L402-Free, L402-Trial, L402-Topup, L402-Carve, Payment-Receipt, L402-Receipt, Retry-After, Link';

/** Seconds after which to ask again, where nothing better is known. */
const retrySeconds: { readonly [status: number]: number | undefined } = { 409: 1, 503: 5 };

/**
 * 402: the two challenge lines, the price, and a body for programs.
 * @param why - what was wrong with the credential that came, where one came
 */
export function challenge(request: RequestView, offer: Offer, minted: MintedChallenge, why: FareboxError | undefined): Answer {
  const code = why?.code ?? 'PAYMENT_REQUIRED';
  const price = Amount.format(minted.amountMsat);
  const asksProblem = (request.header('accept') ?? '').includes('application/problem+json');
  const detail =
    why?.message ?? `This costs ${price}. Pay the invoice and send the request again with: Authorization: L402 <macaroon>:<preimage>${charges(offer)}`;
  const body = Challenge.formatBody({
    amountMsat: minted.amountMsat,
    description: offer.description,
    type: Problem.typeOf(code),
    title: Problem.titleOf(402),
    detail,
    code,
    invoice: minted.invoice,
    macaroon: minted.token,
    paymentHash: minted.paymentHash,
    expiresAt: minted.expiresAt,
    buys: { ...offer.terms.describe(), ...(offer.consume === 'on-request' && { consume: offer.consume }) },
  });
  return {
    status: 402,
    headers: [
      ...Challenge.formatLines(minted).map((line) => ['WWW-Authenticate', line] as const),
      ['Cache-Control', 'no-store'],
      ['L402-Price', price],
      ['Access-Control-Expose-Headers', exposedHeaders],
      ['Content-Type', asksProblem ? 'application/problem+json' : 'application/json'],
    ],
    body,
    problem: { code, detail },
  };
}

/** What nobody expects who has not been told. */
function charges({ consume }: Offer): string {
  return consume === 'on-request' ? '. A request is charged when it is let through, also where it fails then.' : '';
}

/** 200: a top-up was presented. What its balance holds is not said: its holder sees it, and whoever paid for him need not. */
export function toppedUp(principal: Principal, outcome: 'credited' | 'already', clock: Clock): Answer {
  const { terms, units } = principal;
  const added = terms.startsWith('credit') ? { credit: Amount.format(Amount.fromMsat(units ?? 0n)) } : { units: `${units ?? 0n}` };
  const message =
    outcome === 'credited' ? 'Added to the balance. Use the token of the balance as before.' : 'Added to the balance before: nothing was added now.';
  return {
    status: 200,
    headers: [
      ['L402-Topup', outcome],
      receiptHeader(principal, clock),
      ['Cache-Control', 'no-store'],
      ['Access-Control-Expose-Headers', exposedHeaders],
      ['Content-Type', 'application/json'],
    ],
    body: `${JSON.stringify({ message, toppedUp: outcome === 'credited', ...added })}\n`,
  };
}

/** 200: what was carved out is set aside, or what was left of it given back. */
export function carved({ terms, carved, validUntil }: Principal, outcome: 'opened' | 'closed'): Answer {
  const units = carved?.units ?? 0n;
  const much = terms === 'credit' ? { credit: Amount.format(Amount.fromMsat(units)) } : { units: `${units}` };
  const body =
    outcome === 'opened' ? { message: 'Set aside for this token.', ...much, until: isoAt(validUntil) } : { message: 'What was left of it is given back.' };
  return {
    status: 200,
    headers: [
      ['L402-Carve', outcome],
      ['Cache-Control', 'no-store'],
      ['Access-Control-Expose-Headers', exposedHeaders],
      ['Content-Type', 'application/json'],
    ],
    body: `${JSON.stringify(body)}\n`,
  };
}

/** A browser asking whether it may ask: the one request that is answered without payment. */
export function isPreflight(request: RequestView): boolean {
  return request.method === 'OPTIONS' && request.header('access-control-request-method') !== undefined && request.header('origin') !== undefined;
}

/** A browser asking whether it may ask: answered here, so that nothing behind the paywall runs unpaid. */
export function preflight(request: RequestView): Answer {
  const asked = request.header('access-control-request-headers');
  return {
    status: 204,
    headers: [
      ['Access-Control-Allow-Origin', '*'],
      ['Access-Control-Allow-Methods', request.header('access-control-request-method') ?? ''],
      ...(asked === undefined ? [] : [['Access-Control-Allow-Headers', asked] as const]),
      ['Access-Control-Max-Age', '600'],
      ['Vary', 'Access-Control-Request-Method, Access-Control-Request-Headers'],
    ],
    body: '',
  };
}

/** Every other refusal: a problem body, and what its status asks for. No invoice. */
export function refusal(error: FareboxError): Answer {
  const after = error.details.retryAfterSeconds ?? retrySeconds[error.status];
  return Problem.answer(error, [
    ...(error.status === 401 ? [['WWW-Authenticate', `L402 error="${error.code}"`] as const] : []),
    ...(after === undefined ? [] : [['Retry-After', String(after)] as const]),
    ['Access-Control-Expose-Headers', exposedHeaders],
  ]);
}

/** Another request holds the claim. */
export function inUse(): FareboxError {
  return new FareboxError('CREDENTIAL_IN_USE', 'Another request with this credential is under way. Ask again in a moment; do not pay again.');
}

/** It is not known whether the sale is durable. */
export function notWritten(cause: unknown): FareboxError {
  return new FareboxError('STORE_UNAVAILABLE', 'It could not be written down that this was paid. Ask again in a moment; do not pay again.', { cause });
}
