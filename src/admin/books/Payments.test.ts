import { expect, test } from 'vitest';
import * as Preimage from '../../core/Preimage.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { LedgerEntry } from '../../store/Store.ts';
import { digest, entryOf } from '../../testing/storeContract/StoreCase.ts';
import { readPage, readStory, summarize } from './Payments.ts';

const all = { before: Number.MAX_SAFE_INTEGER, limit: 10 };

async function stateOf(...kinds: readonly LedgerEntry['kind'][]): Promise<string | undefined> {
  const store = createMemoryStore();
  await store.append(kinds.map((kind, i) => entryOf(kind, 'a', { nonce: String(i) })));
  return summarize(await readStory(store, Preimage.parseHash(digest('a'))))?.state;
}

test.each<[readonly LedgerEntry['kind'][], string | undefined]>([
  [[], undefined],
  [['settled'], 'arrived'],
  [['settled', 'received'], 'received'],
  [['received', 'earned'], 'earned'],
  [['received', 'earned', 'reversed'], 'reversed'],
  [['received', 'earned', 'reversed', 'earned', 'repeated'], 'earned'],
])('of %j became %s', async (kinds, state) => {
  expect(await stateOf(...kinds)).toBe(state);
});

test('payments stand where their newest entry does, each once, page by page', async () => {
  const store = createMemoryStore();
  for (const word of ['a', 'b', 'c', 'd']) await store.append([entryOf('received', word), entryOf('earned', word)]);
  await store.append([entryOf('reversed', 'a')]);
  const first = await readPage(store, {}, { ...all, limit: 2 });
  const second = await readPage(store, {}, { before: first.nextBefore ?? 0, limit: 10 });
  const words = [...first.payments, ...second.payments].map(({ paymentHash }) => ['a', 'b', 'c', 'd'].find((word) => digest(word) === paymentHash));
  expect(words).toEqual(['a', 'd', 'c', 'b']);
  expect(first.payments[0]).toMatchObject({ state: 'reversed', earnedMsat: 0n, amountMsat: 50_000n, sales: 0 });
  expect(second.nextBefore).toBeUndefined();
});

test('a filter passes over what is not meant, and a whole hash is found however old it is', async () => {
  const store = createMemoryStore();
  await store.append([entryOf('received', 'old')]);
  for (let i = 0; i < 6000; i += 1) await store.append([entryOf('received', `p${i}`, { service: 'other' })]);
  const found = await readPage(store, { paymentHash: digest('old') }, all);
  expect(found.payments.map(({ state }) => state)).toEqual(['received']);
  const seldom = await readPage(store, { service: 'translate' }, all);
  expect([seldom.payments.length, seldom.nextBefore === undefined]).toEqual([0, false]);
  expect((await readPage(store, { service: 'translate' }, { before: seldom.nextBefore ?? 0, limit: 10 })).payments).toHaveLength(1);
});
