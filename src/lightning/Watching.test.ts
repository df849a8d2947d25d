import { describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Settlement } from './Lightning.ts';
import { byTime, type Listed, type ReadPage, watchByAsking } from './Watching.ts';

const startAt = 1_800_000_000;

/** A wallet that lists what it was paid by time, the newest first. */
function createWallet(pageLength = 3) {
  const all: Listed[] = [];
  const asked: { readonly fromAt: number; readonly offset: number }[] = [];
  const readPage: ReadPage = async (page) => {
    asked.push(page);
    // Of equal times, whichever was written down later is first.
    const newest = all.toReversed().sort((a, b) => b.settledAt - a.settledAt);
    const entries = newest.slice(page.offset, page.offset + pageLength);
    return { listed: entries.filter(({ amountMsat }) => amountMsat > 0n), length: entries.length, isLast: entries.length < pageLength };
  };
  /** Something settles; with nothing received it is no invoice. */
  const settle = (name: number, settledAt: number, sat = 50) => {
    const paymentHash = name.toString(16).padStart(12, '0').padEnd(64, 'f') as PaymentHash;
    all.push({ paymentHash, amountMsat: Amount.fromSat(sat), settledAt, description: undefined });
  };
  return { settle, asked, settlements: byTime('the wallet', readPage) };
}

const signal = new AbortController().signal;
const nameOf = ({ paymentHash }: { readonly paymentHash: string }) => Number.parseInt(paymentHash.slice(0, 12), 16);

/** Watches from that cursor on until the next question. */
async function readOn({ settlements }: ReturnType<typeof createWallet>, after: string) {
  const { settlements: told, cursor } = await settlements.read(after, signal);
  return { names: told.map(nameOf), cursors: told.map((one) => one.cursor), cursor };
}

describe('a cursor by time', () => {
  it('tells everything of a second once, whatever settles in it later', async () => {
    const wallet = createWallet();
    const start = await wallet.settlements.begin(signal);
    wallet.settle(9, startAt);
    const first = await readOn(wallet, start);
    wallet.settle(1, startAt);
    wallet.settle(5, startAt);
    const second = await readOn(wallet, first.cursor);
    expect([first.names, second.names, (await readOn(wallet, second.cursor)).names]).toEqual([[9], [1, 5], []]);
  });

  it('goes on behind each settlement of a second, not behind the second', async () => {
    const wallet = createWallet();
    const start = await wallet.settlements.begin(signal);
    for (const name of [4, 3, 2, 1]) wallet.settle(name, startAt);
    const { names, cursors } = await readOn(wallet, start);
    expect(names).toEqual([4, 3, 2, 1]);
    const behind = await Promise.all(cursors.map(async (cursor) => (await readOn(wallet, cursor)).names));
    expect(behind).toEqual([[3, 2, 1], [2, 1], [1], []]);
  });

  it('finds what was written down a moment after something that settled later', async () => {
    const wallet = createWallet();
    const start = await wallet.settlements.begin(signal);
    wallet.settle(1, startAt + 5);
    const first = await readOn(wallet, start);
    wallet.settle(2, startAt);
    const second = await readOn(wallet, first.cursor);
    expect(second.names).toEqual([2]);
    expect((await readOn(wallet, second.cursor)).names).toEqual([]);
  });

  it('stays short where much is paid for long', async () => {
    const wallet = createWallet(100);
    let cursor = await wallet.settlements.begin(signal);
    const told: number[] = [];
    for (let name = 1; name <= 200; name++) {
      wallet.settle(name, startAt + name);
      const page = await readOn(wallet, cursor);
      told.push(...page.names);
      cursor = page.cursor;
      expect(cursor.length).toBeLessThan(12 + 12 * 12);
    }
    expect(told).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  });

  it('reads no more than what is behind it', async () => {
    const wallet = createWallet(3);
    for (let name = 1; name <= 1000; name++) wallet.settle(name, startAt + name * 60);
    const cursor = await wallet.settlements.begin(signal);
    expect((await readOn(wallet, cursor)).names).toEqual([]);
    wallet.settle(1001, startAt + 1001 * 60);
    expect((await readOn(wallet, cursor)).names).toEqual([1001]);
    expect(wallet.asked.map(({ offset }) => offset)).toEqual([0, 0, 0, 0]);
  });

  it('begins behind the newest settlement, also where newer entries are none', async () => {
    const wallet = createWallet(2);
    wallet.settle(1, startAt);
    for (let name = 2; name < 8; name++) wallet.settle(name, startAt + 100, 0);
    const cursor = await wallet.settlements.begin(signal);
    expect((await readOn(wallet, cursor)).names).toEqual([]);
  });

  it('that is none is refused', async () => {
    const wallet = createWallet();
    for (const cursor of ['', '7', '1800000000', '1800000000.abc', `.${'0'.repeat(12)}`]) await expect(readOn(wallet, cursor)).rejects.toThrow(RangeError);
  });
});

describe('a watch that asks', () => {
  it('asks every two seconds, and once more behind what it was told', async () => {
    const clock = FixedClock.create();
    const asked: string[] = [];
    const settlement = { cursor: '2' } as Settlement;
    const stop = new AbortController();
    const read = async (after: string) => {
      asked.push(`${clock.nowMs() % 100_000} ${after}`);
      return asked.length === 2 ? { settlements: [settlement], cursor: '2' } : { settlements: [], cursor: after };
    };
    const watch = watchByAsking({ begin: async () => '1', read }, { clock, stop: stop.signal, after: undefined });
    const first = watch.next();
    await turns();
    clock.advance(2000);
    expect((await first).value).toBe(settlement);
    const second = watch.next();
    await turns();
    clock.advance(2000);
    await turns();
    expect(asked).toEqual(['0 1', '2000 1', '4000 2']);
    stop.abort();
    expect(await second).toEqual({ done: true, value: undefined });
    expect(clock.timers()).toBe(0);
  });

  it('breaks where the product cannot be asked, and ends in silence where it was called off', async () => {
    const unavailable = new FareboxError('LIGHTNING_UNAVAILABLE', 'down');
    const failing = { begin: () => Promise.reject(unavailable), read: () => Promise.reject(unavailable) };
    const options = { clock: FixedClock.create(), stop: signal };
    await expect(watchByAsking(failing, { ...options, after: undefined }).next()).rejects.toBe(unavailable);
    await expect(watchByAsking(failing, { ...options, after: '7' }).next()).rejects.toBe(unavailable);
    expect(await watchByAsking(failing, { ...options, stop: AbortSignal.abort(), after: '7' }).next()).toEqual({ done: true, value: undefined });
  });
});

async function turns(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
