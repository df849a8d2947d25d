/**
 * What a holder allows whom he hands a token to: `n_uses=10` calls, or `max_sats=200` of what calls cost. Each such caveat is a part, counted under a
 * name of its own and of every part before it, so that nobody exceeds any ancestor and all together do not exceed the first.
 *
 * `part=<word>` before it tells parts with equal limits apart: the name of a part hangs on everything that stands before it. It narrows nothing.
 *
 * @see docs/wire.md, "The token"
 */
import type { Policy } from './Policy.ts';

/** The conditions that are counted, and in what. */
export const units = { n_uses: 'uses', max_sats: 'msat' } as const;

/** A limit as a token has it. */
export type Limit = {
  /** Calls, or millisatoshi of what they cost. */
  readonly unit: (typeof units)[keyof typeof units];
  readonly most: bigint;
  /** Which of the token's caveats it is. */
  readonly index: number;
};

/** Most of them in a token: each is debited with every call. */
export const maxLimits = 16;

/**
 * Most parts that may be opened below a token, or below a part of it that so many parts stand before: a quarter of those below the one before it,
 * so that whoever makes parts without end leaves enough to the others; and never fewer than one token can hold.
 */
export function maxPartsBelow(depth: number): number {
  return Math.max(maxLimits, Math.floor(1024 / 4 ** depth));
}

/** A count of calls or of whole satoshis. */
export const counted: Policy = {
  check: (value) => (read(value) === undefined ? 'unreadable' : undefined),
  narrows: (earlier, later) => {
    const [before, after] = [read(earlier), read(later)];
    return before !== undefined && after !== undefined && after <= before;
  },
};

/** A word that tells parts apart. */
export const part: Policy = { check: (value) => (/^[\w-]{1,64}$/.test(value) ? undefined : 'unreadable') };

/** The limit that a condition sets at this place; undefined where its value is none. */
export function limitOf(condition: keyof typeof units, value: string, index: number): Limit | undefined {
  const number = read(value);
  if (number === undefined) return undefined;
  const unit = units[condition];
  return { unit, most: unit === 'msat' ? number * 1000n : number, index };
}

function read(value: string): bigint | undefined {
  return /^\d{1,15}$/.test(value) ? BigInt(value) : undefined;
}
