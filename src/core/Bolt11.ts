/**
 * Invoices: what a payee asks for, signed, in one line of text.
 *
 *     ln <currency> [<amount> [m|u|n|p]] 1 <timestamp> <tagged fields> <signature> <checksum>
 *
 * An invoice is all upper or all lower case and has no `lightning:` in front. What BOLT 11 tells a reader to refuse is refused, and
 * with it what two readers would understand differently: a field twice that may stand once, padding that is not zero.
 *
 * @see BOLT 11, Invoice Protocol for Lightning Payments
 */
import type { Msat } from './Amount.ts';
import { timestampWords, writeDraft } from './internal/bolt11Draft.ts';
import { isPublicKey, isSignedBy, publicKeyOf, recover, sign, signatureWords, signingHash } from './internal/bolt11Signature.ts';
import { maxExpiresAt, readTags, type Tags } from './internal/bolt11Tags.ts';
import { type InvoiceText, malformed, maxLength, readText, writePrefix, writeText } from './internal/bolt11Text.ts';
import { readBytes, readNumber, toWords } from './internal/bolt11Words.ts';
import { toHex } from './internal/bytes.ts';
import type { PaymentHash } from './Preimage.ts';

/** Whose bitcoin, by the prefix: `lnbc`, `lntb`, `lntbs`, `lnbcrt`. */
export type Chain = 'bitcoin' | 'testnet' | 'signet' | 'regtest';

/** A hop of a route hint: a channel on the way to the payee that is not announced. */
export type RouteHop = {
  /** The node where the channel starts: a compressed public key, 66 hex digits. */
  readonly nodeId: string;
  /** Block, transaction and output: `66051x263430x1800`. */
  readonly shortChannelId: string;
  readonly feeBaseMsat: Msat;
  readonly feeProportionalMillionths: number;
  /** Blocks. */
  readonly cltvExpiryDelta: number;
};

/** An address on the chain to pay to where Lightning fails, as it stands in the invoice; hex. */
export type Fallback =
  | { readonly kind: 'witness'; readonly version: number; readonly program: string }
  | { readonly kind: 'pubkey-hash'; readonly hash: string }
  | { readonly kind: 'script-hash'; readonly hash: string };

/** All that an invoice says, except who says it. */
export type InvoiceFields = {
  /** The invoice itself, in lower case. */
  readonly text: string;
  readonly chain: Chain;
  /** What to pay at least; undefined where the payer chooses. Never zero. */
  readonly amountMsat: Msat | undefined;
  readonly paymentHash: PaymentHash;
  /** Field `s`, 64 hex digits: goes to the payee alone. */
  readonly paymentSecret: string;
  /** Unix seconds. */
  readonly createdAt: number;
  /** 3,600 where the invoice does not say. */
  readonly expirySeconds: number;
  /** Unix seconds: `createdAt + expirySeconds`. */
  readonly expiresAt: number;
  /** Whatever the payee wrote: escape it before it is shown. Either this or `descriptionHash` is there. */
  readonly description: string | undefined;
  /** SHA-256 of a description that is found elsewhere, 64 hex digits. Whoever shows that description compares. */
  readonly descriptionHash: string | undefined;
  /** Blocks; 18 where the invoice does not say. */
  readonly minFinalCltvExpiry: number;
  /** The bits that are set, lowest first. All even ones are known. */
  readonly features: readonly number[];
  /** Field `m`, hex: to be sent along with the payment. */
  readonly metadata: string | undefined;
  /** Ways to the payee, best first; each in the order of its hops. */
  readonly routeHints: readonly (readonly RouteHop[])[];
  /** Addresses of versions that are known, best first. */
  readonly fallbacks: readonly Fallback[];
  /** r and s, 128 hex digits. */
  readonly signature: string;
  /** 0 to 3: which of the keys that fit the signature is the payee's. */
  readonly recoveryFlag: number;
};

/** An invoice whose signature holds. */
export type Invoice = InvoiceFields & {
  /** The node that signed it: a compressed public key, 66 hex digits. */
  readonly payee: string;
};

/** What to write. A field that is left out is left out of the invoice, where the default of {@link InvoiceFields} holds. */
export type InvoiceDraft = {
  readonly chain: Chain;
  readonly amountMsat?: Msat | undefined;
  readonly paymentHash: PaymentHash;
  /** 64 hex digits, fresh for every invoice. */
  readonly paymentSecret: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly expirySeconds?: number | undefined;
  /** At most 639 bytes of UTF-8. Either this or `descriptionHash`. */
  readonly description?: string | undefined;
  readonly descriptionHash?: string | undefined;
  readonly minFinalCltvExpiry?: number | undefined;
  /** Default: 8 and 14, `var_onion_optin` and `payment_secret`, both required. */
  readonly features?: readonly number[] | undefined;
  /** Hex, at most 639 bytes. */
  readonly metadata?: string | undefined;
  /** Written as field `n` where it is given; must be the key that signs. */
  readonly payee?: string | undefined;
  readonly routeHints?: readonly (readonly RouteHop[])[] | undefined;
  readonly fallbacks?: readonly Fallback[] | undefined;
};

/**
 * Reads an invoice. Everything is checked: text and checksum, every field, the public keys, and the signature, by which the payee
 * is known. Costs over a millisecond: see {@link peek} for the path of a request. Whether it has expired is not asked.
 *
 * @throws INVOICE_MALFORMED – for whatever is wrong with it; `details.featureBit` where a required feature is not known
 * @see BOLT 11, all Requirements of a reader
 */
export function decode(text: string): Invoice {
  const { outside, tags, fields } = read(text);
  for (const hop of fields.routeHints.flat()) {
    if (!isPublicKey(hop.nodeId)) throw malformed('a node in its route hints is not a point of the curve');
  }
  const hash = signingHash(outside.prefix, outside.words.subarray(0, -signatureWords));
  if (tags.payee === undefined) {
    const payee = recover(fields.signature, fields.recoveryFlag, hash);
    if (payee === undefined) throw malformed('no key belongs to its signature');
    return { ...fields, payee };
  }
  if (!isSignedBy(tags.payee, fields.signature, hash)) throw malformed('it names its payee, and the signature is not by that payee');
  return { ...fields, payee: tags.payee };
}

/**
 * Reads an invoice without asking who signed it, in microseconds.
 *
 * Checked: all that {@link decode} checks in text, amount and fields, with equal results. Not checked: that the signature belongs to
 * any key or to the payee that field `n` names, that its S is low then, and that the keys in field `n` and in route hints are points of the curve.
 * The checksum guards against accidents, not against malice: so use it for invoices of one's own node, or before `decode`.
 *
 * @throws INVOICE_MALFORMED – for whatever is wrong with what is checked
 */
export function peek(text: string): InvoiceFields {
  return read(text).fields;
}

/**
 * Writes an invoice and signs it. Equal input gives equal text: the nonce is that of RFC 6979.
 *
 * @param privateKey - 32 bytes, the payee's
 * @throws TypeError – a field of another type; both or neither of `description` and `descriptionHash`
 * @throws RangeError – a value, or a length of the whole, that `decode` would refuse; a `payee` that is not the signer
 */
export function encode(draft: InvoiceDraft, privateKey: Uint8Array): string {
  if (!(privateKey instanceof Uint8Array)) throw new TypeError(`privateKey is a Uint8Array, not ${typeof privateKey}`);
  const publicKey = publicKeyOf(privateKey);
  if (publicKey === undefined) throw new RangeError('privateKey is not 32 bytes of a secp256k1 private key');
  const words = writeDraft(draft, publicKey);
  const prefix = writePrefix(draft.chain, draft.amountMsat);
  words.push(...toWords(sign(signingHash(prefix, Uint8Array.from(words)), privateKey)));
  const text = writeText(prefix, words);
  if (text.length > maxLength)
    throw new RangeError(`an invoice has at most ${maxLength} characters, not ${text.length}: use fewer route hints and shorter texts`);
  return text;
}

/** Whether it is too late to pay at that time (Unix seconds). */
export function isExpired(invoice: Pick<InvoiceFields, 'expiresAt'>, at: number): boolean {
  return at >= invoice.expiresAt;
}

const defaultExpirySeconds = 3600;
const defaultMinFinalCltvExpiry = 18;

function read(given: string): { readonly outside: InvoiceText; readonly tags: Tags; readonly fields: InvoiceFields } {
  if (typeof given !== 'string') throw new TypeError(`an invoice is a string, not ${typeof given}`);
  const outside = readText(given);
  const { words } = outside;
  const end = words.length - signatureWords;
  if (end < timestampWords) throw malformed('it is too short for a timestamp and a signature');
  const createdAt = readNumber(words, 0, timestampWords, Number.MAX_SAFE_INTEGER, 'timestamp');
  const tags = readTags(words, timestampWords, end);
  return { outside, tags, fields: toFields(outside, createdAt, tags, readBytes(words, end, words.length)) };
}

function toFields(outside: InvoiceText, createdAt: number, tags: Tags, signature: Uint8Array): InvoiceFields {
  const { paymentHash, paymentSecret, description, descriptionHash, expirySeconds = defaultExpirySeconds } = tags;
  if (paymentHash === undefined) throw malformed('it has no payment hash (field "p")');
  if (paymentSecret === undefined) throw malformed('it has no payment secret (field "s")');
  if (description === undefined && descriptionHash === undefined) throw malformed('it has no description (field "d" or "h")');
  if (description !== undefined && descriptionHash !== undefined) throw malformed('it has two descriptions (fields "d" and "h")');
  const expiresAt = createdAt + expirySeconds;
  if (expiresAt > maxExpiresAt) throw malformed('its expiry is too large');
  const recoveryFlag = signature[64] as number;
  if (recoveryFlag > 3) throw malformed('its signature has a recovery flag other than 0 to 3');
  return {
    text: outside.text,
    chain: outside.chain,
    amountMsat: outside.amountMsat,
    paymentHash,
    paymentSecret,
    createdAt,
    expirySeconds,
    expiresAt,
    description,
    descriptionHash,
    minFinalCltvExpiry: tags.minFinalCltvExpiry ?? defaultMinFinalCltvExpiry,
    features: tags.features ?? [],
    metadata: tags.metadata,
    routeHints: tags.routeHints,
    fallbacks: tags.fallbacks,
    signature: toHex(signature.subarray(0, 64)),
    recoveryFlag,
  };
}
