/**
 * One use under one key: claim, heartbeat, commit, deliver.
 */
import assert from 'node:assert/strict';
import { claimOf, digest, entryOf, grant, kindsOf, leaseSeconds, refOf, type StoreCase } from './StoreCase.ts';

export const claimCases: readonly StoreCase[] = [
  {
    name: 'a claim is granted once; whoever asks meanwhile hears who holds it and until when',
    run: async (store, clock) => {
      const request = claimOf('a', { idempotencyKey: digest('idempotency') });
      assert.deepEqual(await store.claim(request), { kind: 'granted', fence: 1, repeat: 0 });
      const record = { request: request.request, idempotencyKey: request.idempotencyKey };
      const leaseEndsAt = clock.nowMs() / 1000 + leaseSeconds;
      assert.deepEqual(await store.claim(request), { kind: 'busy', record, leaseEndsAt });
      assert.deepEqual(await store.claim(claimOf('a', { request: digest('GET /b') })), { kind: 'busy', record, leaseEndsAt });
    },
  },
  {
    name: 'of many parallel claims exactly one is granted',
    run: async (store) => {
      const outcomes = await Promise.all(Array.from({ length: 50 }, () => store.claim(claimOf('a'))));
      assert.equal(outcomes.filter(({ kind }) => kind === 'granted').length, 1);
      assert.equal(outcomes.filter(({ kind }) => kind === 'busy').length, 49);
    },
  },
  {
    name: 'claims under different keys do not meet',
    run: async (store) => {
      for (const key of ['a', 'b', 'c']) assert.equal((await store.claim(claimOf(key))).kind, 'granted');
    },
  },
  {
    name: 'a lease that has ended leaves the claim to the next, under a greater fence and for its own request',
    run: async (store, clock) => {
      const { fence } = await grant(store, claimOf('a'));
      clock.advance(leaseSeconds * 1000 - 1);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      clock.advance(1);
      const next = await grant(store, claimOf('a', { request: digest('GET /b') }));
      assert.deepEqual(next, { kind: 'granted', fence: fence + 1, repeat: 0 });
      const third = await store.claim(claimOf('a'));
      assert.equal(third.kind === 'busy' && third.record.request, digest('GET /b'));
    },
  },
  {
    name: 'a lease is never shorter than asked for, wherever in a second it begins',
    run: async (store, clock) => {
      clock.advance(999);
      await grant(store, claimOf('a', { leaseSeconds: 1 }));
      clock.advance(999);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      clock.advance(1001);
      assert.equal((await store.claim(claimOf('a'))).kind, 'granted');
    },
  },
  {
    name: 'an entry that comes with a claim is written when the claim is granted, and then only',
    run: async (store, clock) => {
      const request = claimOf('a', { entry: entryOf('received', 'a') });
      const ref = refOf(request, await grant(store, request));
      assert.equal((await store.claim({ ...request, entry: entryOf('received', 'b') })).kind, 'busy');
      assert.deepEqual(await kindsOf(store), ['received']);
      await store.release({ ...ref, reason: 'upstream' });
      await grant(store, request);
      assert.deepEqual(await kindsOf(store), ['received']);
      clock.advance(leaseSeconds * 1000);
      const used = refOf(request, await grant(store, { ...request, entry: entryOf('received', 'a', { nonce: '2' }) }));
      await store.commit(used);
      await store.undelivered(used);
      await grant(store, { ...request, entry: entryOf('received', 'a', { nonce: '3' }) });
      assert.deepEqual(await kindsOf(store), ['received', 'received', 'received']);
      await assert.rejects(store.claim(claimOf('b', { entry: entryOf('received', 'b', { at: Number.NaN }) })), RangeError);
      assert.equal((await store.claim(claimOf('b'))).kind, 'granted');
    },
  },
  {
    name: 'a heartbeat holds a claim for as long as it beats',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      for (let beat = 0; beat < 20; beat++) {
        clock.advance(20_000);
        assert.equal(await store.heartbeat({ ...ref, leaseSeconds }), true);
        assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      }
    },
  },
  {
    name: 'a heartbeat never shortens a lease',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.heartbeat({ ...ref, leaseSeconds: 1 }), true);
      clock.advance(2000);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
    },
  },
  {
    name: 'a heartbeat after the lease has ended takes the claim up again, unless somebody else has it',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      clock.advance(leaseSeconds * 1000);
      assert.equal(await store.heartbeat({ ...ref, leaseSeconds }), true);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('a'));
      assert.equal(await store.heartbeat({ ...ref, leaseSeconds }), false);
    },
  },
  {
    name: 'nobody holds what was never claimed, was given back or was delivered',
    run: async (store) => {
      assert.equal(await store.heartbeat({ key: digest('absent'), fence: 1, leaseSeconds }), false);
      const given = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.release({ ...given, reason: 'upstream' });
      assert.equal(await store.heartbeat({ ...given, leaseSeconds }), false);
      const delivered = refOf(claimOf('b'), await grant(store, claimOf('b')));
      await store.commit(delivered);
      await store.deliver(delivered);
      assert.equal(await store.heartbeat({ ...delivered, leaseSeconds }), false);
    },
  },
  {
    name: 'a commit writes its entry, once however often it is said',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.commit({ ...ref, entry: entryOf('earned', 'a', { nonce: '1' }) }), 'committed');
      assert.equal(await store.commit({ ...ref, entry: entryOf('earned', 'a', { nonce: '1' }) }), 'committed');
      assert.equal(await store.commit({ ...ref, entry: entryOf('earned', 'a', { nonce: '2' }) }), 'committed');
      assert.deepEqual(await kindsOf(store), ['earned']);
      await store.deliver(ref);
      assert.equal(await store.commit(ref), 'committed');
    },
  },
  {
    name: 'a delivered claim is used for ever, and says by which request and when',
    run: async (store, clock) => {
      const request = claimOf('a', { idempotencyKey: digest('idempotency') });
      const ref = refOf(request, await grant(store, request));
      clock.advance(5000);
      await store.commit({ ...ref, bodyDigest: digest('body') });
      const committedAt = clock.nowMs() / 1000;
      await store.deliver(ref);
      const record = { request: request.request, idempotencyKey: request.idempotencyKey, bodyDigest: digest('body') };
      assert.deepEqual(await store.claim(request), { kind: 'used', record, committedAt });
      clock.advance(3_600_000);
      assert.deepEqual(await store.claim(request), { kind: 'used', record, committedAt });
    },
  },
  {
    name: 'a commit under an older fence is lost and writes nothing',
    run: async (store, clock) => {
      const old = refOf(claimOf('a'), await grant(store, claimOf('a')));
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('a'));
      assert.equal(await store.commit({ ...old, entry: entryOf('earned', 'a') }), 'lost');
      assert.deepEqual(await kindsOf(store), []);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
    },
  },
  {
    name: 'a commit of what was never claimed, or was given back, is lost',
    run: async (store) => {
      assert.equal(await store.commit({ key: digest('absent'), fence: 1, entry: entryOf('earned', 'a') }), 'lost');
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.release({ ...ref, reason: 'upstream' });
      assert.equal(await store.commit({ ...ref, entry: entryOf('earned', 'a') }), 'lost');
      assert.deepEqual(await kindsOf(store), []);
    },
  },
  {
    name: 'a commit after the lease has ended holds where nobody else took the claim, and takes the lease up again',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      clock.advance(leaseSeconds * 2000);
      assert.equal(await store.commit(ref), 'committed');
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
    },
  },
  {
    name: 'while a committed answer is being sent the same request waits, and another is refused',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit(ref);
      for (let beat = 0; beat < 60; beat++) {
        assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
        assert.equal((await store.claim(claimOf('a', { request: digest('GET /b') }))).kind, 'used');
        clock.advance(20_000);
        assert.equal(await store.heartbeat({ ...ref, leaseSeconds }), true);
      }
    },
  },
  {
    name: 'delivering or not delivering under an older fence, or what is not committed, changes nothing',
    run: async (store, clock) => {
      await store.deliver({ key: digest('absent'), fence: 1 });
      await store.undelivered({ key: digest('absent'), fence: 1 });
      const old = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.deliver(old);
      await store.undelivered(old);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      clock.advance(leaseSeconds * 1000);
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit(ref);
      await store.deliver(old);
      await store.undelivered(old);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
    },
  },
  {
    name: 'whether a use is open, held or used can be asked without asking for it, and asking changes nothing',
    run: async (store, clock) => {
      const state = () => store.claimState(digest('a'));
      assert.equal(await state(), 'open');
      const first = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await state(), 'held');
      clock.advance(leaseSeconds * 1000);
      assert.equal(await state(), 'open');
      await store.release({ ...first, reason: 'upstream' });
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(ref.fence, 2);
      await store.commit(ref);
      assert.equal(await state(), 'used');
      await store.release({ ...ref, reason: 'broken' });
      assert.equal(await state(), 'open');
      const last = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit(last);
      await store.deliver(last);
      assert.equal(await state(), 'used');
      assert.equal(await store.claimState(digest('b')), 'open');
    },
  },
];
