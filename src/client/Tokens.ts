/**
 * Which kept credential may serve a request. What a token says of itself can be read without its key: it is the server's word on what was
 * sold, and good enough to choose by. Tokens that say nothing to us are tried where they were bought.
 *
 * @see L402 macaroon-spec; docs/wire.md, "The token"
 */
import * as Caveat from '../core/Caveat.ts';
import * as Challenge from '../core/Challenge.ts';
import * as Credential from '../core/Credential.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import * as Macaroon from '../core/Macaroon.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Path from '../http/Path.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import { hasHeader, type Outgoing } from './Outgoing.ts';

/** What a token says of itself, as far as it can be read. */
export type Reading = {
  /** The services that it names. */
  readonly services: readonly string[];
  /** `per-request`: good for one answer. `bucket`, `credit`: for several, until they are used up. `topup`: it adds to one of those, once. `unknown`: it does not say. */
  readonly terms: 'per-request' | 'pass' | 'bucket' | 'credit' | 'topup' | 'unknown';
  /** Unix seconds, the earliest that it names; undefined where it names none. */
  readonly validUntil: number | undefined;
  /** Patterns of paths, each of which must cover the request's; empty where it names none. */
  readonly paths: readonly string[];
  /** Lists of methods, each of which must have the request's; empty where it names none. */
  readonly methods: readonly (readonly string[])[];
  /** Whether its price hung on inputs beyond route and method: it is good for the very request that it was bought for. */
  readonly priced: boolean;
};

/** The method of a payment whose credential was taken over from another program: which request it was bought for is not known, only where. */
export const anyMethod = '*';

/** Reads a token. One that is no macaroon, or names no service, says nothing. */
export function read(token: string): Reading {
  const caveats = caveatsOf(token);
  const services = caveats.filter(({ condition }) => condition === 'services').flatMap(({ value }) => servicesOf(value));
  const values = (name: string) => caveats.filter(({ condition }) => services.some((service) => condition === `${service}_${name}`)).map(({ value }) => value);
  const [terms] = values('terms');
  const times = values('valid_until')
    .map(Caveat.parseTime)
    .filter((at) => at !== undefined);
  return {
    services,
    terms: termsIn(terms ?? ''),
    validUntil: times.length === 0 ? undefined : Math.min(...times),
    paths: values('path'),
    methods: values('method').map((value) => value.split(',').map((method) => method.trim())),
    priced: values('priced').length > 0,
  };
}

function termsIn(value: string): Reading['terms'] {
  if (value === 'per-request' || value === 'pass') return value;
  const [, kind, added] = /^(bucket|credit)(-topup)?:\d+$/.exec(value) ?? [];
  return added === undefined ? ((kind as 'bucket' | 'credit' | undefined) ?? 'unknown') : 'topup';
}

/** What a payment's token says. Read once for as long as the store hands out the same row. */
export function readingOf(payment: Pick<Payment, 'token'>): Reading {
  let reading = readings.get(payment);
  if (reading === undefined) {
    reading = read(payment.token);
    readings.set(payment, reading);
  }
  return reading;
}

/** The value of `Authorization` for a payment that has settled, made once likewise. A secret. */
export function authorizationOf(payment: Payment): string {
  let authorization = authorizations.get(payment);
  if (authorization === undefined) {
    const { scheme, token, preimage } = payment;
    if (preimage === undefined) throw new TypeError('payment: it has not settled');
    authorization = Credential.format({ scheme, token, preimage });
    authorizations.set(payment, authorization);
  }
  return authorization;
}

const readings = new WeakMap<Pick<Payment, 'token'>, Reading>();
const authorizations = new WeakMap<Payment, string>();

/** The payment hash that a token is bound to, or undefined where it is no macaroon with an identifier of L402. */
export function paymentHashOf(token: string): PaymentHash | undefined {
  try {
    return Identifier.decode(Macaroon.parse(token).identifier).paymentHash;
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

/** Whether the token buys one answer, so that one call at a time may use it. Of a token that does not say, that is so until it has bought one. */
export function isExclusive(payment: Payment): boolean {
  const { terms } = readingOf(payment);
  return terms === 'per-request' || terms === 'topup' || (terms === 'unknown' && payment.state === 'settled');
}

/**
 * Whether a refusal says nothing of this credential: it was bought for a whole service, and what was asked for is another one's, or is sold there
 * in another way.
 */
export function isForAnother(payment: Payment, response: Response): boolean {
  const reading = readingOf(payment);
  const asked = isForService(reading) ? challengeIn(response) : undefined;
  if (asked === undefined) return false;
  const offered = read(asked.token);
  if (offered.services.length > 0 && !offered.services.some((service) => reading.services.includes(service))) return true;
  // A credit is spent on single requests too.
  if (offered.terms === 'unknown' || (reading.terms === 'credit' && offered.terms === 'per-request')) return false;
  return offered.terms !== reading.terms || !isForService(offered);
}

/** What is offered; what cannot be read offers nothing else than was bought. */
function challengeIn(response: Response): Challenge.Challenge | undefined {
  try {
    return Challenge.choose(Challenge.parse(response.headers.get('WWW-Authenticate') ?? ''));
  } catch (error) {
    if (FareboxError.is(error, 'CHALLENGE_MALFORMED')) return undefined;
    throw error;
  }
}

function isForService({ terms, methods, paths }: Reading): boolean {
  return (terms === 'bucket' || terms === 'credit') && methods.length === 0 && paths.length === 0;
}

/** Whether the token has expired, by what it says. */
export function isExpired(payment: Payment, nowAt: number): boolean {
  const { validUntil } = readingOf(payment);
  return validUntil !== undefined && nowAt > validUntil;
}

/**
 * The credentials to try for a request, best first: what was bought for this very request and has not bought its answer yet, then what
 * has, then the newest. Those that another call is using alone are left out.
 * @param credentials - usable ones of the request's origin
 */
export function candidates(credentials: readonly Payment[], outgoing: Outgoing, nowAt: number): readonly Payment[] {
  const usable = credentials.filter(
    (payment) => serves(payment, outgoing) && !isExpired(payment, nowAt) && !(Journal.isLeased(payment, nowAt) && isExclusive(payment)),
  );
  if (usable.length < 2) return usable;
  const rank = (payment: Payment) => (payment.resource === outgoing.resource ? 2 : 0) + (payment.state === 'settled' ? 1 : 0);
  return usable.sort((a, b) => rank(b) - rank(a) || b.createdAt - a.createdAt);
}

/** What of a payment says which requests it may be for. */
export type Bought = Pick<Payment, 'origin' | 'method' | 'path' | 'resource' | 'token' | 'boundTo'>;

/** Whether what was bought may serve a request, by what its token says and where it was bought. */
export function serves(payment: Bought, outgoing: Outgoing): boolean {
  if (payment.origin !== outgoing.origin) return false;
  // What adds to a balance opens nothing: it is for requests that ask for that, and they are for nothing else.
  const reading = readingOf(payment);
  if ((reading.terms === 'topup') !== hasHeader(outgoing, 'l402-topup')) return false;
  if (payment.boundTo !== '') return payment.boundTo === outgoing.resource;
  if (!reading.priced && covers(payment, reading, outgoing)) return true;
  // The resource is a hash: what has another path need not be hashed to be told apart.
  return payment.path === outgoing.pathname && payment.resource === outgoing.resource;
}

function covers(payment: Bought, reading: Reading, outgoing: Outgoing): boolean {
  const { pathname } = outgoing;
  // What was bought for a whole service names neither methods nor paths; which of them are that service's, the server knows.
  if (isForService(reading)) return true;
  const method = countsAs(outgoing.method);
  const byMethod =
    reading.methods.length === 0
      ? payment.method === anyMethod || countsAs(payment.method) === method
      : reading.methods.every((list) => list.some((one) => countsAs(one) === method));
  if (!byMethod) return false;
  if (reading.paths.length === 0) return payment.method === anyMethod || payment.path === pathname;
  const path = normalized(pathname);
  return path !== undefined && reading.paths.every((pattern) => Path.covers(pattern, path));
}

/** `HEAD` is priced, and answered, like `GET`. */
function countsAs(method: string): string {
  return method === 'HEAD' ? 'GET' : method;
}

function normalized(pathname: string): string | undefined {
  try {
    return Path.normalize(pathname).path;
  } catch (error) {
    if (FareboxError.is(error)) return undefined;
    throw error;
  }
}

function caveatsOf(token: string): readonly Caveat.Caveat[] {
  try {
    return Macaroon.parse(token).caveats.map(Caveat.parse);
  } catch (error) {
    if (FareboxError.is(error)) return [];
    throw error;
  }
}

function servicesOf(value: string): readonly string[] {
  try {
    return Caveat.parseServices(value).map(({ name }) => name);
  } catch (error) {
    if (FareboxError.is(error)) return [];
    throw error;
  }
}
