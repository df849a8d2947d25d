/**
 * A committed answer that never arrived whole may be given again: how often, how long, and to whom.
 *
 * @see wire.md §4, "the client leaves after the head" and "the gateway is killed"
 */
import assert from 'node:assert/strict';
import type { ClaimRef, Store, StoredAnswer } from '../../store/Store.ts';
import type { FixedClock } from '../FixedClock.ts';
import { claimOf, digest, entryOf, grant, kindsOf, leaseSeconds, refOf, type StoreCase } from './StoreCase.ts';

const answer: StoredAnswer = {
  status: 200,
  headers: [
    ['Content-Type', 'application/octet-stream'],
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
  ],
  body: Uint8Array.from({ length: 256 }, (_, byte) => byte),
};

/** Claims and commits; the answer is under way. */
async function committed(store: Store, key: string): Promise<ClaimRef> {
  const ref = refOf(claimOf(key), await grant(store, claimOf(key)));
  await store.commit({ ...ref, bodyDigest: digest('body'), entry: entryOf('earned', key) });
  return ref;
}

/** Asks again and commits the repetition. */
async function repeated(store: Store, key: string): Promise<ClaimRef> {
  const ref = refOf(claimOf(key), await grant(store, claimOf(key)));
  await store.commit({ ...ref, entry: entryOf('repeated', key, { nonce: `${ref.fence}` }) });
  return ref;
}

/** The holder's process is gone: nobody says how it ended. */
function kill(clock: FixedClock): void {
  clock.advance(leaseSeconds * 1000);
}

export const repetitionCases: readonly StoreCase[] = [
  {
    name: 'an answer that did not arrive may be asked for again at once, from what was committed',
    run: async (store) => {
      const ref = await committed(store, 'a');
      await store.undelivered(ref);
      const record = { request: claimOf('a').request, bodyDigest: digest('body') };
      assert.deepEqual(await store.claim(claimOf('a')), { kind: 'granted', fence: ref.fence + 1, repeat: 1, record });
    },
  },
  {
    name: 'a repetition may arrive under another Idempotency-Key and keeps the record of the first',
    run: async (store) => {
      const request = claimOf('a', { idempotencyKey: digest('one') });
      const ref = refOf(request, await grant(store, request));
      await store.commit(ref);
      await store.undelivered(ref);
      const again = await grant(store, claimOf('a', { idempotencyKey: digest('two') }));
      assert.equal(again.record?.idempotencyKey, digest('one'));
    },
  },
  {
    name: 'an answer that was kept comes with the repetition, byte for byte',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, answer });
      await store.undelivered(ref);
      const again = await grant(store, claimOf('a'));
      assert.equal(again.answer?.status, 200);
      assert.deepEqual(again.answer?.headers, answer.headers);
      assert.deepEqual(Array.from(again.answer?.body ?? []), Array.from(answer.body));
    },
  },
  {
    name: 'an answer may be kept after the commit, by committing once more',
    run: async (store) => {
      const ref = await committed(store, 'a');
      assert.equal(await store.commit({ ...ref, answer: { ...answer, body: new Uint8Array(0) } }), 'committed');
      await store.undelivered(ref);
      const again = await grant(store, claimOf('a'));
      assert.equal(again.answer?.status, 200);
      assert.equal(again.answer?.body.length, 0);
    },
  },
  {
    name: 'an answer of a claim that was given back is not the next one’s',
    run: async (store) => {
      const first = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...first, answer });
      await store.release({ ...first, reason: 'broken' });
      await store.undelivered(await committed(store, 'a'));
      assert.equal((await grant(store, claimOf('a'))).answer, undefined);
    },
  },
  {
    name: 'a client that leaves again and again gets two repetitions',
    run: async (store) => {
      await store.undelivered(await committed(store, 'a'));
      for (const repeat of [1, 2]) {
        const again = await grant(store, claimOf('a'));
        assert.equal(again.repeat, repeat);
        await store.commit(refOf(claimOf('a'), again));
        await store.undelivered(refOf(claimOf('a'), again));
      }
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'the limit and the time of the asking request hold',
    run: async (store, clock) => {
      await store.undelivered(await committed(store, 'a'));
      assert.equal((await store.claim(claimOf('a', { repeat: { limit: 0, withinSeconds: 600 } }))).kind, 'used');
      clock.advance(600_000);
      assert.equal((await store.claim(claimOf('a', { repeat: { limit: 2, withinSeconds: 599 } }))).kind, 'used');
      assert.equal((await store.claim(claimOf('a'))).kind, 'granted');
    },
  },
  {
    name: 'after its time nothing is repeated, and a repetition does not lengthen it',
    run: async (store, clock) => {
      await store.undelivered(await committed(store, 'a'));
      clock.advance(599_000);
      await store.undelivered(await repeated(store, 'a'));
      clock.advance(2000);
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'another request is never answered from a commit',
    run: async (store, clock) => {
      await store.undelivered(await committed(store, 'a'));
      const other = claimOf('a', { request: digest('GET /b') });
      const outcome = await store.claim(other);
      assert.equal(outcome.kind === 'used' && outcome.record.request, claimOf('a').request);
      kill(clock);
      assert.equal((await store.claim(other)).kind, 'used');
      assert.equal((await store.claim(claimOf('a'))).kind, 'granted');
    },
  },
  {
    name: 'of parallel repetitions one is granted, the others wait',
    run: async (store) => {
      await store.undelivered(await committed(store, 'a'));
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => store.claim(claimOf('a'))));
      assert.equal(outcomes.filter(({ kind }) => kind === 'granted').length, 1);
      assert.equal(outcomes.filter(({ kind }) => kind === 'busy').length, 19);
    },
  },
  {
    name: 'a delivered repetition is the last',
    run: async (store) => {
      await store.undelivered(await committed(store, 'a'));
      await store.deliver(await repeated(store, 'a'));
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'a commit of a repetition writes its entry once, and the time of the first commit stays',
    run: async (store, clock) => {
      const committedAt = clock.nowMs() / 1000;
      await store.undelivered(await committed(store, 'a'));
      clock.advance(5000);
      const ref = await repeated(store, 'a');
      await store.commit({ ...ref, entry: entryOf('repeated', 'a', { nonce: 'other' }) });
      assert.deepEqual(await kindsOf(store), ['earned', 'repeated']);
      await store.deliver(ref);
      const outcome = await store.claim(claimOf('a'));
      assert.equal(outcome.kind === 'used' && outcome.committedAt, committedAt);
    },
  },
  {
    name: 'after a kill one more complete answer is given, never two',
    run: async (store, clock) => {
      await committed(store, 'a');
      kill(clock);
      await repeated(store, 'a');
      kill(clock);
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
      assert.deepEqual(await kindsOf(store), ['earned', 'repeated']);
    },
  },
  {
    name: 'after a kill a repetition that the client left may be asked for again, to the limit',
    run: async (store, clock) => {
      await committed(store, 'a');
      kill(clock);
      await store.undelivered(await repeated(store, 'a'));
      await store.undelivered(await repeated(store, 'a'));
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'a repetition killed before its commit has sent nothing, and may be asked for again',
    run: async (store, clock) => {
      await committed(store, 'a');
      kill(clock);
      await grant(store, claimOf('a'));
      kill(clock);
      assert.equal((await grant(store, claimOf('a'))).repeat, 2);
      kill(clock);
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'what a killed process finds out later has no say over the repetition',
    run: async (store, clock) => {
      const first = await committed(store, 'a');
      kill(clock);
      const again = await repeated(store, 'a');
      assert.equal(await store.release({ ...first, reason: 'broken', entryIfReleased: entryOf('reversed', 'a') }), 'lost');
      await store.undelivered(first);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      assert.equal(await store.heartbeat({ ...again, leaseSeconds }), true);
      assert.deepEqual(await kindsOf(store), ['earned', 'repeated']);
    },
  },
];
