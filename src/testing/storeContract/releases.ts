/**
 * Giving a claim back: before its commit, after it, during a repetition, and what caps it.
 *
 * @see wire.md §4
 */
import assert from 'node:assert/strict';
import { claimOf, digest, entryOf, grant, kindsOf, leaseSeconds, refOf, type StoreCase } from './StoreCase.ts';

export const releaseCases: readonly StoreCase[] = [
  {
    name: 'a released claim is granted again, to any request, under a greater fence',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.release({ ...ref, reason: 'upstream' }), 'released');
      assert.deepEqual(await store.claim(claimOf('a', { request: digest('GET /b') })), { kind: 'granted', fence: ref.fence + 1, repeat: 0 });
    },
  },
  {
    name: 'a release said twice is one',
    run: async (store) => {
      for (const round of [0, 1]) {
        const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
        const release = { ...ref, reason: 'client', limit: 2 };
        assert.equal(await store.release(release), 'released', `round ${round}`);
        assert.equal(await store.release(release), 'released', `round ${round} again`);
      }
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.release({ ...ref, reason: 'client', limit: 2 }), 'committed');
      assert.equal(await store.release({ ...ref, reason: 'client', limit: 2 }), 'committed');
    },
  },
  {
    name: 'a release under an older fence, or of what was never claimed, is lost and writes nothing',
    run: async (store, clock) => {
      const entryIfReleased = entryOf('received', 'a');
      assert.equal(await store.release({ key: digest('absent'), fence: 1, reason: 'upstream', entryIfReleased }), 'lost');
      const old = refOf(claimOf('a'), await grant(store, claimOf('a')));
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('a'));
      assert.equal(await store.release({ ...old, reason: 'upstream', entryIfReleased }), 'lost');
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      assert.deepEqual(await kindsOf(store), []);
    },
  },
  {
    name: 'a release after the lease has ended holds where nobody else took the claim',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      clock.advance(leaseSeconds * 1000);
      assert.equal(await store.release({ ...ref, reason: 'upstream' }), 'released');
      assert.equal((await grant(store, claimOf('a'))).repeat, 0);
    },
  },
  {
    name: 'over its limit a release commits instead: used, with the entry for that and the body that used it',
    run: async (store, clock) => {
      const release = {
        reason: 'client',
        limit: 3,
        entryIfReleased: entryOf('received', 'a'),
        entryIfCommitted: entryOf('earned', 'a'),
        bodyDigest: digest('body'),
      };
      for (let time = 0; time < 3; time++) {
        assert.equal(await store.release({ ...refOf(claimOf('a'), await grant(store, claimOf('a'))), ...release }), 'released');
      }
      assert.deepEqual(await kindsOf(store), ['received']);
      assert.equal(await store.release({ ...refOf(claimOf('a'), await grant(store, claimOf('a'))), ...release }), 'committed');
      assert.deepEqual(await kindsOf(store), ['received', 'earned']);
      const record = { request: claimOf('a').request, bodyDigest: digest('body') };
      assert.deepEqual(await store.claim(claimOf('a')), { kind: 'used', record, committedAt: clock.nowMs() / 1000 });
    },
  },
  {
    name: 'releases are counted by reason, over commits and ended leases; without a limit there is none',
    run: async (store, clock) => {
      for (let time = 0; time < 20; time++) {
        assert.equal(await store.release({ ...refOf(claimOf('a'), await grant(store, claimOf('a'))), reason: 'upstream' }), 'released');
      }
      for (const reason of ['client', 'broken']) {
        const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
        if (reason === 'broken') await store.commit(ref);
        assert.equal(await store.release({ ...ref, reason, limit: 1 }), 'released', reason);
        await grant(store, claimOf('a'));
        clock.advance(leaseSeconds * 1000);
      }
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.release({ ...ref, reason: 'broken', limit: 1 }), 'committed');
    },
  },
  {
    name: 'any word is a reason',
    run: async (store) => {
      for (const reason of ['constructor', '__proto__', 'é "']) {
        const request = claimOf(reason);
        const release = { reason, limit: 1 };
        assert.equal(await store.release({ ...refOf(request, await grant(store, request)), ...release }), 'released', reason);
        assert.equal(await store.release({ ...refOf(request, await grant(store, request)), ...release }), 'committed', reason);
      }
    },
  },
  {
    name: 'a limit of nought commits at once',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.release({ ...ref, reason: 'client', limit: 0, entryIfCommitted: entryOf('earned', 'a') }), 'committed');
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
      assert.deepEqual(await kindsOf(store), ['earned']);
    },
  },
  {
    name: 'a release after the commit takes it back, money and all',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, bodyDigest: digest('body'), entry: entryOf('earned', 'a', { nonce: '1' }) });
      assert.equal(await store.release({ ...ref, reason: 'broken', limit: 3, entryIfReleased: entryOf('reversed', 'a', { nonce: '1' }) }), 'released');
      assert.deepEqual(await kindsOf(store), ['earned', 'reversed']);
      assert.equal((await store.totals()).earnedMsat, 0n);
      const next = claimOf('a', { request: digest('GET /b') });
      assert.deepEqual(await store.claim(next), { kind: 'granted', fence: ref.fence + 1, repeat: 0 });
      const busy = await store.claim(claimOf('a'));
      assert.deepEqual(busy.kind === 'busy' && busy.record, { request: digest('GET /b') });
    },
  },
  {
    name: 'what was never committed is never reversed, and no commit is entered twice',
    run: async (store) => {
      const held = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.release({ ...held, reason: 'upstream', entryIfReleased: entryOf('reversed', 'a') }), 'released');
      assert.deepEqual(await kindsOf(store), []);
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, entry: entryOf('earned', 'a', { nonce: '1' }) });
      assert.equal(await store.release({ ...ref, reason: 'broken', limit: 0, entryIfCommitted: entryOf('earned', 'a', { nonce: '2' }) }), 'committed');
      assert.deepEqual(await kindsOf(store), ['earned']);
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'after delivery nothing is given back',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, entry: entryOf('earned', 'a') });
      await store.deliver(ref);
      assert.equal(await store.release({ ...ref, reason: 'broken', entryIfReleased: entryOf('reversed', 'a') }), 'committed');
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
      assert.deepEqual(await kindsOf(store), ['earned']);
    },
  },
  {
    name: 'after the client has left nothing is given back, and the repetition stays owed',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, entry: entryOf('earned', 'a') });
      await store.undelivered(ref);
      assert.equal(await store.release({ ...ref, reason: 'broken', entryIfReleased: entryOf('reversed', 'a') }), 'committed');
      assert.deepEqual(await kindsOf(store), ['earned']);
      assert.equal((await grant(store, claimOf('a'))).repeat, 1);
    },
  },
  {
    name: 'a released repetition does not count as one, and the sale that it repeats stands',
    run: async (store) => {
      const first = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...first, entry: entryOf('earned', 'a') });
      await store.undelivered(first);
      const again = refOf(claimOf('a'), await grant(store, claimOf('a')));
      assert.equal(await store.release({ ...again, reason: 'upstream', limit: 3, entryIfReleased: entryOf('reversed', 'a') }), 'released');
      assert.deepEqual(await kindsOf(store), ['earned']);
      assert.equal((await store.claim(claimOf('a', { request: digest('GET /b') }))).kind, 'used');
      assert.equal((await grant(store, claimOf('a'))).repeat, 1);
    },
  },
  {
    name: 'repetitions are given back to the limit of the reason only; then they count, and end',
    run: async (store) => {
      const first = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit(first);
      await store.undelivered(first);
      const outcomes: string[] = [];
      for (let outcome = await store.claim(claimOf('a')); outcome.kind === 'granted'; outcome = await store.claim(claimOf('a'))) {
        outcomes.push(await store.release({ ...refOf(claimOf('a'), outcome), reason: 'broken', limit: 1 }));
        assert.ok(outcomes.length < 100, 'repetitions never end');
      }
      assert.deepEqual(outcomes, ['released', 'committed', 'committed']);
    },
  },
  {
    name: 'repetitions given back without a limit end all the same',
    run: async (store) => {
      const first = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit(first);
      await store.undelivered(first);
      let asked = 0;
      for (let outcome = await store.claim(claimOf('a')); outcome.kind === 'granted'; outcome = await store.claim(claimOf('a'))) {
        asked += 1;
        await store.release({ ...refOf(claimOf('a'), outcome), reason: `upstream ${asked}` });
        assert.ok(asked < 100, 'repetitions never end');
      }
      assert.ok(asked >= 2, 'a released repetition counts as one');
    },
  },
];
