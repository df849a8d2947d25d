/**
 * How payments go from reserved to their end, and their money from held to spent.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import {
  type ClientStoreCase,
  digest,
  dispatched,
  hashOf,
  kindOf,
  lease,
  now,
  other,
  preimageOf,
  purchaseOf,
  requestOf,
  reserved,
  sat,
  settled,
  sums,
  totalOf,
} from './ClientStoreCase.ts';

/** How payments and their money go. */
export const payments: readonly ClientStoreCase[] = [
  {
    name: 'a payment goes from reserved to redeemed, and its money from held to spent',
    run: async (store) => {
      assert.deepEqual(await sums(store), [0n, 0n]);
      await reserved(store, requestOf(purchaseOf('a')));
      assert.deepEqual(await sums(store), [60_000n, 0n]);
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now + 1 })).kind, 'dispatched');
      const paid = await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(52), claim: lease }, now + 2);
      assert.deepEqual(paid, {
        ...purchaseOf('a'),
        ...lease,
        budgets: [],
        tags: [],
        state: 'settled',
        reservedMsat: sat(60),
        spentMsat: sat(52),
        preimage: preimageOf('a'),
        usable: true,
        createdAt: now,
        dispatchedAt: now + 1,
        updatedAt: now + 2,
        seen: false,
        boundTo: '',
        note: '',
      });
      assert.deepEqual(await store.get(hashOf('a')), paid);
      assert.deepEqual(await sums(store), [0n, 52_000n]);
      const used = await store.step(hashOf('a'), { kind: 'redeem', owner: lease.owner, last: true }, now + 3);
      assert.deepEqual([used?.state, used?.usable, used?.owner], ['redeemed', false, '']);
      assert.deepEqual(await sums(store), [0n, 52_000n]);
    },
  },
  {
    name: 'a payment that failed gives its money back',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now))?.state, 'failed');
      assert.deepEqual(await sums(store), [0n, 0n]);
    },
  },
  {
    name: 'a payment whose end is unknown holds its money until it is known',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'doubt', note: 'lost' }, now))?.state, 'unknown');
      assert.deepEqual(await sums(store), [60_000n, 0n]);
      await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50) }, now);
      assert.deepEqual(await sums(store), [0n, 50_000n]);
    },
  },
  {
    name: 'one payment hash is paid once, whatever became of it',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('a', { resource: digest('GET /b') })))), 'known');
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now })).kind, 'dispatched');
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now })).kind, 'lost');
      await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now);
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('a')))), 'known');
    },
  },
  {
    name: 'a reservation that never came to its wallet may be made again',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      await store.step(hashOf('a'), { kind: 'fail', note: 'called off' }, now);
      await dispatched(store, 'a');
      assert.deepEqual(await sums(store), [60_000n, 0n]);
    },
  },
  {
    name: 'a reservation whose owner is gone is given up when the next one is made, and cannot be dispatched',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      const late = now + 15;
      await reserved(store, requestOf(purchaseOf('b'), { ...other, leaseEndsAt: late + 15, nowAt: late, ...totalOf(sat(60)) }));
      assert.deepEqual(await sums(store), [60_000n, 0n]);
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: late })).kind, 'lost');
    },
  },
  {
    name: 'a reservation that is not extended cannot be dispatched, and not by another owner',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...other, nowAt: now })).kind, 'lost');
      assert.equal(await store.step(hashOf('a'), { kind: 'extend', ...other }, now), undefined);
      assert.equal((await store.step(hashOf('a'), { kind: 'extend', owner: lease.owner, leaseEndsAt: now + 30 }, now))?.leaseEndsAt, now + 30);
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), owner: lease.owner, leaseEndsAt: now + 45, nowAt: now + 30 })).kind, 'lost');
    },
  },
  {
    name: 'an unknown payment stands in the way of its resource, and of no other',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('b')));
      await dispatched(store, 'a');
      await store.step(hashOf('a'), { kind: 'doubt', note: 'lost' }, now);
      const outcome = await store.reserve(requestOf(purchaseOf('c')));
      assert.equal(outcome.kind === 'blocked' && outcome.payment.paymentHash, hashOf('a'));
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'blocked');
      await dispatched(store, 'd', {}, { resource: digest('GET /other') });
      await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now);
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'dispatched');
    },
  },
  {
    name: 'a payment under way stands in the way of other clients, and of its own when its call is gone',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('b'), other))), 'blocked');
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('b'), { owner: 'one.2' }))), 'reserved');
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('c'), { owner: 'one.3', leaseEndsAt: now + 30, nowAt: now + 15 }))), 'blocked');
    },
  },
  {
    name: 'the total limit covers what is spent and what is held, and leaves less for the fee where less is left',
    run: async (store) => {
      await settled(store, 'a');
      await dispatched(store, 'b');
      const limited = (max: number, word = 'c') => requestOf(purchaseOf(word, { resource: digest(word) }), totalOf(sat(max)));
      const refused = await store.reserve(limited(161));
      assert.ok(refused.kind === 'exceeded');
      assert.deepEqual([refused.by.budget, refused.by.spentMsat, refused.by.heldMsat, refused.by.endAt], ['', sat(52), sat(60), undefined]);
      assert.equal(await store.get(hashOf('c')), undefined);
      assert.equal(kindOf(await store.reserve({ ...limited(163), minFeeMsat: sat(2) })), 'exceeded');
      assert.equal((await reserved(store, limited(165))).reservedMsat, sat(53));
      assert.equal(kindOf(await store.reserve(limited(165, 'd'))), 'exceeded');
    },
  },
  {
    name: 'of many parallel reservations as many are made as the total limit covers',
    run: async (store) => {
      const words = Array.from({ length: 20 }, (_, index) => `word-${index}`);
      const outcomes = await Promise.all(words.map((word) => store.reserve(requestOf(purchaseOf(word), { ...totalOf(sat(250)), maxFeeMsat: Amount.zero }))));
      assert.equal(outcomes.filter(({ kind }) => kind === 'reserved').length, 5);
      assert.deepEqual(await sums(store), [250_000n, 0n]);
    },
  },
  {
    name: 'a payment that cost more than was set aside stops spending until a person allows it',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('b')));
      await settled(store, 'a', sat(61));
      assert.deepEqual(await store.spending(), { heldMsat: sat(60), spentMsat: sat(61), stoppedBy: hashOf('a'), stopNote: undefined });
      const stopped = { kind: 'stopped', by: hashOf('a'), note: undefined };
      assert.deepEqual(await store.reserve(requestOf(purchaseOf('c'))), stopped);
      assert.deepEqual(await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now }), stopped);
      await store.allowSpending();
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'dispatched');
    },
  },
  {
    name: 'a payment that was said to have failed and settles after all is counted, and stops spending',
    run: async (store) => {
      await dispatched(store, 'a');
      await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now);
      await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50) }, now);
      assert.deepEqual(await store.spending(), { heldMsat: 0n, spentMsat: sat(50), stoppedBy: hashOf('a'), stopNote: undefined });
    },
  },
  {
    name: 'a payment settles once; later words on its end change nothing',
    run: async (store) => {
      await settled(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(59) }, now))?.spentMsat, sat(52));
      assert.equal(await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now), undefined);
      assert.equal(await store.step(hashOf('a'), { kind: 'doubt', note: 'lost' }, now), undefined);
      assert.deepEqual(await sums(store), [0n, 52_000n]);
    },
  },
  {
    name: 'a payment that no wallet was called for does not settle, nor does one that is not there',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      const step = { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50) } as const;
      assert.equal(await store.step(hashOf('a'), step, now), undefined);
      assert.equal(await store.step(hashOf('nobody'), step, now), undefined);
      assert.equal(await store.get(hashOf('nobody')), undefined);
    },
  },
];
