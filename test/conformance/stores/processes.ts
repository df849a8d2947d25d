/**
 * Several processes on one store: one winner, whoever is killed and whenever.
 */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ClaimOutcome } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, entryOf, expiresAt, leaseSeconds } from '../../../src/testing/storeContract/StoreCase.ts';
import { openAt, type Place } from './Place.ts';
import { type Answer, createWorkers, type Worker, type Workers } from './Workers.ts';
import type { Order } from './worker.ts';

const startAt = 1_800_000_000;
let place: Place;
let workers: Workers;

/** Tests one kind of store, each time in a new place. */
export function testProcesses(newPlace: () => Place): void {
  beforeEach(() => {
    place = newPlace();
    workers = createWorkers();
  });

  afterEach(() => workers.end());

  for (const [name, run] of Object.entries(tests)) test(name, run, 60_000);
}

const tests: { readonly [name: string]: () => Promise<void> } = {
  'four processes claim the same 50 keys at once: one winner a key': () => claimAtOnce('claim'),
  'four processes claim the same 50 keys in turn: one winner a key': () => claimAtOnce('claim-in-turn'),
  'four processes count and reserve at once: no more than there is': countAtOnce,
  'killed between claim and commit: nobody else gets the claim before the lease has ended, one does after': killedBetween,
  'killed in the middle of selling: every sale that was told of is there, and none is half there': killedSelling,
  'a change in one process is heard in another within half a second of its clock': heardElsewhere,
};

function startWorker(clockAt = startAt): Promise<Worker> {
  return workers.start(place, clockAt);
}

/** Processes that have opened one new store at the same moment. */
async function startWorkers(count: number): Promise<readonly Worker[]> {
  const started = await Promise.all(Array.from({ length: count }, () => startWorker()));
  await Promise.all(started.map((worker) => worker.ask({ kind: 'open' })));
  return started;
}

async function claimAtOnce(kind: 'claim' | 'claim-in-turn'): Promise<void> {
  const four = await startWorkers(4);
  const keys = Array.from({ length: 50 }, (_, i) => `key ${i}`);
  const turned = four.map((_, i) => [...keys.slice(i * 3), ...keys.slice(0, i * 3)]);
  const outcomes = await Promise.all(four.map((worker, i) => worker.ask<ClaimOutcome[]>({ kind, keys: turned[i] ?? [] })));
  for (const key of keys) {
    const kinds = outcomes.map((of, i) => of[turned[i]?.indexOf(key) ?? -1]?.kind);
    expect(kinds.sort(), key).toEqual(['busy', 'busy', 'busy', 'granted']);
  }
}

async function countAtOnce(): Promise<void> {
  const four = await startWorkers(4);
  const counts = await Promise.all(four.map((worker) => worker.ask<{ counted: boolean }[]>({ kind: 'count', times: 20, ceiling: 33 })));
  expect(counts.flat().filter(({ counted }) => counted).length).toBe(33);

  const store = await openAt(place, FixedClock.create(startAt));
  await store.credit({ account: 'a', units: 105n, source: 'one', expiresAt });
  const names = (worker: number) => Array.from({ length: 5 }, (_, i) => `reservation ${worker} ${i}`);
  const reserved = await Promise.all(four.map((worker, i) => worker.ask<{ kind: string }[]>({ kind: 'reserve', names: names(i) })));
  expect(reserved.flat().filter(({ kind }) => kind === 'reserved').length).toBe(10);
  expect((await store.balance('a'))?.available).toBe(5n);
  await store.close();
}

async function killedBetween(): Promise<void> {
  const [first, second] = await startWorkers(2);
  const [granted] = (await first?.ask<ClaimOutcome[]>({ kind: 'claim', keys: ['a'] })) ?? [];
  expect(granted).toEqual({ kind: 'granted', fence: 1, repeat: 0 });
  await first?.kill();
  expect((await second?.ask<ClaimOutcome[]>({ kind: 'claim', keys: ['a'] }))?.[0]?.kind).toBe('busy');

  const later = await Promise.all([startWorker(startAt + leaseSeconds), startWorker(startAt + leaseSeconds)]);
  await Promise.all(later.map((worker) => worker.ask({ kind: 'open' })));
  const outcomes = (await Promise.all(later.map((worker) => worker.ask<ClaimOutcome[]>({ kind: 'claim', keys: ['a'] })))).flat();
  expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['busy', 'granted']);
  expect(outcomes.find(({ kind }) => kind === 'granted')).toEqual({ kind: 'granted', fence: 2, repeat: 0 });
  expect(await second?.ask({ kind: 'commit', key: 'a', fence: 1 })).toBe('lost');
  expect(await second?.ask({ kind: 'commit', key: 'a', fence: 2 })).toBe('committed');
}

async function killedSelling(): Promise<void> {
  const [seller] = await startWorkers(1);
  const told: string[] = [];
  await new Promise<void>((resolve, reject) => {
    seller?.process.on('message', ({ answer, error }: Answer) => {
      if (error !== undefined) reject(new Error(error));
      told.push(`${answer}`);
      if (told.length === 200) resolve();
    });
    seller?.process.send({ kind: 'sell' } satisfies Order);
  });
  await seller?.kill();

  const clock = FixedClock.create(startAt + leaseSeconds);
  const store = await openAt(place, clock);
  const sold = new Set((await store.ledger({ after: 0, limit: 100_000 })).map(({ paymentHash }) => paymentHash));
  for (const name of told) expect(sold.has(entryOf('earned', name).paymentHash), name).toBe(true);
  expect((await store.totals()).sales).toBe(sold.size);
  for (let i = 1; i <= sold.size + 8; i++) {
    const outcome = await store.claim(claimOf(`sale ${i}`));
    const isSold = sold.has(entryOf('earned', `sale ${i}`).paymentHash);
    expect(outcome.kind === 'granted' && outcome.repeat, `sale ${i}`).toBe(isSold ? 1 : 0);
  }
  await store.close();
}

async function heardElsewhere(): Promise<void> {
  const clock = FixedClock.create(startAt);
  const store = await openAt(place, clock);
  const [other] = await startWorkers(1);
  // From the beginning: a server may look up where "from now on" begins behind what another process asks it meanwhile.
  const changes = store.changes({ after: 0, signal: new AbortController().signal })[Symbol.asyncIterator]();
  const heard = changes.next();
  const [granted] = (await other?.ask<ClaimOutcome[]>({ kind: 'claim', keys: ['a'] })) ?? [];
  expect(granted?.kind).toBe('granted');
  await other?.ask({ kind: 'commit', key: 'a', fence: 1 });
  clock.advance(500);
  const { value } = await heard;
  expect(value?.kind === 'ledger' && value.row.paymentHash).toBe(entryOf('earned', 'a').paymentHash);
  await changes.return?.();
  await store.close();
  expect(clock.timers()).toBe(0);
}
