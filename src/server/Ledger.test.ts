import { expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import type { LedgerEntry, Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createLedger } from './Ledger.ts';
import type { Principal } from './Offer.ts';

const principal = (number: number): Principal => ({
  paymentHash: String(number).padStart(64, '0'),
  tokenId: 'bb'.repeat(32),
  fingerprint: '00000000',
  mintedAt: 1,
  validUntil: 2000,
  mintedUntil: 2000,
  service: 'api',
  tier: 0,
  capabilities: [],
  amountMsat: Amount.fromSat(1),
  terms: 'pass',
  units: undefined,
  isBound: true,
  parts: [],
  useKey: undefined,
  branches: [],
  topUp: undefined,
});

const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

/** A ledger on a store that does nothing but append, as the test says. */
function open(append: (entries: readonly LedgerEntry[]) => Promise<void>) {
  const batches: (readonly LedgerEntry[])[] = [];
  const troubles: unknown[] = [];
  const store = {
    append: (entries: readonly LedgerEntry[]) => {
      batches.push(entries);
      return append(entries);
    },
  } as unknown as Store;
  const clock = FixedClock.create();
  const ledger = createLedger(store, clock, (error) => troubles.push(error));
  return { ...ledger, clock, batches, troubles, payments: () => batches.flat().map(({ paymentHash }) => Number(paymentHash)) };
}

test.each([0, 1, 2, 3, 4, 5, 6, 7, 8])('a pass that is seen %i turns after a write has ended is written as well', async (depth) => {
  let before = Promise.resolve();
  for (let i = 0; i < depth; i++) before = before.then(() => {});
  let first = true;
  const ledger = open(async () => {
    if (first) void before.then(() => ledger.sawPass(principal(2), 'GET /x'));
    first = false;
  });
  ledger.sawPass(principal(1), 'GET /x');
  await turns();
  ledger.clock.advance(20);
  await turns();
  expect(ledger.payments()).toEqual([1, 1, 2, 2]);
});

test('passes that are seen while the store writes are written together', async () => {
  let done = () => {};
  const ledger = open(() => new Promise((resolve) => (done = resolve)));
  for (let i = 0; i < 5; i++) ledger.sawPass(principal(i), 'GET /x');
  const flushed = ledger.flush();
  done();
  await turns();
  done();
  await flushed;
  expect(ledger.batches.map(({ length }) => length)).toEqual([2, 8]);
});

test('what is flushed while it is being written leaves no timer behind', async () => {
  let done = () => {};
  const ledger = open(() => new Promise((resolve) => (done = resolve)));
  ledger.sawPass(principal(1), 'GET /x');
  const flushed = ledger.flush();
  done();
  await flushed;
  await turns();
  expect([ledger.payments().length, ledger.clock.timers()]).toEqual([2, 0]);
});

test('the store is left alone for a moment after each write, and what came meanwhile is written together', async () => {
  const ledger = open(async () => {});
  for (let i = 0; i < 4; i++) {
    ledger.sawPass(principal(i), 'GET /x');
    await turns();
  }
  ledger.clock.advance(19);
  await turns();
  expect(ledger.batches.map(({ length }) => length)).toEqual([2]);
  ledger.clock.advance(1);
  await turns();
  expect(ledger.batches.map(({ length }) => length)).toEqual([2, 6]);
  ledger.sawPass(principal(4), 'GET /x');
  await ledger.flush();
  expect([ledger.payments().length, ledger.clock.timers()]).toEqual([10, 0]);
});

test('a pass that comes back among thousands of others is written once', async () => {
  const ledger = open(async () => {});
  for (let i = 0; i < 25_000; i++) {
    ledger.sawPass(principal(i), 'GET /x');
    ledger.sawPass(principal(Math.max(0, i - 4000)), 'GET /x');
  }
  await turns();
  expect(ledger.payments().length).toBe(50_000);
});

test('a store that throws at once is trouble, and is tried again', async () => {
  let fails = true;
  const ledger = open(() => {
    if (fails) throw new Error('broken');
    return Promise.resolve();
  });
  ledger.sawPass(principal(1), 'GET /x');
  await turns();
  expect(ledger.troubles.length).toBe(1);
  fails = false;
  await ledger.flush();
  expect(ledger.payments()).toEqual([1, 1, 1, 1]);
});

test('what could not be written is tried again a few seconds later, without another pass', async () => {
  let fails = true;
  const ledger = open(() => (fails ? Promise.reject(new Error('broken')) : Promise.resolve()));
  ledger.sawPass(principal(1), 'GET /x');
  await turns();
  fails = false;
  ledger.clock.advance(4999);
  await turns();
  expect(ledger.batches.length).toBe(1);
  ledger.clock.advance(1);
  await turns();
  expect([ledger.batches.length, ledger.troubles.length]).toEqual([2, 1]);
});
