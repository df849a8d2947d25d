import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compress, initial } from './compress.ts';

const wordsOf = (length: number) =>
  fc.array(fc.oneof(fc.integer(), fc.constantFrom(0, -1, 0x80000000 | 0, 0x7fffffff)), { minLength: length, maxLength: length });

test('a block changes the state as the standard says, step by step', () => {
  fc.assert(
    fc.property(wordsOf(8), wordsOf(16), (state, words) => {
      const changed = Int32Array.from(state);
      compress(changed, Int32Array.from(words));
      expect([...changed]).toEqual(asInTheStandard(state, words));
    }),
    { numRuns: 500 },
  );
});

test('a block is not changed by being compressed, and the first state is that of the standard', () => {
  const words = Int32Array.from({ length: 16 }, (_, i) => i * 0x01234567);
  const before = [...words];
  compress(initial.slice(), words);
  expect([...words]).toEqual(before);
  expect([...initial]).toEqual(primes(8).map((prime) => firstBits(Math.sqrt(prime))));
});

/** FIPS 180-4, section 6.2.2, in its own words and its own order; the constants computed from the primes. */
function asInTheStandard(state: readonly number[], words: readonly number[]): readonly number[] {
  const rotate = (x: number, n: number) => (x >>> n) | (x << (32 - n));
  const w = [...words];
  for (let t = 16; t < 64; t++) {
    const [a, b, c, d] = [w[t - 2], w[t - 7], w[t - 15], w[t - 16]] as [number, number, number, number];
    const small1 = rotate(a, 17) ^ rotate(a, 19) ^ (a >>> 10);
    const small0 = rotate(c, 7) ^ rotate(c, 18) ^ (c >>> 3);
    w.push((small1 + b + small0 + d) | 0);
  }
  let [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t++) {
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const first = (h + big1 + ((e & f) ^ (~e & g)) + (constants[t] as number) + (w[t] as number)) | 0;
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  return [a, b, c, d, e, f, g, h].map((word, i) => (word + (state[i] as number)) | 0);
}

const constants = primes(64).map((prime) => firstBits(Math.cbrt(prime)));

/** The first 32 bits behind the point. */
function firstBits(value: number): number {
  return Math.floor((value % 1) * 2 ** 32) | 0;
}

function primes(count: number): readonly number[] {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate++) if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
  return found;
}
