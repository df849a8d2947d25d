/**
 * Calls that are claimed and counted: a claim and the units that it spends end together, as one.
 */
import assert from 'node:assert/strict';
import type { ClaimRef, ClaimRequest, Store } from '../../store/Store.ts';
import { bought, cancelOf, entries, reservationOf, standing } from './bookings.ts';
import { claimOf, digest, grant, leaseSeconds, refOf, type StoreCase, spendingOf } from './StoreCase.ts';

const answer = { status: 200, headers: [['Content-Type', 'text/plain']] as const, body: Uint8Array.of(1, 2, 3) };

/** A claim of that name, and four of the ten units of account `a`, reserved under the same name. */
async function begin(store: Store, name: string, request: ClaimRequest = claimOf(name)): Promise<ClaimRef> {
  await store.credit({ account: 'a', ...bought('p', 10n, 1000n) });
  const ref = refOf(request, await grant(store, request));
  assert.equal((await store.reserve(reservationOf(name, { a: 4n }))).kind, 'reserved');
  return ref;
}

const settling = (name: string) => ({ settles: { reservation: name, entry: spendingOf(name) } });

export const callCases: readonly StoreCase[] = [
  {
    name: 'a claim is committed with what it settles, once however often it is said, and its answer is kept',
    run: async (store) => {
      const ref = await begin(store, 'r');
      assert.equal(await store.commit({ ...ref, ...settling('r'), answer }), 'committed');
      assert.equal(await store.commit({ ...ref, ...settling('r'), answer }), 'committed');
      assert.deepEqual(await standing(store, 'a'), [10n, 6n, 0n, 4n]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 400']);
      await store.undelivered(ref);
      const again = await grant(store, claimOf('r'));
      assert.deepEqual([again.repeat, again.answer], [1, answer]);
      assert.equal(await store.commit({ key: ref.key, fence: again.fence }), 'committed');
      assert.deepEqual(await standing(store, 'a'), [10n, 6n, 0n, 4n]);
    },
  },
  {
    name: 'where what it settles is lost, a claim is not committed, and no answer is kept',
    run: async (store, clock) => {
      const ref = await begin(store, 'r');
      await store.cancel(cancelOf('r'));
      assert.equal(await store.commit({ ...ref, ...settling('r'), answer }), 'lost');
      assert.equal(await store.commit({ ...ref, ...settling('absent'), answer }), 'lost');
      assert.equal(await store.claimState(ref.key), 'held');
      clock.advance(leaseSeconds * 1000);
      assert.deepEqual(await grant(store, claimOf('r')), { kind: 'granted', fence: ref.fence + 1, repeat: 0 });
      assert.deepEqual(await entries(store, ['p']), ['received p 1000']);
    },
  },
  {
    name: 'what was paid for and is answered again under a newer claim is not given back by whoever had it first',
    run: async (store, clock) => {
      const ref = await begin(store, 'r');
      assert.equal(await store.commit({ ...ref, ...settling('r'), answer }), 'committed');
      clock.advance(leaseSeconds * 1000);
      const again = await grant(store, claimOf('r'));
      assert.deepEqual([again.repeat, await store.commit({ key: ref.key, fence: again.fence })], [1, 'committed']);
      await store.deliver({ key: ref.key, fence: again.fence });
      assert.equal(await store.release({ ...ref, reason: 'broken', cancels: cancelOf('r', 3) }), 'lost');
      assert.deepEqual([await store.claimState(ref.key), await standing(store, 'a')], ['used', [10n, 6n, 0n, 4n]]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 400']);
    },
  },
  {
    name: 'where a claim is lost, nothing is settled with it',
    run: async (store, clock) => {
      const ref = await begin(store, 'r');
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('r'));
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), true);
      assert.equal(await store.commit({ ...ref, ...settling('r'), answer }), 'lost');
      assert.deepEqual(await standing(store, 'a'), [10n, 6n, 4n, 0n]);
    },
  },
  {
    name: 'a claim is given back with what it cancels, before and after both were spent, once however often it is said',
    run: async (store) => {
      const first = await begin(store, 'r');
      const giveBack = (ref: ClaimRef, name: string) => store.release({ ...ref, reason: 'broken', cancels: cancelOf(name, 3) });
      assert.equal(await giveBack(first, 'r'), 'released');
      assert.equal(await giveBack(first, 'r'), 'released');
      assert.deepEqual([await store.claimState(first.key), await standing(store, 'a')], ['open', [10n, 10n, 0n, 0n]]);
      const second = refOf(claimOf('r'), await grant(store, claimOf('r')));
      await store.reserve(reservationOf('s', { a: 4n }));
      await store.commit({ ...second, ...settling('s'), answer });
      assert.equal(await giveBack(second, 's'), 'released');
      assert.equal(await giveBack(second, 's'), 'released');
      assert.deepEqual([await store.claimState(first.key), await standing(store, 'a')], ['open', [10n, 10n, 0n, 0n]]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 400', 'reversed p 400']);
      const third = await grant(store, claimOf('r'));
      assert.deepEqual([third.repeat, third.answer], [0, undefined]);
    },
  },
  {
    name: 'a claim is used for ever where what it cancels is settled instead',
    run: async (store) => {
      const ref = await begin(store, 'r');
      assert.equal(await store.release({ ...ref, reason: 'broken', cancels: cancelOf('r', 0), bodyDigest: digest('body') }), 'committed');
      assert.deepEqual(await standing(store, 'a'), [10n, 6n, 0n, 4n]);
      const outcome = await store.claim(claimOf('r'));
      assert.deepEqual([outcome.kind, outcome.kind === 'used' && outcome.record.bodyDigest], ['used', digest('body')]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 400']);
    },
  },
  {
    name: 'units go back to whoever lost his claim, and the claim stays whose it is',
    run: async (store, clock) => {
      const old = await begin(store, 'r');
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('r'));
      await store.reserve(reservationOf('s', { a: 4n }));
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), true);
      assert.equal(await store.release({ ...old, reason: 'broken', cancels: cancelOf('r', 3) }), 'released');
      assert.deepEqual([await store.claimState(old.key), await standing(store, 'a')], ['held', [10n, 6n, 4n, 0n]]);
    },
  },
  {
    name: 'of callers at once under one claim one settles',
    run: async (store) => {
      const ref = await begin(store, 'r');
      const requests = Array.from({ length: 8 }, (_, i) => store.commit({ ...ref, fence: ref.fence + (i % 2), ...settling('r') }));
      const outcomes = await Promise.all(requests);
      assert.equal(outcomes.filter((outcome) => outcome === 'committed').length, 4);
      assert.deepEqual(await standing(store, 'a'), [10n, 6n, 0n, 4n]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 400']);
    },
  },
  {
    name: 'a mistake in what comes with a claim is refused as one, and nothing is written',
    run: async (store) => {
      const ref = await begin(store, 'r');
      await assert.rejects(store.commit({ ...ref, settles: { reservation: '' } }), TypeError);
      await assert.rejects(store.commit({ ...ref, settles: { reservation: 'r', units: -1n } }), RangeError);
      await assert.rejects(store.release({ ...ref, reason: 'any', cancels: { reservation: 'r', reason: '' } }), TypeError);
      assert.deepEqual([await store.claimState(ref.key), await standing(store, 'a')], ['held', [10n, 6n, 4n, 0n]]);
    },
  },
];
