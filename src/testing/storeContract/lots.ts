/**
 * What opens accounts, and what they earn as their units are spent.
 */
import assert from 'node:assert/strict';
import { bought, cancelOf, credit, entries, reservationOf, standing } from './bookings.ts';
import { expiresAt, leaseSeconds, type StoreCase, spendingOf } from './StoreCase.ts';

const opening: readonly StoreCase[] = [
  {
    name: 'a debit opens its account, once, with the payment that bought it',
    run: async (store) => {
      const debit = { account: 'a', units: 1n, opens: bought('p', 10n, 1000n) };
      assert.deepEqual(await store.reserve({ reservation: 'r', leaseSeconds, debits: [debit] }), { kind: 'reserved', available: [9n] });
      assert.deepEqual(await store.reserve({ reservation: 's', leaseSeconds, debits: [debit] }), { kind: 'reserved', available: [8n] });
      assert.deepEqual(await standing(store, 'a'), [10n, 8n, 2n, 0n]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000']);
    },
  },
  {
    name: 'of callers at once, one opens it',
    run: async (store) => {
      const debit = { account: 'a', units: 1n, opens: bought('p', 3n, 1000n) };
      const outcomes = await Promise.all(Array.from({ length: 8 }, (_, i) => store.reserve({ reservation: `r${i}`, leaseSeconds, debits: [debit] })));
      assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), [...Array(5).fill('insufficient'), ...Array(3).fill('reserved')]);
      assert.deepEqual(await standing(store, 'a'), [3n, 0n, 3n, 0n]);
      assert.deepEqual(await entries(store, ['p']), ['received p 1000']);
    },
  },
  {
    name: 'a debit that is not covered by what would open its account opens none, and no other',
    run: async (store) => {
      const debits = [
        { account: 'a', units: 1n, opens: bought('p', 10n, 1000n) },
        { account: 'part', units: 3n, opens: { source: 'part', units: 2n, expiresAt } },
      ];
      assert.deepEqual(await store.reserve({ reservation: 'r', leaseSeconds, debits }), { kind: 'insufficient', account: 'part', available: 2n });
      assert.equal(await store.balance('a'), undefined);
      assert.equal(await store.balance('part'), undefined);
      assert.deepEqual(await entries(store, ['p']), []);
    },
  },
  {
    name: 'no more accounts are opened behind one than it says; those that are there stay good',
    run: async (store) => {
      const limit = (account: string, mostBehind?: number) => {
        return { account, units: 1n, opens: { source: account, units: 2n, expiresAt }, ...(mostBehind !== undefined && { mostBehind }) };
      };
      const whole = { account: 'a', units: 1n, opens: bought('p', 20n, 1000n), mostBehind: 4 };
      const reserve = async (reservation: string, ...limits: readonly ReturnType<typeof limit>[]) => {
        const outcome = await store.reserve({ reservation, leaseSeconds, debits: [whole, ...limits] });
        return outcome.kind === 'crowded' ? `${outcome.kind} ${outcome.account}` : outcome.kind;
      };
      assert.equal(await reserve('r1', limit('b', 1), limit('b1')), 'reserved');
      assert.equal(await reserve('r2', limit('b', 1), limit('b2')), 'crowded b');
      assert.equal(await reserve('r3', limit('c'), limit('c1'), limit('c2')), 'crowded a');
      assert.equal(await store.balance('c'), undefined);
      assert.equal(await store.balance('b2'), undefined);
      assert.deepEqual(await standing(store, 'a'), [20n, 19n, 1n, 0n]);
      // Those that are there, and as many more as there is room for; what was given back is there still.
      assert.equal(await reserve('r4', limit('b', 1), limit('b1')), 'reserved');
      assert.equal(await store.cancel(cancelOf('r4')), 'cancelled');
      assert.equal(await reserve('r5', limit('c'), limit('c1')), 'reserved');
      assert.equal(await reserve('r6', limit('d')), 'crowded a');
      assert.equal(await reserve('r7', limit('c'), limit('c1')), 'reserved');
      assert.equal(await reserve('r8'), 'reserved');
    },
  },
  {
    name: 'of callers at once that open accounts behind one, as many do as it says',
    run: async (store) => {
      const whole = { account: 'a', units: 1n, opens: bought('p', 20n, 1000n), mostBehind: 5 };
      const outcomes = await Promise.all(
        Array.from({ length: 12 }, (_, i) => {
          const debits = [whole, { account: `part ${i}`, units: 1n, opens: { source: `part ${i}`, units: 1n, expiresAt } }];
          return store.reserve({ reservation: `r${i}`, leaseSeconds, debits });
        }),
      );
      assert.deepEqual(outcomes.map(({ kind }) => kind).sort(), [...Array(7).fill('crowded'), ...Array(5).fill('reserved')]);
      assert.deepEqual(await standing(store, 'a'), [20n, 15n, 5n, 0n]);
    },
  },
  {
    name: 'a source that has credited another account opens nothing',
    run: async (store) => {
      await credit(store, 'b', 10n, 'one');
      const debits = [{ account: 'a', units: 1n, opens: { source: 'one', units: 10n, expiresAt } }];
      assert.deepEqual(await store.reserve({ reservation: 'r', leaseSeconds, debits }), { kind: 'absent', account: 'a' });
      assert.equal(await store.balance('a'), undefined);
    },
  },
];

const earning: readonly StoreCase[] = [
  {
    name: 'as units are spent their payment is earned in proportion, and the last unit earns what is left',
    run: async (store) => {
      await store.credit({ account: 'a', ...bought('p', 3n, 1000n) });
      for (const name of ['r', 's', 't']) {
        await store.reserve(reservationOf(name, { a: 1n }));
        await store.settle({ reservation: name, entry: spendingOf(name) });
        await store.settle({ reservation: name, entry: spendingOf(name) });
      }
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 333', 'earned p 333', 'earned p 334']);
      assert.equal((await store.totals()).earnedMsat, 1000n);
    },
  },
  {
    name: 'what was credited first is spent first, and each payment is earned by itself',
    run: async (store) => {
      await store.credit({ account: 'a', ...bought('p', 10n, 1000n) });
      await store.credit({ account: 'a', ...bought('q', 10n, 900n) });
      await store.reserve(reservationOf('r', { a: 14n }));
      await store.settle({ reservation: 'r', entry: spendingOf('r') });
      assert.deepEqual(await entries(store, ['p', 'q']), ['received p 1000', 'received q 900', 'earned p 1000', 'earned q 360']);
    },
  },
  {
    name: 'what is given back is no longer earned, and is earned to the millisatoshi when it is spent again',
    run: async (store) => {
      await store.credit({ account: 'a', ...bought('p', 3n, 1000n) });
      for (const name of ['r', 's']) {
        await store.reserve(reservationOf(name, { a: 1n }));
        await store.settle({ reservation: name, entry: spendingOf(name) });
      }
      assert.equal(await store.cancel(cancelOf('r', 3)), 'cancelled');
      await store.reserve(reservationOf('t', { a: 2n }));
      await store.settle({ reservation: 't', entry: spendingOf('t') });
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 333', 'earned p 333', 'reversed p 333', 'earned p 667']);
      assert.equal((await store.totals()).earnedMsat, 1000n);
      assert.deepEqual(await standing(store, 'a'), [3n, 0n, 0n, 3n]);
    },
  },
  {
    name: 'what the limit settles instead is earned as any other',
    run: async (store) => {
      await store.credit({ account: 'a', ...bought('p', 2n, 1000n) });
      await store.reserve(reservationOf('r', { a: 1n }));
      assert.equal(await store.cancel(cancelOf('r', 0)), 'settled');
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 500']);
    },
  },
  {
    name: 'of several debits those that no payment opened earn nothing',
    run: async (store) => {
      const debits = [
        { account: 'a', units: 2n, opens: bought('p', 4n, 1000n) },
        { account: 'part', units: 1n, opens: { source: 'part', units: 2n, expiresAt } },
      ];
      await store.reserve({ reservation: 'r', leaseSeconds, debits });
      await store.settle({ reservation: 'r', entry: spendingOf('r') });
      assert.deepEqual(await entries(store, ['p']), ['received p 1000', 'earned p 500']);
      assert.deepEqual(await standing(store, 'part'), [2n, 1n, 0n, 1n]);
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.deepEqual(await standing(store, 'part'), [2n, 2n, 0n, 0n]);
      assert.equal((await store.totals()).earnedMsat, 0n);
    },
  },
];

export const lotCases: readonly StoreCase[] = [...opening, ...earning];
