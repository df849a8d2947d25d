import { describe, expect, test } from 'vitest';
import * as FixedClock from '../testing/FixedClock.ts';
import { createFreeQuota, type FreeQuotaOptions } from './FreeQuota.ts';

function open(options: Partial<FreeQuotaOptions> = {}) {
  const clock = FixedClock.create();
  const quota = createFreeQuota({ requests: 2, seconds: 60, ...options }, clock);
  return { clock, quota, times: (address: string, count: number) => Array.from({ length: count }, () => quota(address)) };
}

test('each client has its share, and again in the next period', () => {
  const { clock, times } = open();
  expect(times('192.0.2.1', 3)).toEqual([1, 0, undefined]);
  expect(times('192.0.2.2', 1)).toEqual([1]);
  clock.advance(59_999);
  expect(times('192.0.2.1', 1)).toEqual([undefined]);
  clock.advance(1);
  expect(times('192.0.2.1', 3)).toEqual([1, 0, undefined]);
});

describe('IPv6', () => {
  test('a client is its /64, however many addresses it has there', () => {
    const { times } = open();
    expect([...times('2001:db8:0:1::1', 1), ...times('2001:db8:0:1:ffff::2', 2)]).toEqual([1, 0, undefined]);
    expect(times('2001:db8:0:2::1', 1)).toEqual([1]);
  });

  test('a /56 has the shares of four, and a /48 those of sixteen', () => {
    const { quota } = open({ requests: 1 });
    const given = (addresses: readonly string[]) => addresses.filter((address) => quota(address) !== undefined).length;
    expect(given(Array.from({ length: 256 }, (_, i) => `2001:db8:0:${i.toString(16)}::1`))).toBe(4);
    expect(given(Array.from({ length: 256 }, (_, i) => `2001:db8:0:${(i * 256).toString(16)}::1`))).toBe(12);
    expect(given(Array.from({ length: 3 }, (_, i) => `2001:db8:${i + 1}::1`))).toBe(3);
  });
});

describe('several clients at one address', () => {
  const office = '192.0.2.1';

  test('have a share each by their trial tokens, and those that show none have one together', () => {
    const { quota } = open({ clients: 3 });
    const take = (trial?: string) => quota(office, trial);
    expect([take(), take(), take()]).toEqual([1, 0, undefined]);
    expect([take('a'), take('b'), take('a'), take('a'), take('b'), take('b')]).toEqual([1, 1, 0, undefined, 0, undefined]);
    expect(quota('192.0.2.2', 'a')).toBe(1);
  });

  test('are as many as the address may have: other tokens count as none, and all together have no more', () => {
    const { quota, clock } = open({ clients: 3 });
    const given = () =>
      Array.from({ length: 60 }, (_, i) => quota(office, i % 2 === 0 ? `hoarded ${i}` : undefined)).filter((left) => left !== undefined).length;
    expect(given()).toBe(2 + 2);
    expect([quota(office, 'hoarded 0'), quota(office, 'hoarded 2')]).toEqual([0, 0]);
    expect(quota(office, 'hoarded 4')).toBeUndefined();
    clock.advance(60_000);
    // Who has a share keeps it, however many come before him in the next period.
    for (let i = 10; i < 90; i++) quota(office, `hoarded ${i}`);
    expect([quota(office, 'hoarded 0'), quota(office, 'hoarded 0'), quota(office, 'hoarded 0')]).toEqual([1, 0, undefined]);
  });

  test('lose their share where they have not used it for two periods, to whoever wants one', () => {
    const { quota, clock } = open({ clients: 2 });
    quota(office, 'a');
    clock.advance(119_999);
    expect([quota(office, 'b'), quota(office, 'b'), quota(office, 'b')]).toEqual([1, 0, undefined]);
    clock.advance(1);
    expect([quota(office, 'b'), quota(office, 'a')]).toEqual([1, undefined]);
  });

  test('take no share where nothing is given', () => {
    const { quota } = open({ clients: 2, inAll: 1 });
    expect([quota('192.0.2.9'), quota(office, 'a')]).toEqual([1, undefined]);
  });

  test('of IPv6 have no more than their /56 and /48 have without them, and no more than the cap', () => {
    const { quota } = open({ requests: 1, clients: 100 });
    const given = (network: string, inAll = 0) => {
      let count = inAll;
      for (let block = 0; block < 32; block++)
        for (let i = 0; i < 20; i++) if (quota(`${network}:${(block * 64).toString(16)}::1`, `${i}`) !== undefined) count += 1;
      return count;
    };
    expect(given('2001:db8:0')).toBe(16);
    let inAll = 0;
    for (let i = 0; i < 100; i++) inAll = given(`2001:db8:${(i + 1).toString(16)}`, inAll);
    expect(inAll).toBe(1000 - 16);
  });

  test('are none where an address is one client', () => {
    const { quota } = open();
    expect([quota(office, 'a'), quota(office, 'b'), quota(office)]).toEqual([1, 0, undefined]);
  });
});

test('all together have no more than the cap, whoever asks', () => {
  const { clock, quota } = open({ requests: 5, inAll: 7 });
  const given = () => Array.from({ length: 20 }, (_, i) => quota(`192.0.2.${i}`)).filter((left) => left !== undefined).length;
  expect(given()).toBe(7);
  clock.advance(60_000);
  expect(given()).toBe(7);
});

test('what is refused takes nothing from anybody', () => {
  const { clock, quota, times } = open({ requests: 1, inAll: 3 });
  times('192.0.2.1', 50);
  expect([quota('192.0.2.2'), quota('192.0.2.3'), quota('192.0.2.4')]).toEqual([0, 0, undefined]);
  clock.advance(60_000);
  expect(quota('192.0.2.1')).toBe(0);
});

test('a clock that is set back by more than a period begins a new one, and by less gives nothing again', () => {
  let nowMs = 1_800_000_000_000;
  const quota = createFreeQuota({ requests: 1, seconds: 60 }, { nowMs: () => nowMs, after: () => () => {} });
  expect(quota('192.0.2.1')).toBe(0);
  nowMs -= 30_000;
  expect(quota('192.0.2.1')).toBeUndefined();
  nowMs -= 31_000;
  expect(quota('192.0.2.1')).toBe(0);
});

test('a crowd is forgotten in turn, and the cap stands', () => {
  const { quota } = open({ requests: 1, inAll: 60_000 });
  let given = 0;
  for (let i = 0; i < 80_000; i++) if (quota(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`) !== undefined) given += 1;
  expect(given).toBe(60_000);
});

test.each([{ requests: 0 }, { requests: 1.5 }, { seconds: 0 }, { inAll: 0 }, { clients: 0 }, { clients: 101 }])('%j is no quota', (options) => {
  expect(() => open(options)).toThrow(RangeError);
});
