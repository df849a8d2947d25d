/**
 * Everything that is kept, told to another store and taken from one.
 */
import assert from 'node:assert/strict';
import { FareboxError } from '../../core/Errors.ts';
import * as Books from '../../store/Books.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { Piece } from '../../store/pieces.ts';
import type { Store } from '../../store/Store.ts';
import type { FixedClock } from '../FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, grant, leaseSeconds, refOf, type StoreCase, spendingOf } from './StoreCase.ts';

/** Leaves something of every kind: used, held and given back, forgotten, spent, reserved, refused, counted and marked. */
async function fill(store: Store, clock: FixedClock): Promise<void> {
  const old = claimOf('old', { expiresAt: 1_800_000_100, entry: entryOf('received', 'old') });
  await store.commit({ ...refOf(old, await grant(store, old)), entry: entryOf('earned', 'old', { nonce: '1' }) });
  await store.deny({ kind: 'key', value: 'ab12cd34', expiresAt });
  clock.advance(10_000_000);
  await store.prune();
  const used = claimOf('used', { idempotencyKey: digest('once'), entry: entryOf('received', 'used') });
  const usedRef = refOf(used, await grant(store, used));
  const answer = { status: 200, headers: [['set-cookie', 'a secret']] as const, body: Uint8Array.of(1, 2, 3) };
  await store.commit({ ...usedRef, entry: entryOf('earned', 'used', { nonce: '1' }), bodyDigest: digest('body'), answer });
  const back = claimOf('back', { entry: entryOf('received', 'back', { note: 'half a character: \ud83d\ude00' }) });
  await store.release({ ...refOf(back, await grant(store, back)), reason: 'upstream' });
  await grant(store, claimOf('held', { entry: entryOf('received', 'held') }));
  await grant(store, claimOf('nobody’s'));
  await store.credit({ account: 'bucket', source: 'first', units: 35n, expiresAt, entry: entryOf('received', 'first') });
  await store.credit({ account: 'bucket', source: 'a second', units: 13n, expiresAt, entry: entryOf('received', 'second') });
  const debits = [
    { account: 'bucket', units: 36n, mostBehind: 5 },
    { account: 'part', units: 36n, opens: { source: 'part', units: 50n, expiresAt } },
  ];
  await store.reserve({ reservation: 'spent', leaseSeconds, debits });
  await store.settle({ reservation: 'spent', entry: spendingOf('spent') });
  await store.reserve({ reservation: 'held', leaseSeconds, debits: [{ account: 'bucket', units: 5n }] });
  await store.reserve({ reservation: 'back', leaseSeconds, debits: [{ account: 'bucket', units: 5n }] });
  await store.cancel({ reservation: 'back', reason: 'upstream', limit: 3 });
  await store.deny({ kind: 'token', value: digest('token'), expiresAt });
  await store.deny({ kind: 'part', value: digest('part'), expiresAt });
  await store.count({ key: digest('uses'), by: 2, ceiling: 3, expiresAt });
  await store.append([entryOf('settled', 'used')], { reader: 'a node', place: '17' });
}

async function piecesOf(store: Store): Promise<readonly Piece[]> {
  const pieces: Piece[] = [];
  for await (const piece of store.export()) pieces.push(piece);
  return pieces;
}

async function* tell(pieces: readonly Piece[], thenThrow?: Error): AsyncGenerator<Piece> {
  yield* pieces;
  if (thenThrow) throw thenThrow;
}

const isCode = (code: string) => (error: unknown) => FareboxError.is(error) && error.code === code;

export const movingCases: readonly StoreCase[] = [
  {
    name: 'what is told another store takes, and tells the same; nothing in it is an answer',
    run: async (store, clock) => {
      await fill(store, clock);
      const told = await piecesOf(store);
      assert.deepEqual(new Set(told.map(({ table }) => table)).size, 11);
      assert.equal(JSON.stringify(told).includes('a secret'), false);
      assert.ok(told.some((piece) => piece.table === 'accounts' && piece.row.opened === 1));
      const memory = createMemoryStore({ clock });
      await memory.import(tell(told));
      assert.deepEqual(await piecesOf(memory), told);
      assert.deepEqual(await Books.verify(memory.audit()), await Books.verify(store.audit()));
      await memory.close();
    },
  },
  {
    name: 'what another store has told is taken: used stays used, money is where it was, and numbers go on',
    run: async (store, clock) => {
      const memory = createMemoryStore({ clock });
      await fill(memory, clock);
      const told = await piecesOf(memory);
      await store.import(tell(told));
      assert.deepEqual(await piecesOf(store), told);
      const verdict = await Books.verify(store.audit());
      assert.equal(verdict.balanced, true);
      assert.deepEqual(verdict, await Books.verify(memory.audit()));
      for (const one of [store, memory]) {
        assert.equal((await one.claim(claimOf('used', { request: digest('another') }))).kind, 'used');
        assert.equal((await one.claim(claimOf('old', { entry: entryOf('received', 'old') }))).kind, 'used');
        assert.equal((await one.claim(claimOf('held'))).kind, 'busy');
        assert.equal((await one.claim(claimOf('back'))).kind, 'granted');
        assert.equal(await one.credit({ account: 'bucket', source: 'first', units: 35n, expiresAt }), 'already');
        assert.deepEqual(await one.balance('bucket'), { units: 48n, available: 7n, reserved: 5n, spent: 36n });
        assert.equal(await one.settle({ reservation: 'held', entry: spendingOf('later') }), 'settled');
        assert.equal(await one.cancel({ reservation: 'spent', reason: 'upstream', entry: spendingOf('spent') }), 'cancelled');
        assert.equal((await one.count({ key: digest('uses'), by: 2, ceiling: 3, expiresAt })).counted, false);
        assert.equal(await one.bookmark('a node'), '17');
        await one.deny({ kind: 'token', value: digest('another'), expiresAt });
        clock.advance(1);
      }
      assert.deepEqual(await store.totals(), await memory.totals());
      assert.deepEqual(await store.denials(), await memory.denials());
      assert.equal((await Books.verify(store.audit())).balanced, true);
      await memory.close();
    },
  },
  {
    name: 'an empty store tells its book alone, and takes it',
    run: async (store) => {
      const told = await piecesOf(store);
      assert.deepEqual(
        told.map(({ table }) => table),
        ['book'],
      );
      await store.import(tell(told));
      assert.deepEqual(await piecesOf(store), told);
    },
  },
  {
    name: 'a store with anything in it takes nothing',
    run: async (store, clock) => {
      const memory = createMemoryStore({ clock });
      await fill(memory, clock);
      await store.deny({ kind: 'token', value: digest('token'), expiresAt });
      await store.deny({ kind: 'part', value: digest('part'), expiresAt });
      const before = await piecesOf(store);
      await assert.rejects(store.import(memory.export()), isCode('STORE_NOT_EMPTY'));
      assert.deepEqual(await piecesOf(store), before);
      await memory.close();
    },
  },
  {
    name: 'what breaks off, or no store holds, leaves the store empty, and another import fills it',
    run: async (store, clock) => {
      const memory = createMemoryStore({ clock });
      await fill(memory, clock);
      const told = await piecesOf(memory);
      const last = told.at(-1) as Piece;
      const empty = await piecesOf(store);
      await assert.rejects(store.import(tell(told, new Error('cut off'))), /cut off/);
      assert.deepEqual(await piecesOf(store), empty);
      const claim = told.find(({ table }) => table === 'claims') as Piece;
      const bad = [[], told.slice(1), [...told, last], told.flatMap((piece) => (piece === claim ? [piece, piece] : [piece])), [...told, ...told]];
      for (const pieces of bad) await assert.rejects(store.import(tell(pieces)), isCode('EXPORT_MALFORMED'));
      assert.deepEqual(await piecesOf(store), empty);
      assert.equal((await store.claim(claimOf('used'))).kind, 'granted');
      await memory.close();
    },
  },
];
