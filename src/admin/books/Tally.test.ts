import { expect, test } from 'vitest';
import { createMemoryStore } from '../../store/memory.ts';
import type { LedgerEntry, Store } from '../../store/Store.ts';
import { digest, entryOf } from '../../testing/storeContract/StoreCase.ts';
import { createTally } from './Tally.ts';

const begun = 1_800_000_000;

/** Entries a minute apart, each of a payment of its own. */
async function fill(store: Store, count: number, change: Partial<LedgerEntry> = {}): Promise<void> {
  const entries = Array.from({ length: count }, (_, i) => entryOf('earned', `p${i}`, { at: begun + i * 60, ...change }));
  await store.append(entries);
}

test('cells hold what was written in five minutes, and what is written later is added', async () => {
  const store = createMemoryStore();
  const tally = createTally(store);
  await fill(store, 12);
  const span = { fromAt: begun, toAt: begun + 3600 };
  const { cells, seq } = await tally.read(span);
  expect(cells.map(({ at, count, amountMsat }) => [at - begun, count, amountMsat])).toEqual([
    [0, 5, 250_000n],
    [300, 5, 250_000n],
    [600, 2, 100_000n],
  ]);
  expect(seq).toBe(12);
  await store.append([entryOf('earned', 'late', { at: begun + 660 })]);
  expect((await tally.read(span)).cells.map(({ count }) => count).sort()).toEqual([3, 5, 5]);
});

test('two questions at once count what is new once', async () => {
  const store = createMemoryStore();
  const tally = createTally(store);
  await fill(store, 3);
  const span = { fromAt: begun, toAt: begun + 300 };
  const answers = await Promise.all([tally.read(span), tally.read(span), tally.read(span)]);
  expect(answers.map(({ cells }) => cells[0]?.count)).toEqual([3, 3, 3]);
});

test('what is too long to be read at once is read on by the next question, and the answer says from when it is whole', async () => {
  const store = createMemoryStore();
  const tally = createTally(store, 1000);
  await fill(store, 2500);
  const span = { fromAt: begun, toAt: begun + 2500 * 60 };
  const total = async () => {
    const { cells, countedFromAt } = await tally.read(span);
    return [cells.reduce((sum, { count }) => sum + count, 0), countedFromAt > begun];
  };
  expect(await total()).toEqual([1000, true]);
  expect(await total()).toEqual([2000, true]);
  expect(await total()).toEqual([2500, false]);
});

test('a settlement that a wallet told of late does not end the reading back', async () => {
  const store = createMemoryStore();
  const tally = createTally(store, 10_000);
  await fill(store, 1500, { at: begun + 7200 });
  await store.append([entryOf('settled', 'late', { paymentHash: digest('late') as LedgerEntry['paymentHash'], at: begun - 86_400 })]);
  const { cells } = await tally.read({ fromAt: begun + 3600, toAt: begun + 10_800 });
  expect(cells.reduce((sum, { count }) => sum + count, 0)).toBe(1500);
});
