/**
 * Accounts: money that is credited, reserved, spent or given back, and never made or lost.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import type { ReserveRequest, Store } from '../../store/Store.ts';
import { expiresAt, leaseSeconds, type StoreCase } from './StoreCase.ts';

const sat = (amount: number) => Amount.fromSat(amount);

function credit(store: Store, account: string, amount: number, source = `payment of ${account}`) {
  return store.credit({ account, amountMsat: sat(amount), source, expiresAt });
}

function reservationOf(reservation: string, debits: { readonly [account: string]: number }): ReserveRequest {
  return { reservation, leaseSeconds, debits: Object.entries(debits).map(([account, amount]) => ({ account, amountMsat: sat(amount) })) };
}

/** Credited, available, reserved and spent, in satoshis. */
async function standing(store: Store, account: string): Promise<readonly number[]> {
  const balance = await store.balance(account);
  assert.ok(balance, `${account} is expected to be there`);
  assert.equal(balance.creditedMsat, balance.availableMsat + balance.reservedMsat + balance.spentMsat);
  return [balance.creditedMsat, balance.availableMsat, balance.reservedMsat, balance.spentMsat].map((msat) => Number(msat / 1000n));
}

export const accountCases: readonly StoreCase[] = [
  {
    name: 'an account is opened by its first credit, and a source credits once',
    run: async (store) => {
      assert.equal(await store.balance('a'), undefined);
      assert.equal(await credit(store, 'a', 100, 'one'), 'credited');
      assert.equal(await credit(store, 'a', 100, 'one'), 'already');
      assert.equal(await credit(store, 'b', 100, 'one'), 'already');
      assert.equal(await credit(store, 'a', 50, 'two'), 'credited');
      assert.deepEqual(await standing(store, 'a'), [150, 150, 0, 0]);
      assert.equal(await store.balance('b'), undefined);
    },
  },
  {
    name: 'amounts beyond 2^53 msat are exact',
    run: async (store) => {
      const amountMsat = Amount.fromMsat(2_099_999_999_999_999_999n);
      await store.credit({ account: 'a', amountMsat, source: 'one', expiresAt });
      await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', amountMsat: Amount.fromMsat(1n) }] });
      await store.settle({ reservation: 'r' });
      assert.equal((await store.balance('a'))?.availableMsat, amountMsat - 1n);
    },
  },
  {
    name: 'what is reserved is not available until it is settled, in full or in part',
    run: async (store) => {
      await credit(store, 'a', 100);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 60 })), { kind: 'reserved' });
      assert.deepEqual(await standing(store, 'a'), [100, 40, 60, 0]);
      assert.deepEqual(await store.reserve(reservationOf('s', { a: 41 })), { kind: 'insufficient', account: 'a', availableMsat: sat(40) });
      assert.deepEqual(await store.reserve(reservationOf('s', { a: 40 })), { kind: 'reserved' });
      assert.equal(await store.settle({ reservation: 'r', amountMsat: sat(25) }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100, 35, 40, 25]);
      assert.equal(await store.settle({ reservation: 's' }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100, 35, 0, 65]);
    },
  },
  {
    name: 'several accounts are debited together or not at all',
    run: async (store) => {
      await credit(store, 'a', 100);
      await credit(store, 'b', 10);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 20, b: 20 })), { kind: 'insufficient', account: 'b', availableMsat: sat(10) });
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 20, c: 20 })), { kind: 'absent', account: 'c' });
      assert.deepEqual(await standing(store, 'a'), [100, 100, 0, 0]);
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 20, b: 10 })), { kind: 'reserved' });
      assert.deepEqual(await standing(store, 'a'), [100, 80, 20, 0]);
      assert.deepEqual(await standing(store, 'b'), [10, 0, 10, 0]);
    },
  },
  {
    name: 'a smaller settlement takes the same amount of every debit, and never more than was reserved',
    run: async (store) => {
      await credit(store, 'a', 100);
      await credit(store, 'b', 100);
      await store.reserve(reservationOf('r', { a: 20, b: 5 }));
      assert.equal(await store.settle({ reservation: 'r', amountMsat: sat(10) }), 'settled');
      assert.deepEqual(await standing(store, 'a'), [100, 90, 0, 10]);
      assert.deepEqual(await standing(store, 'b'), [100, 95, 0, 5]);
    },
  },
  {
    name: 'the same reservation asked for twice is one',
    run: async (store) => {
      await credit(store, 'a', 100);
      await store.reserve(reservationOf('r', { a: 60 }));
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 60 })), { kind: 'reserved' });
      assert.deepEqual(await standing(store, 'a'), [100, 40, 60, 0]);
      await assert.rejects(store.reserve(reservationOf('r', { a: 10 })), RangeError);
      await store.settle({ reservation: 'r' });
      await assert.rejects(store.reserve(reservationOf('r', { a: 60 })), RangeError);
      assert.deepEqual(await standing(store, 'a'), [100, 40, 0, 60]);
    },
  },
  {
    name: 'a settlement said twice is one; said otherwise it is lost',
    run: async (store) => {
      await credit(store, 'a', 100);
      await store.reserve(reservationOf('r', { a: 60 }));
      assert.equal(await store.settle({ reservation: 'r', amountMsat: sat(30) }), 'settled');
      assert.equal(await store.settle({ reservation: 'r', amountMsat: sat(30) }), 'settled');
      assert.equal(await store.settle({ reservation: 'r', amountMsat: sat(31) }), 'lost');
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.equal(await store.cancel('r'), 'lost');
      assert.deepEqual(await standing(store, 'a'), [100, 70, 0, 30]);
    },
  },
  {
    name: 'what is cancelled goes back, once',
    run: async (store) => {
      await credit(store, 'a', 100);
      await store.reserve(reservationOf('r', { a: 60 }));
      assert.equal(await store.cancel('r'), 'cancelled');
      assert.equal(await store.cancel('r'), 'cancelled');
      assert.deepEqual(await standing(store, 'a'), [100, 100, 0, 0]);
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 70 })), { kind: 'reserved' });
      assert.deepEqual(await standing(store, 'a'), [100, 30, 70, 0]);
    },
  },
  {
    name: 'an unknown reservation is lost',
    run: async (store) => {
      assert.equal(await store.settle({ reservation: 'absent' }), 'lost');
      assert.equal(await store.cancel('absent'), 'lost');
    },
  },
  {
    name: 'money comes back by itself when the lease ends, and the reservation is lost',
    run: async (store, clock) => {
      await credit(store, 'a', 100);
      await store.reserve(reservationOf('r', { a: 100 }));
      clock.advance(leaseSeconds * 1000 - 1);
      assert.deepEqual(await standing(store, 'a'), [100, 0, 100, 0]);
      clock.advance(1);
      assert.deepEqual(await standing(store, 'a'), [100, 100, 0, 0]);
      assert.equal(await store.settle({ reservation: 'r' }), 'lost');
      assert.equal(await store.cancel('r'), 'lost');
      assert.deepEqual(await store.reserve(reservationOf('r', { a: 80 })), { kind: 'reserved' });
      assert.deepEqual(await standing(store, 'a'), [100, 20, 80, 0]);
    },
  },
  {
    name: 'parallel reservations never overdraw',
    run: async (store) => {
      await credit(store, 'a', 100);
      const outcomes = await Promise.all(Array.from({ length: 30 }, (_, i) => store.reserve(reservationOf(`r${i}`, { a: 15 }))));
      assert.equal(outcomes.filter(({ kind }) => kind === 'reserved').length, 6);
      assert.deepEqual(await standing(store, 'a'), [100, 10, 90, 0]);
    },
  },
  {
    name: 'nothing may be reserved over nothing, or twice over one account',
    run: async (store) => {
      const debit = { account: 'a', amountMsat: sat(1) };
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits: [] }), TypeError);
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits: [debit, debit] }), TypeError);
    },
  },
];
