/**
 * The measuring rule that the figures in bench/README.md rest on.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { compare, conclude, middle, quantile } from '../../bench/harness/Comparison.ts';
import { getBytes, startLoad } from '../../bench/harness/Load.ts';
import { loop } from '../../bench/harness/Loop.ts';

const reading = (microseconds: number) => ({ cpuNs: microseconds * 1000 * 50, count: 50 });

/** Nine rounds in which B costs that many times A, and A differs from itself by that much. */
function rounds(ratio: number, noise: number) {
  return Array.from({ length: 9 }, (_, i) => {
    const factor = 1 + (i % 2 === 0 ? noise : -noise);
    return { a: reading(10), b: reading(ratio * 10 * ((1 + factor) / 2)), again: reading(10 * factor) };
  });
}

const verdict = (ratio: number, noise: number, bound: { readonly atMost: number } | { readonly atLeast: number }) =>
  conclude({ name: 'x', a: 'a', b: 'b', bound }, rounds(ratio, noise)).verdict;

test('a bound is met or missed only by more than A differs from A', () => {
  expect(verdict(1.02, 0.01, { atMost: 1.05 })).toBe('met');
  expect(verdict(1.02, 0.04, { atMost: 1.05 })).toBe('not shown');
  expect(verdict(1.07, 0.04, { atMost: 1.05 })).toBe('not shown');
  expect(verdict(1.1, 0.04, { atMost: 1.05 })).toBe('missed');
  expect(verdict(3, 0.04, { atLeast: 2 })).toBe('met');
  expect(verdict(1.9, 0.04, { atLeast: 2 })).toBe('missed');
});

test('the ratio is that of the median round, and A against A counts a constant difference too', () => {
  const outlier = { a: reading(10), b: reading(900), again: reading(10) };
  const drifting = { a: reading(10), b: reading(11), again: reading(12) };
  const { ratio, spread, aMicroseconds, bMicroseconds } = conclude({ name: 'x', a: 'a', b: 'b' }, [outlier, ...Array(8).fill(drifting)]);
  expect({ ratio, spread, aMicroseconds, bMicroseconds }).toEqual({ ratio: 1, spread: expect.closeTo(0.2), aMicroseconds: 10, bMicroseconds: 11 });
});

test('the sides take turns, A on both sides of B, and warming up is not counted', async () => {
  const order: string[] = [];
  const noting = (name: string) => ({
    name,
    run: () => {
      order.push(name);
      return reading(1);
    },
  });
  const { rounds } = await compare({ name: 'x', a: noting('A'), b: noting('B'), warmUps: 2 });
  expect(order.join('')).toBe('ABA'.repeat(11));
  expect(rounds).toBe(9);
  order.length = 0;
  await compare({ name: 'x', a: noting('A'), b: noting('B'), warmUps: 0, turns: 2 });
  expect(order.join('')).toBe('ABA'.repeat(18));
  await expect(compare({ name: 'x', a: noting('A'), b: noting('B'), rounds: 8 })).rejects.toThrow(RangeError);
});

test('the middle half of readings leaves out the dearest and the cheapest quarter', () => {
  expect(middle([900, 1, 10, 12, 11, 500, 2, 13].map(reading))).toEqual({ cpuNs: 1000 * 50 * (10 + 11 + 12 + 13), count: 200 });
  expect(middle([])).toEqual({ cpuNs: 0, count: 0 });
});

test('a quantile lies between its neighbours', () => {
  expect([quantile([4, 1, 3, 2], 0.5), quantile([1, 2, 3], 0.5), quantile([1, 2], 0.25)]).toEqual([2.5, 2, 1.25]);
});

test('work in a loop is called as often as said, and costs processor time', () => {
  const indexes: number[] = [];
  expect(loop((index) => indexes.push(index), 3).count).toBe(3);
  expect(indexes).toEqual([0, 1, 2]);
  expect(loop((index) => JSON.stringify({ index }), 200_000).cpuNs).toBeGreaterThan(0);
});

test('load sends every request once, and an unexpected status is an error', async () => {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.statusCode = request.url === '/1' ? 201 : 200;
    response.end('an answer');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const load = await startLoad();
  try {
    const requests = Array.from({ length: 40 }, (_, i) => getBytes(`/${i + 2}`, { Host: 'a' }));
    expect(await load.drive({ port, requests, connections: 4, expect: 200 })).toMatchObject({ statuses: { 200: 40 } });
    expect(new Set(seen).size).toBe(40);
    await expect(load.drive({ port, requests: [getBytes('/1', { Host: 'a' })], expect: 200 })).rejects.toThrow('"201":1');
  } finally {
    await load.stop();
    server.close();
  }
});
