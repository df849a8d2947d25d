/**
 * A receipt that its seller signs: whoever has it can show, later and offline, that this seller said he was paid for this. It holds no secret.
 *
 *     L402-Receipt: base64url( {"amountMsat":"10000","issuedAt":1800000000,"kid":"…","network":"bitcoin","paymentHash":"…","realm":"main",
 *                               "route":"GET /a","service":"api","signature":"…","terms":"per-request","type":"l402-receipt/1"} )
 *
 *     signature = Ed25519(the same without `signature`, in canonical form)
 *
 * `kid` names the key in the seller's JWKS: its thumbprint.
 *
 * @see RFC 8785 (canonical form); RFC 8032 (Ed25519); RFC 8037 (its keys as JWK); RFC 7638 (thumbprint); docs/wire.md, "Receipts"
 */
import { ed25519 } from '@noble/curves/ed25519.js';
import * as Amount from './Amount.ts';
import * as Canonical from './Canonical.ts';
import { FareboxError } from './Errors.ts';
import { fromBase64, fromUtf8, toBase64Url, toUtf8 } from './internal/bytes.ts';
import { sha256 } from './internal/sha256.ts';
import type { PaymentHash } from './Preimage.ts';
import * as Preimage from './Preimage.ts';

/** What is signed. */
export type Statement = {
  readonly paymentHash: PaymentHash;
  /** What the payment was. */
  readonly amountMsat: Amount.Msat;
  readonly service: string;
  /** The route's name, such as `GET /api/v1/translate`. */
  readonly route: string;
  /** The kind of terms, such as `per-request`. */
  readonly terms: string;
  readonly network: string;
  readonly realm: string;
  /** When it was said, Unix seconds. */
  readonly issuedAt: number;
};

/** A statement with its signature. */
export type SignedReceipt = Statement & {
  /** Of the key, as its thumbprint. */
  readonly kid: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
};

/** A public key, 32 bytes, by its thumbprint. */
export type KeySet = ReadonlyMap<string, Uint8Array>;

/** What the check found. */
export type Verified =
  /** Said by whoever has the key. */
  | { readonly kind: 'proven'; readonly receipt: SignedReceipt }
  /** The key set does not have its key: another seller's, or one that was retired. */
  | { readonly kind: 'unproven'; readonly receipt: SignedReceipt }
  /** Changed since, or signed by somebody else. */
  | { readonly kind: 'false'; readonly receipt: SignedReceipt; readonly why: string };

/** Longest receipt that is read, in characters of its header. */
export const maxLength = 4096;

const type = 'l402-receipt/1';

/** The bytes that are signed. @param kid - of the key that signs */
export function signedBytes(statement: Statement, kid: string): Uint8Array {
  return fromUtf8(Canonical.format(fieldsOf(statement, kid), malformed));
}

/** The header value. */
export function format(receipt: SignedReceipt): string {
  return toBase64Url(fromUtf8(toJson(receipt)));
}

/** As JSON, in canonical form: a line of a file. */
export function toJson({ kid, signature, ...statement }: SignedReceipt): string {
  return Canonical.format({ ...fieldsOf(statement, kid), signature: toBase64Url(signature) }, malformed);
}

/**
 * Reads a receipt, as a header's value or as JSON. Nothing has been checked of its signature.
 * @throws RECEIPT_MALFORMED – over 4 KB, not JSON nor base64 of it, a field missing, of another form, or one too many
 */
export function parse(text: string): SignedReceipt {
  if (text.length > maxLength) throw malformed(`more than ${maxLength} characters`);
  const { amountMsat, issuedAt, kid, network, paymentHash, realm, route, service, signature, terms, type: kind, ...others } = readObject(text);
  if (kind !== type) throw malformed(`another type than "${type}"`);
  // What is not signed is not shown beside what is: nothing may look as if it were part of it.
  if (Object.keys(others).length > 0) throw malformed('a field that it has no room for');
  const bytes = typeof signature === 'string' ? fromBase64(signature) : undefined;
  if (bytes?.length !== 64) throw malformed('no signature');
  if (typeof issuedAt !== 'number' || !Number.isSafeInteger(issuedAt) || issuedAt < 0) throw malformed('no time');
  if (typeof amountMsat !== 'string' || !/^(0|[1-9]\d{0,18})$/.test(amountMsat) || BigInt(amountMsat) > Amount.maxMsat) throw malformed('no amount');
  if (typeof paymentHash !== 'string' || !/^[0-9a-f]{64}$/.test(paymentHash)) throw malformed('no payment hash');
  const texts = { kid, network, realm, route, service, terms };
  for (const [name, value] of Object.entries(texts)) if (typeof value !== 'string') throw malformed(`no ${name}`);
  const known = texts as { readonly [Name in keyof typeof texts]: string };
  return { ...known, paymentHash: Preimage.parseHash(paymentHash), amountMsat: Amount.fromMsat(BigInt(amountMsat)), issuedAt, signature: bytes };
}

/** Holds a receipt against the keys of whoever should have signed it. */
export function verify(receipt: SignedReceipt, keys: KeySet): Verified {
  const key = keys.get(receipt.kid);
  if (key === undefined) return { kind: 'unproven', receipt };
  const { kid, signature, ...statement } = receipt;
  const isTrue = isSigned(signature, signedBytes(statement, kid), key);
  return isTrue ? { kind: 'proven', receipt } : { kind: 'false', receipt, why: 'its signature is not of this key, or what it says was changed' };
}

/** A key's thumbprint, which is its name. */
export function thumbprintOf(publicKey: Uint8Array): string {
  return toBase64Url(sha256(fromUtf8(`{"crv":"Ed25519","kty":"OKP","x":"${toBase64Url(publicKey)}"}`)));
}

/** Keys as a JWKS, in their order. */
export function formatKeys(publicKeys: readonly Uint8Array[]): string {
  const keys = publicKeys.map((key) => ({ kty: 'OKP', crv: 'Ed25519', x: toBase64Url(key), kid: thumbprintOf(key), alg: 'EdDSA', use: 'sig' }));
  return `${JSON.stringify({ keys })}\n`;
}

/**
 * Reads a JWKS. Keys of other kinds are passed over, and each key is known by its own thumbprint, whatever it is called there.
 * @throws RECEIPT_MALFORMED – it is no JWKS, or holds no key of this kind
 */
export function parseKeys(text: string): KeySet {
  const { keys } = readJson(text) as { readonly keys?: unknown };
  const known = new Map<string, Uint8Array>();
  for (const one of Array.isArray(keys) ? keys : []) {
    const { kty, crv, x } = (one ?? {}) as { readonly [name: string]: unknown };
    const bytes = kty === 'OKP' && crv === 'Ed25519' && typeof x === 'string' ? fromBase64(x) : undefined;
    if (bytes?.length === 32) known.set(thumbprintOf(bytes), bytes);
  }
  if (known.size === 0) throw new FareboxError('RECEIPT_MALFORMED', 'These are no keys for receipts: a JWKS with a key of Ed25519 is wanted.');
  return known;
}

function fieldsOf(statement: Statement, kid: string): { readonly [name: string]: string | number } {
  const { paymentHash, amountMsat, service, route, terms, network, realm, issuedAt } = statement;
  return { type, kid, network, realm, paymentHash, amountMsat: String(amountMsat), service, route, terms, issuedAt };
}

/** By the letter of RFC 8032: a signature that some take and others do not is none. */
function isSigned(signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}

function readObject(text: string): { readonly [name: string]: unknown } {
  if (text.trimStart().startsWith('{')) return readJson(text);
  const bytes = fromBase64(text.trim());
  const json = bytes && toUtf8(bytes);
  if (json === undefined) throw malformed('neither JSON nor base64 of it');
  return readJson(json);
}

function readJson(text: string): { readonly [name: string]: unknown } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed('what is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed('what is no JSON object');
  return value as { readonly [name: string]: unknown };
}

function malformed(what: string): FareboxError {
  return new FareboxError('RECEIPT_MALFORMED', `The signed receipt cannot be read: it has ${what}.`);
}
