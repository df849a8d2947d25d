/**
 * The outside of a BOLT 11 invoice: bech32 without its length limit, and the human-readable part with chain and amount.
 *
 *     lnbc 2500u 1 pvjluez… fna3rh
 *     chain amount  words    checksum
 *
 * Reading is written here because it is half the cost of a whole invoice with a general bech32 library.
 *
 * @see BOLT 11, Human-Readable Part; BIP 173, Bech32
 */
import { bech32 } from '@scure/base';
import { type Msat, maxMsat } from '../Amount.ts';
import type { Chain } from '../Bolt11.ts';
import { type Details, FareboxError } from '../Errors.ts';

/** The longest invoice that is read or written: what the largest QR code holds. */
export const maxLength = 7089;

/** What stands outside the tagged fields. */
export type InvoiceText = {
  /** The whole invoice in lower case. */
  readonly text: string;
  /** The human-readable part in lower case; it is signed. */
  readonly prefix: string;
  readonly chain: Chain;
  readonly amountMsat: Msat | undefined;
  /** Timestamp, tagged fields and signature, 5 bits an element. Overwritten by the next call of {@link readText}. */
  readonly words: Uint8Array;
};

/** The error for every invoice that cannot be read. The reason says nothing but what kind of thing is wrong where. */
export function malformed(reason: string, details: Details = {}): FareboxError {
  return new FareboxError('INVOICE_MALFORMED', `The invoice cannot be used: ${reason}. Ask for a new one.`, { details });
}

/**
 * Reads chain, amount and words, with the checksum checked.
 * @throws INVOICE_MALFORMED – too long, mixed case, a character that is not bech32, a wrong checksum, an unknown chain, an amount that BOLT 11 does not allow
 */
export function readText(given: string): InvoiceText {
  if (given.length > maxLength) throw malformed(`it has ${given.length} characters, more than ${maxLength}`);
  const separator = given.lastIndexOf('1');
  if (separator < 1 || separator + 7 > given.length) throw malformed('it is not bech32: no "1" with a checksum behind it');
  let seen = 0;
  for (let i = 0; i < separator; i++) seen |= caseOf(given.charCodeAt(i));
  const prefix = given.slice(0, separator).toLowerCase();
  const length = given.length - separator - 1;
  let state = checksumOf(prefix);
  for (let i = 0; i < length; i++) {
    const code = given.charCodeAt(separator + 1 + i);
    const letter = code < 128 ? (letterOf[code] as number) : foreign;
    const word = letter & 31;
    seen |= letter;
    scratch[i] = word;
    state = ((state & 0x1ffffff) << 5) ^ word ^ (generator[state >>> 25] as number);
  }
  if ((seen & foreign) !== 0) throw malformed('it has a character that is not bech32');
  if ((seen & mixedCase) === mixedCase) throw malformed('it mixes upper and lower case');
  if (state !== 1) throw malformed('its checksum is wrong, so a part of it was changed or lost');
  const text = (seen & upperCase) !== 0 ? given.toLowerCase() : given;
  return { text, prefix, ...readPrefix(prefix), words: scratch.subarray(0, length - 6) };
}

/** Writes the human-readable part, with the largest multiplier that leaves a whole number. */
export function writePrefix(chain: Chain, amountMsat: Msat | undefined): string {
  const start = `ln${currencyOf[chain]}`;
  if (amountMsat === undefined) return start;
  for (const [letter, unitMsat] of multipliers) if (amountMsat % unitMsat === 0n) return `${start}${amountMsat / unitMsat}${letter}`;
  return `${start}${amountMsat}0p`;
}

/** Writes the whole invoice. */
export function writeText(prefix: string, words: readonly number[]): string {
  return bech32.encode(prefix, words as number[], false);
}

/** Whether it is the name of a chain. */
export function isChain(name: string): name is Chain {
  return Object.hasOwn(currencyOf, name);
}

const currencyOf: { readonly [chain in Chain]: string } = { bitcoin: 'bc', testnet: 'tb', signet: 'tbs', regtest: 'bcrt' };
const chainOf: ReadonlyMap<string, Chain> = new Map(Object.entries(currencyOf).map(([chain, currency]) => [`ln${currency}`, chain as Chain]));

/** Largest first; behind them comes `p`, a tenth of a millisatoshi. */
const multipliers: readonly (readonly [letter: string, unitMsat: bigint])[] = [
  ['', 100_000_000_000n],
  ['m', 100_000_000n],
  ['u', 100_000n],
  ['n', 100n],
];
const unitMsatOf: ReadonlyMap<string, bigint> = new Map(multipliers);

const lowerCase = 32;
const upperCase = 64;
const mixedCase = lowerCase | upperCase;
const foreign = 128;

const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
/** ASCII code → its value in the lowest five bits and its case, or `foreign`: one look-up and no branch for every character. */
const letterOf = new Uint8Array(128).fill(foreign);
for (let i = 0; i < 32; i++) {
  for (const letter of [alphabet.charAt(i), alphabet.charAt(i).toUpperCase()]) letterOf[letter.charCodeAt(0)] = i | caseOf(letter.charCodeAt(0));
}

/** The five bits that leave the checksum's state → what they put back, from the five constants of BIP 173. */
const generator = Int32Array.from({ length: 32 }, (_, top) =>
  [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].reduce((sum, constant, bit) => ((top >> bit) & 1 ? sum ^ constant : sum), 0),
);

const scratch = new Uint8Array(maxLength);

function caseOf(code: number): number {
  if (code > 126) return foreign;
  if (code >= 97 && code <= 122) return lowerCase;
  return code >= 65 && code <= 90 ? upperCase : 0;
}

/** The checksum's state behind the human-readable part. */
function checksumOf(prefix: string): number {
  let state = 1;
  const step = (value: number) => {
    state = ((state & 0x1ffffff) << 5) ^ value ^ (generator[state >>> 25] as number);
  };
  for (let i = 0; i < prefix.length; i++) step(prefix.charCodeAt(i) >> 5);
  step(0);
  for (let i = 0; i < prefix.length; i++) step(prefix.charCodeAt(i) & 31);
  return state;
}

/** `ln`, the currency up to the first digit, then the amount. */
function readPrefix(prefix: string): { chain: Chain; amountMsat: Msat | undefined } {
  let at = 0;
  while (at < prefix.length && !isDigit(prefix.charCodeAt(at))) at++;
  const chain = chainOf.get(prefix.slice(0, at));
  if (chain === undefined) throw malformed('it is for a network that is not known; known are lnbc, lntb, lntbs and lnbcrt');
  return { chain, amountMsat: at === prefix.length ? undefined : readAmount(prefix, at) };
}

function readAmount(prefix: string, start: number): Msat {
  let end = start;
  while (end < prefix.length && isDigit(prefix.charCodeAt(end))) end++;
  const digits = prefix.slice(start, end);
  const multiplier = prefix.slice(end);
  if (digits.charCodeAt(0) === zero) throw malformed('its amount begins with 0');
  const amountMsat = multiplier === 'p' ? readPico(digits) : readUnits(digits, multiplier);
  if (amountMsat > maxMsat) throw malformed('its amount is more than all bitcoin');
  return amountMsat as Msat;
}

function readPico(digits: string): bigint {
  if (digits.charCodeAt(digits.length - 1) !== zero) throw malformed('its amount is finer than a millisatoshi');
  return BigInt(digits.slice(0, -1));
}

function readUnits(digits: string, multiplier: string): bigint {
  const unitMsat = unitMsatOf.get(multiplier);
  if (unitMsat === undefined) throw malformed('its amount has an unknown multiplier; known are m, u, n and p');
  return BigInt(digits) * unitMsat;
}

const zero = 48;

function isDigit(code: number): boolean {
  return code >= zero && code <= 57;
}
