/**
 * What happened to money, kept for good.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Preimage from '../../core/Preimage.ts';
import { digest, entryOf, type StoreCase } from './StoreCase.ts';

export const ledgerCases: readonly StoreCase[] = [
  {
    name: 'entries are kept as they were written, numbered upwards, and read from behind a number',
    run: async (store) => {
      const entries = [entryOf('received', 'a', { note: 'first', at: 1_800_000_007 }), entryOf('earned', 'a'), entryOf('received', 'b')];
      await store.append(entries);
      const rows = await store.ledger({ after: 0, limit: 10 });
      assert.deepEqual(
        rows.map(({ seq: _, ...entry }) => entry),
        entries,
      );
      assert.ok(rows.every(({ seq }, i) => seq > (rows[i - 1]?.seq ?? 0)));
      const first = rows[0]?.seq ?? 0;
      assert.deepEqual(await store.ledger({ after: first, limit: 1 }), rows.slice(1, 2));
      assert.deepEqual(await store.ledger({ after: first, limit: 10 }), rows.slice(1));
      assert.deepEqual(await store.ledger({ after: rows[2]?.seq ?? 0, limit: 10 }), []);
      assert.deepEqual(await store.ledger({ after: 0, limit: 0 }), []);
    },
  },
  {
    name: 'rows are read between two numbers, the oldest or the newest first, of all payments or of one',
    run: async (store) => {
      for (const word of ['a', 'b', 'c']) await store.append([entryOf('received', word), entryOf('earned', word), entryOf('reversed', word)]);
      await store.append([entryOf('earned', 'a', { nonce: '2' })]);
      const rows = await store.ledger({ limit: 20 });
      assert.equal(rows.length, 10);
      const [second = 0, fifth = 0] = [rows[1]?.seq, rows[4]?.seq];
      const back = rows.toReversed();
      assert.deepEqual(await store.ledger({ limit: 3, newestFirst: true }), back.slice(0, 3));
      assert.deepEqual(await store.ledger({ before: fifth, limit: 2 }), rows.slice(0, 2));
      assert.deepEqual(await store.ledger({ before: fifth, limit: 2, newestFirst: true }), rows.slice(2, 4).reverse());
      assert.deepEqual(await store.ledger({ after: second, before: fifth, limit: 9 }), rows.slice(2, 4));
      assert.deepEqual(await store.ledger({ after: second, before: fifth, limit: 9, newestFirst: true }), rows.slice(2, 4).reverse());
      for (const empty of [{ before: 0 }, { before: 1 }, { after: fifth, before: fifth }, { after: fifth, before: second }]) {
        assert.deepEqual(await store.ledger({ ...empty, limit: 9 }), []);
        assert.deepEqual(await store.ledger({ ...empty, limit: 9, newestFirst: true }), []);
      }
      const paymentHash = Preimage.parseHash(digest('a'));
      const story = rows.filter((row) => row.paymentHash === paymentHash);
      assert.equal(story.length, 4);
      assert.deepEqual(await store.ledger({ paymentHash, limit: 9 }), story);
      assert.deepEqual(await store.ledger({ paymentHash, limit: 2 }), story.slice(0, 2));
      assert.deepEqual(await store.ledger({ paymentHash, limit: 2, newestFirst: true }), story.toReversed().slice(0, 2));
      assert.deepEqual(await store.ledger({ paymentHash, after: second, limit: 9 }), story.slice(2));
      assert.deepEqual(await store.ledger({ paymentHash, before: fifth, limit: 9, newestFirst: true }), story.slice(0, 3).reverse());
      assert.deepEqual(await store.ledger({ paymentHash, limit: 0 }), []);
      assert.deepEqual(await store.ledger({ paymentHash: Preimage.parseHash(digest('nobody')), limit: 9 }), []);
    },
  },
  {
    name: 'an entry is named by kind, payment and nonce: written twice it is one, and the first stands',
    run: async (store) => {
      await store.append([entryOf('earned', 'a'), entryOf('earned', 'a')]);
      await store.append([entryOf('earned', 'a', { amountMsat: Amount.fromSat(999), note: 'again' }), entryOf('earned', 'a', { nonce: '2' })]);
      await store.append([]);
      const rows = await store.ledger({ after: 0, limit: 10 });
      assert.deepEqual(
        rows.map(({ nonce, amountMsat }) => [nonce, amountMsat]),
        [
          ['', Amount.fromSat(50)],
          ['2', Amount.fromSat(50)],
        ],
      );
      assert.equal((await store.totals()).sales, 2);
    },
  },
  {
    name: 'totals: received, earned less reversed, and repetitions for nothing',
    run: async (store) => {
      const nothing = { settledMsat: 0n, settled: 0, receivedMsat: 0n, earnedMsat: 0n, payments: 0, sales: 0 };
      assert.deepEqual(await store.totals(), nothing);
      await store.append([entryOf('received', 'a'), entryOf('earned', 'a', { nonce: '1' }), entryOf('reversed', 'a', { nonce: '1' })]);
      await store.append([entryOf('earned', 'a', { nonce: '2' }), entryOf('repeated', 'a', { nonce: '3' })]);
      await store.append([entryOf('received', 'b', { amountMsat: Amount.fromMsat(2_099_999_999_999_999_999n) })]);
      const sums = { receivedMsat: 2_100_000_000_000_049_999n, earnedMsat: 50_000n, payments: 2, sales: 1 };
      assert.deepEqual(await store.totals(), { ...nothing, ...sums });
    },
  },
  {
    name: 'what a wallet said has arrived is summed by itself, and is no payment that was presented',
    run: async (store) => {
      await store.append([entryOf('settled', 'a', { amountMsat: Amount.fromSat(51) }), entryOf('settled', 'a'), entryOf('settled', 'b')]);
      await store.append([entryOf('received', 'a')]);
      const { settledMsat, settled, receivedMsat, payments, sales } = await store.totals();
      assert.deepEqual([settledMsat, settled, receivedMsat, payments, sales], [Amount.fromSat(101), 2, Amount.fromSat(50), 1, 0]);
    },
  },
  {
    name: 'a bookmark stands where it was put last, each reader with one of its own, with or without entries',
    run: async (store) => {
      assert.equal(await store.bookmark('lnd'), undefined);
      await store.append([entryOf('settled', 'a')], { reader: 'lnd', place: '7' });
      await store.append([], { reader: 'cln', place: '' });
      await store.append([entryOf('settled', 'a')], { reader: 'lnd', place: '8' });
      assert.deepEqual([await store.bookmark('lnd'), await store.bookmark('cln'), await store.bookmark('other')], ['8', '', undefined]);
      assert.equal((await store.ledger({ after: 0, limit: 10 })).length, 1);
    },
  },
  {
    name: 'an entry that is no entry leaves the bookmark where it was, and one that is none keeps the entries out',
    run: async (store) => {
      await store.append([], { reader: 'lnd', place: '7' });
      await assert.rejects(store.append([entryOf('settled', 'b', { at: 0.5 })], { reader: 'lnd', place: '8' }), RangeError);
      await assert.rejects(store.append([entryOf('settled', 'b')], { reader: '', place: '9' }), TypeError);
      assert.equal(await store.bookmark('lnd'), '7');
      assert.deepEqual(await store.ledger({ after: 0, limit: 10 }), []);
    },
  },
  {
    name: 'texts come back as they went in',
    run: async (store) => {
      const entry = entryOf('earned', 'a', { note: 'it\'s 100 % \u{1f600} \u0001 \n"', route: 'GET /é', service: '' });
      await store.append([entry]);
      const [row] = await store.ledger({ after: 0, limit: 1 });
      assert.deepEqual([row?.note, row?.route, row?.service], [entry.note, entry.route, '']);
    },
  },
  {
    name: 'one entry that is no entry keeps all of them out',
    run: async (store) => {
      await assert.rejects(store.append([entryOf('earned', 'a'), entryOf('earned', 'b', { at: 0.5 })]), RangeError);
      assert.deepEqual(await store.ledger({ after: 0, limit: 10 }), []);
    },
  },
];
