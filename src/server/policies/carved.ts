/**
 * `carved=<number>`: what a holder has set aside for whom he hands a token to, out of the whole: whole satoshis of a credit, units of a bucket. Once
 * it is set aside nobody else spends it; what is left when it ends is the whole's again.
 *
 * It is carved out of the whole alone: behind a limit, or behind another one, it refuses the token.
 *
 * @see docs/decisions/0030-parts-by-name.md
 */
import type { Policy } from './Policy.ts';

/** The caveat's condition. */
export const condition = 'carved';

/** Holds where a holder wrote it, once. */
export const carved: Policy = {
  check: (value, _, by) => (by === 'holder' && read(value) !== undefined ? undefined : 'unreadable'),
  narrows: () => false,
};

/** How much it is in the units of what was sold; undefined where it is none, or there is no balance to carve it out of. */
export function unitsOf(value: string, terms: string): bigint | undefined {
  const number = read(value);
  if (number === undefined || (terms !== 'credit' && terms !== 'bucket')) return undefined;
  return terms === 'credit' ? number * 1000n : number;
}

function read(value: string): bigint | undefined {
  return /^[1-9]\d{0,14}$/.test(value) ? BigInt(value) : undefined;
}
