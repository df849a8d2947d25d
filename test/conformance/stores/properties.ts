/**
 * What holds for every store after any sequence of calls. A store and one in memory get the same calls, so that each is also the other's model.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as Amount from '../../../src/core/Amount.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { ClaimRef, LedgerEntry, Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, leaseSeconds } from '../../../src/testing/storeContract/StoreCase.ts';
import { openAt, type Place } from './Place.ts';

const clock = FixedClock.create();
const farAway = 4_000_000_000;
const price = Amount.fromSat(50);
const memory = createMemoryStore({ clock });
let other: Store;
let runs = 0;

/** Tests one kind of store. Each test plays that many sequences of calls. */
export function testProperties(newPlace: () => Place, numRuns = 200): void {
  beforeAll(async () => {
    other = await openAt(newPlace(), clock);
  });

  afterAll(async () => {
    await Promise.all([memory.close(), other.close()]);
  });

  test('of any number of parallel claims one is granted a key', () => playParallel(Math.ceil(numRuns * 0.3)));
  test('claims: never two live holders, fences only grow, no msat is lost or made', () => playClaims(numRuns), 10 * 60_000);
  test(
    'accounts: units = available + reserved + spent, nothing is overdrawn, only settling spends, and only cancelling gives back',
    () => playAccounts(numRuns),
    10 * 60_000,
  );
}

/** Asks both stores the same; they have to agree. */
async function both<T>(ask: (store: Store) => Promise<T>): Promise<T> {
  const [one, same] = await Promise.all([ask(memory), ask(other)]);
  expect(same).toEqual(one);
  return one;
}

async function playParallel(numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(4), { minLength: 1, maxLength: 60, size: 'max' }), async (keys) => {
      runs += 1;
      const requests = keys.map((key) => claimOf(`parallel ${runs} ${key}`, { expiresAt: farAway }));
      for (const store of [memory, other]) {
        const outcomes = await Promise.all(requests.map((request) => store.claim(request)));
        const granted = requests.filter((_, i) => outcomes[i]?.kind === 'granted').map(({ key }) => key);
        expect(granted.sort()).toEqual([...new Set(requests.map(({ key }) => key))].sort());
      }
    }),
    { numRuns },
  );
}

type Step =
  | { readonly kind: 'claim'; readonly key: number; readonly request: number; readonly repeats: number }
  | { readonly kind: 'heartbeat' | 'commit' | 'deliver' | 'undelivered'; readonly key: number; readonly age: number }
  | { readonly kind: 'release'; readonly key: number; readonly age: number; readonly reason: string; readonly limit: number | undefined }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'prune' };

/** Mostly the newest claim, sometimes one that was lost long ago. */
const age = fc.constantFrom(0, 0, 0, 0, 1, 2);
const key = fc.constantFrom(0, 0, 0, 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('claim' as const), key, request: fc.constantFrom(0, 0, 0, 1), repeats: fc.constantFrom(0, 2, 2) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom('commit', 'commit', 'commit', 'undelivered', 'undelivered', 'undelivered', 'deliver', 'heartbeat'),
      key,
      age,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('release' as const),
      key,
      age,
      reason: fc.constantFrom('client', 'broken'),
      limit: fc.constantFrom(undefined, 0, 1, 3, 3),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 999, 10_000, leaseSeconds * 1000, 601_000) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'prune' as const }) },
);

/** What a run knows of one key. */
type Known = {
  readonly name: string;
  /** Where the run's part of the ledger begins. */
  readonly firstSeq: number;
  /** Granted fences, the newest first. */
  readonly fences: number[];
  /** The fence that somebody answers under, as far as its lease goes. */
  live: { readonly fence: number; readonly untilAt: number } | undefined;
  delivered: boolean;
  /** Granted since the first answer. */
  repetitions: number;
  /** Which request was answered first. */
  request: number;
};

function startOf(name: string, firstSeq: number): Known {
  return { name, firstSeq, fences: [], live: undefined, delivered: false, repetitions: 0, request: 0 };
}

function nowAt(): number {
  return clock.nowMs() / 1000;
}

/** What the payment of a key has earned, less what was reversed: nothing, or its price. */
async function earned({ name, firstSeq }: Known): Promise<bigint> {
  const { paymentHash } = entryOf('earned', name);
  const rows = (await both((store) => store.ledger({ after: firstSeq, limit: 1000 }))).filter((row) => row.paymentHash === paymentHash);
  const sum = (kind: LedgerEntry['kind']) => rows.reduce((total, row) => (row.kind === kind ? total + row.amountMsat : total), 0n);
  const earnedMsat = sum('earned') - sum('reversed');
  expect([0n, price]).toContain(earnedMsat);
  return earnedMsat;
}

async function playClaim(of: Known, step: Step & { readonly kind: 'claim' }): Promise<void> {
  const repeat = { limit: step.repeats, withinSeconds: 600 };
  const outcome = await both((store) => store.claim(claimOf(of.name, { request: digest(`request ${step.request}`), expiresAt: farAway, repeat })));
  if (outcome.kind === 'used') expect(await earned(of), 'what is used is paid for').toBe(price);
  if (outcome.kind !== 'granted') return;
  expect(of.live === undefined || of.live.untilAt <= nowAt(), 'two live holders').toBe(true);
  expect(outcome.fence, 'fences grow').toBeGreaterThan(of.fences[0] ?? 0);
  expect(of.delivered, 'a delivered claim is granted again').toBe(false);
  expect(await earned(of), 'a first answer is not paid for yet, a repetition is').toBe(outcome.repeat > 0 ? price : 0n);
  if (outcome.repeat > 0) {
    expect(step.request, 'a repetition is of the same request').toBe(of.request);
    expect(outcome.repeat).toBeLessThanOrEqual(2);
    of.repetitions += 1;
    expect(of.repetitions, 'repetitions end, given back or not').toBeLessThanOrEqual(2 + 3);
  } else {
    of.repetitions = 0;
    of.request = step.request;
  }
  of.fences.unshift(outcome.fence);
  of.live = { fence: outcome.fence, untilAt: nowAt() + leaseSeconds };
}

async function playRelease(of: Known, ref: ClaimRef, { reason, limit }: Step & { readonly kind: 'release' }): Promise<void> {
  const nonce = `${ref.fence}`;
  const entries = { entryIfReleased: entryOf('reversed', of.name, { nonce }), entryIfCommitted: entryOf('earned', of.name, { nonce }) };
  const outcome = await both((store) => store.release({ ...ref, ...entries, reason, ...(limit !== undefined && { limit }) }));
  if (outcome !== 'lost' && of.live?.fence === ref.fence) of.live = undefined;
  if (outcome === 'committed') expect(await earned(of)).toBe(price);
  if (outcome === 'released') expect(await earned(of), 'what is released is not paid for').toBe(of.repetitions > 0 ? price : 0n);
}

async function play(known: readonly Known[], step: Step): Promise<void> {
  if (step.kind === 'advance') return clock.advance(step.ms);
  if (step.kind === 'prune') return void (await both((store) => store.prune()));
  const of = known[step.key] as Known;
  if (step.kind === 'claim') return playClaim(of, step);
  const ref = { key: digest(of.name), fence: of.fences[step.age] ?? 99 };
  const isLive = of.live?.fence === ref.fence;
  if (step.kind === 'release') return playRelease(of, ref, step);
  if (step.kind === 'heartbeat') {
    const held = await both((store) => store.heartbeat({ ...ref, leaseSeconds }));
    if (held) of.live = { fence: ref.fence, untilAt: nowAt() + leaseSeconds };
    else expect(isLive && (of.live?.untilAt ?? 0) > nowAt(), 'a live claim is lost').toBe(false);
  } else if (step.kind === 'commit') {
    const entry = entryOf(of.repetitions > 0 ? 'repeated' : 'earned', of.name, { nonce: `${ref.fence}` });
    const outcome = await both((store) => store.commit({ ...ref, entry }));
    if (outcome === 'committed' && isLive) of.live = { fence: ref.fence, untilAt: nowAt() + leaseSeconds };
    if (outcome === 'committed') expect(await earned(of)).toBe(price);
  } else {
    const committed = (await earned(of)) > 0n;
    await both((store) => store[step.kind as 'deliver' | 'undelivered'](ref));
    if (committed && isLive) of.live = undefined;
    if (committed && step.kind === 'deliver' && of.fences[0] === ref.fence) of.delivered = true;
  }
}

async function playClaims(numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
      runs += 1;
      const { seq } = await both((store) => store.denials());
      const known = [0, 1].map((index): Known => startOf(`run ${runs} ${index}`, seq));
      for (const one of steps) {
        await play(known, one);
        await Promise.all(known.map(earned));
        await Promise.all(known.map(({ name }) => both((store) => store.claimState(digest(name)))));
      }
    }),
    { numRuns },
  );
}

type Booking =
  | { readonly kind: 'credit'; readonly account: number; readonly source: number; readonly sat: number }
  | { readonly kind: 'reserve'; readonly reservation: number; readonly accounts: readonly number[]; readonly sat: number }
  | { readonly kind: 'settle'; readonly reservation: number; readonly sat: number | undefined }
  | { readonly kind: 'cancel'; readonly reservation: number }
  | { readonly kind: 'advance'; readonly ms: number };

const account = fc.nat(2);
const reservation = fc.nat(5);
const booking: fc.Arbitrary<Booking> = fc.oneof(
  fc.record({ kind: fc.constant('credit' as const), account, source: fc.nat(9), sat: fc.nat(100) }),
  fc.record({ kind: fc.constant('reserve' as const), reservation, accounts: fc.uniqueArray(account, { minLength: 1 }), sat: fc.nat(60) }),
  fc.record({ kind: fc.constant('reserve' as const), reservation, accounts: fc.uniqueArray(account, { minLength: 1 }), sat: fc.nat(60) }),
  fc.record({ kind: fc.constant('settle' as const), reservation, sat: fc.option(fc.nat(60), { nil: undefined }) }),
  fc.record({ kind: fc.constant('cancel' as const), reservation }),
  fc.record({ kind: fc.constant('advance' as const), ms: fc.constantFrom(1, 5000, leaseSeconds * 1000) }),
);

async function playAccounts(numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(booking, { minLength: 1, maxLength: 40, size: 'max' }), async (bookings) => {
      runs += 1;
      const prefix = `run ${runs}`;
      const credited = new Map<string, bigint>();
      for (const one of bookings) {
        const before = await standings(prefix);
        await book(prefix, one, credited);
        const after = await standings(prefix);
        for (const [name, balance] of after) {
          expect(balance.units).toBe(balance.available + balance.reserved + balance.spent);
          expect(balance.available >= 0n && balance.reserved >= 0n).toBe(true);
          expect(balance.units).toBe(credited.get(name));
          const spentBefore = before.get(name)?.spent ?? 0n;
          const hasChanged = balance.spent - spentBefore;
          expect(one.kind === 'settle' ? hasChanged >= 0n : one.kind === 'cancel' ? hasChanged <= 0n : hasChanged === 0n).toBe(true);
        }
      }
    }),
    { numRuns },
  );
}

async function standings(prefix: string) {
  const names = [0, 1, 2].map((index) => `${prefix} account ${index}`);
  const balances = await Promise.all(names.map((name) => both((store) => store.balance(name))));
  return new Map(names.flatMap((name, i) => (balances[i] ? [[name, balances[i]] as const] : [])));
}

async function book(prefix: string, one: Booking, credited: Map<string, bigint>): Promise<void> {
  if (one.kind === 'advance') return clock.advance(one.ms);
  if (one.kind === 'credit') {
    const name = `${prefix} account ${one.account}`;
    const request = { account: name, units: BigInt(one.sat), source: `${prefix} source ${one.source}`, expiresAt: farAway };
    if ((await both((store) => store.credit(request))) === 'credited') credited.set(name, (credited.get(name) ?? 0n) + request.units);
    return;
  }
  const name = `${prefix} reservation ${one.reservation}`;
  if (one.kind === 'cancel') return void (await both((store) => store.cancel({ reservation: name, reason: 'any' })));
  if (one.kind === 'settle') {
    const amount = one.sat === undefined ? {} : { units: BigInt(one.sat) };
    return void (await both((store) => store.settle({ reservation: name, ...amount })));
  }
  const debits = one.accounts.map((index) => ({ account: `${prefix} account ${index}`, units: BigInt(one.sat) }));
  await both((store) =>
    store.reserve({ reservation: name, leaseSeconds, debits }).catch((error: unknown) => {
      expect(error).toBeInstanceOf(RangeError);
      return 'mistaken';
    }),
  );
}
