/**
 * The 32 bytes that paying an invoice reveals, and the hash that the invoice names: `SHA-256(preimage) = payment hash`.
 *
 * Both are held as 64 lower-case hex digits. A preimage is a secret: it never enters a log, an error or a URL.
 *
 * @see BOLT 11, tagged field `p`; BOLT 2, `update_fulfill_htlc`
 */
import { FareboxError } from './Errors.ts';
import { fromHex, hexCase, toHex } from './internal/bytes.ts';
import { bytesOf, equalsBytes, sha256OfHex } from './internal/sha256.ts';

declare const preimageBrand: unique symbol;
declare const paymentHashBrand: unique symbol;

/** 64 lower-case hex digits; whoever holds it has paid. */
export type Preimage = string & { readonly [preimageBrand]: true };

/** 64 lower-case hex digits; public, and the name of a payment everywhere in Farebox. */
export type PaymentHash = string & { readonly [paymentHashBrand]: true };

/**
 * Reads 64 hex digits in either case.
 * @throws PREIMAGE_MALFORMED – another length, or not hex
 */
export function parse(text: string): Preimage {
  return readHash(text, 'A preimage') as Preimage;
}

/**
 * Reads a payment hash: 64 hex digits in either case.
 * @throws PREIMAGE_MALFORMED – another length, or not hex
 */
export function parseHash(text: string): PaymentHash {
  return readHash(text, 'A payment hash') as PaymentHash;
}

/**
 * Takes 32 random bytes as a preimage.
 * @throws RangeError – not 32 bytes
 */
export function fromBytes(bytes: Uint8Array): Preimage {
  if (bytes.length !== 32) throw new RangeError(`a preimage is 32 bytes, not ${bytes.length}`);
  return toHex(bytes) as Preimage;
}

/** The 32 bytes. */
export function toBytes(preimage: Preimage | PaymentHash): Uint8Array {
  return fromHex(preimage) as Uint8Array;
}

/** The payment hash that this preimage proves. */
export function hash(preimage: Preimage): PaymentHash {
  sha256OfHex(preimage, digest);
  return toHex(bytesOf(digest)) as PaymentHash;
}

/** Whether this preimage proves that payment. */
export function proves(preimage: Preimage, paymentHash: PaymentHash): boolean {
  return hash(preimage) === paymentHash;
}

/** The same, the payment hash being the 32 bytes that a token's identifier holds. */
export function provesBytes(preimage: Preimage, paymentHash: Uint8Array): boolean {
  sha256OfHex(preimage, digest);
  return equalsBytes(digest, paymentHash);
}

/** What was hashed last. */
const digest = new Int32Array(8);

function readHash(text: string, what: string): string {
  const spelling = text.length === 64 ? hexCase(text) : undefined;
  if (spelling === undefined) throw new FareboxError('PREIMAGE_MALFORMED', `${what} is 64 hex digits.`);
  return spelling === 'lower' ? text : text.toLowerCase();
}
