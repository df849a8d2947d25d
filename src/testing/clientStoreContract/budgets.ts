/**
 * How limits count: by budget, host, tag and window, one inside the other, checked and set aside in one step.
 */
import assert from 'node:assert/strict';
import type { NamedBudget } from '../../client/Budget.ts';
import { type BudgetOptions, readBudget } from '../../client/budget/Limit.ts';
import { leftMsatOf } from '../../client/budget/LimitState.ts';
import type { ClientStore, ReserveRequest } from '../../client/ClientStore.ts';
import { recounted } from '../recounted.ts';
import { type ClientStoreCase, digest, hashOf, kindOf, lease, now, preimageOf, purchaseOf, requestOf, reserved, sat } from './ClientStoreCase.ts';

const hour = 3600;
const day = 24 * hour;

/** A budget as clients name it. */
const budgetOf = (options: BudgetOptions): NamedBudget => readBudget(options);

/** What is bought by a word, each for itself: 50 sat, and room for a fee of 10. */
const buying = (word: string, change: Partial<ReserveRequest> = {}, origin = 'https://api.example.com') =>
  requestOf(purchaseOf(word, { resource: digest(word), origin, invoiceExpiresAt: now + 400 * day }), change);

/** Pays it to its end. */
async function paid(store: ClientStore, request: ReserveRequest, word: string, spentMsat = sat(52)): Promise<void> {
  const { paymentHash } = await reserved(store, request);
  const { owner, leaseEndsAt, nowAt } = request;
  assert.equal((await store.dispatch({ paymentHash, owner, leaseEndsAt, nowAt })).kind, 'dispatched');
  assert.equal((await store.step(paymentHash, { kind: 'settle', preimage: preimageOf(word), spentMsat }, nowAt))?.state, 'settled');
}

/** What is spent and held of each limit that was named. */
async function standOf(
  store: ClientStore,
  budgets: readonly NamedBudget[],
  nowAt = now,
): Promise<readonly (readonly [spent: bigint, held: bigint, left: bigint])[]> {
  const states = await store.report({ budgets, nowAt });
  return states.map((state) => [state.spentMsat, state.heldMsat, leftMsatOf(state)]);
}

/** How budgets count. */
export const budgets: readonly ClientStoreCase[] = [
  {
    name: 'a limit counts its window, and begins anew with the next',
    run: async (store) => {
      const periods = { minute: 60, hour, day, week: 7 * day, month: 31 * day } as const;
      for (const [per, seconds] of Object.entries(periods) as [keyof typeof periods, number][]) {
        const agent = budgetOf({ name: `by-${per}`, limits: [{ per, max: '110 sat' }] });
        const at = (word: string, nowAt: number) => buying(`${per} ${word}`, { budgets: [agent], nowAt, leaseEndsAt: nowAt + 15, owner: `${per}.1` });
        await paid(store, at('a', now), `${per} a`);
        assert.equal((await reserved(store, at('b', now))).reservedMsat, sat(58));
        const refused = await store.reserve(at('c', now));
        assert.ok(refused.kind === 'exceeded', per);
        assert.deepEqual([refused.by.budget, refused.by.limit.per, refused.by.spentMsat, refused.by.heldMsat], [`by-${per}`, per, sat(52), sat(58)]);
        const { endAt = 0 } = refused.by;
        assert.ok(endAt > now && endAt <= now + seconds, per);
        assert.equal(kindOf(await store.reserve(at('d', endAt - 1))), 'reserved', 'what was held by somebody who is gone is free');
        assert.equal(kindOf(await store.reserve(at('e', endAt - 1))), 'exceeded');
        assert.equal(kindOf(await store.reserve(at('f', endAt))), 'reserved');
        assert.deepEqual(await recounted(store), []);
      }
    },
  },
  {
    name: 'a payment counts in the window in which its money was set aside, whenever it ends',
    run: async (store) => {
      const agent = budgetOf({ name: 'agent', limits: [{ per: 'day', max: '110 sat' }] });
      const { paymentHash } = await reserved(store, buying('a', { budgets: [agent] }));
      assert.equal((await store.dispatch({ paymentHash, ...lease, nowAt: now })).kind, 'dispatched');
      await store.step(paymentHash, { kind: 'doubt', note: 'lost' }, now);
      const later = now + day;
      assert.deepEqual(await standOf(store, [agent]), [[0n, 60_000n, 50_000n]]);
      assert.deepEqual(await standOf(store, [agent], later), [[0n, 0n, 110_000n]]);
      await store.step(paymentHash, { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(51) }, later);
      assert.deepEqual(await standOf(store, [agent]), [[51_000n, 0n, 59_000n]]);
      assert.deepEqual(await standOf(store, [agent], later), [[0n, 0n, 110_000n]]);
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'budgets within budgets: all of them have to allow it, and each counts it whole',
    run: async (store) => {
      const owner = budgetOf({ name: 'owner', limits: [{ per: 'total', max: '170 sat' }] });
      const agents = ['one', 'two'].map((name) => budgetOf({ name, limits: [{ per: 'hour', max: '120 sat' }] }));
      const [one, two] = agents as [NamedBudget, NamedBudget];
      await paid(store, buying('a', { budgets: [owner, one] }), 'a');
      await paid(store, buying('b', { budgets: [owner, one] }), 'b');
      const full = await store.reserve(buying('c', { budgets: [owner, one] }));
      assert.equal(full.kind === 'exceeded' && full.by.budget, 'one');
      assert.equal((await reserved(store, buying('c', { budgets: [owner, two] }))).reservedMsat, sat(60));
      const over = await store.reserve(buying('d', { budgets: [owner, two] }));
      assert.equal(over.kind === 'exceeded' && over.by.budget, 'owner');
      assert.deepEqual(await standOf(store, [owner, one, two]), [
        [104_000n, 60_000n, 6_000n],
        [104_000n, 0n, 16_000n],
        [0n, 60_000n, 60_000n],
      ]);
      assert.deepEqual((await store.get(hashOf('a')))?.budgets, ['owner', 'one']);
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'a limit for a host or a tag counts those payments alone, all together',
    run: async (store) => {
      const agent = budgetOf({
        name: 'agent',
        limits: [
          { per: 'total', max: '120 sat', host: '*.example.com' },
          { per: 'total', max: '120 sat', tag: 'job' },
        ],
      });
      const tagged = { budgets: [agent], tags: ['job', 'other'] };
      await paid(store, buying('a', { budgets: [agent] }), 'a');
      await paid(store, buying('b', { budgets: [agent] }, 'https://web.example.com:8443'), 'b');
      const host = await store.reserve(buying('c', { budgets: [agent] }, 'https://deep.web.example.com'));
      assert.equal(host.kind === 'exceeded' && host.by.limit.host, '*.example.com');
      await paid(store, buying('d', tagged, 'https://example.com'), 'd');
      await paid(store, buying('e', { budgets: [agent] }, 'https://example.com'), 'e');
      await paid(store, buying('f', tagged, 'https://elsewhere.org'), 'f');
      const tag = await store.reserve(buying('g', tagged, 'https://elsewhere.org'));
      assert.equal(tag.kind === 'exceeded' && tag.by.limit.tag, 'job');
      assert.equal(kindOf(await store.reserve(buying('h', { budgets: [agent], tags: ['other'] }, 'https://elsewhere.org'))), 'reserved');
      assert.deepEqual((await store.get(hashOf('d')))?.tags, ['job', 'other']);
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'a limit for one request leaves less for the fee, or refuses',
    run: async (store) => {
      const agent = budgetOf({ name: 'agent', limits: [{ per: 'request', max: '53 sat' }] });
      const outcome = await store.reserve(buying('a', { budgets: [agent] }));
      assert.ok(outcome.kind === 'reserved');
      assert.equal(outcome.payment.reservedMsat, sat(53));
      assert.equal(outcome.feeBoundBy?.kind === 'limit' && outcome.feeBoundBy.state.budget, 'agent');
      assert.equal(kindOf(await store.reserve(buying('b', { budgets: [agent], minFeeMsat: sat(4) }))), 'exceeded');
    },
  },
  {
    name: 'what would come of a reservation is said without anything being written',
    run: async (store) => {
      const agent = budgetOf({ name: 'agent', limits: [{ per: 'day', max: '110 sat' }] });
      await reserved(store, buying('gone', { budgets: [agent], leaseEndsAt: now + 1 }));
      const before = await store.audit();
      const later = { budgets: [agent], nowAt: now + 1, leaseEndsAt: now + 16 };
      const weighed = await store.weigh(buying('a', later));
      assert.equal(weighed.kind === 'reserved' && weighed.payment.reservedMsat, sat(60));
      assert.deepEqual(await store.audit(), before);
      assert.deepEqual(await store.reserve(buying('a', later)), weighed);
      assert.equal(kindOf(await store.weigh(buying('b', later))), 'reserved');
      assert.equal(kindOf(await store.weigh(buying('b', { ...later, minFeeMsat: sat(5) }))), 'exceeded');
    },
  },
  {
    name: 'a limit that is new counts what its budget has spent since its window began',
    run: async (store) => {
      const agent = budgetOf({ name: 'agent' });
      await paid(store, buying('a', { budgets: [agent], nowAt: now - 2 * day, leaseEndsAt: now }), 'a');
      await paid(store, buying('b', { budgets: [agent] }), 'b');
      await paid(store, buying('c'), 'c');
      await reserved(store, buying('d', { budgets: [agent] }));
      const tight = budgetOf({
        name: 'agent',
        limits: [
          { per: 'day', max: '150 sat' },
          { per: 'total', max: '170 sat' },
        ],
      });
      const everything = budgetOf({ name: 'x', limits: [{ per: 'day', max: '200 sat' }] });
      assert.deepEqual(await standOf(store, [tight, { ...everything, name: '' }]), [
        [52_000n, 60_000n, 38_000n],
        [104_000n, 60_000n, 6_000n],
        [104_000n, 60_000n, 36_000n],
      ]);
      const refused = await store.reserve(buying('e', { budgets: [tight] }));
      assert.deepEqual(refused.kind === 'exceeded' && [refused.by.limit.per, refused.by.spentMsat], ['day', 52_000n]);
      await store.step(hashOf('d'), { kind: 'fail', note: 'called off' }, now);
      const raised = budgetOf({ name: 'agent', limits: [{ per: 'total', max: '171 sat' }] });
      assert.equal((await reserved(store, buying('e', { budgets: [raised] }))).reservedMsat, sat(60));
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'counters of windows that are over are forgotten, and made again where a clock was set back',
    run: async (store) => {
      const agent = budgetOf({ name: 'agent', limits: [{ per: 'minute', max: '110 sat' }] });
      await paid(store, buying('a', { budgets: [agent] }), 'a');
      const later = now + day;
      await paid(store, buying('b', { budgets: [agent], nowAt: later, leaseEndsAt: later + 15 }), 'b');
      assert.deepEqual(
        (await store.audit()).counters.filter(({ budget }) => budget === 'agent').map(({ startAt }) => startAt),
        [later - (later % 60)],
      );
      assert.equal(kindOf(await store.reserve(buying('c', { budgets: [agent] }))), 'reserved');
      assert.equal(kindOf(await store.reserve(buying('d', { budgets: [agent] }))), 'exceeded');
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'of many parallel reservations as many are made as every limit covers',
    run: async (store) => {
      const owner = budgetOf({ name: 'owner', limits: [{ per: 'day', max: '400 sat' }] });
      const agents = ['one', 'two', 'three'].map((name) => budgetOf({ name, limits: [{ per: 'minute', max: '170 sat' }] }));
      const outcomes = await Promise.all(
        agents.flatMap((agent) =>
          Array.from({ length: 6 }, (_, index) => store.reserve(buying(`${agent.name} ${index}`, { budgets: [owner, agent], maxFeeMsat: sat(0) }))),
        ),
      );
      assert.equal(outcomes.filter(({ kind }) => kind === 'reserved').length, 8);
      assert.deepEqual((await standOf(store, [owner]))[0], [0n, 400_000n, 0n]);
      for (const [, held] of await standOf(store, agents)) assert.ok(held <= 150_000n);
      assert.deepEqual(await recounted(store), []);
    },
  },
];
