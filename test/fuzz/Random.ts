/**
 * Randomness that repeats itself: equal seeds give equal numbers, on every machine.
 *
 * @see Melissa O'Neill, splitmix32 as used to fill larger states; good enough to choose by, and for nothing secret
 */

/** Numbers from a seed. */
export type Random = {
  /** A whole number from 0 up to and without `below`. */
  readonly below: (below: number) => number;
  /** True once in so many times. */
  readonly oneIn: (times: number) => boolean;
  /** One of a list that is not empty. */
  readonly pick: <T>(list: readonly T[]) => T;
  /** A length: mostly short, now and then as long as `longest`. */
  readonly length: (longest: number) => number;
};

/** Numbers that follow from a seed and a name, so that what one target draws does not hang on which others run. */
export function createRandom(seed: number, name = ''): Random {
  let state = seed >>> 0;
  for (const character of name) state = (Math.imul(state ^ character.charCodeAt(0), 0x01000193) + 0x9e3779b9) >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  const below = (limit: number) => (limit <= 1 ? 0 : next() % limit);
  return {
    below,
    oneIn: (times) => below(times) === 0,
    pick: <T>(list: readonly T[]) => list[below(list.length)] as T,
    length: (longest) => 1 + below(Math.min(longest, 2 ** (1 + below(Math.ceil(Math.log2(longest + 2)))))),
  };
}
