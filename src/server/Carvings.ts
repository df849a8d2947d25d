/**
 * Setting aside what a holder has carved out of his balance, and giving back what is left of it.
 *
 *     L402-Carve: open     with the token that ends with `carved=`: so much is off the balance, and its alone
 *     L402-Carve: close    with the same token: what is left is the balance's again, for good
 *
 * A carving is a reservation over the balance for as long as its token is good. Calls with the token draw from it; so what is left comes back by
 * itself when the time is over, whatever dies.
 *
 * @see docs/decisions/0030-parts-by-name.md
 */
import { type Clock, nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { Store } from '../store/Store.ts';
import { entryOf } from './Ledger.ts';
import type { Principal } from './Offer.ts';
import { maxPartsBelow } from './policies/limits.ts';
import * as TopUps from './TopUps.ts';
import * as Delegation from './terms/Delegation.ts';

/** The header that asks for it, and says what came of it, in lower case. */
export const header = 'l402-carve';

/** Whether a request asks to set something aside, or to give it back, and for nothing else. */
export function isAsked(request: RequestView): boolean {
  return request.headerLines(header).length > 0;
}

/** Whether a request is about a balance, and gets nothing else: a top-up, or this. */
export function isAboutBalance(request: RequestView): boolean {
  return TopUps.isAsked(request) || isAsked(request);
}

/** What came of it. */
export type Carved = 'opened' | 'closed';

/** The reservation that holds what was carved under this name. */
export function reservationOf(key: string): string {
  return `carved ${key}`;
}

/** An account on which as much is reserved as is set aside of this one and not drawn yet: what comes back in a moment is told from it. */
export function asideOf(account: string): string {
  return `carved of ${account}`;
}

/**
 * Sets aside, or gives back.
 * @throws STORE_UNAVAILABLE – not known whether it was: asking again finds out
 */
export async function carve(store: Store, principal: Principal, { value, branches, route, clock }: AskedCarving): Promise<Carved | FareboxError> {
  const { carved, useKey, units } = principal;
  const wanted = value.trim().toLowerCase();
  if (wanted !== 'open' && wanted !== 'close') return new FareboxError('REQUEST_MALFORMED', 'It is asked for with the header "L402-Carve: open", or "close".');
  if (carved === undefined || useKey === undefined || units === undefined) return refused('Nothing is carved out for this token: it has no caveat "carved".');
  if (branches.at(-1) !== carved.key) return refused('This token was handed on by the one it was carved out for. Only he and whoever made his can do this.');
  const reservation = reservationOf(carved.key);
  if (wanted === 'close') {
    const outcome = await store.settle({ reservation, units: 0n });
    return outcome === 'settled' ? 'closed' : refused('Nothing is set aside for this token: it never was, or its time is over.');
  }
  // What is open stays as it is, however much has been drawn.
  if (await store.extend({ reservation, leaseSeconds: 1 })) return 'opened';
  return open(store, principal, { carved, useKey, units, route, clock });
}

/** Who asks where: with which names on the way to him, the last of which is his. */
export type AskedCarving = { readonly value: string; readonly branches: readonly string[]; readonly route: string; readonly clock: Clock };

type Opening = {
  readonly carved: NonNullable<Principal['carved']>;
  readonly useKey: string;
  readonly units: bigint;
  readonly route: string;
  readonly clock: Clock;
};

async function open(store: Store, principal: Principal, { carved, useKey, units, route, clock }: Opening): Promise<Carved | FareboxError> {
  const { mintedUntil: expiresAt, validUntil, terms } = principal;
  const aside = asideOf(useKey);
  const whole = { source: useKey, units, expiresAt, entry: entryOf('received', principal, route, clock, '', terms) };
  // Anybody can write new ones: their accounts are counted behind the balance, as those of all parts are, before anything is kept of them.
  const own = { source: Delegation.sourceOfCarved(principal), units: carved.units, expiresAt };
  const counted = await store.reserve({
    reservation: `counted ${carved.key}`,
    leaseSeconds: 1,
    debits: [
      { account: useKey, units: 0n, opens: whole, mostBehind: maxPartsBelow(0) },
      { account: carved.key, units: 0n, opens: own },
    ],
  });
  if (counted.kind === 'crowded') return refused('As much was handed on of this balance, in parts or carved out, as may be counted.');
  const debits = [
    { account: useKey, units: carved.units, opens: whole },
    { account: aside, units: carved.units, opens: { source: aside, units: 10n ** 20n, expiresAt } },
  ];
  try {
    const outcome = await store.reserve({ reservation: reservationOf(carved.key), leaseSeconds: Math.max(1, validUntil - nowAt(clock)), debits });
    if (outcome.kind === 'reserved') return 'opened';
    return (await mayComeBack(store, useKey, carved.units)) ? inUse() : refused('Less is left of the balance than is to be set aside.');
  } catch (error) {
    // What has ended does not begin again.
    if (error instanceof RangeError) return refused('What was set aside for this token was given back. Carve out another.');
    throw error;
  }
}

/** Whether what requests under way have set aside on an account would be enough: it may come back. What was carved out of it does not, in a moment. */
export async function mayComeBack(store: Pick<Store, 'balance'>, account: string, units: bigint): Promise<boolean> {
  const balance = await store.balance(account);
  if (balance === undefined || balance.available + balance.reserved < units) return false;
  const aside = await store.balance(asideOf(account));
  return balance.available + balance.reserved - (aside?.reserved ?? 0n) >= units;
}

function inUse(): FareboxError {
  return new FareboxError('CREDENTIAL_IN_USE', 'What is left of the balance is set aside for requests under way. Ask again in a moment; do not pay again.');
}

/** A refusal that no payment mends. */
export function refused(message: string): FareboxError {
  return new FareboxError('CARVE_REFUSED', message);
}
