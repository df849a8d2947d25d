/**
 * Money: `bigint` millisatoshi in memory, text with a unit everywhere else (`"10 sat"`, `"2500 msat"`, `"0.001 BTC"`).
 *
 * @see BOLT 11, Human-Readable Part: the smallest unit that an invoice can name is the millisatoshi.
 */
import { FareboxError } from './Errors.ts';

declare const msatBrand: unique symbol;

/** Millisatoshi, never negative. One satoshi is 1,000 of it, one bitcoin 100,000,000,000. */
export type Msat = bigint & { readonly [msatBrand]: true };

/** All bitcoin that will ever exist, in millisatoshi: the largest amount that is read. */
export const maxMsat = 2_100_000_000_000_000_000n as Msat;

/** Nothing. */
export const zero = 0n as Msat;

/**
 * Takes millisatoshi as an amount.
 * @throws RangeError – negative, or more than all bitcoin
 */
export function fromMsat(value: bigint): Msat {
  if (typeof value !== 'bigint') throw new TypeError(`an amount in msat is a bigint, not ${typeof value}`);
  if (value < 0n || value > maxMsat) throw new RangeError(`an amount lies between 0 and 21,000,000 BTC, not ${value} msat`);
  return value as Msat;
}

/**
 * Takes whole satoshis as an amount.
 * @throws RangeError – negative, or more than all bitcoin
 */
export function fromSat(value: bigint | number): Msat {
  return fromMsat(BigInt(value) * 1000n);
}

/**
 * Reads an amount with its unit: `sat`, `sats`, `msat` or `BTC`, in any letter case, with a decimal part where it ends on a whole millisatoshi.
 *
 * @throws AMOUNT_MALFORMED – no unit (both readings are suggested), not a number, negative, finer than a millisatoshi, more than all bitcoin
 * @example Amount.parse('10 sat') // 10_000n
 */
export function parse(text: string): Msat {
  const match = text.length <= 64 ? /^\s*(\d{1,19}(?:_\d{3})*)(?:\.(\d{1,11}))?\s*([A-Za-z]*)\s*$/.exec(text) : null;
  if (!match) throw malformed(text, 'Write a number and a unit, such as "10 sat"');
  const [, whole = '', fraction = '', unit = ''] = match;
  if (unit === '') throw malformed(text, `It has no unit: write "${text.trim()} sat" or "${text.trim()} msat"`);
  const decimals = decimalsOf.get(unit.toLowerCase());
  if (decimals === undefined) throw malformed(text, `"${unit}" is not a unit: use sat, msat or BTC`);
  const digits = fraction.replace(/0+$/, '');
  if (digits.length > decimals) throw malformed(text, 'It is finer than a millisatoshi');
  const msat = BigInt(whole.replaceAll('_', '') + digits.padEnd(decimals, '0'));
  if (msat > maxMsat) throw malformed(text, 'It is more than all bitcoin');
  return msat as Msat;
}

/** Writes an amount with the unit that needs no decimals: `10 sat`, or `2500 msat` where it is not a whole satoshi. `parse` reads it back. */
export function format(msat: Msat): string {
  return msat % 1000n === 0n ? `${msat / 1000n} sat` : `${msat} msat`;
}

/** Whole satoshis, rounded up: what a field that can only hold satoshis says. */
export function toSatCeil(msat: Msat): bigint {
  return (msat + 999n) / 1000n;
}

/** The amount rounded up to a whole satoshi. */
export function ceilToSat(msat: Msat): Msat {
  return (toSatCeil(msat) * 1000n) as Msat;
}

const decimalsOf = new Map([
  ['msat', 0],
  ['sat', 3],
  ['sats', 3],
  ['btc', 11],
]);

function malformed(text: string, remedy: string): FareboxError {
  return new FareboxError('AMOUNT_MALFORMED', `"${text.slice(0, 64)}" is not an amount. ${remedy}.`);
}
