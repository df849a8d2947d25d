/**
 * Topping up: whoever shows the credential of a balance is sold a token that adds to it, and that token is presented once.
 *
 *     L402-Topup: ask, and the balance's credential → 402 → paid → the new credential → L402-Topup: credited
 *
 * The balance's own token stays as it is, and its end too: what is added is spent with it, until then. A top-up buys what its route sells anew,
 * at the same price.
 *
 * @see docs/decisions/0029-top-ups.md
 */
import { type Clock, nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { isoAt } from '../core/Time.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { Store } from '../store/Store.ts';
import { entryOf } from './Ledger.ts';
import type { Offer, Principal } from './Offer.ts';
import * as topUpCaveat from './policies/topUp.ts';

/** The header that asks for one, and says what came of it, in lower case. */
export const header = 'l402-topup';

/** Whether a request asks for a top-up, and for nothing else. */
export function isAsked(request: RequestView): boolean {
  return request.header(header) !== undefined;
}

/** What is added to which balance, until when that can be spent. */
export type TopUp = {
  /** As it is sold. */
  readonly offer: Offer;
  readonly account: string;
  /** Unix seconds. */
  readonly until: number;
};

/** What a balance has to last beyond the end of the invoice: nobody pays for what he could not spend. */
const leastSeconds = 600;

/** Most top-ups of one balance: each is kept for as long as the balance is. */
const maxTopUps = 256;

/**
 * What is sold to the holder of a balance; its account is opened for it, so that what is paid for is never put into one that is not there.
 * @param invoiceSeconds - how long an invoice can be paid
 * @throws STORE_UNAVAILABLE – the account could not be opened
 */
export async function toSell(store: Store, principal: Principal, asked: AskedTopUp, invoiceSeconds: number): Promise<TopUp | FareboxError> {
  const { offer, clock, header: value } = asked;
  const { useKey, units, terms, parts, isBound, mintedUntil } = principal;
  if (value.trim().toLowerCase() !== 'ask') return new FareboxError('REQUEST_MALFORMED', 'A top-up is asked for with the header "L402-Topup: ask".');
  if (useKey === undefined || units === undefined || (terms !== 'bucket' && terms !== 'credit')) {
    return refused(`This token was sold as "${terms}": there is no balance to top up. Buy another one when it is used up.`);
  }
  if (parts.length > 0) return refused('This token is a part of a balance, and its limit stays what its holder set. Ask him for another part.');
  if (offer.terms.kind !== terms || offer.terms.holds === undefined || (offer.terms.binds === 'service') === isBound) {
    return refused(`This balance is a ${terms}, and here none of its kind is sold. Ask where it was bought.`);
  }
  if (!lasts(mintedUntil, nowAt(clock) + invoiceSeconds)) return endsTooSoon(mintedUntil);
  const { value: count } = await store.count({ ...counterOf(useKey, mintedUntil), by: 0 });
  if (count >= maxTopUps) return refused(`This balance was topped up ${count} times, which is the most. Buy a new one.`);
  await store.credit({ account: useKey, source: useKey, units, expiresAt: mintedUntil, entry: entryOf('received', principal, offer.route, clock, '', terms) });
  return { offer: offerOf(offer, mintedUntil), account: useKey, until: mintedUntil };
}

/** Who asks where. */
export type AskedTopUp = { readonly offer: Offer; readonly clock: Clock; readonly header: string };

/** Why an invoice that lives longer than it was asked to is not handed out; undefined where it does not. */
export function whyNotHandedOut({ until }: Pick<TopUp, 'until'>, invoiceExpiresAt: number): FareboxError | undefined {
  return lasts(until, invoiceExpiresAt) ? undefined : endsTooSoon(until);
}

/**
 * Adds what a top-up was sold for to its balance, once.
 * @throws STORE_UNAVAILABLE – not known whether it was: presenting it again finds out
 */
export async function add(store: Store, principal: Principal, route: string, clock: Clock): Promise<'credited' | 'already' | FareboxError> {
  const { useKey: source, topUp: account, units, mintedUntil: expiresAt, terms } = principal;
  if (source === undefined || account === undefined || units === undefined) throw new TypeError(`what was sold as "${terms}" adds to nothing`);
  const entry = entryOf('received', principal, route, clock, '', terms);
  const outcome = await store.credit({ account, source, units, expiresAt, entry, onlyOpen: true });
  if (outcome === 'absent') {
    return refused('The balance that this adds to is not known here. Use its own token once, or ask for another top-up with it, and present this one again.');
  }
  // What a crash takes of this count is one top-up more.
  if (outcome === 'credited') await store.count({ ...counterOf(account, expiresAt), by: 1 }).catch(() => undefined);
  return outcome;
}

/** What the invoice of a top-up says is bought. */
export function describe({ description }: Pick<Offer, 'description'>): string {
  return `${description} (top-up)`;
}

/** A refusal that no payment mends: whoever asked for a top-up is never offered something else instead. */
export function refused(message: string): FareboxError {
  return new FareboxError('TOPUP_REFUSED', message);
}

/** Why the credential of a balance does not do for a top-up of it, where it does not do for a request. */
export function refusedFor(error: FareboxError): FareboxError {
  return error.status === 402 ? refused(`Only a credential that is good is topped up. ${error.message}`) : error;
}

/** The offer of a route, as it is sold to a balance. */
function offerOf(offer: Offer, until: number): Offer {
  const { seconds: _, ...described } = offer.terms.describe();
  return {
    ...offer,
    description: describe(offer),
    terms: {
      ...offer.terms,
      caveat: topUpCaveat.termsOf(offer.terms.caveat),
      describe: () => ({ ...described, terms: `${offer.terms.kind}-topup`, until: isoAt(until) }),
    },
  };
}

function lasts(until: number, invoiceExpiresAt: number): boolean {
  return until >= invoiceExpiresAt + leastSeconds;
}

function endsTooSoon(until: number): FareboxError {
  return refused(`This balance ends at ${isoAt(until)}, too soon after an invoice could be paid. Buy a new one.`);
}

function counterOf(account: string, expiresAt: number) {
  return { key: `topups ${account}`, ceiling: Number.MAX_SAFE_INTEGER, expiresAt };
}
