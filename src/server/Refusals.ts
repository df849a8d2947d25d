/**
 * Why the paywall refuses for reasons of its own, where no policy and no store says it.
 */
import { FareboxError } from '../core/Errors.ts';
import type { RequestView } from '../http/RequestView.ts';
import * as Carvings from './Carvings.ts';
import * as TopUps from './TopUps.ts';

/** Nothing is served that may have been revoked, and nothing is sold that would not be served. */
export function unreadDenials(): FareboxError {
  return new FareboxError('STORE_UNAVAILABLE', 'It could not be found out what was revoked. Ask again in a moment; do not pay again.');
}

/** Whoever asks for something of a balance without a credential: it would be nobody's. */
export function nobody(request: RequestView): FareboxError {
  if (!TopUps.isAsked(request)) return Carvings.refused('What was carved out of a balance is set aside for whoever shows its credential, and none came.');
  return TopUps.refused('A top-up is sold to whoever shows the credential of its balance, and none came with this request.');
}

/** Sold without a store, what is counted would be paid for and never served. */
export function uncountable(): FareboxError {
  return new FareboxError(
    'STORE_UNAVAILABLE',
    'What is sold here is counted, and the seller has nowhere to count it: a paywall without a store sells passes alone.',
  );
}

/** What a wallet has to say of a payment is not known: neither that it was made nor that it was not. */
export function unaskedPayment(cause?: unknown): FareboxError {
  const message = 'It could not be found out whether this was paid. Ask again in a moment; do not pay again.';
  return new FareboxError('LIGHTNING_UNAVAILABLE', message, { cause });
}

/** A token that is good, and used faster than its seller lets it be. */
export function tooOften(retryAfterSeconds: number): FareboxError {
  return new FareboxError('RATE_LIMITED', 'This token is used faster than is allowed here. Ask again later; do not pay again.', {
    details: { retryAfterSeconds },
  });
}

/** What is told to the seller where what would be minted is revoked. */
export function revokedKeys(): FareboxError {
  return new FareboxError('KEYS_REVOKED', revokedAdvice);
}

/** What could not be asked, and what is said then. */
export const unavailable = {
  STORE_UNAVAILABLE: {
    what: 'the store',
    message: 'It could not be found out whether this credential is still good. Ask again in a moment; do not pay again.',
  },
  LIGHTNING_UNAVAILABLE: { what: 'the node', message: "The seller's Lightning node gave no invoice. Try again in a moment; nothing was paid." },
} as const;

/** A node that cannot be asked about a payment may give invoices all the same: another trouble than the node's. */
export const unasked = 'asking about a payment';

const revokedAdvice = 'The key that mints is revoked, or all that is minted up to a time that is still to come. Make another key: farebox keys rotate';
