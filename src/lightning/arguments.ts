/**
 * What callers hand to a driver, checked before anything is sent: a caller's mistake is an error, never an outcome.
 */
import * as Amount from '../core/Amount.ts';
import { fromUtf8 } from '../core/internal/bytes.ts';
import type { InvoiceRequest, PaymentRequest } from './Lightning.ts';

/** Longest description, in bytes of UTF-8 (BOLT 11, field `d`). */
export const maxDescription = 639;

/** @throws RangeError – no amount, a description that does not fit, an invoice that never lasts */
export function assertInvoiceRequest({ amountMsat, description, expirySeconds }: InvoiceRequest): void {
  if (Amount.fromMsat(amountMsat) === 0n) throw new RangeError('amountMsat: an invoice without an amount is never made');
  const length = fromUtf8(description).length;
  if (length > maxDescription) throw new RangeError(`description: at most ${maxDescription} bytes of UTF-8, not ${length}`);
  assertWhole('expirySeconds', expirySeconds, 1);
}

/** The amount in satoshis, for a product that knows no smaller unit. @throws RangeError – it has parts of one */
export function assertWholeSat(product: string, amountMsat: Amount.Msat): number {
  if (amountMsat % 1000n !== 0n) throw new RangeError(`amountMsat: ${product} knows whole satoshis only, and ${amountMsat} msat is none`);
  return Number(amountMsat / 1000n);
}

/** @throws TypeError – an invoice that is no text; RangeError – a fee limit below zero, a time-out that is none */
export function assertPaymentRequest({ invoice, maxFeeMsat, timeoutSeconds }: PaymentRequest): void {
  if (typeof invoice !== 'string') throw new TypeError(`invoice is a string, not ${typeof invoice}`);
  Amount.fromMsat(maxFeeMsat);
  if (!(timeoutSeconds > 0 && timeoutSeconds < Number.POSITIVE_INFINITY)) throw new RangeError(`timeoutSeconds is more than zero, not ${timeoutSeconds}`);
}

/** @throws RangeError – not a whole number, or below the minimum */
export function assertWhole(name: string, value: number, minimum: number): void {
  if (!Number.isSafeInteger(value) || value < minimum) throw new RangeError(`${name} is a whole number from ${minimum} on, not ${value}`);
}
