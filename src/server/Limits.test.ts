import { describe, expect, test } from 'vitest';
import * as FixedClock from '../testing/FixedClock.ts';
import { clientKey, createMintLimiter, createRequestLimiter } from './Limits.ts';

describe('mint limits', () => {
  test('a client has its minute of challenges, then waits for the next; another client does not', () => {
    const clock = FixedClock.create();
    const limiter = createMintLimiter({ perClientPerMinute: 2, perMinute: 100 }, clock);
    expect([limiter('192.0.2.1'), limiter('192.0.2.1'), limiter('192.0.2.1')]).toEqual([0, 0, 30]);
    expect(limiter('192.0.2.2')).toBe(0);
    clock.advance(29_000);
    expect(limiter('192.0.2.1')).toBe(1);
    clock.advance(1000);
    expect(limiter('192.0.2.1')).toBe(0);
  });

  test('all clients together have theirs', () => {
    const limiter = createMintLimiter({ perClientPerMinute: 100, perMinute: 3 }, FixedClock.create());
    expect(['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4'].map(limiter)).toEqual([0, 0, 0, 20]);
  });

  test('a refused client costs nobody else anything', () => {
    const limiter = createMintLimiter({ perClientPerMinute: 1, perMinute: 3 }, FixedClock.create());
    expect([limiter('a'), limiter('a'), limiter('a'), limiter('b'), limiter('c')]).toEqual([0, 60, 60, 0, 0]);
  });

  test('a limit below one is a mistake', () => {
    expect(() => createMintLimiter({ perMinute: 0 }, FixedClock.create())).toThrow(RangeError);
    expect(() => createMintLimiter({ perClientPerMinute: Number.NaN }, FixedClock.create())).toThrow(RangeError);
  });
});

describe('rates of requests', () => {
  test('so many at once, then as they refill; each kind and each key by itself', () => {
    const clock = FixedClock.create();
    const take = createRequestLimiter(clock);
    const rate = { requests: 2, perMs: 1000 };
    expect([take('token', 'a', rate), take('token', 'a', rate), take('token', 'a', rate)]).toEqual([0, 0, 1]);
    expect([take('token', 'b', rate), take('route', 'a', rate), take('client', 'a', rate)]).toEqual([0, 0, 0]);
    clock.advance(499);
    expect(take('token', 'a', rate)).toBe(1);
    clock.advance(1);
    expect([take('token', 'a', rate), take('token', 'a', rate)]).toEqual([0, 1]);
  });

  test('a rate that changes holds at once, and what was taken stays taken', () => {
    const take = createRequestLimiter(FixedClock.create());
    expect(take('route', 'a', { requests: 10, perMs: 60_000 })).toBe(0);
    const slower = { requests: 3, perMs: 60_000 };
    expect([0, 1, 2, 3].map(() => take('route', 'a', slower))).toEqual([0, 0, 0, 20]);
    expect(take('route', 'a', { requests: 100, perMs: 60_000 })).toBe(1);
  });

  test('clients from many addresses push no token and no route out', () => {
    const take = createRequestLimiter(FixedClock.create());
    const once = { requests: 1, perMs: 60_000 };
    take('route', 'a', once);
    take('token', 'a', once);
    for (let i = 0; i < 30_000; i++) take('client', `client ${i}`, once);
    expect([take('route', 'a', once), take('token', 'a', once)]).toEqual([60, 60]);
    expect(take('client', 'client 0', once), 'it was forgotten: what is kept is bounded').toBe(0);
  });
});

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::1', '2001:db8:1:2'],
  ['2001:DB8::1', '2001:db8:0:0'],
  ['2001:0db8:0001:0002::', '2001:db8:1:2'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['', ''],
])('%s is counted as %s', (address, key) => expect(clientKey(address)).toBe(key));

test('the five thousand clients that asked last are remembered; those that asked before ten thousand others are forgotten', () => {
  const limiter = createMintLimiter({ perClientPerMinute: 1, perMinute: 1_000_000 }, FixedClock.create());
  const ask = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => limiter(`client ${from + i}`));
  ask(0, 12_000);
  expect(ask(7000, 12_000).every((wait) => wait > 0)).toBe(true);
  ask(12_000, 22_000);
  expect(ask(0, 12_000)).toEqual(Array(12_000).fill(0));
});

test('a client that keeps asking is remembered among any number of others', () => {
  const limiter = createMintLimiter({ perClientPerMinute: 1, perMinute: 1_000_000 }, FixedClock.create());
  limiter('greedy');
  for (let i = 0; i < 50_000; i++) {
    limiter(`client ${i}`);
    if (i % 5000 === 0) expect(limiter('greedy')).toBeGreaterThan(0);
  }
});

test('a clock that goes back and comes again fills nothing twice; one that was set back for good is followed', () => {
  const fixed = FixedClock.create();
  let shiftMs = 0;
  const limiter = createMintLimiter({ perClientPerMinute: 10 }, { ...fixed, nowMs: () => fixed.nowMs() + shiftMs });
  let granted = 0;
  for (let i = 0; i < 200; i++) {
    if (limiter('192.0.2.1') === 0) granted++;
    shiftMs = i % 2 === 0 ? -5000 : 0;
  }
  expect(granted).toBe(10);
  shiftMs = -3_600_000;
  expect(limiter('192.0.2.1')).toBeGreaterThan(0);
  shiftMs += 6000;
  expect(limiter('192.0.2.1')).toBe(0);
});
