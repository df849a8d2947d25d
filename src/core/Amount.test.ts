import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as Amount from './Amount.ts';
import { FareboxError } from './Errors.ts';

describe('parse', () => {
  test.each([
    ['10 sat', 10_000n],
    ['10sat', 10_000n],
    ['1 sats', 1000n],
    ['2500 msat', 2500n],
    ['0.001 BTC', 100_000_000n],
    ['0.5 sat', 500n],
    ['1.500 sat', 1500n],
    ['1_000 SAT', 1_000_000n],
    ['21000000 btc', Amount.maxMsat],
    [' 7 sat ', 7000n],
    ['0 sat', 0n],
  ])('%s', (text, msat) => expect(Amount.parse(text)).toBe(msat));

  test.each([
    ['10', 'write "10 sat" or "10 msat"'],
    ['10 sata', '"sata" is not a unit'],
    ['$1', 'Write a number and a unit'],
    ['0.5 msat', 'finer than a millisatoshi'],
    ['0.0001 sat', 'finer than a millisatoshi'],
    ['-1 sat', 'Write a number'],
    ['1e3 sat', 'Write a number'],
    ['1,5 sat', 'Write a number'],
    ['21000001 BTC', 'more than all bitcoin'],
    ['9999999999999999999 sat', 'more than all bitcoin'],
    ['', 'Write a number'],
    ['constructor', 'Write a number'],
    ['1 constructor', 'not a unit'],
    [`${'1'.repeat(100)} sat`, 'Write a number'],
  ])('refuses %s', (text, message) => {
    expect(() => Amount.parse(text)).toThrow(expect.objectContaining({ code: 'AMOUNT_MALFORMED', message: expect.stringContaining(message) }));
  });
});

test('what format writes, parse reads', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, Amount.maxMsat), (msat) => {
      expect(Amount.parse(Amount.format(msat as Amount.Msat))).toBe(msat);
      expect(Amount.ceilToSat(msat as Amount.Msat) - msat).toBeLessThan(1000n);
      expect(Amount.ceilToSat(msat as Amount.Msat)).toBeGreaterThanOrEqual(msat);
    }),
  );
});

test('any text is an amount or AMOUNT_MALFORMED', () => {
  const texts = fc.oneof(fc.string(), fc.stringMatching(/^[0-9._]{0,12} ?(sat|msat|btc|BTC)?$/));
  fc.assert(
    fc.property(texts, (text) => {
      try {
        expect(Amount.parse(text)).toBeGreaterThanOrEqual(0n);
      } catch (error) {
        expect(FareboxError.is(error, 'AMOUNT_MALFORMED')).toBe(true);
      }
    }),
  );
});

test('numbers that are no amount are refused in memory too', () => {
  expect(() => Amount.fromMsat(-1n)).toThrow(RangeError);
  expect(() => Amount.fromMsat(Amount.maxMsat + 1n)).toThrow(RangeError);
  expect(() => Amount.fromMsat(1 as unknown as bigint)).toThrow(TypeError);
  expect(() => Amount.fromSat(0.5)).toThrow(RangeError);
  expect(Amount.fromSat(2)).toBe(2000n);
});
