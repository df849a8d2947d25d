/**
 * Groups of 5 bits, which bech32 writes as letters, and the numbers and bytes that they stand for.
 *
 * @see BOLT 11, Data Part; BIP 173 for what is left over at the end
 */
import { bech32 } from '@scure/base';
import { malformed } from './bolt11Text.ts';

/** Bytes to words, filled up with zero bits. */
export function toWords(bytes: Uint8Array): number[] {
  return bech32.toWords(bytes);
}

/** Words to bytes, filled up with zero bits. */
export function toBytes(words: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil((words.length * 5) / 8));
  regroup(words, 0, words.length, bytes);
  return bytes;
}

/**
 * The whole bytes of a field.
 * @throws INVOICE_MALFORMED – what is left over is a word or more, or not zero
 */
export function readBytes(words: Uint8Array, start: number, end: number): Uint8Array {
  const leftOver = ((end - start) * 5) & 7;
  if (leftOver > 4 || (leftOver > 0 && ((words[end - 1] as number) & ((1 << leftOver) - 1)) !== 0)) {
    throw malformed('a field of it is padded with something other than zero');
  }
  const bytes = new Uint8Array(((end - start) * 5) >> 3);
  regroup(words, start, end, bytes);
  return bytes;
}

/**
 * A big-endian number of any length.
 * @throws INVOICE_MALFORMED – more than `maximum`
 */
export function readNumber(words: Uint8Array, start: number, end: number, maximum: number, name: string): number {
  let value = 0;
  for (let i = start; i < end; i++) {
    value = value * 32 + (words[i] as number);
    if (value > maximum) throw malformed(`its ${name} is too large`);
  }
  return value;
}

/** A big-endian number, as short as possible, or filled up with zeros to `length`. */
export function writeNumber(value: number, length = 0): number[] {
  const words: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 32)) words.unshift(rest % 32);
  while (words.length < length) words.unshift(0);
  return words;
}

/** Fills the bytes from the words; bits behind the last word are zero, bits behind the last byte are left out. */
function regroup(words: Uint8Array, start: number, end: number, bytes: Uint8Array): void {
  let window = 0;
  let bits = 0;
  let at = 0;
  for (let i = start; i < end; i++) {
    window = ((window << 5) | (words[i] as number)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = window >> bits;
    }
  }
  if (at < bytes.length) bytes[at] = window << (8 - bits);
}
