/**
 * Forgetting what has expired, refusing what makes no sense, and the end.
 */
import assert from 'node:assert/strict';
import { FareboxError } from '../../core/Errors.ts';
import type { Store } from '../../store/Store.ts';
import type { FixedClock } from '../FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, grant, kindsOf, leaseSeconds, refOf, type StoreCase } from './StoreCase.ts';

/** Far enough behind the expiry that every store has forgotten. */
function expire(clock: FixedClock): void {
  clock.advance(expiresAt * 1000 - clock.nowMs() + 86_400_000);
}

/** What an empty store tells. */
async function* nothing(): AsyncGenerator<never> {}

/** Every call there is. */
function calls(store: Store): readonly (() => Promise<unknown>)[] {
  const ref = { key: digest('a'), fence: 1 };
  return [
    () => store.claim(claimOf('a')),
    () => store.heartbeat({ ...ref, leaseSeconds }),
    () => store.commit(ref),
    () => store.deliver(ref),
    () => store.undelivered(ref),
    () => store.release({ ...ref, reason: 'upstream' }),
    () => store.claimState(digest('a')),
    () => store.count({ key: 'a', by: 1, ceiling: 1, expiresAt }),
    () => store.credit({ account: 'a', units: 1n, source: 'a', expiresAt }),
    () => store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 1n }] }),
    () => store.settle({ reservation: 'r' }),
    () => store.extend({ reservation: 'r', leaseSeconds }),
    () => store.cancel({ reservation: 'r', reason: 'any' }),
    () => store.balance('a'),
    () => store.deny({ kind: 'token', value: digest('a'), expiresAt }),
    () => store.denials(),
    () => store.denials(0),
    () => store.append([entryOf('received', 'a')]),
    () => store.ledger({ after: 0, limit: 1 }),
    () => store.totals(),
    () => store.prune(),
    async () => {
      for await (const _ of store.audit()) break;
    },
    async () => {
      for await (const _ of store.export()) break;
    },
    () => store.import(nothing()),
    async () => {
      for await (const _ of store.changes({ signal: new AbortController().signal })) break;
    },
    async () => {
      for await (const _ of store.changes({ after: 0, signal: new AbortController().signal })) break;
    },
  ];
}

export const lifetimeCases: readonly StoreCase[] = [
  {
    name: 'pruning forgets nothing that has not expired',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, answer: { status: 200, headers: [], body: Uint8Array.of(1) } });
      await store.undelivered(ref);
      await store.count({ key: 'uses', by: 1, ceiling: 1, expiresAt });
      await store.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
      await store.deny({ kind: 'token', value: digest('a'), expiresAt });
      clock.advance(500_000);
      assert.equal(await store.prune(), 0);
      assert.equal((await grant(store, claimOf('a'))).answer?.body[0], 1);
      clock.advance(expiresAt * 1000 - clock.nowMs() - 1);
      await store.prune();
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
      assert.equal((await store.count({ key: 'uses', by: 1, ceiling: 1, expiresAt })).counted, false);
      assert.equal((await store.balance('a'))?.available, 5n);
      assert.equal(await store.credit({ account: 'a', units: 5n, source: 'one', expiresAt }), 'already');
      assert.equal((await store.denials()).denials.length, 1);
    },
  },
  {
    name: 'a marker outlives the token that it marks: in the moment of expiry nothing is served anew',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit(ref);
      await store.deliver(ref);
      clock.advance(expiresAt * 1000 - clock.nowMs());
      await store.prune();
      assert.equal((await store.claim(claimOf('a'))).kind, 'used');
    },
  },
  {
    name: 'pruning forgets what has expired, says how much, and keeps the ledger',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.commit({ ...ref, entry: entryOf('earned', 'a') });
      await store.deliver(ref);
      await store.count({ key: 'uses', by: 1, ceiling: 1, expiresAt });
      await store.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
      await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 1n }] });
      await store.deny({ kind: 'token', value: digest('a'), expiresAt });
      expire(clock);
      assert.equal(await store.prune(), 6);
      assert.equal(await store.prune(), 0);
      assert.equal((await grant(store, claimOf('a'))).repeat, 0);
      assert.equal(await store.balance('a'), undefined);
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.deepEqual(await kindsOf(store), ['earned']);
      assert.equal((await store.totals()).sales, 1);
    },
  },
  {
    name: 'many expired claims go in one call',
    run: async (store, clock) => {
      await Promise.all(Array.from({ length: 1201 }, (_, i) => store.claim(claimOf(`key ${i}`))));
      expire(clock);
      assert.equal(await store.prune(), 1201);
    },
  },
  {
    name: 'a claim whose lease still runs is not forgotten, nor an account with money reserved',
    run: async (store, clock) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      await store.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
      clock.advance(expiresAt * 1000 - clock.nowMs() + 86_390_000);
      assert.equal(await store.heartbeat({ ...ref, leaseSeconds }), true);
      await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 1n }] });
      clock.advance(10_000);
      assert.equal(await store.prune(), 0);
      assert.equal((await store.claim(claimOf('a'))).kind, 'busy');
      assert.equal(await store.settle({ reservation: 'r' }), 'settled');
    },
  },
  {
    name: 'a caller’s mistake is refused as one and writes nothing',
    run: async (store) => {
      await assert.rejects(store.claim(claimOf('a', { leaseSeconds: 0 })), RangeError);
      await assert.rejects(store.claim(claimOf('a', { leaseSeconds: Number.NaN })), RangeError);
      await assert.rejects(store.claim(claimOf('a', { expiresAt: 1.5 })), RangeError);
      await assert.rejects(store.claim({ ...claimOf('a'), key: '' }), TypeError);
      await assert.rejects(store.claim({ ...claimOf('a'), key: 'a\0' }), TypeError);
      await assert.rejects(store.count({ key: 'uses', by: -1, ceiling: 1, expiresAt }), RangeError);
      await assert.rejects(store.credit({ account: 'a', units: -1n, source: 'one', expiresAt }), RangeError);
      await assert.rejects(store.settle({ reservation: 'r', units: 1 as unknown as bigint }), TypeError);
      await assert.rejects(store.deny({ kind: 'tokens' as 'token', value: 'a', expiresAt }), TypeError);
      await assert.rejects(store.ledger({ after: -1, limit: 1 }), RangeError);
      await assert.rejects(store.ledger({ before: 0.5, limit: 1 }), RangeError);
      await assert.rejects(store.denials(-1), RangeError);
      await assert.rejects(store.claimState(''), TypeError);
      assert.equal((await store.claim(claimOf('a'))).kind, 'granted');
      assert.equal(await store.balance('a'), undefined);
    },
  },
  {
    name: 'a closed store answers nothing: every call throws STORE_UNAVAILABLE; closing twice is closing once',
    run: async (store, clock) => {
      const asked = store.claim(claimOf('a'));
      await store.close();
      assert.equal((await asked).kind, 'granted');
      for (const call of calls(store)) await assert.rejects(call(), (error) => FareboxError.is(error, 'STORE_UNAVAILABLE'), call.toString());
      await store.close();
      assert.equal(clock.timers(), 0);
    },
  },
];
