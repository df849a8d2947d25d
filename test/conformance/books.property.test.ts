/**
 * The books balance after every step of every sequence of steps that a seller can take, in every store, and all stores say the same.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import * as Amount from '../../src/core/Amount.ts';
import * as Books from '../../src/store/Books.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, leaseSeconds } from '../../src/testing/storeContract/StoreCase.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-books-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

type Step =
  | { readonly kind: 'claim'; readonly use: number; readonly request: number }
  | { readonly kind: 'commit' | 'deliver' | 'undelivered' | 'heartbeat'; readonly use: number; readonly age: number }
  | { readonly kind: 'release'; readonly use: number; readonly age: number; readonly limit: number | undefined }
  | { readonly kind: 'pass' | 'credit' | 'limit'; readonly name: number }
  | { readonly kind: 'reserve'; readonly reservation: number; readonly account: number; readonly sat: number; readonly isLong: boolean }
  | { readonly kind: 'settle'; readonly reservation: number; readonly sat: number | undefined }
  | { readonly kind: 'cancel'; readonly reservation: number }
  | { readonly kind: 'advance'; readonly seconds: number }
  | { readonly kind: 'prune' };

const use = fc.constantFrom(0, 0, 1);
const age = fc.constantFrom(0, 0, 0, 1);
const reservation = fc.nat(2);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('claim' as const), use, request: fc.constantFrom(0, 0, 1) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'commit', 'commit', 'undelivered', 'deliver', 'heartbeat'), use, age }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), use, age, limit: fc.constantFrom(undefined, 0, 1, 3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('pass', 'credit', 'credit', 'limit'), name: fc.nat(1) }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('reserve' as const), reservation, account: fc.nat(1), sat: fc.nat(30), isLong: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const), reservation, sat: fc.option(fc.nat(30), { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), reservation }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('advance' as const), seconds: fc.constantFrom(1, leaseSeconds, 601, 4000, 40_000, 90_000, 200_000) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'prune' as const }) },
);

/** A reservation whose name is taken. */
function mistaken(error: unknown): undefined {
  expect(error).toBeInstanceOf(RangeError);
}

/** A seller with two stores that are told the same. */
function createSeller(stores: readonly [Store, Store], clock: FixedClock.FixedClock) {
  /** Granted fences of each use, the newest first, with the repetition that each was granted for. */
  const granted: { readonly fence: number; readonly repeat: number }[][] = [[], []];
  const amounts = new Map<string, number>();
  const isOver = () => clock.nowMs() / 1000 >= expiresAt;

  async function both<T>(ask: (store: Store) => Promise<T>): Promise<T> {
    const [one, other] = await Promise.all([ask(stores[0]), ask(stores[1])]);
    expect(other).toEqual(one);
    return one;
  }

  async function claim(number: number, request: number): Promise<void> {
    // A token that has expired is refused before the store is asked.
    if (isOver()) return;
    const name = `use ${number}`;
    const asked = claimOf(name, { request: digest(`request ${request}`), entry: entryOf('received', name) });
    const outcome = await both((store) => store.claim(asked));
    if (outcome.kind === 'granted') granted[number]?.unshift(outcome);
  }

  async function end(one: Step & { readonly use: number; readonly age: number }): Promise<void> {
    const name = `use ${one.use}`;
    const { fence, repeat } = granted[one.use]?.[one.age] ?? { fence: 9, repeat: 0 };
    const ref = { key: digest(name), fence };
    const entry = (kind: 'earned' | 'repeated' | 'reversed') => entryOf(kind, name, { nonce: `${fence}` });
    if (one.kind === 'commit') await both((store) => store.commit({ ...ref, entry: entry(repeat > 0 ? 'repeated' : 'earned') }));
    else if (one.kind === 'deliver') await both((store) => store.deliver(ref));
    else if (one.kind === 'undelivered') await both((store) => store.undelivered(ref));
    else if (one.kind === 'heartbeat') await both((store) => store.heartbeat({ ...ref, leaseSeconds }));
    else if (one.kind === 'release') {
      const entries = repeat > 0 ? {} : { entryIfCommitted: entry('earned'), entryIfReleased: entry('reversed') };
      await both((store) => store.release({ ...ref, ...entries, reason: 'any', ...(one.limit !== undefined && { limit: one.limit }) }));
    }
  }

  async function reserve({ reservation, account, sat, isLong }: Step & { readonly kind: 'reserve' }): Promise<void> {
    const debits = [`account ${account}`, `limit ${account}`].map((name) => ({ account: name, amountMsat: Amount.fromSat(sat) }));
    const request = { reservation: `${reservation}`, leaseSeconds: isLong ? 300_000 : leaseSeconds, debits };
    const outcome = await both((store) => store.reserve(request).catch(mistaken));
    if (outcome?.kind === 'reserved') amounts.set(`${reservation}`, account * 1000 + sat);
  }

  async function settle({ reservation, sat }: Step & { readonly kind: 'settle' }): Promise<void> {
    const reserved = amounts.get(`${reservation}`) ?? 0;
    const amountMsat = Amount.fromSat(Math.min(reserved % 1000, sat ?? 1000));
    const entry = entryOf('earned', `account ${Math.floor(reserved / 1000)}`, { nonce: `${reservation} at ${clock.nowMs()}`, amountMsat });
    await both((store) => store.settle({ reservation: `${reservation}`, ...(sat !== undefined && { amountMsat: Amount.fromSat(sat) }), entry }));
  }

  async function credit(kind: 'credit' | 'limit', number: number): Promise<void> {
    const account = `${kind === 'credit' ? 'account' : 'limit'} ${number}`;
    if (isOver()) return;
    const entry = kind === 'credit' && { entry: entryOf('received', account) };
    await both((store) => store.credit({ account, amountMsat: Amount.fromSat(50), source: account, expiresAt, ...entry }));
  }

  return {
    both,
    take: async (one: Step): Promise<unknown> => {
      switch (one.kind) {
        case 'claim':
          return claim(one.use, one.request);
        case 'pass':
          return both((store) => store.append([entryOf('received', `pass ${one.name}`), entryOf('earned', `pass ${one.name}`)]));
        case 'credit':
        case 'limit':
          return credit(one.kind, one.name);
        case 'reserve':
          return reserve(one);
        case 'settle':
          return settle(one);
        case 'cancel':
          return both((store) => store.cancel(`${one.reservation}`));
        case 'advance':
          return clock.advance(one.seconds * 1000);
        case 'prune':
          return both((store) => store.prune());
        default:
          return end(one);
      }
    },
  };
}

test('after any steps, at any hour, every millisatoshi received is somewhere, once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }), async (steps) => {
      files += 1;
      const clock = FixedClock.create();
      const stores = [createMemoryStore({ clock }), await createSqliteStore({ path: join(folder, `${files}.db`), clock })] as const;
      const seller = createSeller(stores, clock);
      try {
        for (const one of steps) {
          await seller.take(one);
          const { discrepancies, columns } = await seller.both((store) => Books.verify(store.audit()));
          expect(discrepancies).toEqual([]);
          const { received, earned, unspent, held, refunded, expired } = columns;
          expect(earned.amountMsat + unspent.amountMsat + held.amountMsat + refunded.amountMsat + expired.amountMsat).toBe(received.amountMsat);
          const totals = await seller.both((store) => store.totals());
          expect([received.amountMsat, received.payments, earned.amountMsat]).toEqual([totals.receivedMsat, totals.payments, totals.earnedMsat]);
        }
      } finally {
        await Promise.all(stores.map((store) => store.close()));
      }
    }),
    { numRuns: 60 },
  );
}, 120_000);
