/**
 * Bytes and their texts: hex, base64 (both alphabets, padded or not), UTF-8. Portable, without `Buffer`.
 */

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Character code → base64 value in either alphabet; 255 where there is none. */
const sextetOf = new Uint8Array(256).fill(255);
for (let i = 0; i < 64; i++) sextetOf[standard.charCodeAt(i)] = i;
sextetOf['-'.charCodeAt(0)] = 62;
sextetOf['_'.charCodeAt(0)] = 63;

/** UTF-8 bytes of a text. */
export function fromUtf8(text: string): Uint8Array {
  return encoder.encode(text);
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
  let text = '';
  for (let i = 0; i < bytes.length; i++) text += hexOf[bytes[i] as number];
  return text;
}

/** Bytes of hex digits in either case, or undefined where the text is not whole bytes of hex. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = nibble(text.charCodeAt(2 * i));
    const low = nibble(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Standard base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  let text = '';
  let i = 0;
  for (; i + 2 < bytes.length; i += 3) {
    const word = ((bytes[i] as number) << 16) | ((bytes[i + 1] as number) << 8) | (bytes[i + 2] as number);
    text += (standard[word >> 18] as string) + standard[(word >> 12) & 63] + standard[(word >> 6) & 63] + standard[word & 63];
  }
  const left = bytes.length - i;
  if (left === 1) {
    const word = bytes[i] as number;
    text += `${standard[word >> 2]}${standard[(word & 3) << 4]}==`;
  } else if (left === 2) {
    const word = ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
    text += `${standard[word >> 10]}${standard[(word >> 4) & 63]}${standard[(word & 15) << 2]}=`;
  }
  return text;
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
  let length = text.length;
  if (length > 0 && text.charCodeAt(length - 1) === 61) {
    if (length % 4 !== 0) return undefined;
    length -= text.charCodeAt(length - 2) === 61 ? 2 : 1;
  }
  if (length % 4 === 1) return undefined;
  const bytes = new Uint8Array((length * 3) >> 2);
  let word = 0;
  let bits = 0;
  let at = 0;
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    const value = code < 256 ? (sextetOf[code] as number) : 255;
    if (value === 255) return undefined;
    word = ((word << 6) | value) & 0xffffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (word >> bits) & 255;
    }
  }
  return (word & ((1 << bits) - 1)) === 0 ? bytes : undefined;
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

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
