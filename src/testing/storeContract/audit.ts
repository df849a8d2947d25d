/**
 * The books that a store keeps: what it says of every payment, wherever its money has gone.
 *
 * @see docs/decisions/0014-books.md
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Books from '../../store/Books.ts';
import type { Standing } from '../../store/Standing.ts';
import type { ClaimRef, Store } from '../../store/Store.ts';
import type { FixedClock } from '../FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, grant, leaseSeconds, refOf, type StoreCase, spendingOf } from './StoreCase.ts';

/** Every column that holds anything, in satoshis; fails where something is wrong. */
async function columns(store: Store): Promise<string> {
  const { columns, discrepancies } = await Books.verify(store.audit());
  assert.deepEqual(discrepancies, []);
  const filled = Object.entries(columns).filter(([, { payments }]) => payments > 0);
  return filled.map(([name, { amountMsat, payments }]) => `${name} ${amountMsat / 1000n}${payments === 1 ? '' : ` of ${payments}`}`).join(', ');
}

/** What is wrong, and with which payment. */
async function wrong(store: Store): Promise<readonly (readonly [string, string | undefined])[]> {
  const { discrepancies } = await Books.verify(store.audit());
  return discrepancies.map(({ kind, paymentHash }) => [kind, paymentHash]);
}

async function read(store: Store): Promise<readonly Standing[]> {
  const all: Standing[] = [];
  for await (const standing of store.audit()) all.push(standing);
  return all;
}

/** Claims for the payment of that name. */
async function claimed(store: Store, name: string): Promise<ClaimRef> {
  const request = claimOf(name, { entry: entryOf('received', name) });
  return refOf(request, await grant(store, request));
}

async function earn(store: Store, ref: ClaimRef, name: string): Promise<void> {
  assert.equal(await store.commit({ ...ref, entry: entryOf('earned', name, { nonce: `${ref.fence}` }) }), 'committed');
}

/** Opens an account with the payment of that name: 50 sat. */
function open(store: Store, name: string): Promise<unknown> {
  return store.credit({ account: `account ${name}`, units: Amount.fromSat(50), source: name, expiresAt, entry: entryOf('received', name) });
}

function reserve(store: Store, reservation: string, account: string, sat: number): Promise<unknown> {
  return store.reserve({ reservation, leaseSeconds, debits: [{ account: `account ${account}`, units: Amount.fromSat(sat) }] });
}

function settle(store: Store, reservation: string, sat: number): Promise<unknown> {
  return store.settle({ reservation, units: Amount.fromSat(sat), entry: spendingOf(reservation) });
}

function expire(clock: FixedClock): void {
  clock.advance(expiresAt * 1000 - clock.nowMs() + 86_400_000);
}

const standings: readonly StoreCase[] = [
  {
    name: 'an audit begins with the sums and the hour; of an empty store that is all',
    run: async (store, clock) => {
      const sums = { settledMsat: 0n, receivedMsat: 0n, earnedMsat: 0n, reversedMsat: 0n, settled: 0, received: 0, earned: 0, reversed: 0, repeated: 0 };
      assert.deepEqual(await read(store), [{ kind: 'book', at: clock.nowMs() / 1000, seq: 0, sums, untiedSeq: 0, untiedUntil: 0 }]);
    },
  },
  {
    name: 'an audit tells of a payment what the ledger has, and what its claim says by itself',
    run: async (store, clock) => {
      const ref = await claimed(store, 'a');
      const held = { state: 'held', amountMsat: 50_000n, leaseEndsAt: clock.nowMs() / 1000 + leaseSeconds, expiresAt, committedAt: 0 };
      const payment = { kind: 'payment', paymentHash: digest('a'), claims: [held], credits: [] };
      assert.deepEqual((await read(store)).slice(1), [{ ...payment, entries: await store.ledger({ after: 0, limit: 9 }) }]);
      await earn(store, ref, 'a');
      await store.deliver(ref);
      const used = { ...held, state: 'used', leaseEndsAt: undefined, committedAt: clock.nowMs() / 1000 };
      assert.deepEqual((await read(store)).slice(1), [{ ...payment, claims: [used], entries: await store.ledger({ after: 0, limit: 9 }) }]);
    },
  },
  {
    name: 'a claim without an entry is of no payment; it becomes one with the first that brings one',
    run: async (store, clock) => {
      await grant(store, claimOf('a'));
      assert.equal((await read(store)).length, 1);
      clock.advance(leaseSeconds * 1000);
      await claimed(store, 'a');
      assert.equal(await columns(store), 'received 50, held 50');
    },
  },
  {
    name: 'a claim stays the payment of the first entry, over its amount, as the ledger keeps the first',
    run: async (store, clock) => {
      await claimed(store, 'a');
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('a', { entry: entryOf('received', 'a', { amountMsat: Amount.fromSat(60) }) }));
      assert.equal(await columns(store), 'received 50, held 50');
      clock.advance(leaseSeconds * 1000);
      await grant(store, claimOf('a'));
      assert.equal(await columns(store), 'received 50, held 50');
    },
  },
  {
    name: 'an audit is of the moment at which it began, whatever is written meanwhile',
    run: async (store) => {
      const ref = await claimed(store, 'a');
      const audit = store.audit()[Symbol.asyncIterator]();
      await audit.next();
      await earn(store, ref, 'a');
      await claimed(store, 'b');
      const rest = [];
      for (let next = await audit.next(); !next.done; next = await audit.next()) rest.push(next.value);
      assert.deepEqual(
        rest.map((one) => one.kind === 'payment' && [one.paymentHash, one.entries.length, one.claims[0]?.state]),
        [[digest('a'), 1, 'held']],
      );
      assert.equal(await columns(store), 'received 100 of 2, earned 50, held 50');
    },
  },
  {
    name: 'an audit that is left early leaves nothing behind',
    run: async (store) => {
      await claimed(store, 'a');
      for await (const _ of store.audit()) break;
      await claimed(store, 'b');
      assert.equal(await columns(store), 'received 100 of 2, held 100 of 2');
    },
  },
];

const claims: readonly StoreCase[] = [
  {
    name: 'the books of a sale: held, earned, and no more for a repetition',
    run: async (store) => {
      const ref = await claimed(store, 'a');
      assert.equal(await columns(store), 'received 50, held 50');
      await earn(store, ref, 'a');
      assert.equal(await columns(store), 'received 50, earned 50');
      await store.undelivered(ref);
      const again = await claimed(store, 'a');
      await store.commit({ ...again, entry: entryOf('repeated', 'a', { nonce: `${again.fence}` }) });
      await store.deliver(again);
      assert.equal(await columns(store), 'received 50, earned 50');
    },
  },
  {
    name: 'the books of a sale that was given back: unspent, before the commit and after it; then sold again',
    run: async (store) => {
      const first = await claimed(store, 'a');
      await store.release({ ...first, reason: 'upstream' });
      assert.equal(await columns(store), 'received 50, unspent 50');
      const second = await claimed(store, 'a');
      await earn(store, second, 'a');
      await store.release({ ...second, reason: 'broken', entryIfReleased: entryOf('reversed', 'a', { nonce: `${second.fence}` }) });
      assert.equal(await columns(store), 'received 50, unspent 50');
      await earn(store, await claimed(store, 'a'), 'a');
      assert.equal(await columns(store), 'received 50, earned 50');
    },
  },
  {
    name: 'the books of a sale that nobody ended: held while the lease runs, unspent after it, expired at the end',
    run: async (store, clock) => {
      await claimed(store, 'a');
      clock.advance(leaseSeconds * 1000 - 1);
      assert.equal(await columns(store), 'received 50, held 50');
      clock.advance(1);
      assert.equal(await columns(store), 'received 50, unspent 50');
      clock.advance(expiresAt * 1000 - clock.nowMs() - 1);
      assert.equal(await columns(store), 'received 50, unspent 50');
      clock.advance(1);
      assert.equal(await columns(store), 'received 50, expired 50');
    },
  },
  {
    name: 'a pass is earned with its first use and has no claim',
    run: async (store) => {
      await store.append([entryOf('received', 'a'), entryOf('earned', 'a')]);
      assert.equal(await columns(store), 'received 50, earned 50');
    },
  },
  {
    name: 'what was forgotten in its time stays in the books: what was used as earned, the rest as expired',
    run: async (store, clock) => {
      await earn(store, await claimed(store, 'used'), 'used');
      await store.release({ ...(await claimed(store, 'open')), reason: 'upstream' });
      await claimed(store, 'held');
      expire(clock);
      assert.equal(await columns(store), 'received 150 of 3, earned 50, expired 100 of 2');
      assert.equal(await store.prune(), 3);
      assert.equal(await columns(store), 'received 150 of 3, earned 50, expired 100 of 2');
      assert.equal((await read(store)).filter((one) => one.kind === 'payment' && one.claims.length === 0 && one.closing).length, 3);
    },
  },
  {
    name: 'what was forgotten unused and is claimed once more, by a clock set back, is one payment still; what was used stays used',
    run: async (store, clock) => {
      await claimed(store, 'unused');
      await earn(store, await claimed(store, 'used'), 'used');
      expire(clock);
      await store.prune();
      await earn(store, await claimed(store, 'unused'), 'unused');
      assert.equal(await columns(store), 'received 100 of 2, earned 100 of 2');
      assert.equal((await store.claim(claimOf('used', { entry: entryOf('received', 'used') }))).kind, 'used');
      assert.deepEqual(await wrong(store), []);
    },
  },
];

const accounts: readonly StoreCase[] = [
  {
    name: 'what was forgotten unspent and is opened once more, by a clock set back, is one payment still; what was spent opens nothing',
    run: async (store, clock) => {
      const opened = (name: string) => ({ account: name, source: name, units: 10n, expiresAt, entry: entryOf('received', name) });
      const take = (name: string, reservation: string) =>
        store.reserve({ reservation, leaseSeconds, debits: [{ account: name, units: 4n, opens: opened(name) }] });
      for (const name of ['unspent', 'spent']) await take(name, `first of ${name}`);
      await store.settle({ reservation: 'first of spent', entry: spendingOf('first of spent') });
      await store.cancel({ reservation: 'first of unspent', reason: 'any' });
      expire(clock);
      await store.prune();
      await store.prune();
      assert.deepEqual(await take('spent', 'second of spent'), { kind: 'absent', account: 'spent' });
      assert.equal(await store.credit({ ...opened('spent') }), 'already');
      assert.equal((await take('unspent', 'second of unspent')).kind, 'reserved');
      await store.settle({ reservation: 'second of unspent', entry: spendingOf('second of unspent') });
      assert.deepEqual(await wrong(store), []);
      assert.equal((await store.totals()).payments, 2);
    },
  },
  {
    name: 'an entry that comes with a credit or a settlement is written with it, and once',
    run: async (store) => {
      await open(store, 'a');
      await open(store, 'a');
      await reserve(store, 'r', 'a', 20);
      assert.equal(await settle(store, 'r', 20), 'settled');
      assert.equal(await settle(store, 'r', 20), 'settled');
      assert.equal(await settle(store, 'r', 10), 'lost');
      assert.equal(await settle(store, 'absent', 10), 'lost');
      const rows = await store.ledger({ after: 0, limit: 9 });
      assert.deepEqual(
        rows.map(({ kind, amountMsat }) => [kind, amountMsat]),
        [
          ['received', 50_000n],
          ['earned', 20_000n],
        ],
      );
      await assert.rejects(store.settle({ reservation: 'r', entry: { ...spendingOf('r'), at: 0.5 } }), RangeError);
    },
  },
  {
    name: 'the books of an account: what is available is unspent, what is reserved is held, what was settled is earned',
    run: async (store, clock) => {
      await open(store, 'a');
      assert.equal(await columns(store), 'received 50, unspent 50');
      await reserve(store, 'r', 'a', 20);
      await reserve(store, 's', 'a', 5);
      assert.equal(await columns(store), 'received 50, unspent 25, held 25');
      await settle(store, 'r', 15);
      assert.equal(await columns(store), 'received 50, earned 15, unspent 30, held 5');
      await store.cancel({ reservation: 's', reason: 'any' });
      assert.equal(await columns(store), 'received 50, earned 15, unspent 35');
      clock.advance(expiresAt * 1000 - clock.nowMs());
      assert.equal(await columns(store), 'received 50, earned 15, expired 35');
    },
  },
  {
    name: 'an account that no payment opened is no money, and is verified all the same',
    run: async (store) => {
      await store.credit({ account: 'limit', units: Amount.fromSat(100), source: 'a limit', expiresAt });
      await open(store, 'a');
      const debits = ['limit', 'account a'].map((account) => ({ account, units: Amount.fromSat(10) }));
      await store.reserve({ reservation: 'r', leaseSeconds, debits });
      await settle(store, 'r', 10);
      assert.equal(await columns(store), 'received 50, earned 10, unspent 40');
      assert.equal((await read(store)).filter(({ kind }) => kind === 'account').length, 2);
    },
  },
  {
    name: 'of every account is said what was credited to it, in its order',
    run: async (store) => {
      await store.credit({ account: 'a', source: 'second', units: 1n, expiresAt });
      await store.credit({ account: 'a', source: 'first', units: 1n, expiresAt });
      const opens = { source: 'uses part of a', units: 3n, expiresAt };
      await store.reserve({ reservation: 'r', leaseSeconds: 30, debits: [{ account: 'part', units: 1n, opens }] });
      const sources = (await read(store)).flatMap((one) => (one.kind === 'account' ? [[one.account, ...one.sources]] : []));
      assert.deepEqual(sources, [
        ['a', 'second', 'first'],
        ['part', 'uses part of a'],
      ]);
    },
  },
  {
    name: 'an account outlives the reservations that name it, and both stay in the books when they are forgotten',
    run: async (store, clock) => {
      await open(store, 'a');
      await store.reserve({ reservation: 'long', leaseSeconds: 200_000, debits: [{ account: 'account a', units: Amount.fromSat(20) }] });
      await settle(store, 'long', 20);
      clock.advance(expiresAt * 1000 - clock.nowMs() + 3_600_000);
      assert.equal(await store.prune(), 0);
      assert.equal(await columns(store), 'received 50, earned 20, expired 30');
      expire(clock);
      clock.advance(200_000_000);
      assert.equal(await store.prune(), 3);
      assert.equal(await columns(store), 'received 50, earned 20, expired 30');
      assert.deepEqual(
        (await read(store)).map(({ kind }) => kind),
        ['book', 'payment'],
      );
    },
  },
  {
    name: 'what forgotten reservations had spent stays spent',
    run: async (store, clock) => {
      await open(store, 'a');
      await reserve(store, 'r', 'a', 20);
      await settle(store, 'r', 20);
      clock.advance(4_000_000);
      assert.equal(await store.prune(), 1);
      await reserve(store, 's', 'a', 20);
      await settle(store, 's', 10);
      assert.equal(await columns(store), 'received 50, earned 30, unspent 20');
    },
  },
];

export const auditCases: readonly StoreCase[] = [...standings, ...claims, ...accounts];
