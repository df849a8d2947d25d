/**
 * Macaroons: bearer tokens that anyone can narrow and nobody can widen. First-party caveats only; the V2 binary format both ways.
 *
 *     0x02 · [0x01 len location] · 0x02 len identifier · 0x00 · ( 0x02 len caveat · 0x00 )* · 0x00 · 0x06 0x20 signature · end
 *
 * The chain: `key = HMAC("macaroons-key-generator", rootKey)`, `sig = HMAC(key, identifier)`, then `sig = HMAC(sig, caveat)` for each.
 * The first step is missing from the prose of the L402 specification, and present in every library (test/vectors/macaroon.json).
 *
 * @see L402 macaroon-spec; libmacaroons, doc/format.txt (V2)
 */
import { FareboxError } from './Errors.ts';
import { concat, equal, fromBase64, fromUtf8, toBase64, toUtf8 } from './internal/bytes.ts';
import { digestLength, hmac, hmacKey, hmacOnce } from './internal/sha256.ts';

/** A macaroon as it stands, verified or not. The signature is what its bearer needs to use it: a secret. */
export type Macaroon = {
  /** A hint, not protected by the signature. */
  readonly location: string;
  readonly identifier: Uint8Array;
  /** In order; each UTF-8 text. */
  readonly caveats: readonly string[];
  /** 32 bytes. */
  readonly signature: Uint8Array;
};

/** The location of every token of ours. */
export const location = 'lsat';

/** Longest token that is read, in bytes. */
export const maxLength = 4096;

/** Most caveats that are read. */
export const maxCaveats = 64;

/**
 * Makes a macaroon.
 * @param rootKey - secret; any length
 * @throws RangeError – it would pass the limits that `decode` sets
 */
export function mint(rootKey: Uint8Array, identifier: Uint8Array, caveats: readonly string[], at: string = location): Macaroon {
  const signature = hmacOnce(hmac(keyGenerator, rootKey), identifier);
  return attenuate({ location: at, identifier, caveats: [], signature }, caveats);
}

/**
 * The same macaroon, narrowed. Needs no key; cannot be undone.
 * @throws RangeError – it would pass the limits that `decode` sets
 */
export function attenuate(macaroon: Macaroon, caveats: readonly string[]): Macaroon {
  let { signature } = macaroon;
  for (const caveat of caveats) signature = hmacOnce(signature, fromUtf8(caveat));
  const narrowed = { ...macaroon, caveats: [...macaroon.caveats, ...caveats], signature };
  if (narrowed.caveats.length > maxCaveats) throw new RangeError(`a token carries at most ${maxCaveats} caveats`);
  if (encode(narrowed).length > maxLength) throw new RangeError(`a token is at most ${maxLength} bytes`);
  return narrowed;
}

/**
 * Whether the signature is the one that this root key makes over identifier and caveats. That is all: what the caveats demand is for
 * the caller to check.
 */
export function verify(macaroon: Macaroon, rootKey: Uint8Array): boolean {
  let signature = hmacOnce(hmac(keyGenerator, rootKey), macaroon.identifier);
  for (const caveat of macaroon.caveats) signature = hmacOnce(signature, fromUtf8(caveat));
  return equal(signature, macaroon.signature);
}

/** The V2 binary form. */
export function encode(macaroon: Macaroon): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(version)];
  if (macaroon.location !== '') field(parts, tag.location, fromUtf8(macaroon.location));
  field(parts, tag.identifier, macaroon.identifier);
  parts.push(end);
  for (const caveat of macaroon.caveats) {
    field(parts, tag.identifier, fromUtf8(caveat));
    parts.push(end);
  }
  parts.push(end);
  field(parts, tag.signature, macaroon.signature);
  return concat(...parts);
}

/**
 * Reads the V2 binary form, whole and nothing more.
 * @throws MACAROON_MALFORMED – longer than 4 KB, over 64 caveats, another version, a field missing, doubled or out of order, a third-party caveat, a caveat that is not UTF-8, bytes left over
 */
export function decode(bytes: Uint8Array): Macaroon {
  if (bytes.length > maxLength) throw malformed(`it is longer than ${maxLength} bytes`);
  if (bytes[0] !== version) throw malformed('it is not of version 2');
  const reader: Reader = { bytes, at: 1 };
  const place = take(reader, tag.location);
  const identifier = take(reader, tag.identifier);
  if (identifier === undefined) throw malformed('it has no identifier');
  takeEnd(reader);
  const caveats: string[] = [];
  while (bytes[reader.at] !== tag.end) {
    take(reader, tag.location);
    const caveat = take(reader, tag.identifier);
    if (caveat === undefined) throw malformed('a caveat has no identifier');
    if (bytes[reader.at] === tag.verification) throw malformed('it has a third-party caveat, which L402 does not use');
    takeEnd(reader);
    caveats.push(text(caveat));
    if (caveats.length > maxCaveats) throw malformed(`it has more than ${maxCaveats} caveats`);
  }
  takeEnd(reader);
  const signature = take(reader, tag.signature);
  if (signature?.length !== digestLength) throw malformed('it has no signature of 32 bytes');
  if (reader.at !== bytes.length) throw malformed('it has bytes behind its end');
  return { location: place === undefined ? '' : text(place), identifier, caveats, signature };
}

/** Padded standard base64 of the binary form: how a token travels. */
export function format(macaroon: Macaroon): string {
  return toBase64(encode(macaroon));
}

/**
 * Reads base64 in either alphabet, padded or not.
 * @throws MACAROON_MALFORMED – not base64, or what `decode` refuses
 */
export function parse(token: string): Macaroon {
  if (token.length > 2 * maxLength) throw malformed(`it is longer than ${maxLength} bytes`);
  const bytes = fromBase64(token);
  if (bytes === undefined) throw malformed('it is not base64');
  return decode(bytes);
}

const version = 2;
const tag = { end: 0, location: 1, identifier: 2, verification: 4, signature: 6 } as const;
const end = Uint8Array.of(tag.end);
const keyGenerator = hmacKey(fromUtf8('macaroons-key-generator'));

type Reader = { readonly bytes: Uint8Array; at: number };

/** A field of this type, or undefined where another stands here. */
function take(reader: Reader, type: number): Uint8Array | undefined {
  const { bytes } = reader;
  if (bytes[reader.at] !== type) return undefined;
  const length = varint(reader, reader.at + 1);
  const start = reader.at;
  if (start + length > bytes.length) throw malformed('it is cut short');
  reader.at = start + length;
  return bytes.subarray(start, reader.at);
}

function takeEnd(reader: Reader): void {
  if (reader.bytes[reader.at] !== tag.end) throw malformed('a field is out of place');
  reader.at++;
}

/** Reads a length of at most two varint bytes, in its shortest spelling, and moves behind it. */
function varint(reader: Reader, from: number): number {
  const low = reader.bytes[from];
  if (low === undefined) throw malformed('it is cut short');
  reader.at = from + 1;
  if (low < 0x80) return low;
  const high = reader.bytes[from + 1];
  if (high === undefined) throw malformed('it is cut short');
  if (high >= 0x80 || high === 0) throw malformed('a length is out of bounds');
  reader.at = from + 2;
  return (low & 0x7f) | (high << 7);
}

function field(parts: Uint8Array[], type: number, content: Uint8Array): void {
  const { length } = content;
  if (length > maxLength) throw new RangeError(`a token is at most ${maxLength} bytes`);
  parts.push(length < 0x80 ? Uint8Array.of(type, length) : Uint8Array.of(type, (length & 0x7f) | 0x80, length >> 7), content);
}

function text(bytes: Uint8Array): string {
  const read = toUtf8(bytes);
  if (read === undefined) throw malformed('a text is not UTF-8');
  return read;
}

function malformed(what: string): FareboxError {
  return new FareboxError('MACAROON_MALFORMED', `The token cannot be read as a macaroon: ${what}.`);
}
