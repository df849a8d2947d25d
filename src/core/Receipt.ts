/**
 * The receipt that comes with a paid answer: which payment was accepted, and when. It holds no secret.
 *
 *     Payment-Receipt: base64url( {"status":"success","method":"lightning","timestamp":"<ISO 8601>","reference":"<payment hash>"} )
 *
 * @see docs/wire.md, "Receipts"; RFC 4648, section 5
 */
import { FareboxError } from './Errors.ts';
import { fromBase64, fromUtf8, toBase64Url, toUtf8 } from './internal/bytes.ts';
import type { PaymentHash } from './Preimage.ts';
import * as Preimage from './Preimage.ts';

/** A receipt. */
export type Receipt = {
  /** Receipts are given for success alone. */
  readonly status: 'success';
  readonly method: 'lightning';
  /** ISO 8601 with a zone. */
  readonly timestamp: string;
  /** The payment hash. */
  readonly reference: PaymentHash;
};

/** Longest header value that is read, in characters. */
export const maxLength = 4096;

/**
 * The header value.
 * @throws TypeError – a timestamp that is not ISO 8601, or a reference that is no payment hash
 */
export function format(receipt: Receipt): string {
  const { status, method, timestamp, reference } = receipt;
  if (!isTimestamp(timestamp)) throw new TypeError('timestamp is ISO 8601 with a zone');
  if (!/^[0-9a-f]{64}$/.test(reference)) throw new TypeError('reference is a payment hash, 64 lower-case hex digits');
  return toBase64Url(fromUtf8(JSON.stringify({ status, method, timestamp, reference })));
}

/**
 * Reads a header value; fields that it has besides ours are dropped.
 * @throws RECEIPT_MALFORMED – over 4 KB, not base64 of a JSON object, a field missing or of another form, another method or status
 */
export function parse(text: string): Receipt {
  if (text.length > maxLength) throw malformed(`it is longer than ${maxLength} characters`);
  const { status, method, timestamp, reference } = readObject(text);
  if (status !== 'success') throw malformed('its status is not "success"');
  if (method !== 'lightning') throw malformed('its method is not "lightning"');
  if (typeof timestamp !== 'string' || !isTimestamp(timestamp)) throw malformed('its timestamp is not ISO 8601');
  if (typeof reference !== 'string' || !/^[0-9a-fA-F]{64}$/.test(reference)) throw malformed('its reference is not a payment hash');
  return { status, method, timestamp, reference: Preimage.parseHash(reference) };
}

function readObject(text: string): { readonly [name: string]: unknown } {
  const bytes = fromBase64(text);
  const json = bytes && toUtf8(bytes);
  if (json === undefined) throw malformed('it is not base64 of a text');
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw malformed('it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw malformed('it is not a JSON object');
  return value as { readonly [name: string]: unknown };
}

function isTimestamp(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text));
}

function malformed(what: string): FareboxError {
  return new FareboxError('RECEIPT_MALFORMED', `The Payment-Receipt cannot be read: ${what}.`);
}
