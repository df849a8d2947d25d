/**
 * What binds every process on a store: budgets that stand in it, hosts that it does not pay, consent that it wants, and spending that is stopped.
 */
import assert from 'node:assert/strict';
import { readBudget } from '../../client/budget/Limit.ts';
import { recounted } from '../recounted.ts';
import {
  type ClientStoreCase,
  digest,
  dispatched,
  hashOf,
  kindOf,
  lease,
  now,
  preimageOf,
  purchaseOf,
  requestOf,
  reserved,
  sat,
  settled,
} from './ClientStoreCase.ts';

const buying = (word: string, origin = 'https://api.example.com') => requestOf(purchaseOf(word, { resource: digest(word), origin }));

/** How standing budgets bind. */
export const standing: readonly ClientStoreCase[] = [
  {
    name: 'a standing budget binds payments that do not name it, from when it is put there until it is taken away',
    run: async (store) => {
      await settled(store, 'a');
      await store.budgets.put({ name: 'house', limits: [{ per: 'day', max: '70 sat' }] });
      const kept = await reserved(store, buying('b'));
      assert.deepEqual([kept.reservedMsat, kept.budgets], [sat(60), ['house']]);
      const refused = await store.reserve(buying('c'));
      assert.ok(refused.kind === 'exceeded');
      assert.deepEqual([refused.by.budget, refused.by.isStanding, refused.by.heldMsat, refused.by.spentMsat], ['house', true, sat(60), 0n]);
      assert.equal(await store.budgets.remove('house'), true);
      assert.equal(await store.budgets.remove('house'), false);
      assert.equal(kindOf(await store.reserve(buying('c'))), 'reserved');
      assert.deepEqual(await recounted(store), []);
    },
  },
  {
    name: 'the standing budget without a name counts everything, also what was paid before',
    run: async (store) => {
      await settled(store, 'a');
      await store.budgets.put({ name: '', limits: [{ per: 'day', max: '110 sat' }] });
      assert.equal((await reserved(store, buying('b'))).reservedMsat, sat(58));
      assert.equal(kindOf(await store.reserve(buying('c'))), 'exceeded');
      assert.deepEqual((await store.get(hashOf('b')))?.budgets, []);
      const [state] = await store.report({ nowAt: now });
      assert.deepEqual([state?.budget, state?.isStanding, state?.spentMsat, state?.heldMsat], ['', true, sat(52), sat(58)]);
    },
  },
  {
    name: 'a standing budget is changed in one step: of many who add a limit at the same time, none loses one',
    run: async (store) => {
      const hosts = Array.from({ length: 8 }, (_, index) => `host${index}.example.com`);
      const limitOf = (host: string) => readBudget({ name: 'house', limits: [{ per: 'day', max: '5 sat', host }] });
      const add = (host: string) =>
        store.budgets.change('house', (before) => {
          const added = limitOf(host);
          return before ? { ...before, limits: [...before.limits, ...added.limits] } : added;
        });
      const changed = await Promise.all(hosts.map(add));
      assert.deepEqual(changed.map((budget) => budget?.limits.length).sort(), [1, 2, 3, 4, 5, 6, 7, 8]);
      const [house] = await store.budgets.list();
      assert.deepEqual(house?.limits.map(({ host }) => host).sort(), hosts);
      assert.equal(await store.budgets.change('house', () => undefined), undefined);
      assert.equal(await store.budgets.change('none', () => undefined), undefined);
      assert.deepEqual(await store.budgets.list(), [house]);
    },
  },
  {
    name: 'standing budgets are listed by name as they were put, and replaced by name',
    run: async (store) => {
      const whole = {
        name: 'b',
        limits: [{ per: 'week', max: '1 sat', host: '*.Example.com:8443', tag: 'job' }],
        allow: ['example.com', '*'],
        deny: ['bad.example.com.'],
        consent: { above: '7 msat' },
      } as const;
      await store.budgets.put(whole);
      await store.budgets.put({ name: 'a', limits: [{ per: 'total', max: '5 sat' }] });
      await store.budgets.put({ name: 'a', limits: [{ per: 'total', max: '6 sat' }] });
      await store.budgets.put({ name: '' });
      const [everything, first, second, ...rest] = await store.budgets.list();
      assert.deepEqual([everything?.name, first?.name, first?.limits[0]?.maxMsat, rest.length], ['', 'a', sat(6), 0]);
      assert.deepEqual(second, readBudget(whole));
      assert.deepEqual([second?.limits[0]?.host, second?.deny], ['*.example.com:8443', ['bad.example.com']]);
      await assert.rejects(store.budgets.put({ name: 'a b' }), TypeError);
      await assert.rejects(store.budgets.put({ name: 'a', limits: [{ per: 'total', max: '0 sat' }] }), RangeError);
      await assert.rejects(store.budgets.put({ name: 'a', limits: [{ per: 'total', max: '5' }] }), { code: 'AMOUNT_MALFORMED' });
    },
  },
  {
    name: 'a budget pays the hosts that it allows and not those that it denies',
    run: async (store) => {
      await store.budgets.put({ name: 'house', deny: ['*.example.com'] });
      assert.deepEqual(await store.reserve(buying('a')), { kind: 'denied', budget: 'house' });
      const agent = readBudget({ name: 'agent', allow: ['elsewhere.org', 'api.example.com'] });
      const by = (word: string, origin: string) => ({ ...buying(word, origin), budgets: [agent] });
      assert.deepEqual(await store.reserve(by('b', 'https://example.com')), { kind: 'denied', budget: 'agent' });
      assert.equal(kindOf(await store.reserve(by('c', 'https://elsewhere.org'))), 'reserved');
      assert.deepEqual(await store.reserve(by('d', 'https://api.example.com.')), { kind: 'denied', budget: 'house' });
      assert.equal(await store.get(hashOf('a')), undefined);
    },
  },
  {
    name: 'above a threshold nothing is set aside without consent, and no fee that reaches over it',
    run: async (store) => {
      await store.budgets.put({ name: 'house', limits: [{ per: 'day', max: '1000 sat' }], consent: { above: '55 sat' } });
      const without = await store.reserve(buying('a'));
      assert.ok(without.kind === 'reserved');
      assert.deepEqual([without.payment.reservedMsat, without.feeBoundBy?.kind], [sat(55), 'consent']);
      const dear = requestOf(purchaseOf('b', { amountMsat: sat(56), resource: digest('b') }));
      const asked = await store.reserve(dear);
      assert.ok(asked.kind === 'unconsented');
      assert.deepEqual([asked.budget, asked.aboveMsat, asked.maxFeeMsat, asked.limits[0]?.heldMsat], ['house', sat(55), sat(10), sat(55)]);
      assert.equal(await store.get(hashOf('b')), undefined);
      assert.equal((await reserved(store, { ...dear, isConsented: true })).reservedMsat, sat(66));
    },
  },
  {
    name: 'spending that was stopped by hand stays stopped for those that had set money aside, until it is allowed',
    run: async (store) => {
      await reserved(store, buying('a'));
      await dispatched(store, 'b', {}, { resource: digest('b') });
      await store.stopSpending('Somebody is at the till.');
      const stopped = { kind: 'stopped', by: undefined, note: 'Somebody is at the till.' };
      assert.deepEqual(await store.reserve(buying('c')), stopped);
      assert.deepEqual(await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now }), stopped);
      // What is under way ends as it ends.
      assert.equal((await store.step(hashOf('b'), { kind: 'settle', preimage: preimageOf('b'), spentMsat: sat(51) }, now))?.state, 'settled');
      assert.deepEqual(await store.spending(), { heldMsat: sat(60), spentMsat: sat(51), stoppedBy: undefined, stopNote: 'Somebody is at the till.' });
      await store.allowSpending();
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now })).kind, 'dispatched');
      await assert.rejects(store.stopSpending(' '), TypeError);
    },
  },
];
