/**
 * The books balance after every step of every sequence of steps that a seller can take, in every store, and all stores say the same.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import * as Books from '../../../src/store/Books.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { Piece } from '../../../src/store/pieces.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, leaseSeconds, spendingOf } from '../../../src/testing/storeContract/StoreCase.ts';
import { openAt, type Place } from './Place.ts';

type Step =
  | { readonly kind: 'claim'; readonly use: number; readonly request: number }
  | { readonly kind: 'commit' | 'deliver' | 'undelivered' | 'heartbeat'; readonly use: number; readonly age: number }
  | { readonly kind: 'release'; readonly use: number; readonly age: number; readonly limit: number | undefined }
  | { readonly kind: 'pass' | 'credit' | 'topup' | 'limit'; readonly name: number }
  | {
      readonly kind: 'reserve';
      readonly reservation: number;
      readonly account: number;
      readonly units: number;
      readonly isLong: boolean;
      readonly opens: boolean;
    }
  | { readonly kind: 'settle'; readonly reservation: number; readonly units: number | undefined }
  | { readonly kind: 'cancel'; readonly reservation: number; readonly limit: number | undefined }
  | { readonly kind: 'extend'; readonly reservation: number }
  | { readonly kind: 'advance'; readonly seconds: number }
  | { readonly kind: 'prune' };

const use = fc.constantFrom(0, 0, 1);
const age = fc.constantFrom(0, 0, 0, 1);
const reservation = fc.nat(4);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('claim' as const), use, request: fc.constantFrom(0, 0, 1) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('commit', 'commit', 'commit', 'undelivered', 'deliver', 'heartbeat'), use, age }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), use, age, limit: fc.constantFrom(undefined, 0, 1, 3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('pass', 'credit', 'topup', 'limit'), name: fc.nat(1) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('reserve' as const),
      reservation,
      account: fc.nat(1),
      units: fc.nat(20),
      isLong: fc.boolean(),
      opens: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('settle' as const), reservation, units: fc.option(fc.nat(20), { nil: undefined }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('cancel' as const), reservation, limit: fc.constantFrom(undefined, 0, 1, 3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('extend' as const), reservation }) },
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
  let steps = 0;
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

  /** A number of units that does not divide what was paid for them. */
  const opening = (account: number) => ({ source: `account ${account}`, units: 35n, expiresAt, entry: entryOf('received', `account ${account}`) });

  async function reserve({ reservation, account, units, isLong, opens }: Step & { readonly kind: 'reserve' }): Promise<void> {
    if (isOver()) return;
    const debits = [
      { account: `account ${account}`, units: BigInt(units), ...(opens && { opens: opening(account) }) },
      { account: `limit ${account}`, units: BigInt(units), ...(opens && { opens: { source: `limit ${account}`, units: 50n, expiresAt } }) },
    ];
    const request = { reservation: `${reservation}`, leaseSeconds: isLong ? 300_000 : leaseSeconds, debits };
    await both((store) => store.reserve(request).catch(mistaken));
  }

  /** A reservation of one name is another one at another hour. */
  const spending = (reservation: number) => spendingOf(`${reservation} at ${clock.nowMs()} ${steps}`);

  async function credit(kind: 'credit' | 'topup' | 'limit', number: number): Promise<void> {
    if (isOver()) return;
    if (kind === 'credit') await both((store) => store.credit({ account: `account ${number}`, ...opening(number) }));
    else if (kind === 'limit') await both((store) => store.credit({ account: `limit ${number}`, source: `limit ${number}`, units: 50n, expiresAt }));
    else {
      const entry = entryOf('received', `topup ${number}`, { amountMsat: Amount.fromMsat(9_999n) });
      await both((store) => store.credit({ account: `account ${number}`, source: `topup ${number}`, units: 13n, expiresAt, entry }));
    }
  }

  return {
    both,
    take: async (one: Step): Promise<unknown> => {
      steps += 1;
      switch (one.kind) {
        case 'claim':
          return claim(one.use, one.request);
        case 'pass':
          return both((store) => store.append([entryOf('received', `pass ${one.name}`), entryOf('earned', `pass ${one.name}`)]));
        case 'credit':
        case 'topup':
        case 'limit':
          return credit(one.kind, one.name);
        case 'reserve':
          return reserve(one);
        case 'settle': {
          const units = one.units === undefined ? {} : { units: BigInt(one.units) };
          return both((store) => store.settle({ reservation: `${one.reservation}`, ...units, entry: spending(one.reservation) }));
        }
        case 'cancel': {
          const limit = one.limit === undefined ? {} : { limit: one.limit };
          return both((store) => store.cancel({ reservation: `${one.reservation}`, reason: 'any', ...limit, entry: spending(one.reservation) }));
        }
        case 'extend':
          return both((store) => store.extend({ reservation: `${one.reservation}`, leaseSeconds }));
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

async function piecesOf(store: Store): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of store.export()) pieces.push(piece);
  return pieces;
}

/** What both stores tell is the same, and a third one that takes it tells it again, with the same books. */
async function move({ both }: ReturnType<typeof createSeller>, from: Store, place: Place, clock: FixedClock.FixedClock): Promise<void> {
  const told = await both(piecesOf);
  const third = await openAt(place, clock);
  try {
    await third.import(from.export());
    expect(await piecesOf(third)).toEqual(told);
    expect(await Books.verify(third.audit())).toEqual(await Books.verify(from.audit()));
  } finally {
    await third.close();
  }
}

/** Tests one kind of store. Each sequence of steps has stores of its own. */
export function testBooks(newPlace: () => Place, numRuns = 60): void {
  test('after any steps, at any hour, every millisatoshi received is somewhere, once', () => play(newPlace, numRuns), 10 * 60_000);
}

async function play(newPlace: () => Place, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 50, size: 'max' }), async (steps) => {
      const clock = FixedClock.create();
      const stores = [createMemoryStore({ clock }), await openAt(newPlace(), clock)] as const;
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
        await move(seller, stores[0], newPlace(), clock);
      } finally {
        await Promise.all(stores.map((store) => store.close()));
      }
    }),
    { numRuns },
  );
}
