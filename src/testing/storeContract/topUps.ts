/**
 * What is added to an account that is there, and to no other.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Books from '../../store/Books.ts';
import type { CreditRequest } from '../../store/Store.ts';
import { entryOf, expiresAt, kindsOf, leaseSeconds, type StoreCase, spendingOf } from './StoreCase.ts';

/** So many units for so many msat of this payment, for the account `a`. */
function topUpOf(payment: string, units: bigint, amountMsat: bigint): CreditRequest {
  const entry = entryOf('received', payment, { amountMsat: Amount.fromMsat(amountMsat) });
  return { account: 'a', source: `payment of ${payment}`, units, expiresAt, entry, onlyOpen: true };
}

export const topUpCases: readonly StoreCase[] = [
  {
    name: 'a top-up opens no account: nothing of it is written, and it can be presented again',
    run: async (store) => {
      assert.equal(await store.credit(topUpOf('q', 10n, 900n)), 'absent');
      assert.equal(await store.balance('a'), undefined);
      assert.deepEqual(await kindsOf(store), []);
      await store.credit({ ...topUpOf('p', 3n, 1000n), onlyOpen: false });
      assert.equal(await store.credit(topUpOf('q', 10n, 900n)), 'credited');
      assert.equal((await store.balance('a'))?.available, 13n);
    },
  },
  {
    name: 'of any number of presentations at once one adds, and later ones add nothing',
    run: async (store) => {
      await store.credit({ ...topUpOf('p', 3n, 1000n), onlyOpen: false });
      const outcomes = await Promise.all(Array.from({ length: 8 }, () => store.credit(topUpOf('q', 10n, 900n))));
      assert.deepEqual([...outcomes].sort(), [...Array(7).fill('already'), 'credited']);
      assert.equal(await store.credit(topUpOf('q', 10n, 900n)), 'already');
      assert.equal((await store.balance('a'))?.available, 13n);
      assert.deepEqual(await kindsOf(store), ['received', 'received']);
    },
  },
  {
    name: 'what was added is spent behind what was there, earns its own payment, and the books balance at every step',
    run: async (store) => {
      const balanced = async () => assert.deepEqual((await Books.verify(store.audit())).discrepancies, []);
      await store.credit({ ...topUpOf('p', 3n, 1000n), onlyOpen: false });
      await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 2n }] });
      await store.credit(topUpOf('q', 10n, 900n));
      await balanced();
      await store.settle({ reservation: 'r', entry: spendingOf('r') });
      await store.reserve({ reservation: 's', leaseSeconds, debits: [{ account: 'a', units: 6n }] });
      await balanced();
      await store.settle({ reservation: 's', entry: spendingOf('s') });
      await balanced();
      const { columns } = await Books.verify(store.audit());
      assert.deepEqual([columns.received.amountMsat, columns.earned.amountMsat, columns.unspent.amountMsat], [1900n, 1450n, 450n]);
    },
  },
  {
    name: 'what was presented is known for as long as the account is, however often the store forgets',
    run: async (store, clock) => {
      await store.credit({ ...topUpOf('p', 3n, 1000n), onlyOpen: false });
      await store.credit(topUpOf('q', 10n, 900n));
      clock.advance((expiresAt + 3599) * 1000 - clock.nowMs());
      await store.prune();
      assert.equal(await store.credit(topUpOf('q', 10n, 900n)), 'already');
      clock.advance(2000);
      await store.prune();
      assert.equal(await store.credit(topUpOf('r', 10n, 900n)), 'absent');
      assert.deepEqual((await Books.verify(store.audit())).discrepancies, []);
    },
  },
];
