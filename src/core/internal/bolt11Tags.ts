/**
 * The tagged fields of a BOLT 11 invoice, read: 5 bits of type, 10 of length, then that many groups of 5 bits.
 *
 * A field of an unknown type is skipped, as is a `p`, `s`, `h` or `n` of another length and an `f` of an unknown version. Every
 * field but `f` and `r` may stand once: two readers that choose differently between two payment hashes have lost money by it.
 *
 * @see BOLT 11, Tagged Fields, Requirements of a reader; BOLT 9 for feature bits
 */
import { fromMsat } from '../Amount.ts';
import type { Fallback, RouteHop } from '../Bolt11.ts';
import type { PaymentHash } from '../Preimage.ts';
import { malformed } from './bolt11Text.ts';
import { readBytes, readNumber } from './bolt11Words.ts';
import { toHex, toUtf8 } from './bytes.ts';

/** Type of a field → its number, the value of its letter in bech32. */
export const tagOf = { p: 1, r: 3, features: 5, x: 6, f: 9, d: 13, s: 16, n: 19, h: 23, c: 24, m: 27 } as const;

/** Groups of 5 bits in a field that holds a hash or a secret. */
export const hashWords = 52;
/** Groups of 5 bits in a field that holds a public key. */
export const keyWords = 53;
/** Bytes of one hop of a route hint. */
export const hopLength = 51;
/** `f` of version 17 is a public key's hash, of version 18 a script's; 0 to 16 are witness versions. */
export const fallbackVersions = { lastWitness: 16, pubkeyHash: 17, scriptHash: 18 } as const;
/** The latest time that JavaScript can name, in Unix seconds: an invoice that expires after it could not be shown, or compared as a date. */
export const maxExpiresAt = 8_640_000_000_000;
/** Block heights have 32 bits. */
export const maxCltvExpiry = 0xffffffff;

/** The fields that were there, checked one by one. */
export type Tags = {
  paymentHash: PaymentHash | undefined;
  paymentSecret: string | undefined;
  description: string | undefined;
  descriptionHash: string | undefined;
  metadata: string | undefined;
  /** Field `n`: 66 hex digits that begin with 02 or 03; whether they are a point of the curve is not checked. */
  payee: string | undefined;
  expirySeconds: number | undefined;
  minFinalCltvExpiry: number | undefined;
  features: readonly number[] | undefined;
  fallbacks: Fallback[];
  routeHints: (readonly RouteHop[])[];
};

/**
 * Reads the fields between two positions.
 * @throws INVOICE_MALFORMED – a field that ends behind the end, stands twice, or holds what it must not
 */
export function readTags(words: Uint8Array, from: number, to: number): Tags {
  const tags: Tags = {
    paymentHash: undefined,
    paymentSecret: undefined,
    description: undefined,
    descriptionHash: undefined,
    metadata: undefined,
    payee: undefined,
    expirySeconds: undefined,
    minFinalCltvExpiry: undefined,
    features: undefined,
    fallbacks: [],
    routeHints: [],
  };
  for (let at = from; at < to; ) {
    const start = at + 3;
    const end = start + (words[at + 1] as number) * 32 + (words[at + 2] as number);
    if (end > to) throw malformed('its last field is cut off');
    readTag(tags, words[at] as number, words, start, end);
    at = end;
  }
  return tags;
}

/** What is wrong with a set of feature bits, if anything. */
export function featureProblem(features: readonly number[]): { readonly reason: string; readonly bit: number } | undefined {
  for (const bit of features) {
    if (bit % 2 === 0 && !understood.has(bit)) return { reason: `feature bit ${bit} is required and not known`, bit };
  }
  const mpp = features.find((bit) => bit === basicMpp || bit === basicMpp + 1);
  if (mpp !== undefined && !features.includes(paymentSecret) && !features.includes(paymentSecret + 1)) {
    return { reason: `feature bit ${mpp} (basic_mpp) is set without payment_secret, which it depends on`, bit: mpp };
  }
  return undefined;
}

/** Whether a fallback of that version may have that many bytes. */
export function isFallbackLength(version: number, length: number): boolean {
  if (version > fallbackVersions.lastWitness) return length === 20;
  return version === 0 ? length === 20 || length === 32 : length >= 2 && length <= 40;
}

const paymentSecret = 14;
const basicMpp = 16;

/** Even bits that an invoice may require: var_onion_optin, payment_secret, basic_mpp, option_route_blinding, option_payment_metadata. */
const understood: ReadonlySet<number> = new Set([8, paymentSecret, basicMpp, 24, 48]);

function readTag(tags: Tags, tag: number, words: Uint8Array, start: number, end: number): void {
  const length = end - start;
  switch (tag) {
    case tagOf.p:
      if (length !== hashWords) return;
      once(tags.paymentHash, 'p');
      tags.paymentHash = toHex(readBytes(words, start, end)) as PaymentHash;
      return;
    case tagOf.s:
      if (length !== hashWords) return;
      once(tags.paymentSecret, 's');
      tags.paymentSecret = toHex(readBytes(words, start, end));
      return;
    case tagOf.h:
      if (length !== hashWords) return;
      once(tags.descriptionHash, 'h');
      tags.descriptionHash = toHex(readBytes(words, start, end));
      return;
    case tagOf.n:
      if (length !== keyWords) return;
      once(tags.payee, 'n');
      tags.payee = readKey(readBytes(words, start, end), 0);
      return;
    case tagOf.d:
      once(tags.description, 'd');
      tags.description = readDescription(words, start, end);
      return;
    case tagOf.m:
      once(tags.metadata, 'm');
      tags.metadata = toHex(readBytes(words, start, end));
      return;
    case tagOf.x:
      once(tags.expirySeconds, 'x');
      minimal(words, start, end, 'x');
      tags.expirySeconds = readNumber(words, start, end, Number.MAX_SAFE_INTEGER, 'expiry');
      return;
    case tagOf.c:
      once(tags.minFinalCltvExpiry, 'c');
      minimal(words, start, end, 'c');
      tags.minFinalCltvExpiry = readNumber(words, start, end, maxCltvExpiry, 'final CLTV expiry');
      return;
    case tagOf.features:
      once(tags.features, '9');
      minimal(words, start, end, '9');
      tags.features = readFeatures(words, start, end);
      return;
    case tagOf.f:
      readFallback(tags.fallbacks, words, start, end);
      return;
    case tagOf.r:
      tags.routeHints.push(readRouteHint(readBytes(words, start, end)));
      return;
  }
}

function once(before: unknown, letter: string): void {
  if (before !== undefined) throw malformed(`its field "${letter}" stands twice, so that two readers could differ`);
}

function minimal(words: Uint8Array, start: number, end: number, letter: string): void {
  if (start < end && words[start] === 0) throw malformed(`its field "${letter}" begins with a zero that says nothing`);
}

function readKey(bytes: Uint8Array, at: number): string {
  if (bytes[at] !== 2 && bytes[at] !== 3) throw malformed('a public key in it does not begin with 02 or 03');
  return toHex(bytes.subarray(at, at + 33));
}

function readDescription(words: Uint8Array, start: number, end: number): string {
  const bytes = readBytes(words, start, end);
  // A decoder costs more than all of the rest, and most descriptions are short and ASCII.
  let ascii = '';
  let i = 0;
  for (; i < bytes.length && (bytes[i] as number) < 128; i++) ascii += String.fromCharCode(bytes[i] as number);
  if (i === bytes.length) return ascii;
  const text = toUtf8(bytes);
  if (text === undefined) throw malformed('its description is not UTF-8');
  return text;
}

function readFeatures(words: Uint8Array, start: number, end: number): readonly number[] {
  const features: number[] = [];
  for (let i = end - 1, lowest = 0; i >= start; i--, lowest += 5) {
    const word = words[i] as number;
    for (let bit = 0; bit < 5; bit++) if ((word >> bit) & 1) features.push(lowest + bit);
  }
  const problem = featureProblem(features);
  if (problem !== undefined) throw malformed(problem.reason, { featureBit: problem.bit });
  return features;
}

function readFallback(fallbacks: Fallback[], words: Uint8Array, start: number, end: number): void {
  const version = start < end ? (words[start] as number) : undefined;
  if (version === undefined) throw malformed('a fallback address in it is empty');
  if (version > fallbackVersions.scriptHash) return;
  const bytes = readBytes(words, start + 1, end);
  if (!isFallbackLength(version, bytes.length)) throw malformed(`a fallback address in it has ${bytes.length} bytes, which version ${version} does not allow`);
  const hex = toHex(bytes);
  if (version === fallbackVersions.pubkeyHash) fallbacks.push({ kind: 'pubkey-hash', hash: hex });
  else if (version === fallbackVersions.scriptHash) fallbacks.push({ kind: 'script-hash', hash: hex });
  else fallbacks.push({ kind: 'witness', version, program: hex });
}

function readRouteHint(bytes: Uint8Array): readonly RouteHop[] {
  if (bytes.length === 0 || bytes.length % hopLength !== 0) throw malformed('a route hint in it is not made of whole hops');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hops: RouteHop[] = [];
  for (let at = 0; at < bytes.length; at += hopLength) {
    hops.push({
      nodeId: readKey(bytes, at),
      shortChannelId: `${view.getUint32(at + 33) >>> 8}x${view.getUint32(at + 36) >>> 8}x${view.getUint16(at + 39)}`,
      feeBaseMsat: fromMsat(BigInt(view.getUint32(at + 41))),
      feeProportionalMillionths: view.getUint32(at + 45),
      cltvExpiryDelta: view.getUint16(at + 49),
    });
  }
  return hops;
}
