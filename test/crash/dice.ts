/**
 * Randomness that can be had again: what is thrown depends on the seed alone.
 */
import { createHash } from 'node:crypto';

/** See the head of this file. */
export type Dice = {
  /** A whole number from 0 on, below this one. */
  readonly below: (limit: number) => number;
  /** True so often of a hundred times. */
  readonly chance: (percent: number) => boolean;
  readonly pick: <T>(of: readonly T[]) => T;
};

/** Dice for a seed. */
export function createDice(seed: string): Dice {
  let block = Buffer.alloc(0);
  let count = 0;
  const next = (): number => {
    if (block.length < 4) block = createHash('sha256').update(`${seed}/${count++}`).digest();
    const value = block.readUInt32BE(0);
    block = block.subarray(4);
    return value;
  };
  const below = (limit: number) => Math.floor((next() / 2 ** 32) * limit);
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick: <T>(of: readonly T[]): T => {
      const found = of[below(of.length)];
      if (found === undefined) throw new RangeError('of: nothing to pick from');
      return found;
    },
  };
}
