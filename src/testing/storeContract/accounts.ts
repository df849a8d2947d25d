/**
 * Accounts: units that are credited, reserved, spent or given back, and never made or lost.
 */
import assert from 'node:assert/strict';
import { cancelOf, credit, reservationOf, standing } from './bookings.ts';
import { expiresAt, leaseSeconds, type StoreCase, spendingOf } from './StoreCase.ts';

const balances: readonly StoreCase[] = [
  {
    name: 'an account is opened by its first credit, and a source credits once',
    run: async (store) => {
      assert.equal(await store.balance('a'), undefined);
      assert.equal(await credit(store, 'a', 100n, 'one'), 'credited');
      assert.equal(await credit(store, 'a', 100n, 'one'), 'already');
      assert.equal(await credit(store, 'b', 100n, 'one'), 'already');
      assert.equal(await credit(store, 'a', 50n, 'two'), 'credited');
      assert.deepEqual(await standing(store, 'a'), [150n, 150n, 0n, 0n]);
      assert.equal(await store.balance('b'), undefined);
    },
  },
  {
    name: 'units beyond 2^53 are exact',
    run: async (store) => {
      const units = 2_099_999_999_999_999_999n;
      await credit(store, 'a', units);
      await store.reserve(reservationOf('r', { a: 1n }));
      await store.settle({ reservation: 'r' });
      assert.equal((await store.balance('a'))?.available, units - 1n);
    },
  },
  {
    name: 'what is reserved is not available until it is settled, in full or in part',
    run: async (store) => {
      await credit(store, 'a', 100n);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 60n })), { kind: 'reserved', available: [40n] });
      assert.deepEqual(await standing(store, 'a'), [100n, 40n, 60n, 0n]);
      assert.deepEqual(await store.reserve(reservationOf('s', { a: 41n })), { kind: 'insufficient', account: 'a', available: 40n });
      assert.deepEqual(await store.reserve(reservationOf('s', { a: 40n })), { kind: 'reserved', available: [0n] });
      assert.equal(await store.settle({ reservation: 'r', units: 25n }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100n, 35n, 40n, 25n]);
      assert.equal(await store.settle({ reservation: 's' }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100n, 35n, 0n, 65n]);
    },
  },
  {
    name: 'several accounts are debited together or not at all',
    run: async (store) => {
      await credit(store, 'a', 100n);
      await credit(store, 'b', 10n);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 20n, b: 20n })), { kind: 'insufficient', account: 'b', available: 10n });
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 20n, c: 20n })), { kind: 'absent', account: 'c' });
      assert.deepEqual(await standing(store, 'a'), [100n, 100n, 0n, 0n]);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 20n, b: 10n })), { kind: 'reserved', available: [80n, 0n] });
      assert.deepEqual(await standing(store, 'a'), [100n, 80n, 20n, 0n]);
      assert.deepEqual(await standing(store, 'b'), [10n, 0n, 10n, 0n]);
    },
  },
  {
    name: 'a smaller settlement takes the same number of every debit, and never more than was reserved',
    run: async (store) => {
      await credit(store, 'a', 100n);
      await credit(store, 'b', 100n);
      await store.reserve(reservationOf('r', { a: 20n, b: 5n }));
      assert.equal(await store.settle({ reservation: 'r', units: 10n }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100n, 90n, 0n, 10n]);
      assert.deepEqual(await standing(store, 'b'), [100n, 95n, 0n, 5n]);
    },
  },
  {
    name: 'parallel reservations never overdraw',
    run: async (store) => {
      await credit(store, 'a', 100n);
      const outcomes = await Promise.all(Array.from({ length: 30 }, (_, i) => store.reserve(reservationOf(`r${i}`, { a: 15n }))));
      assert.equal(outcomes.filter(({ kind }) => kind === 'reserved').length, 6);
      assert.deepEqual(await standing(store, 'a'), [100n, 10n, 90n, 0n]);
    },
  },
  {
    name: 'nothing may be reserved over nothing, or twice over one account or one source',
    run: async (store) => {
      const debit = { account: 'a', units: 1n };
      const opens = { source: 'one', units: 1n, expiresAt };
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits: [] }), TypeError);
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits: [debit, debit] }), TypeError);
      const twice = [
        { ...debit, opens },
        { account: 'b', units: 1n, opens },
      ];
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits: twice }), TypeError);
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits: [{ ...debit, units: 10n ** 20n + 1n }] }), RangeError);
    },
  },
];

const reservations: readonly StoreCase[] = [
  {
    name: 'the same reservation asked for twice is one',
    run: async (store) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 60n }));
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 60n })), { kind: 'reserved', available: [40n] });
      assert.deepEqual(await standing(store, 'a'), [100n, 40n, 60n, 0n]);
      await assert.rejects(store.reserve(reservationOf('r', { a: 10n })), RangeError);
      await store.settle({ reservation: 'r' });
      await assert.rejects(store.reserve(reservationOf('r', { a: 60n })), RangeError);
      assert.deepEqual(await standing(store, 'a'), [100n, 40n, 0n, 60n]);
    },
  },
  {
    name: 'a settlement said twice is one; said otherwise it is lost',
    run: async (store) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 60n }));
      assert.equal(await store.settle({ reservation: 'r', units: 30n }), 'settled');
      assert.equal(await store.settle({ reservation: 'r', units: 30n }), 'settled');
      assert.equal(await store.settle({ reservation: 'r', units: 31n }), 'lost');
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.deepEqual(await standing(store, 'a'), [100n, 70n, 0n, 30n]);
    },
  },
  {
    name: 'what is cancelled goes back, once',
    run: async (store) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 60n }));
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.deepEqual(await standing(store, 'a'), [100n, 100n, 0n, 0n]);
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), false);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 70n })), { kind: 'reserved', available: [30n] });
      assert.deepEqual(await standing(store, 'a'), [100n, 30n, 70n, 0n]);
    },
  },
  {
    name: 'what was settled can be given back, once; its name is used up',
    run: async (store) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 60n }));
      await store.settle({ reservation: 'r', units: 50n });
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.deepEqual(await standing(store, 'a'), [100n, 100n, 0n, 0n]);
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      await assert.rejects(store.reserve(reservationOf('r', { a: 60n })), RangeError);
    },
  },
  {
    name: 'for a reason that is limited it is given back so often on the first account, and then settled, or left settled',
    run: async (store) => {
      await credit(store, 'a', 100n);
      for (const name of ['r', 's', 't']) {
        await store.reserve(reservationOf(name, { a: 10n }));
        await store.settle({ reservation: name });
      }
      await store.reserve(reservationOf('u', { a: 10n }));
      assert.equal(await store.cancel(cancelOf('r', 2)), 'cancelled');
      assert.equal(await store.cancel(cancelOf('s', 2)), 'cancelled');
      assert.equal(await store.cancel(cancelOf('t', 2)), 'settled');
      assert.equal(await store.cancel(cancelOf('u', 2)), 'settled');
      assert.equal(await store.cancel(cancelOf('u', 2)), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100n, 80n, 0n, 20n]);
      assert.equal(await store.cancel({ ...cancelOf('u', 2), reason: 'another' }), 'cancelled');
      assert.equal(await store.cancel(cancelOf('t')), 'cancelled');
      assert.deepEqual(await standing(store, 'a'), [100n, 100n, 0n, 0n]);
    },
  },
  {
    name: 'an unknown reservation is lost',
    run: async (store) => {
      assert.equal(await store.settle({ reservation: 'absent' }), 'lost');
      assert.equal(await store.cancel(cancelOf('absent')), 'lost');
      assert.equal(await store.extend({ reservation: 'absent', leaseSeconds }), false);
    },
  },
  {
    name: 'units come back by themselves when the lease ends, and the reservation is lost to whoever takes them',
    run: async (store, clock) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 100n }));
      clock.advance(leaseSeconds * 1000 - 1);
      assert.deepEqual(await standing(store, 'a'), [100n, 0n, 100n, 0n]);
      clock.advance(1);
      assert.deepEqual(await standing(store, 'a'), [100n, 100n, 0n, 0n]);
      await store.reserve(reservationOf('s', { a: 1n }));
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), false);
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.equal(await store.settle({ reservation: 'r', units: 1n }), 'lost');
      assert.deepEqual(await standing(store, 'a'), [100n, 99n, 1n, 0n]);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 80n })), { kind: 'reserved', available: [19n] });
      assert.deepEqual(await standing(store, 'a'), [100n, 19n, 81n, 0n]);
    },
  },
  {
    name: 'units that nobody took when the lease ended are settled all the same, on every account or on none',
    run: async (store, clock) => {
      await credit(store, 'a', 100n);
      await credit(store, 'b', 10n);
      for (const name of ['r', 's', 't']) await store.reserve(reservationOf(name, { a: 20n, b: 3n }));
      clock.advance(leaseSeconds * 1000);
      await store.reserve(reservationOf('other', { b: 5n }));
      assert.equal(await store.settle({ reservation: 'r', entry: spendingOf('r') }), 'settled');
      assert.deepEqual(await standing(store, 'b'), [10n, 2n, 5n, 3n]);
      assert.equal(await store.settle({ reservation: 's' }), 'lost');
      assert.deepEqual(await standing(store, 'a'), [100n, 80n, 0n, 20n]);
      assert.equal(await store.settle({ reservation: 't', units: 2n }), 'settled');
      assert.equal(await store.settle({ reservation: 't', units: 2n }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100n, 78n, 0n, 22n]);
      assert.deepEqual(await standing(store, 'b'), [10n, 0n, 5n, 5n]);
      assert.equal(await store.cancel(cancelOf('t')), 'cancelled');
      assert.deepEqual(await standing(store, 'a'), [100n, 80n, 0n, 20n]);
    },
  },
  {
    name: 'units that nobody took when the lease ended can be held again, by one of those that had them',
    run: async (store, clock) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 60n }));
      clock.advance(leaseSeconds * 1000);
      await store.reserve(reservationOf('s', { a: 50n }));
      clock.advance(leaseSeconds * 1000);
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), true);
      assert.deepEqual(await standing(store, 'a'), [100n, 40n, 60n, 0n]);
      assert.equal(await store.extend({ reservation: 's', leaseSeconds }), false);
      assert.equal(await store.settle({ reservation: 's' }), 'lost');
      assert.deepEqual(await store.reserve(reservationOf('t', { a: 41n })), { kind: 'insufficient', account: 'a', available: 40n });
      clock.advance(leaseSeconds * 1000 - 1);
      assert.deepEqual(await standing(store, 'a'), [100n, 40n, 60n, 0n]);
      assert.equal(await store.settle({ reservation: 'r' }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100n, 40n, 0n, 60n]);
    },
  },
  {
    name: 'of callers at once whose leases have ended, as many settle as there are units',
    run: async (store, clock) => {
      await credit(store, 'a', 30n);
      for (let i = 0; i < 9; i++) {
        await store.reserve(reservationOf(`r${i}`, { a: 10n }));
        if (i % 3 === 2) clock.advance(leaseSeconds * 1000);
      }
      const outcomes = await Promise.all(Array.from({ length: 9 }, (_, i) => store.settle({ reservation: `r${i}` })));
      assert.equal(outcomes.filter((outcome) => outcome === 'settled').length, 3);
      assert.deepEqual(await standing(store, 'a'), [30n, 0n, 0n, 30n]);
    },
  },
  {
    name: 'a lease that is extended ends later, and never earlier',
    run: async (store, clock) => {
      await credit(store, 'a', 100n);
      await store.reserve(reservationOf('r', { a: 100n }));
      clock.advance(20_000);
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), true);
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds: 1 }), true);
      clock.advance(29_000);
      assert.deepEqual(await standing(store, 'a'), [100n, 0n, 100n, 0n]);
      assert.equal(await store.settle({ reservation: 'r' }), 'settled');
      assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), false);
    },
  },
  {
    name: 'what was settled can be given back for as long as somebody extends it, also hours later',
    run: async (store, clock) => {
      await store.credit({ account: 'a', units: 100n, source: 'one', expiresAt: 4_000_000_000 });
      for (const name of ['r', 's']) {
        await store.reserve(reservationOf(name, { a: 10n }));
        await store.settle({ reservation: name });
      }
      for (let minutes = 0; minutes < 180; minutes += 30) {
        assert.equal(await store.extend({ reservation: 'r', leaseSeconds }), false);
        clock.advance(30 * 60_000);
        await store.prune();
      }
      assert.deepEqual(await standing(store, 'a'), [100n, 80n, 0n, 20n]);
      assert.equal(await store.cancel(cancelOf('r')), 'cancelled');
      assert.equal(await store.cancel(cancelOf('s')), 'lost');
      assert.deepEqual(await standing(store, 'a'), [100n, 90n, 0n, 10n]);
    },
  },
];

export const accountCases: readonly StoreCase[] = [...balances, ...reservations];
