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
import { fromBase64, fromUtf8, toBase64, toUtf8 } from './internal/bytes.ts';
import { beginChain, bytesOf, chainBytes, chainText, type DigestWords, digestLength, equalsBytes, hmacKey } from './internal/sha256.ts';

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
  return within({ location: at, identifier, caveats: [...caveats], signature: bytesOf(sign(rootKey, identifier, caveats)) });
}

/**
 * The same macaroon, narrowed. Needs no key; cannot be undone.
 * @throws RangeError – it would pass the limits that `decode` sets
 */
export function attenuate(macaroon: Macaroon, caveats: readonly string[]): Macaroon {
  let { signature } = macaroon;
  const [first, ...others] = caveats;
  if (first !== undefined) {
    beginChain(chain, hmacKey(signature), fromUtf8(first));
    for (const caveat of others) chainText(chain, caveat);
    signature = bytesOf(chain);
  }
  return within({ ...macaroon, caveats: [...macaroon.caveats, ...caveats], signature });
}

/**
 * Whether the signature is the one that this root key makes over identifier and caveats. That is all: what the caveats demand is for
 * the caller to check.
 */
export function verify(macaroon: Macaroon, rootKey: Uint8Array): boolean {
  return equalsBytes(sign(rootKey, macaroon.identifier, macaroon.caveats), macaroon.signature);
}

/**
 * The signatures that a macaroon of this root key had when these were its last caveats, by their index, in order. Each is what a bearer needs to
 * use the macaroon as it was then: a secret.
 * @param at - indexes of caveats, rising
 */
export function signaturesAt(macaroon: Macaroon, rootKey: Uint8Array, at: readonly number[]): readonly Uint8Array[] {
  beginChain(chain, keyGenerator, rootKey);
  chainBytes(chain, macaroon.identifier);
  const found: Uint8Array[] = [];
  for (let index = 0; found.length < at.length && index < macaroon.caveats.length; index++) {
    chainText(chain, macaroon.caveats[index] as string);
    if (at[found.length] === index) found.push(bytesOf(chain));
  }
  return found;
}

/** The V2 binary form. */
export function encode(macaroon: Macaroon): Uint8Array {
  return write(macaroon).slice();
}

/**
 * Reads the V2 binary form, whole and nothing more.
 * @throws MACAROON_MALFORMED – longer than 4 KB, over 64 caveats, another version, a field missing, doubled or out of order, a third-party caveat, a caveat that is not UTF-8, bytes left over
 */
export function decode(bytes: Uint8Array): Macaroon {
  if (bytes.length > maxLength) throw malformed(`it is longer than ${maxLength} bytes`);
  if (bytes[0] !== version) throw malformed('it is not of version 2');
  const reader: Reader = { bytes, at: 1, from: 0, to: 0 };
  const hasLocation = take(reader, tag.location);
  const placeFrom = reader.from;
  const placeTo = reader.to;
  if (!take(reader, tag.identifier)) throw malformed('it has no identifier');
  const identifier = bytes.subarray(reader.from, reader.to);
  takeEnd(reader);
  const caveats = takeCaveats(reader);
  takeEnd(reader);
  if (!take(reader, tag.signature) || reader.to - reader.from !== digestLength) throw malformed('it has no signature of 32 bytes');
  if (reader.at !== bytes.length) throw malformed('it has bytes behind its end');
  const place = hasLocation ? text(bytes, placeFrom, placeTo) : '';
  return { location: place, identifier, caveats, signature: bytes.subarray(reader.from, reader.to) };
}

/** Padded standard base64 of the binary form: how a token travels. */
export function format(macaroon: Macaroon): string {
  return toBase64(write(macaroon));
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
const keyGenerator = hmacKey(fromUtf8('macaroons-key-generator'));

/** Our own location, as it stands in most tokens. */
const ours = fromUtf8(location);

/** Where macaroons are written: room for every one that keeps to the limits. */
const written = new Uint8Array(4 * maxLength);

/** The chain that is being made: good until the next one is. */
const chain = new Int32Array(8);

/** The chain from the root key to the last caveat. */
function sign(rootKey: Uint8Array, identifier: Uint8Array, caveats: readonly string[]): DigestWords {
  beginChain(chain, keyGenerator, rootKey);
  chainBytes(chain, identifier);
  for (const caveat of caveats) chainText(chain, caveat);
  return chain;
}

/** The macaroon, where it keeps to the limits. */
function within(macaroon: Macaroon): Macaroon {
  if (macaroon.caveats.length > maxCaveats) throw new RangeError(`a token carries at most ${maxCaveats} caveats`);
  if (lengthAtMost(macaroon) > maxLength && write(macaroon).length > maxLength) throw tooLong();
  return macaroon;
}

type Reader = {
  readonly bytes: Uint8Array;
  /** The next byte. */
  at: number;
  /** Where the content of the field taken last begins and ends. */
  from: number;
  to: number;
};

/** Moves behind a field of this type; false where another stands here. */
function take(reader: Reader, type: number): boolean {
  const { bytes } = reader;
  if (bytes[reader.at] !== type) return false;
  const length = varint(reader, reader.at + 1);
  reader.from = reader.at;
  reader.to = reader.from + length;
  if (reader.to > bytes.length) throw malformed('it is cut short');
  reader.at = reader.to;
  return true;
}

function takeEnd(reader: Reader): void {
  if (reader.bytes[reader.at] !== tag.end) throw malformed('a field is out of place');
  reader.at++;
}

/** Reads caveats up to the end of their list. */
function takeCaveats(reader: Reader): readonly string[] {
  const { bytes } = reader;
  const places: number[] = [];
  while (bytes[reader.at] !== tag.end) {
    take(reader, tag.location);
    if (!take(reader, tag.identifier)) throw malformed('a caveat has no identifier');
    if (bytes[reader.at] === tag.verification) throw malformed('it has a third-party caveat, which L402 does not use');
    takeEnd(reader);
    if (places.push(reader.from, reader.to) > 2 * maxCaveats) throw malformed(`it has more than ${maxCaveats} caveats`);
  }
  return texts(bytes, places);
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

/** A text that stands somewhere in the bytes. */
function text(bytes: Uint8Array, from: number, to: number): string {
  if (isOurs(bytes, from, to)) return location;
  const read = toUtf8(bytes.subarray(from, to));
  if (read === undefined) throw malformed('a text is not UTF-8');
  return read;
}

function isOurs(bytes: Uint8Array, from: number, to: number): boolean {
  if (to - from !== ours.length) return false;
  for (let i = 0; i < ours.length; i++) if (bytes[from + i] !== ours[i]) return false;
  return true;
}

/** The texts between these places, which come in pairs and in order. */
function texts(bytes: Uint8Array, places: readonly number[]): readonly string[] {
  const first = places[0];
  if (first === undefined) return [];
  const end = places[places.length - 1] as number;
  // One call for all: where every byte from the first to the last is ASCII, and so a character, each text is a part of the whole.
  const whole = isAscii(bytes, first, end) ? toUtf8(bytes.subarray(first, end)) : undefined;
  const found: string[] = [];
  for (let i = 0; i < places.length; i += 2) {
    const from = places[i] as number;
    const to = places[i + 1] as number;
    found.push(whole === undefined ? text(bytes, from, to) : whole.slice(from - first, to - first));
  }
  return found;
}

function isAscii(bytes: Uint8Array, from: number, to: number): boolean {
  let bits = 0;
  for (let i = from; i < to; i++) bits |= bytes[i] as number;
  return bits < 0x80;
}

/** Most bytes that a macaroon can take. A code unit is at most three of UTF-8, and two bytes are a length. */
function lengthAtMost({ location: place, identifier, caveats, signature }: Macaroon): number {
  let length = 3 * place.length + identifier.length + signature.length + 12;
  for (const caveat of caveats) length += 3 * caveat.length + 4;
  return length;
}

/** The V2 binary form, in place: good until the next one is written. */
function write(macaroon: Macaroon): Uint8Array {
  const most = lengthAtMost(macaroon);
  const to = most <= written.length ? written : new Uint8Array(most);
  to[0] = version;
  let at = 1;
  if (macaroon.location !== '') at = writeText(to, at, tag.location, macaroon.location);
  at = writeField(to, at, tag.identifier, macaroon.identifier);
  to[at++] = tag.end;
  for (const caveat of macaroon.caveats) {
    at = writeText(to, at, tag.identifier, caveat);
    to[at++] = tag.end;
  }
  to[at++] = tag.end;
  return to.subarray(0, writeField(to, at, tag.signature, macaroon.signature));
}

/** Writes a field and answers where it ends. */
function writeField(to: Uint8Array, at: number, type: number, content: Uint8Array): number {
  const start = writeHead(to, at, type, content.length);
  to.set(content, start);
  return start + content.length;
}

/** The same for a text: character by character, as long as each is a byte. */
function writeText(to: Uint8Array, at: number, type: number, content: string): number {
  const start = writeHead(to, at, type, content.length);
  for (let i = 0; i < content.length; i++) {
    const code = content.charCodeAt(i);
    if (code > 127) return writeField(to, at, type, fromUtf8(content));
    to[start + i] = code;
  }
  return start + content.length;
}

function writeHead(to: Uint8Array, at: number, type: number, length: number): number {
  if (length > maxLength) throw tooLong();
  to[at] = type;
  to[at + 1] = length < 0x80 ? length : (length & 0x7f) | 0x80;
  if (length < 0x80) return at + 2;
  to[at + 2] = length >> 7;
  return at + 3;
}

function tooLong(): RangeError {
  return new RangeError(`a token is at most ${maxLength} bytes`);
}

function malformed(what: string): FareboxError {
  return new FareboxError('MACAROON_MALFORMED', `The token cannot be read as a macaroon: ${what}.`);
}
