/**
 * What becomes of a credential that was paid for, and how rows are found.
 */
import assert from 'node:assert/strict';
import type { Payment } from '../../client/Journal.ts';
import {
  type ClientStoreCase,
  digest,
  dispatched,
  hashOf,
  lease,
  now,
  other,
  preimageOf,
  purchaseOf,
  requestOf,
  reserved,
  sat,
  settled,
} from './ClientStoreCase.ts';

/** How credentials are used. */
export const credentials: readonly ClientStoreCase[] = [
  {
    name: 'a credential is taken by one call, until it is released or its lease has ended',
    run: async (store) => {
      const { paymentHash } = await settled(store, 'a');
      await store.step(paymentHash, { kind: 'release', owner: lease.owner }, now);
      const takes = await Promise.all(
        Array.from({ length: 10 }, (_, index) => store.step(paymentHash, { kind: 'take', owner: `three.${index}`, leaseEndsAt: now + 15 }, now)),
      );
      const [winner] = takes.filter((payment) => payment !== undefined);
      assert.equal(takes.filter((payment) => payment !== undefined).length, 1);
      assert.equal(await store.step(paymentHash, { kind: 'release', owner: 'three.99' }, now), undefined);
      await store.step(paymentHash, { kind: 'release', owner: winner?.owner ?? '' }, now);
      assert.equal((await store.step(paymentHash, { kind: 'take', ...lease }, now))?.owner, lease.owner);
      assert.equal(await store.step(paymentHash, { kind: 'take', ...other }, now + 14), undefined);
      assert.equal((await store.step(paymentHash, { kind: 'take', owner: other.owner, leaseEndsAt: now + 30 }, now + 15))?.owner, other.owner);
    },
  },
  {
    name: 'a credential that is settled by somebody else stays with the call that waits for it',
    run: async (store) => {
      await dispatched(store, 'a');
      const found = await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50), claim: other }, now);
      assert.equal(found?.owner, lease.owner);
      assert.equal((await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50), claim: lease }, now))?.owner, lease.owner);
    },
  },
  {
    name: 'what a call says of a payment is worth nothing once another call works on it',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      assert.equal(await store.step(hashOf('a'), { kind: 'fail', note: 'late', by: 'two.1' }, now), undefined);
      assert.equal(await store.step(hashOf('a'), { kind: 'abandon' }, now), undefined);
      assert.equal((await store.step(hashOf('a'), { kind: 'fail', note: 'mine', by: lease.owner }, now))?.state, 'failed');
      await reserved(store, requestOf(purchaseOf('b')));
      assert.equal((await store.step(hashOf('b'), { kind: 'abandon' }, lease.leaseEndsAt + 1))?.state, 'failed');
      await dispatched(store, 'c');
      assert.equal(await store.step(hashOf('c'), { kind: 'abandon' }, lease.leaseEndsAt + 1), undefined);
      assert.equal(await store.step(hashOf('c'), { kind: 'fail', note: 'by hand', by: '' }, lease.leaseEndsAt - 1), undefined);
      assert.equal((await store.step(hashOf('c'), { kind: 'fail', note: 'by hand', by: '' }, lease.leaseEndsAt))?.state, 'failed');
    },
  },
  {
    name: 'a credential that has expired is found no more, unless a call is at work with it',
    run: async (store) => {
      await dispatched(store, 'a');
      await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50), claim: lease }, now);
      assert.equal(await store.step(hashOf('a'), { kind: 'expire' }, lease.leaseEndsAt - 1), undefined);
      const expired = await store.step(hashOf('a'), { kind: 'expire' }, lease.leaseEndsAt);
      assert.deepEqual([expired?.state, expired?.usable, expired?.owner], ['settled', false, '']);
      assert.deepEqual((await store.find({ origin: purchaseOf('a').origin })).credentials, []);
      assert.equal(await store.step(hashOf('a'), { kind: 'expire' }, lease.leaseEndsAt), undefined);
    },
  },
  {
    name: 'a wallet that has once said that it has a payment is remembered for it',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'doubt', note: 'under way', seen: true }, now))?.seen, true);
      assert.equal((await store.step(hashOf('a'), { kind: 'doubt', note: 'no answer' }, now))?.seen, true);
      assert.equal((await store.get(hashOf('a')))?.seen, true);
    },
  },
  {
    name: 'a credential whose one answer has begun is bound to that request',
    run: async (store) => {
      await settled(store, 'a');
      await store.step(hashOf('a'), { kind: 'take', ...lease }, now);
      assert.equal(await store.step(hashOf('a'), { kind: 'bind', owner: 'two.1', resource: digest('GET /b') }, now), undefined);
      assert.equal((await store.step(hashOf('a'), { kind: 'bind', owner: lease.owner, resource: digest('GET /b') }, now))?.boundTo, digest('GET /b'));
      assert.equal((await store.step(hashOf('a'), { kind: 'release', owner: lease.owner }, now))?.usable, true);
      assert.equal((await store.get(hashOf('a')))?.boundTo, digest('GET /b'));
    },
  },
  {
    name: 'a refused credential is set aside: kept, and never used again',
    run: async (store) => {
      const { paymentHash } = await settled(store, 'a');
      assert.equal((await store.step(paymentHash, { kind: 'reject', note: '402' }, now))?.state, 'rejected');
      assert.equal(await store.step(paymentHash, { kind: 'take', ...lease }, now), undefined);
      const good = await settled(store, 'b');
      await store.step(good.paymentHash, { kind: 'redeem', owner: lease.owner, last: false }, now);
      assert.equal((await store.find({ origin: good.origin })).credentials.length, 1);
      const aside = await store.step(good.paymentHash, { kind: 'reject', note: '402' }, now);
      assert.deepEqual([aside?.state, aside?.usable, aside?.preimage], ['redeemed', false, preimageOf('b')]);
      assert.deepEqual((await store.find({ origin: good.origin })).credentials, []);
    },
  },
  {
    name: 'what bears on an origin: its open payments and its usable credentials, oldest first',
    run: async (store) => {
      await dispatched(store, 'old');
      await settled(store, 'elsewhere', sat(50), { origin: 'https://other.example.com' });
      await settled(store, 'new', sat(50), { resource: digest('GET /b') });
      await store.step(hashOf('old'), { kind: 'settle', preimage: preimageOf('old'), spentMsat: sat(50) }, now);
      await reserved(store, requestOf(purchaseOf('reserved')));
      await dispatched(store, 'b-elsewhere', {}, { resource: digest('GET /b') });
      await dispatched(store, 'open');
      await dispatched(store, 'doubt', { owner: 'one.2' });
      await store.step(hashOf('doubt'), { kind: 'doubt', note: 'lost' }, now);
      const { open, credentials } = await store.find({ origin: purchaseOf('a').origin });
      assert.deepEqual(
        open.map(({ paymentHash }) => paymentHash),
        [hashOf('b-elsewhere'), hashOf('open'), hashOf('doubt')],
      );
      assert.deepEqual(
        credentials.map(({ paymentHash }) => paymentHash),
        [hashOf('old'), hashOf('new')],
      );
    },
  },
  {
    name: 'what bears on an origin is as it stands now',
    run: async (store) => {
      const { paymentHash, origin } = await settled(store, 'a');
      const kept = async () => (await store.find({ origin })).credentials.map(({ state, owner }) => [state, owner]);
      await store.step(paymentHash, { kind: 'release', owner: lease.owner }, now);
      assert.deepEqual(await kept(), [['settled', '']]);
      await store.step(paymentHash, { kind: 'take', ...other }, now);
      assert.deepEqual(await kept(), [['settled', other.owner]]);
      await store.step(paymentHash, { kind: 'redeem', owner: other.owner, last: false }, now);
      assert.deepEqual(await kept(), [['redeemed', '']]);
      await store.step(paymentHash, { kind: 'redeem', owner: '', last: true }, now);
      assert.deepEqual(await kept(), []);
    },
  },
  {
    name: 'payments are listed by state, oldest first',
    run: async (store) => {
      await settled(store, 'a');
      await dispatched(store, 'b');
      await reserved(store, requestOf(purchaseOf('c')));
      const words = async (...states: Payment['state'][]) => (await store.list(states)).map(({ token }) => token);
      assert.deepEqual(await words('reserved', 'settled'), ['token-a', 'token-c']);
      assert.deepEqual(
        (await store.list()).map(({ token }) => token),
        ['token-a', 'token-b', 'token-c'],
      );
    },
  },
  {
    name: 'a closed store answers nothing',
    run: async (store) => {
      await store.close();
      await store.close();
      await assert.rejects(store.spending(), { code: 'STORE_UNAVAILABLE' });
      await assert.rejects(store.reserve(requestOf(purchaseOf('a'))), { code: 'STORE_UNAVAILABLE' });
    },
  },
];
