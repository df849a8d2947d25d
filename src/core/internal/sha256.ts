/**
 * SHA-256 and HMAC-SHA256, synchronous and portable: every token is verified with them, in a browser as in a gateway.
 *
 * Written here because crossing into the runtime's own costs more than a message of this size (decision 0004). Messages are padded where
 * they lie, and a digest that becomes the next key stays in words, so that a chain of HMACs allocates nothing. No secret decides a branch
 * or an index: only lengths do.
 *
 * @see FIPS 180-4, sections 5 and 6.2; RFC 2104
 */
import { fromUtf8, writeHex, writeUtf8 } from './bytes.ts';
import { compress, initial } from './compress.ts';

/** Length of a digest in bytes. */
export const digestLength = 32;

/** An HMAC key with both pads already compressed: two compressions fewer for every message under it. */
export type HmacKey = { readonly inner: Int32Array; readonly outer: Int32Array };

/** A digest in eight words, most significant first: what one link of a chain of HMACs hands to the next. */
export type DigestWords = Int32Array;

/** SHA-256 of the parts, one after the other. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  copy(inner, initial);
  absorb(inner, parts, 0);
  return bytesOf(inner);
}

/**
 * SHA-256 of bytes given in hex, into `digest`.
 * @throws TypeError – it is not whole bytes of hex, or more than 8 KB of them
 */
export function sha256OfHex(hex: string, digest: DigestWords): void {
  const length = hex.length <= 2 * capacity ? writeHex(hex, pending) : -1;
  if (length < 0) throw new TypeError('hex is whole bytes of hex, 8 KB at most');
  copy(digest, initial);
  finish(digest, length, length);
}

/** Prepares a key of any length for {@link hmac}. */
export function hmacKey(key: Uint8Array): HmacKey {
  const short = key.length > blockLength ? sha256(key) : key;
  const prepared = { inner: initial.slice(), outer: initial.slice() };
  pending.fill(0, 0, blockLength);
  pending.set(short);
  for (let i = 0; i < 16; i++) words[i] = view.getInt32(4 * i) ^ innerPad;
  compress(prepared.inner, words);
  for (let i = 0; i < 16; i++) words[i] = view.getInt32(4 * i) ^ outerPad;
  compress(prepared.outer, words);
  // No key is left lying: a long one has been here whole.
  pending.fill(0, 0, Math.max(key.length, blockLength));
  words.fill(0);
  return prepared;
}

/** HMAC-SHA256 of the parts, one after the other, under a prepared key. */
export function hmac(key: HmacKey, ...parts: readonly Uint8Array[]): Uint8Array {
  copy(inner, key.inner);
  copy(outer, key.outer);
  absorb(inner, parts, blockLength);
  absorbDigest(outer, inner);
  return bytesOf(outer);
}

/** The first link of a chain: HMAC-SHA256 of a message under a prepared key, into `digest`. */
export function beginChain(digest: DigestWords, key: HmacKey, message: Uint8Array): void {
  copy(inner, key.inner);
  copy(digest, key.outer);
  absorb(inner, [message], blockLength);
  absorbDigest(digest, inner);
}

/** The next link: HMAC-SHA256 of a message under the digest, in the digest's place. */
export function chainBytes(digest: DigestWords, message: Uint8Array): void {
  keyWith(digest);
  absorb(inner, [message], blockLength);
  absorbDigest(outer, inner);
  copy(digest, outer);
}

/** The next link: HMAC-SHA256 of a text's UTF-8 under the digest, in the digest's place. */
export function chainText(digest: DigestWords, text: string): void {
  // A code unit is at most three bytes of UTF-8.
  if (3 * text.length > capacity) return chainBytes(digest, fromUtf8(text));
  keyWith(digest);
  const length = writeUtf8(text, pending);
  finish(inner, length, blockLength + length);
  absorbDigest(outer, inner);
  copy(digest, outer);
}

/** Whether a digest in words is those bytes, in time that depends on their number alone. */
export function equalsBytes(digest: DigestWords, bytes: Uint8Array): boolean {
  if (bytes.length !== digestLength) return false;
  let difference = 0;
  for (let i = 0, at = 0; i < 8; i++, at += 4) {
    const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
    difference |= (digest[i] as number) ^ (high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number));
  }
  return difference === 0;
}

/** The bytes of a digest. */
export function bytesOf(digest: DigestWords): Uint8Array {
  const bytes = new Uint8Array(digestLength);
  for (let i = 0; i < 8; i++) {
    const word = digest[i] as number;
    bytes[4 * i] = word >>> 24;
    bytes[4 * i + 1] = word >>> 16;
    bytes[4 * i + 2] = word >>> 8;
    bytes[4 * i + 3] = word;
  }
  return bytes;
}

const blockLength = 64;
const innerPad = 0x36363636;
const outerPad = 0x5c5c5c5c;

/** Most bytes that wait to be compressed: whole blocks. */
const capacity = 128 * blockLength;

/** What waits to be compressed, with room for its padding. */
const pending = new Uint8Array(capacity + 2 * blockLength);
const view = new DataView(pending.buffer);

/** One block. */
const words = new Int32Array(16);

/** The states of the HMAC that is being made. */
const inner = new Int32Array(8);
const outer = new Int32Array(8);

function copy(to: Int32Array, from: Int32Array): void {
  for (let i = 0; i < 8; i++) to[i] = from[i] as number;
}

/** Both states under a digest as the key: its words, then zeros, against either pad. */
function keyWith(digest: DigestWords): void {
  copy(inner, initial);
  copy(outer, initial);
  for (let i = 0; i < 8; i++) {
    words[i] = (digest[i] as number) ^ innerPad;
    words[i + 8] = innerPad;
  }
  compress(inner, words);
  for (let i = 0; i < 8; i++) {
    words[i] = (digest[i] as number) ^ outerPad;
    words[i + 8] = outerPad;
  }
  compress(outer, words);
}

/** Absorbs the parts and the padding. `before` is how many bytes (whole blocks) the state has taken already. */
function absorb(state: Int32Array, parts: readonly Uint8Array[], before: number): void {
  let filled = 0;
  let length = before;
  for (const part of parts) {
    length += part.length;
    filled = append(state, part, filled);
  }
  finish(state, filled, length);
}

/** Lets a part wait behind what waits already, compressing whenever there is no room, and answers how much waits then. */
function append(state: Int32Array, part: Uint8Array, filled: number): number {
  let rest = part;
  let waiting = filled;
  while (waiting + rest.length > capacity) {
    const room = capacity - waiting;
    pending.set(rest.subarray(0, room), waiting);
    compressPending(state, capacity);
    rest = rest.subarray(room);
    waiting = 0;
  }
  pending.set(rest, waiting);
  return waiting + rest.length;
}

/** Pads what waits and compresses it: 0x80, zeros, and the length of the whole message in bits. */
function finish(state: Int32Array, filled: number, length: number): void {
  const end = (filled + 8 + blockLength) & -blockLength;
  pending[filled] = 0x80;
  // Whole words may reach into the length, which comes after them.
  for (let at = filled + 1; at < end - 8; at += 4) view.setInt32(at, 0);
  view.setUint32(end - 8, Math.floor(length / 0x20000000));
  view.setInt32(end - 4, length << 3);
  compressPending(state, end);
}

function compressPending(state: Int32Array, end: number): void {
  for (let at = 0; at < end; at += blockLength) {
    for (let i = 0; i < 16; i++) words[i] = view.getInt32(at + 4 * i);
    compress(state, words);
  }
}

/** Absorbs a digest behind a key's pad, and the padding of a message of that length. */
function absorbDigest(state: Int32Array, message: DigestWords): void {
  for (let i = 0; i < 8; i++) {
    words[i] = message[i] as number;
    words[i + 8] = 0;
  }
  words[8] = 0x80000000;
  words[15] = (blockLength + digestLength) << 3;
  compress(state, words);
}
