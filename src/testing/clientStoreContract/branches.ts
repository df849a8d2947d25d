/**
 * Branches: budgets that stand in the store for those payments alone that are made under their name, and that can be pulled.
 */
import assert from 'node:assert/strict';
import { openBranch, pullBranch, putBranch, readBranches } from '../../client/branches.ts';
import { readBudget } from '../../client/budget/Limit.ts';
import type { ReserveRequest } from '../../client/ClientStore.ts';
import { recounted } from '../recounted.ts';
import { type ClientStoreCase, digest, hashOf, kindOf, lease, now, purchaseOf, requestOf, reserved, sat } from './ClientStoreCase.ts';

/** What is bought by a word under these branches, outermost first: 50 sat, and room for a fee of 10. */
const buying = (word: string, branches: readonly string[], change: Partial<ReserveRequest> = {}) =>
  requestOf(purchaseOf(word, { resource: digest(word) }), { budgets: branches.map((name) => readBudget({ name })), ...change });

const day = 86_400;

/** How branches bind. */
export const branches: readonly ClientStoreCase[] = [
  {
    name: 'a branch binds what is paid under it, and counts to what it lies within; nobody else is bound',
    run: async (store) => {
      await putBranch(store, { name: 'team', limits: [{ per: 'total', max: '130 sat' }] });
      await putBranch(store, { name: 'reader', within: 'team', limits: [{ per: 'total', max: '70 sat' }], endsAt: now + day });
      await putBranch(store, { name: 'checker', within: 'team' });
      assert.deepEqual(await readBranchesOf(store), [
        [
          'team',
          'open',
          0n,
          [
            ['checker', 'open', 0n, []],
            ['reader', 'open', 0n, []],
          ],
        ],
      ]);
      assert.equal((await reserved(store, buying('a', ['team', 'reader']))).reservedMsat, sat(60));
      const refused = await store.reserve(buying('b', ['team', 'reader']));
      assert.ok(refused.kind === 'exceeded');
      assert.deepEqual([refused.by.budget, refused.by.isStanding, refused.by.heldMsat], ['reader', true, sat(60)]);
      assert.equal((await reserved(store, buying('c', ['team', 'checker']))).reservedMsat, sat(60));
      const around = await store.reserve(buying('d', ['team', 'checker']));
      assert.ok(around.kind === 'exceeded');
      assert.deepEqual([around.by.budget, around.by.heldMsat], ['team', sat(120)]);
      assert.deepEqual((await reserved(store, buying('e', []))).budgets, []);
      assert.deepEqual((await store.get(hashOf('a')))?.budgets, ['team', 'reader']);
      assert.deepEqual(await readBranchesOf(store), [
        [
          'team',
          'open',
          sat(120),
          [
            ['checker', 'open', sat(60), []],
            ['reader', 'open', sat(60), []],
          ],
        ],
      ]);
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'a branch that is pulled pays nothing, nor does what lies within it, also where money was set aside before; the others go on',
    run: async (store) => {
      await putBranch(store, { name: 'team' });
      await putBranch(store, { name: 'reader', within: 'team' });
      await putBranch(store, { name: 'checker', within: 'team' });
      await reserved(store, buying('a', ['team', 'reader']));
      await reserved(store, buying('b', ['team', 'checker']));
      assert.equal(await pullBranch(store, 'reader', 'it is in a loop'), true);
      const stopped = { kind: 'stopped', by: undefined, note: 'it is in a loop', budget: 'reader' };
      assert.deepEqual(await store.reserve(buying('c', ['team', 'reader'])), stopped);
      assert.deepEqual(await store.weigh(buying('c', ['team', 'reader'])), stopped);
      assert.deepEqual(await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now }), stopped);
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'dispatched');
      assert.equal(kindOf(await store.reserve(buying('d', ['team', 'checker']))), 'reserved');
      assert.equal(kindOf(await store.reserve(buying('e', []))), 'reserved');
      await putBranch(store, { name: 'reader', within: 'team', limits: [{ per: 'total', max: '1000 sat' }] });
      assert.deepEqual(await store.reserve(buying('c', ['team', 'reader'])), stopped, 'new limits let nothing go on');
      await pullBranch(store, 'team', 'it is late');
      assert.deepEqual(await store.reserve(buying('f', ['team', 'checker'])), { ...stopped, note: 'it is late', budget: 'team' });
      assert.equal(await pullBranch(store, 'nobody', 'x'), false);
      assert.equal((await store.spending()).stopNote, undefined);
    },
  },
  {
    name: 'a branch pays nothing from its end on',
    run: async (store) => {
      await putBranch(store, { name: 'reader', endsAt: now + 10 });
      const at = (word: string, nowAt: number) => buying(word, ['reader'], { nowAt, leaseEndsAt: nowAt + 15 });
      await reserved(store, at('a', now + 9));
      assert.deepEqual(await store.reserve(at('b', now + 10)), { kind: 'stopped', by: undefined, note: undefined, budget: 'reader' });
      const { paymentHash } = { paymentHash: hashOf('a') };
      assert.equal((await store.dispatch({ paymentHash, ...lease, leaseEndsAt: now + 24, nowAt: now + 10 })).kind, 'stopped');
      await putBranch(store, { name: 'reader', endsAt: now + 20 });
      assert.equal(kindOf(await store.reserve(at('b', now + 10))), 'reserved');
    },
  },
  {
    name: 'a branch lies where it was put, and a budget for everybody does not become one',
    run: async (store) => {
      await putBranch(store, { name: 'team' });
      await putBranch(store, {
        name: 'reader',
        within: 'team',
        limits: [{ per: 'day', max: '5 sat', host: '*.example.com' }],
        deny: ['a.example'],
        endsAt: now,
      });
      await store.budgets.put({ name: 'house', limits: [{ per: 'day', max: '70 sat' }] });
      await assert.rejects(putBranch(store, { name: 'reader' }), { code: 'JOURNAL_CONFLICT' });
      await assert.rejects(putBranch(store, { name: 'house' }), { code: 'JOURNAL_CONFLICT' });
      await assert.rejects(putBranch(store, { name: 'lost', within: 'nobody' }), RangeError);
      await assert.rejects(putBranch(store, { name: 'lost', within: 'house' }), RangeError);
      await assert.rejects(putBranch(store, { name: 'lost', within: 'lost' }), RangeError);
      await assert.rejects(openBranch({} as never, 'reader'), TypeError);
      const standing = new Map((await store.budgets.list()).map((one) => [one.name, one]));
      assert.deepEqual([...standing.keys()], ['house', 'reader', 'team']);
      assert.deepEqual(standing.get('reader')?.branch, { within: 'team', endsAt: now, pulled: undefined });
      assert.deepEqual(standing.get('reader')?.deny, ['a.example']);
      assert.equal(standing.get('house')?.branch, undefined);
    },
  },
];

type Shown = readonly [name: string, state: string, msat: bigint, within: readonly Shown[]];

/** The tree: spent and held together. */
async function readBranchesOf(store: Parameters<typeof readBranches>[0]): Promise<readonly Shown[]> {
  const shown = (nodes: Awaited<ReturnType<typeof readBranches>>): readonly Shown[] =>
    nodes.map(({ name, state, spentMsat, heldMsat, branches: within }) => [name, state, spentMsat + heldMsat, shown(within)]);
  return shown(await readBranches(store, now));
}
