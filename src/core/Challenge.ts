/**
 * The 402 challenge: a token and the invoice that makes it valid, as a server says it and as a client reads it.
 *
 *     WWW-Authenticate: LSAT macaroon="<token>", invoice="<invoice>"
 *     WWW-Authenticate: L402 macaroon="<token>", invoice="<invoice>", version="0", token="<token>"
 *
 * @see L402 protocol-specification, HTTP Specification; RFC 9110, section 11.6.1; docs/wire.md, "The challenge a server sends"
 */
import type { Msat } from './Amount.ts';
import * as Amount from './Amount.ts';
import type { Code } from './Errors.ts';
import { FareboxError } from './Errors.ts';
import { equal, fromBase64 } from './internal/bytes.ts';
import type { AuthChallenge } from './internal/httpAuth.ts';
import { isToken68, parseChallenges } from './internal/httpAuth.ts';
import type { PaymentHash } from './Preimage.ts';
import { isoAt } from './Time.ts';

/** An offer to sell, as a client reads it. Nothing in it is verified: the invoice is text yet, and says the price. */
export type Challenge = {
  /** In its canonical case. */
  readonly scheme: 'L402' | 'LSAT';
  /** Exactly as received: base64, or anything else that can stand in a credential. */
  readonly token: string;
  /** BOLT 11 text in lower case, not decoded yet. */
  readonly invoice: string;
  /** As received, where it was said. */
  readonly version?: string;
};

/** What the body of a 402 says. Never authority for a price: the invoice is. */
export type Body = {
  /** What the invoice asks. */
  readonly amountMsat: Msat;
  /** What is bought, in words. */
  readonly description: string;
  /** The problem's type, a URI (RFC 9457). */
  readonly type: string;
  /** The problem in a few words. */
  readonly title: string;
  /** What happened and what to do. */
  readonly detail: string;
  readonly code: Code;
  readonly invoice: string;
  /** The token, as in the header. */
  readonly macaroon: string;
  readonly paymentHash: PaymentHash;
  /** When the invoice expires, in Unix seconds. */
  readonly expiresAt: number;
  /** What one payment buys, as the terms describe it. */
  readonly buys: { readonly [name: string]: string | number | boolean };
};

/** Most characters of all `WWW-Authenticate` lines together that are read. */
export const maxHeaderLength = 65_536;

/**
 * The two `WWW-Authenticate` values, each for a header line of its own, in the order and spelling that shipped clients demand.
 * @throws TypeError – a token that is not padded standard base64; an invoice that is not lower case or names no amount
 */
export function formatLines(challenge: { readonly token: string; readonly invoice: string }): readonly string[] {
  const { token, invoice } = challenge;
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(token) || token.length % 4 !== 0) throw new TypeError('token is padded standard base64');
  if (!/^ln[a-z]+\d+[munp]?1[02-9ac-hj-np-z]+$/.test(invoice)) throw new TypeError('invoice is a BOLT 11 invoice in lower case, with an amount');
  const offer = `macaroon="${token}", invoice="${invoice}"`;
  return [`LSAT ${offer}`, `L402 ${offer}, version="0", token="${token}"`];
}

/**
 * The JSON text of a 402's body: the keys of the first L402 articles in their order, then RFC 9457's, then ours.
 * @throws RangeError – `expiresAt` is not a time
 */
export function formatBody(body: Body): string {
  return JSON.stringify({
    message: 'Payment required',
    amount: Number(Amount.toSatCeil(body.amountMsat)),
    unit: 'satoshis',
    description: body.description,
    type: body.type,
    title: body.title,
    status: 402,
    detail: body.detail,
    code: body.code,
    invoice: body.invoice,
    macaroon: body.macaroon,
    paymentHash: body.paymentHash,
    amountMsat: body.amountMsat.toString(),
    expiresAt: isoAt(body.expiresAt),
    buys: body.buys,
  });
}

/**
 * Reads every L402 and LSAT challenge, in the order received. Pass all header lines, or the one value that `fetch` joins them to.
 * Other schemes are skipped. A challenge that cannot be read is skipped too as long as another one can: one good offer is enough to buy by.
 *
 * @throws CHALLENGE_MALFORMED – there are L402 or LSAT challenges and none can be read: no token, no invoice, either said twice and
 * differently, a token that could not be sent back, a quote left open; or over 64 KB of header lines
 * @example Challenge.choose(Challenge.parse(response.headers.get('WWW-Authenticate') ?? ''))
 */
export function parse(values: string | readonly string[]): readonly Challenge[] {
  const lines = typeof values === 'string' ? [values] : values;
  const length = lines.reduce((sum, line) => sum + line.length, 0);
  if (length > maxHeaderLength) throw malformed(`the header is ${length} characters long, and ${maxHeaderLength} are read`);
  const challenges: Challenge[] = [];
  let fault: string | undefined;
  for (const found of lines.flatMap(parseChallenges)) {
    if (found.scheme !== 'l402' && found.scheme !== 'lsat') continue;
    const challenge = read(found);
    if (typeof challenge === 'string') fault ??= challenge;
    else challenges.push(challenge);
  }
  if (challenges.length === 0 && fault !== undefined) throw malformed(fault);
  return challenges;
}

/** The challenge to answer: the first L402, or else the first LSAT. */
export function choose(challenges: readonly Challenge[]): Challenge | undefined {
  return challenges.find(({ scheme }) => scheme === 'L402') ?? challenges[0];
}

/** The challenge, or why it cannot be read. */
function read(found: AuthChallenge): Challenge | string {
  if (found.fault !== undefined) return found.fault;
  let token: string | undefined;
  let invoice: string | undefined;
  let version: string | undefined;
  for (const [name, value] of found.parameters) {
    if (name === 'macaroon' || name === 'token') {
      if (!isToken68(value)) return 'its token could not be sent back in a credential';
      if (token !== undefined && !sameToken(token, value)) return 'it names two different tokens';
      token ??= value;
    } else if (name === 'invoice') {
      if (!/^(?:ln[a-z0-9]+|LN[A-Z0-9]+)$/.test(value)) return 'its invoice is not a Lightning invoice';
      if (invoice !== undefined && invoice !== value.toLowerCase()) return 'it names two different invoices';
      invoice = value.toLowerCase();
    } else if (name === 'version') {
      version ??= value;
    }
  }
  if (token === undefined) return 'it has no token';
  if (invoice === undefined) return 'it has no invoice';
  const scheme = found.scheme === 'l402' ? 'L402' : 'LSAT';
  return version === undefined ? { scheme, token, invoice } : { scheme, token, invoice, version };
}

/** Whether two spellings are one token: equal as text, or as the bytes that they are base64 of. */
function sameToken(a: string, b: string): boolean {
  if (a === b) return true;
  const [left, right] = [fromBase64(a), fromBase64(b)];
  return left !== undefined && right !== undefined && equal(left, right);
}

function malformed(what: string): FareboxError {
  return new FareboxError('CHALLENGE_MALFORMED', `The L402 challenge in WWW-Authenticate cannot be read: ${what}.`);
}
