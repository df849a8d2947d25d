/**
 * Hands a kept credential on, good for less: to a helper without a wallet, or to one that is to have its own share. Nobody is asked for it, and it
 * cannot be undone. Whatever the credential says of itself already, what is added stays within it: a holder who reads "until Friday" in what he wrote
 * must not find out that it was Thursday.
 *
 * @see L402 macaroon-spec, Attenuation; docs/wire.md, "The token"
 */
import * as Amount from '../core/Amount.ts';
import * as Caveat from '../core/Caveat.ts';
import { type Clock, nowAt, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import * as Credential from '../core/Credential.ts';
import { FareboxError } from '../core/Errors.ts';
import { toHex } from '../core/internal/bytes.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Path from '../http/Path.ts';
import type { AmountOption } from './Budget.ts';
import type { Payment } from './Journal.ts';
import * as Tokens from './Tokens.ts';

/** What the credential is to be good for, at most. At least one of them is named. */
export type Narrowing = {
  /** This path and everything below it, in normal form, such as `/files/pictures`. */
  readonly path?: string;
  /** Such as `['GET']`; `HEAD` counts as `GET`. */
  readonly methods?: readonly string[];
  /** Unix seconds. */
  readonly expiresAt?: number;
  /** So many calls. Two credentials with equal limits are two shares. */
  readonly uses?: number;
  /** So much of what calls cost, in whole satoshis. */
  readonly maxSpend?: AmountOption;
};

/** For tests. */
export type AttenuateOptions = { readonly clock?: Clock; readonly random?: Random };

/**
 * A narrowed copy of a credential that the journal keeps, as the value of `Authorization`. It is a secret: whoever has it can use it.
 *
 * Whether the seller keeps to these caveats is up to the seller; gateways of Farebox do, and so does whoever follows the specification by refusing what
 * he does not know.
 *
 * @throws RangeError – nothing to narrow to, or something that would widen the credential or leave nothing of it
 * @throws TypeError – a field of another form
 * @throws CREDENTIAL_EXPIRED – it has expired
 * @throws CREDENTIAL_MALFORMED – its token is no macaroon, which nobody but its seller can narrow
 * @throws JOURNAL_CONFLICT – it is not paid for, or is used up or set aside
 * @example
 * const payment = await store.get(paymentOf(response).paymentHash);
 * helper.postMessage(attenuate(payment, { path: '/papers', uses: 20, expiresAt: inAnHour }));
 */
export function attenuate(payment: Payment, narrowing: Narrowing, { clock = systemClock, random = systemRandom }: AttenuateOptions = {}): string {
  const { paymentHash, scheme, preimage } = payment;
  if (preimage === undefined || !payment.usable) {
    const why = preimage === undefined ? 'it is not paid for' : 'it is used up or set aside';
    throw new FareboxError('JOURNAL_CONFLICT', `The credential of payment ${paymentHash} cannot be handed on: ${why}.`, { details: { paymentHash } });
  }
  const macaroon = macaroonOf(payment.token, paymentHash);
  const held = readHeld(payment, macaroon.caveats);
  const at = nowAt(clock);
  if (held.endsAt < at) throw new FareboxError('CREDENTIAL_EXPIRED', 'This credential has expired; narrowing cannot make it good again.');
  const counted = [...usesWithin(narrowing, held), ...spendWithin(narrowing, held)];
  const added = [
    ...pathWithin(narrowing, held),
    ...methodsWithin(narrowing, held),
    ...endWithin(narrowing, held, at),
    // Two parts with the same limit are two.
    ...(counted.length === 0 ? [] : [`part=${toHex(random(8))}`]),
    ...counted,
  ];
  if (added.length === 0) throw new RangeError('narrowing names nothing: give a path, methods, an end, a number of uses or an amount');
  return Credential.format({ scheme, token: Macaroon.format(Macaroon.attenuate(macaroon, added)), preimage });
}

/** What a credential is good for as it is. */
type Held = {
  /** What it was bought with, where the seller's token names neither path nor method. */
  readonly payment: Payment;
  /** As minted: exact paths, or everything below where they end in `/*`. */
  readonly patterns: readonly string[];
  /** As holders have narrowed it: these and everything below. */
  readonly prefixes: readonly string[];
  readonly methods: readonly (readonly string[])[];
  /** Unix seconds; infinite where it names no end. */
  readonly endsAt: number;
  readonly uses: number;
  readonly spendSat: number;
};

function readHeld(payment: Payment, texts: readonly string[]): Held {
  const { paths, methods, validUntil } = Tokens.readingOf(payment);
  const caveats = texts.flatMap(readable);
  const values = (...conditions: readonly string[]) => caveats.filter(({ condition }) => conditions.includes(condition)).map(({ value }) => value);
  const ends = values('valid_until', 'expires').flatMap((value) => Caveat.parseTime(value) ?? []);
  return {
    payment,
    patterns: paths,
    prefixes: values('scope', 'path_prefix').map((value) => (value.endsWith('/*') ? value.slice(0, -1) : value)),
    methods: [...methods, ...values('method').map((value) => value.split(',').map((one) => one.trim()))],
    endsAt: Math.min(validUntil ?? Number.POSITIVE_INFINITY, ...ends),
    uses: Math.min(...values('n_uses').map(Number), Number.POSITIVE_INFINITY),
    spendSat: Math.min(...values('max_sats').map(Number), Number.POSITIVE_INFINITY),
  };
}

function pathWithin({ path }: Narrowing, { payment, patterns, prefixes }: Held): readonly string[] {
  if (path === undefined) return [];
  if (typeof path !== 'string' || !isNormal(path)) throw new RangeError('narrowing.path is a path in normal form, such as "/api/v1", without host and query');
  const outside = [...patterns.filter((pattern) => !isWithin(path, pattern, payment.path)), ...prefixes.filter((prefix) => !Path.isBelow(prefix, path))];
  if (outside.length > 0) throw widens(`narrowing.path "${path.slice(0, 64)}"`, `the credential is good for ${outside.join(' and ').slice(0, 128)}`);
  return [`path_prefix=${path}`];
}

/** Whether a path and everything below it lies within a minted pattern. A path too long for a token stands there as its digest: it is the one that was bought. */
function isWithin(path: string, pattern: string, bought: string): boolean {
  if (pattern.endsWith('/*')) return Path.isBelow(pattern.slice(0, -1), path);
  return Path.covers(pattern.startsWith('sha256:') ? bought : pattern, path);
}

function methodsWithin({ methods }: Narrowing, held: Held): readonly string[] {
  if (methods === undefined) return [];
  if (methods.length === 0 || !methods.every((one) => /^[A-Z][A-Z0-9-]{0,31}$/.test(one)))
    throw new RangeError("narrowing.methods is a list of methods, such as ['GET']");
  const asked = [...new Set(methods.map(countsAs))];
  const lists = held.methods.length > 0 ? held.methods : [[held.payment.method]];
  // What is sold for a whole service names no method; which are that service's, the seller knows.
  const isService = held.methods.length === 0 && ['bucket', 'credit'].includes(Tokens.readingOf(held.payment).terms);
  const outside = isService ? [] : asked.filter((one) => !lists.every((list) => list.map(countsAs).includes(one)));
  if (outside.length > 0)
    throw widens(`narrowing.methods ${outside.join(', ')}`, `the credential is good for ${lists.map((list) => list.join(', ')).join(' and ')}`);
  return [`method=${asked.join(',')}`];
}

function endWithin({ expiresAt }: Narrowing, { endsAt }: Held, at: number): readonly string[] {
  if (expiresAt === undefined) return [];
  if (!Number.isSafeInteger(expiresAt) || Caveat.parseTime(String(expiresAt)) === undefined)
    throw new TypeError('narrowing.expiresAt is a time in Unix seconds');
  if (expiresAt <= at) throw new RangeError('narrowing.expiresAt is in the past: this would leave nothing of the credential');
  if (expiresAt > endsAt) throw widens('narrowing.expiresAt', `the credential ends at ${new Date(endsAt * 1000).toISOString()}`);
  return [`valid_until=${expiresAt}`];
}

function usesWithin({ uses }: Narrowing, held: Held): readonly string[] {
  if (uses === undefined) return [];
  assertCount('narrowing.uses', uses);
  if (uses > held.uses) throw widens('narrowing.uses', `the credential is good for ${held.uses} calls`);
  return [`n_uses=${uses}`];
}

function spendWithin({ maxSpend }: Narrowing, held: Held): readonly string[] {
  if (maxSpend === undefined) return [];
  const msat = typeof maxSpend === 'string' ? Amount.parse(maxSpend) : Amount.fromMsat(maxSpend);
  if (msat % 1000n !== 0n) throw new RangeError('narrowing.maxSpend is in whole satoshis');
  const sat = Number(msat / 1000n);
  assertCount('narrowing.maxSpend', sat);
  if (sat > held.spendSat) throw widens('narrowing.maxSpend', `the credential is good for ${held.spendSat} sat`);
  return [`max_sats=${sat}`];
}

function macaroonOf(token: string, paymentHash: string): Macaroon.Macaroon {
  try {
    return Macaroon.parse(token);
  } catch (error) {
    if (!FareboxError.is(error)) throw error;
    const message = `The token of payment ${paymentHash} is no macaroon: nobody but its seller can narrow it. It can be handed on only as it is.`;
    throw new FareboxError('CREDENTIAL_MALFORMED', message, { cause: error });
  }
}

function readable(text: string): readonly Caveat.Caveat[] {
  try {
    return [Caveat.parse(text)];
  } catch (error) {
    if (FareboxError.is(error)) return [];
    throw error;
  }
}

function isNormal(path: string): boolean {
  try {
    return !/[\s"]/.test(path) && !path.endsWith('*') && Path.normalize(path).path === path;
  } catch (error) {
    if (FareboxError.is(error)) return false;
    throw error;
  }
}

function countsAs(method: string): string {
  return method === 'HEAD' ? 'GET' : method;
}

function assertCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1 || value >= 1e15) throw new RangeError(`${name} is a whole number from 1`);
}

function widens(what: string, bound: string): RangeError {
  return new RangeError(`${what} would widen the credential, or leave nothing of it: ${bound}`);
}
