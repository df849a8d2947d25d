/**
 * Units that are held for somebody, who draws from them call by call.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Books from '../../store/Books.ts';
import type { Store } from '../../store/Store.ts';
import { entryOf, expiresAt, leaseSeconds, type StoreCase, spendingOf } from './StoreCase.ts';

const held = 'held for b';

/** An account of 100 units for 1000 msat, of which 60 are held for somebody. */
async function hold(store: Store): Promise<void> {
  const entry = entryOf('received', 'p', { amountMsat: Amount.fromMsat(1000n) });
  await store.credit({ account: 'a', source: 'payment of p', units: 100n, expiresAt, entry });
  const mirror = { account: 'mirror', units: 60n, opens: { source: 'mirror', units: 1_000_000n, expiresAt } };
  const asked = { reservation: held, leaseSeconds: 3600, debits: [{ account: 'a', units: 60n }, mirror] };
  assert.equal((await store.reserve(asked)).kind, 'reserved');
}

/** Draws so many units for a call. */
function draw(store: Store, reservation: string, units: bigint) {
  const opens = { source: 'of b', units: 60n, expiresAt };
  return store.reserve({
    reservation,
    leaseSeconds,
    debits: [
      { account: 'a', units, from: held },
      { account: 'b', units, opens },
    ],
  });
}

const cancel = (store: Store, reservation: string) => store.cancel({ reservation, reason: 'broken', entry: spendingOf(reservation), to: held });

/** What is available, reserved and spent of it, and what is held still. */
async function standing(store: Store): Promise<readonly bigint[]> {
  const [a, mirror] = [await store.balance('a'), await store.balance('mirror')];
  assert.ok(a && mirror);
  assert.deepEqual((await Books.verify(store.audit())).discrepancies, []);
  return [a.available, a.reserved, a.spent, mirror.reserved];
}

export const drawingCases: readonly StoreCase[] = [
  {
    name: 'what is held for somebody is his alone, becomes less as he draws from it, and is earned as he spends it',
    run: async (store) => {
      await hold(store);
      assert.deepEqual(await standing(store), [40n, 60n, 0n, 60n]);
      assert.equal((await store.reserve({ reservation: 'o', leaseSeconds, debits: [{ account: 'a', units: 41n }] })).kind, 'insufficient');
      assert.deepEqual(await draw(store, 'r', 20n), { kind: 'reserved', available: [80n, 40n] });
      assert.deepEqual(await draw(store, 'r', 20n), { kind: 'reserved', available: [80n, 40n] });
      assert.deepEqual(await standing(store), [40n, 60n, 0n, 40n]);
      assert.equal(await store.settle({ reservation: 'r', entry: spendingOf('r') }), 'settled');
      assert.deepEqual(await standing(store), [40n, 40n, 20n, 40n]);
      assert.equal((await store.totals()).earnedMsat, 200n);
      await draw(store, 's', 40n);
      assert.deepEqual(await draw(store, 't', 1n), { kind: 'insufficient', account: 'b', available: 0n });
      assert.equal(await store.settle({ reservation: 's', entry: spendingOf('s') }), 'settled');
      assert.deepEqual(await standing(store), [40n, 0n, 60n, 0n]);
    },
  },
  {
    name: 'of callers at once nobody draws more than is held, and others have the rest',
    run: async (store) => {
      await hold(store);
      const others = Array.from({ length: 8 }, (_, i) => store.reserve({ reservation: `o${i}`, leaseSeconds, debits: [{ account: 'a', units: 10n }] }));
      const own = Array.from({ length: 9 }, (_, i) => draw(store, `r${i}`, 10n));
      const granted = async (all: readonly Promise<{ kind: string }>[]) => (await Promise.all(all)).filter(({ kind }) => kind === 'reserved').length;
      assert.deepEqual([await granted(own), await granted(others)], [6, 4]);
      assert.deepEqual(await standing(store), [0n, 100n, 0n, 0n]);
    },
  },
  {
    name: 'what is given back goes back to what is held, before it was spent and after',
    run: async (store) => {
      await hold(store);
      await draw(store, 'r', 20n);
      await draw(store, 's', 10n);
      await store.settle({ reservation: 's', entry: spendingOf('s') });
      assert.equal(await cancel(store, 'r'), 'cancelled');
      assert.equal(await cancel(store, 'r'), 'cancelled');
      assert.deepEqual(await standing(store), [40n, 50n, 10n, 50n]);
      assert.equal(await cancel(store, 's'), 'cancelled');
      assert.deepEqual(await standing(store), [40n, 60n, 0n, 60n]);
      assert.equal((await store.totals()).earnedMsat, 0n);
    },
  },
  {
    name: 'a reservation is drawn from by one debit of another one, where it is over that account',
    run: async (store) => {
      await hold(store);
      const debits = ['a', 'mirror'].map((account) => ({ account, units: 1n, from: held }));
      await assert.rejects(store.reserve({ reservation: 'r', leaseSeconds, debits }), TypeError);
      await assert.rejects(store.reserve({ reservation: held, leaseSeconds, debits: debits.slice(0, 1) }), TypeError);
      await store.credit({ account: 'c', source: 'c', units: 5n, expiresAt });
      assert.deepEqual(await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'c', units: 1n, from: held }] }), {
        kind: 'absent',
        account: held,
      });
      assert.deepEqual(await standing(store), [40n, 60n, 0n, 60n]);
    },
  },
  {
    name: 'when it is settled over nothing what is left is everybody’s, for good; what is under way ends as it would',
    run: async (store) => {
      await hold(store);
      await draw(store, 'r', 20n);
      await draw(store, 's', 10n);
      assert.equal(await store.settle({ reservation: held, units: 0n }), 'settled');
      assert.deepEqual(await standing(store), [70n, 30n, 0n, 0n]);
      assert.deepEqual(await draw(store, 't', 1n), { kind: 'absent', account: held });
      assert.equal(await store.settle({ reservation: 'r', entry: spendingOf('r') }), 'settled');
      assert.equal(await cancel(store, 's'), 'cancelled');
      assert.deepEqual(await standing(store), [80n, 0n, 20n, 0n]);
      await assert.rejects(store.reserve({ reservation: held, leaseSeconds, debits: [{ account: 'a', units: 60n }] }), RangeError);
    },
  },
  {
    name: 'when its lease ends what is left comes back by itself; a call that died gives back to all, and is drawn again while it is there',
    run: async (store, clock) => {
      await hold(store);
      await draw(store, 'r', 20n);
      clock.advance(leaseSeconds * 1000);
      assert.deepEqual(await standing(store), [60n, 40n, 0n, 40n]);
      assert.equal((await draw(store, 's', 50n)).kind, 'reserved');
      assert.deepEqual(await standing(store), [50n, 50n, 0n, 0n]);
      assert.equal(await store.settle({ reservation: 's', entry: spendingOf('s') }), 'settled');
      clock.advance(3600_000);
      assert.deepEqual(await draw(store, 't', 1n), { kind: 'absent', account: held });
      assert.deepEqual(await standing(store), [50n, 0n, 50n, 0n]);
    },
  },
];
