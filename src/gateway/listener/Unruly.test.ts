import { describe, expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { Unruly } from './Unruly.ts';

const clock = () => FixedClock.create();
const times = (count: number, act: () => void) => Array.from({ length: count }).forEach(act);

describe('an address that is cut off', () => {
  test('four times is let in, and a fifth time is not, until five seconds are over', () => {
    const now = clock();
    const unruly = new Unruly(now, () => false);
    times(4, () => unruly.onCutOff('192.0.2.1'));
    expect(unruly.refuses('192.0.2.1')).toBe(false);
    unruly.onCutOff('192.0.2.1');
    expect([unruly.refuses('192.0.2.1'), unruly.refuses('192.0.2.2')]).toEqual([true, false]);
    now.advance(4999);
    expect(unruly.refuses('192.0.2.1')).toBe(true);
    now.advance(1);
    expect(unruly.refuses('192.0.2.1')).toBe(false);
    unruly.onCutOff('192.0.2.1');
    expect(unruly.refuses('192.0.2.1')).toBe(false);
    unruly.onCutOff('192.0.2.1');
    expect(unruly.refuses('192.0.2.1')).toBe(true);
  });

  test('with time in between is let in for ever', () => {
    const now = clock();
    const unruly = new Unruly(now, () => false);
    times(50, () => {
      unruly.onCutOff('192.0.2.1');
      expect(unruly.refuses('192.0.2.1')).toBe(false);
      now.advance(5000);
    });
  });

  test('is all of its /64, and its IPv4 in any form', () => {
    const unruly = new Unruly(clock(), () => false);
    times(5, () => unruly.onCutOff('2001:db8::1'));
    times(5, () => unruly.onCutOff('::ffff:192.0.2.1'));
    expect(['2001:db8::2', '2001:db8:0:1::1', '192.0.2.1'].map((address) => unruly.refuses(address))).toEqual([true, false, true]);
  });

  test('and is a proxy that is trusted is let in', () => {
    const unruly = new Unruly(clock(), (address) => address === '192.0.2.1');
    times(9, () => unruly.onCutOff('::ffff:192.0.2.1'));
    expect(unruly.refuses('::ffff:192.0.2.1')).toBe(false);
  });

  test('is not kept out by a clock that was set back', () => {
    let atMs = 1_000_000;
    const unruly = new Unruly({ ...clock(), nowMs: () => atMs }, () => false);
    times(5, () => unruly.onCutOff('192.0.2.1'));
    atMs -= 500_000;
    expect(unruly.refuses('192.0.2.1')).toBe(false);
  });

  test('is one of ten thousand that are known: the first to be known is the first to be forgotten', () => {
    const unruly = new Unruly(clock(), () => false);
    const address = (index: number) => `10.0.${index >> 8}.${index & 255}`;
    for (let index = 0; index <= 10_000; index++) times(5, () => unruly.onCutOff(address(index)));
    expect([0, 1, 10_000].map((index) => unruly.refuses(address(index)))).toEqual([false, true, true]);
  });
});
