/**
 * What results say of money, of what was paid and of what came back.
 */
import * as Amount from '../../core/Amount.ts';
import type { ResponsePayment } from '../kept.ts';
import type { Answer } from './answer.ts';

/** An amount with its unit. */
export function money(msat: bigint): string {
  return Amount.format(Amount.fromMsat(msat));
}

/** What an answer cost, in a sentence. */
export function sayPayment(payment: ResponsePayment | undefined): string {
  if (payment === undefined) return 'Free: nothing was paid.';
  const { amountMsat, feeMsat, paymentHash, reused } = payment;
  if (reused) return `Nothing more was paid: a credential bought before was good for this (payment ${paymentHash}).`;
  return `Paid ${money(amountMsat)} and a fee of ${money(feeMsat)} (payment ${paymentHash}).`;
}

/** The same as plain JSON. */
export function paymentData(payment: ResponsePayment | undefined): object | null {
  if (payment === undefined) return null;
  const { amountMsat, feeMsat, paymentHash, reused } = payment;
  return { paymentHash, amount: money(amountMsat), fee: money(feeMsat), amountMsat: String(amountMsat), feeMsat: String(feeMsat), reused };
}

/** What came back, in a sentence. */
export function sayAnswer({ status, contentType, encoding, bytes, isCut, content }: Answer): string {
  const kind = contentType === '' ? 'no content type' : contentType;
  const form = encoding === 'base64' ? ', in base64' : '';
  const length = isCut ? `; only the first ${content.length} characters of it are shown, and asking again may cost again` : '';
  return `Status ${status}, ${kind}, ${bytes} bytes${form}${length}.`;
}

/** The same as plain JSON, without the content. */
export function answerData({ status, contentType, encoding, bytes, isCut }: Answer): object {
  return { status, contentType, encoding, bytes, isCut };
}

/** What one payment buys, by what its token says of itself. */
export function sayTerms(terms: string): string {
  return words[terms] ?? 'what it buys, its token does not say';
}

const words: { readonly [terms: string]: string | undefined } = {
  'per-request': 'one answer',
  pass: 'any number of calls until it ends',
  bucket: 'a number of calls',
  credit: 'a balance that calls are taken from',
  topup: 'an addition to a balance',
};
