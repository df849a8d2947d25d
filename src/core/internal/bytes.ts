/**
 * Bytes and their texts: hex, base64 (both alphabets, padded or not), UTF-8. Portable, without `Buffer`.
 *
 * Texts are ASCII bytes in one buffer on their way in and out: reading a string character by character, or building one, takes four times as
 * long as letting the platform's encoder and decoder carry it over whole.
 */

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const standardCodes = Uint8Array.from(standard, (character) => character.charCodeAt(0));

/** Byte → the codes of its two hex digits, the first in the upper half. */
const hexCodesOf = Uint16Array.from({ length: 256 }, (_, byte) => {
  const digits = byte.toString(16).padStart(2, '0');
  return (digits.charCodeAt(0) << 8) | digits.charCodeAt(1);
});

/** Character code → value of a hex digit in either case; -1 where there is none. */
const nibbleOf = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i++) for (const digit of [i.toString(16), i.toString(16).toUpperCase()]) nibbleOf[digit.charCodeAt(0)] = i;

/** Character code → 1 for a hex digit in upper case, 0 for the others; -1 where there is none. */
const upperOf = nibbleOf.map((value, code) => (value < 0 ? -1 : Number(code > 0x40 && code < 0x60)));

/** Character code → base64 value in either alphabet; -1 where there is none. */
const sextetOf = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) sextetOf[standard.charCodeAt(i)] = i;
sextetOf['-'.charCodeAt(0)] = 62;
sextetOf['_'.charCodeAt(0)] = 63;

/** Characters that the buffer takes at once: a multiple of 4, of which base64 makes whole bytes. */
const capacity = 8192;
const buffer = new Uint8Array(capacity + 4);
const view = new DataView(buffer.buffer);

/** The front of the buffer, by length, for the lengths that come again and again. */
const fronts: Uint8Array[] = Array.from({ length: 513 }, (_, length) => buffer.subarray(0, length));

/** UTF-8 bytes of a text. */
export function fromUtf8(text: string): Uint8Array {
  // A short one is copied out of the buffer in a third of the time; a code unit is at most three bytes.
  return text.length <= 64 ? buffer.slice(0, writeUtf8(text, buffer)) : encoder.encode(text);
}

/** Writes the UTF-8 of a text to the front of `to`, as much as there is room for, and answers how many bytes that is. */
export function writeUtf8(text: string, to: Uint8Array): number {
  return encoder.encodeInto(text, to).written;
}

/** The text of UTF-8 bytes, or undefined where they are not UTF-8. */
export function toUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  const { length } = bytes;
  if (2 * length > capacity) return inPieces(bytes, capacity / 2, toHex);
  for (let i = 0; i < length; i++) view.setUint16(2 * i, hexCodesOf[bytes[i] as number] as number);
  return readAscii(2 * length);
}

/** Bytes of hex digits in either case, or undefined where the text is not whole bytes of hex. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  return writeHex(text, bytes) < 0 ? undefined : bytes;
}

/** Writes the bytes of hex digits to the front of `to`, which has room for them, and answers how many; -1 where the text is not whole bytes of hex. */
export function writeHex(text: string, to: Uint8Array): number {
  if (text.length % 2 !== 0) return -1;
  let at = 0;
  for (let from = 0; from < text.length; from += capacity) {
    const count = writeAscii(text, from, Math.min(text.length, from + capacity));
    let faults = count;
    for (let i = 0; i < count; i += 2) {
      const value = (nibble(buffer[i]) << 4) | nibble(buffer[i + 1]);
      faults |= value;
      to[at++] = value;
    }
    if (faults < 0) return -1;
  }
  return at;
}

/** How a text spells hex: in lower case or not, or undefined where anything in it is no hex digit. */
export function hexCase(text: string): 'lower' | 'mixed' | undefined {
  let found = 0;
  for (let from = 0; from < text.length; from += capacity) {
    const count = writeAscii(text, from, Math.min(text.length, from + capacity));
    found |= count < 0 ? -1 : 0;
    for (let i = 0; i < count; i++) found |= upperOf[buffer[i] as number] as number;
    if (found < 0) return undefined;
  }
  return found === 0 ? 'lower' : 'mixed';
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  const { length } = bytes;
  if (length > (capacity / 4) * 3) return inPieces(bytes, (capacity / 4) * 3, toBase64);
  let at = 0;
  let i = 0;
  for (; i + 2 < length; i += 3, at += 4) {
    const word = ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number);
    view.setInt32(at, (character(word >> 18) << 24) | (character(word >> 12) << 16) | (character(word >> 6) << 8) | character(word));
  }
  if (i < length) {
    const word = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8);
    const third = i + 1 < length ? character(word >> 6) : equalsSign;
    view.setInt32(at, (character(word >> 18) << 24) | (character(word >> 12) << 16) | (third << 8) | equalsSign);
    at += 4;
  }
  return readAscii(at);
}

/** URL-safe base64 without padding. */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/**
 * Bytes of base64 in the standard or the URL-safe alphabet, padded in full or not at all; undefined where it is neither.
 * Bits left over after the last byte must be zero, so that one value has one spelling in each alphabet.
 */
export function fromBase64(text: string): Uint8Array | undefined {
  let { length } = text;
  if (length > 0 && text.charCodeAt(length - 1) === equalsSign) {
    if (length % 4 !== 0) return undefined;
    length -= text.charCodeAt(length - 2) === equalsSign ? 2 : 1;
  }
  if (length % 4 === 1) return undefined;
  if (length <= capacity) {
    const count = decodeBase64(text, 0, length);
    return count < 0 ? undefined : buffer.slice(0, count);
  }
  const bytes = new Uint8Array((length * 3) >> 2);
  for (let from = 0, at = 0; from < length; from += capacity) {
    const count = decodeBase64(text, from, Math.min(length, from + capacity));
    if (count < 0) return undefined;
    bytes.set(buffer.subarray(0, count), at);
    at += count;
  }
  return bytes;
}

/** Whether two byte strings are equal, in time that depends on their length alone. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/** One byte string after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const equalsSign = 61;

/** Writes characters of a text to the front of the buffer, a byte each, and answers how many; -1 where one is not ASCII. */
function writeAscii(text: string, from: number, to: number): number {
  const length = to - from;
  // What is not ASCII takes more bytes than characters, and there is room for more.
  return writeUtf8(length === text.length ? text : text.slice(from, to), buffer) === length ? length : -1;
}

/** The front of the buffer as a text. */
function readAscii(length: number): string {
  return strictDecoder.decode(fronts[length] ?? buffer.subarray(0, length));
}

/** What is too long for the buffer, written piece by piece. */
function inPieces(bytes: Uint8Array, length: number, write: (piece: Uint8Array) => string): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += length) text += write(bytes.subarray(from, from + length));
  return text;
}

/** Makes bytes of a part of a text, without padding, at the front of the buffer. Answers how many they are, or -1 where it is not base64. */
function decodeBase64(text: string, from: number, to: number): number {
  const length = writeAscii(text, from, to);
  const whole = length & -4;
  let faults = length;
  let at = 0;
  for (let i = 0; i < whole; i += 4, at += 3) {
    const codes = view.getInt32(i);
    const word = (sextet(codes >>> 24) << 18) | (sextet(codes >>> 16) << 12) | (sextet(codes >>> 8) << 6) | sextet(codes);
    faults |= word;
    // Three bytes, and one that the next three write over: they never reach what is still to be read.
    view.setInt32(at, word << 8);
  }
  if (whole < length) {
    const third = length - whole === 3 ? sextet(buffer[whole + 2] as number) : 0;
    const word = (sextet(buffer[whole] as number) << 18) | (sextet(buffer[whole + 1] as number) << 12) | (third << 6);
    const count = length - whole - 1;
    const left = word & (0xffffff >> (8 * count));
    faults |= left === 0 ? word : -1;
    view.setInt32(at, word << 8);
    at += count;
  }
  return faults < 0 ? -1 : at;
}

/** The value of a character of hex, or -1. */
function nibble(code: number | undefined): number {
  return nibbleOf[(code as number) & 255] as number;
}

/** The value of a character of base64, or -1. */
function sextet(code: number): number {
  return sextetOf[code & 255] as number;
}

/** The character of six bits in the standard alphabet. */
function character(sextet: number): number {
  return standardCodes[sextet & 63] as number;
}
