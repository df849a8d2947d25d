/**
 * The feed of changes, within one process.
 */
import assert from 'node:assert/strict';
import type { Change } from '../../store/Store.ts';
import { claimOf, digest, entryOf, expiresAt, grant, refOf, type StoreCase } from './StoreCase.ts';

const denial = { kind: 'token', value: digest('token'), expiresAt } as const;

/** The first few changes. */
async function take(changes: AsyncIterable<Change>, count: number): Promise<readonly Change[]> {
  const taken: Change[] = [];
  for await (const change of changes) {
    taken.push(change);
    if (taken.length === count) break;
  }
  return taken;
}

export const feedCases: readonly StoreCase[] = [
  {
    name: 'a feed from now on begins at the call, not at the first look',
    run: async (store) => {
      await store.append([entryOf('received', 'before')]);
      const changes = store.changes({ signal: new AbortController().signal });
      await store.deny(denial);
      const [change] = await take(changes, 1);
      assert.equal(change?.kind, 'denial');
      assert.deepEqual(change?.kind === 'denial' && change.denial, denial);
    },
  },
  {
    name: 'a feed behind a number gives denials and entries in one order, each once',
    run: async (store) => {
      await store.append([entryOf('received', 'a'), entryOf('earned', 'a')]);
      await store.deny(denial);
      await store.append([entryOf('received', 'b')]);
      const all = await take(store.changes({ after: 0, signal: new AbortController().signal }), 4);
      assert.deepEqual(
        all.map(({ kind }) => kind),
        ['ledger', 'ledger', 'denial', 'ledger'],
      );
      assert.ok(all.every(({ seq }, i) => seq > (all[i - 1]?.seq ?? 0)));
      assert.ok(all.every((change) => change.kind !== 'ledger' || change.row.seq === change.seq));
      const rest = await take(store.changes({ after: all[1]?.seq ?? 0, signal: new AbortController().signal }), 2);
      assert.deepEqual(rest, all.slice(2));
      assert.equal((await store.denials()).seq, all[3]?.seq);
    },
  },
  {
    name: 'a waiting feed hears at once of commits, releases, entries and denials, without the clock moving',
    run: async (store) => {
      const ref = refOf(claimOf('a'), await grant(store, claimOf('a')));
      const heard = take(store.changes({ signal: new AbortController().signal }), 4);
      await store.commit({ ...ref, entry: entryOf('earned', 'a') });
      await store.release({ ...ref, reason: 'broken', entryIfReleased: entryOf('reversed', 'a') });
      await store.append([entryOf('received', 'a')]);
      await store.deny(denial);
      const kinds = (await heard).map((change) => (change.kind === 'ledger' ? change.row.kind : change.kind));
      assert.deepEqual(kinds, ['earned', 'reversed', 'received', 'denial']);
    },
  },
  {
    name: 'a feed of one kind gives that kind alone, old and new',
    run: async (store) => {
      const { signal } = new AbortController();
      await store.append([entryOf('received', 'a')]);
      await store.deny(denial);
      const later = { ...denial, value: digest('later') };
      const denials = take(store.changes({ after: 0, kind: 'denial', signal }), 2);
      const entries = take(store.changes({ after: 0, kind: 'ledger', signal }), 3);
      const fresh = take(store.changes({ kind: 'denial', signal }), 1);
      await store.append([entryOf('earned', 'a')]);
      await store.append([entryOf('received', 'b')]);
      await store.deny(later);
      assert.deepEqual(
        (await denials).map((change) => change.kind === 'denial' && change.denial),
        [denial, later],
      );
      assert.deepEqual(
        (await entries).map((change) => change.kind === 'ledger' && change.row.kind),
        ['received', 'earned', 'received'],
      );
      assert.deepEqual(await fresh, (await denials).slice(1));
    },
  },
  {
    name: 'several readers each hear everything',
    run: async (store) => {
      const readers = Array.from({ length: 5 }, () => take(store.changes({ signal: new AbortController().signal }), 20));
      for (let i = 0; i < 20; i++) await store.append([entryOf('received', `payment ${i}`)]);
      for (const heard of await Promise.all(readers)) assert.equal(new Set(heard.map(({ seq }) => seq)).size, 20);
    },
  },
  {
    name: 'a long feed comes whole',
    run: async (store) => {
      await store.append(Array.from({ length: 1500 }, (_, i) => entryOf('received', 'a', { nonce: `${i}` })));
      const heard = await take(store.changes({ after: 0, signal: new AbortController().signal }), 1500);
      assert.deepEqual(
        heard.map((change) => change.kind === 'ledger' && change.row.nonce),
        Array.from({ length: 1500 }, (_, i) => `${i}`),
      );
    },
  },
  {
    name: 'what changes nothing is no change',
    run: async (store) => {
      await store.deny(denial);
      await store.append([entryOf('received', 'a')]);
      const heard = take(store.changes({ signal: new AbortController().signal }), 1);
      await store.deny(denial);
      await store.append([entryOf('received', 'a')]);
      await store.append([entryOf('received', 'b')]);
      const [change] = await heard;
      assert.equal(change?.kind === 'ledger' && change.row.paymentHash, entryOf('received', 'b').paymentHash);
    },
  },
  {
    name: 'an aborted feed ends, whether it waits or was aborted before',
    run: async (store, clock) => {
      const controller = new AbortController();
      const waiting = take(store.changes({ signal: controller.signal }), 1);
      await store.balance('nobody');
      controller.abort();
      assert.deepEqual(await waiting, []);
      await store.deny(denial);
      assert.deepEqual(await take(store.changes({ after: 0, signal: controller.signal }), 1), []);
      assert.equal(clock.timers(), 0);
    },
  },
  {
    name: 'closing ends every feed and leaves no timer',
    run: async (store, clock) => {
      const waiting = [1, 2].map(() => take(store.changes({ signal: new AbortController().signal }), 1));
      await store.balance('nobody');
      await store.close();
      assert.deepEqual(await Promise.all(waiting), [[], []]);
      assert.equal(clock.timers(), 0);
    },
  },
];
