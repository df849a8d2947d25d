/**
 * What the SQLite store promises beyond the contract (test/conformance): the file, its versions, its errors, and several connections to it.
 */
import { getEventListeners } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, leaseSeconds } from '../testing/storeContract/StoreCase.ts';
import * as Books from './Books.ts';
import type { Change, Store } from './Store.ts';
import { createSqliteStore } from './sqlite.ts';

let folder: string;
let path: string;
let clock: FixedClock.FixedClock;
let opened: Store[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-store-'));
  path = join(folder, 'farebox.db');
  clock = FixedClock.create();
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()));
  rmSync(folder, { recursive: true });
});

async function open(): Promise<Store> {
  const store = await createSqliteStore({ path, clock });
  opened.push(store);
  return store;
}

/** Does something to the file behind the store's back. */
function tamper(sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof FareboxError ? error.code : `${error}`;
}

test('the file and its companions can be read by their owner only', async () => {
  const store = await open();
  await store.claim(claimOf('a'));
  const files = readdirSync(folder);
  expect(files.length).toBe(3);
  for (const file of files) expect(statSync(join(folder, file)).mode & 0o777, file).toBe(0o600);
});

test('what was written is there when the file is opened again', async () => {
  const first = await open();
  await first.claim(claimOf('a'));
  const body = Uint8Array.of(0, 1, 255);
  await first.commit({ key: digest('a'), fence: 1, entry: entryOf('earned', 'a'), answer: { status: 201, headers: [['A', 'é']], body } });
  await first.undelivered({ key: digest('a'), fence: 1 });
  await first.claim(claimOf('held'));
  await first.count({ key: 'uses', by: 2, ceiling: 3, expiresAt });
  await first.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
  await first.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 2n }] });
  await first.deny({ kind: 'key', value: '01020304', expiresAt });
  await first.close();

  const second = await open();
  const again = await second.claim(claimOf('a'));
  expect(again).toMatchObject({ kind: 'granted', fence: 2, repeat: 1, answer: { status: 201, headers: [['A', 'é']] } });
  expect(again.kind === 'granted' && again.answer?.body).toEqual(body);
  expect((await second.claim(claimOf('held'))).kind).toBe('busy');
  expect(await second.count({ key: 'uses', by: 2, ceiling: 3, expiresAt })).toEqual({ counted: false, value: 2 });
  expect(await second.settle({ reservation: 'r' })).toBe('settled');
  expect((await second.balance('a'))?.available).toBe(3n);
  expect((await second.denials()).denials.length).toBe(1);
  expect((await second.totals()).sales).toBe(1);
  await second.append([entryOf('received', 'b')]);
  expect((await second.ledger({ after: 0, limit: 9 })).map(({ seq }) => seq)).toEqual([1, 3]);
});

test('every commit is flushed to disk, into a write-ahead log', async () => {
  const store = await open();
  await store.claim(claimOf('a'));
  const db = new DatabaseSync(path);
  expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  db.close();
  expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
});

test('two stores on one file are one: claims, money and changes', async () => {
  const [one, other] = [await open(), await open()];
  const outcomes = await Promise.all([one, other].flatMap((store) => Array.from({ length: 10 }, () => store.claim(claimOf('a')))));
  expect(outcomes.filter(({ kind }) => kind === 'granted').length).toBe(1);
  await one.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
  expect(await other.credit({ account: 'a', units: 5n, source: 'one', expiresAt })).toBe('already');
});

test('a feed hears of another connection within half a second, asks nothing more once it has ended, and wakes for its own at once', async () => {
  const [one, other] = [await open(), await open()];
  const controller = new AbortController();
  const heard: Change[] = [];
  const ended = (async () => {
    for await (const change of one.changes({ signal: controller.signal })) heard.push(change);
  })();
  clock.advance(5000);
  for (const name of ['a', 'b', 'c']) {
    await other.append([entryOf('received', name)]);
    clock.advance(500);
    await turn();
  }
  expect(heard.length).toBe(3);
  await one.append([entryOf('received', 'd')]);
  await turn();
  expect(heard.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  expect(clock.timers()).toBe(1);
  expect(getEventListeners(controller.signal, 'abort').length).toBe(1);
  controller.abort();
  await ended;
  expect(getEventListeners(controller.signal, 'abort').length).toBe(0);
  expect(clock.timers()).toBe(0);
});

test('a file of version 1 is brought up to date: what it held is there, and its books balance by the ledger alone', async () => {
  tamper(readFileSync(new URL('../../test/vectors/store-1.sql', import.meta.url), 'utf8'));
  clock.advance(3_700_000);
  const store = await open();
  const { columns, discrepancies, untied } = await Books.verify(store.audit());
  expect(discrepancies).toEqual([]);
  expect(untied).toBe(5);
  expect([columns.received.payments, columns.earned.payments, columns.unspent.payments]).toEqual([6, 4, 2]);
  expect(await store.balance('a')).toEqual({ units: 75_000n, available: 57_000n, reserved: 5000n, spent: 13_000n });
  expect(await store.settle({ reservation: 'held' })).toBe('settled');

  const again = claimOf('open', { entry: entryOf('received', 'open') });
  const outcome = await store.claim(again);
  expect(outcome).toEqual({ kind: 'granted', fence: 2, repeat: 0 });
  await store.commit({ key: again.key, fence: 2, entry: entryOf('earned', 'open', { nonce: '2' }) });
  expect(await Books.verify(store.audit())).toMatchObject({ balanced: true, untied: 4, columns: { earned: { payments: 5 }, unspent: { payments: 1 } } });
  clock.advance(expiresAt * 1000 - clock.nowMs() + 86_400_000);
  await store.prune();
  expect(await Books.verify(store.audit())).toMatchObject({ balanced: true, untied: 4, columns: { earned: { payments: 5 }, expired: { payments: 1 } } });
});

test('an audit is of one moment while another connection sells, and keeps nobody from selling', async () => {
  const [seller, auditor] = [await open(), await open()];
  const sell = async (name: string) => {
    const { key } = claimOf(name);
    await seller.claim(claimOf(name, { entry: entryOf('received', name) }));
    await seller.commit({ key, fence: 1, entry: entryOf('earned', name, { nonce: '1' }) });
  };
  for (let i = 0; i < 20; i++) await sell(`before ${i}`);
  const kinds: string[] = [];
  for await (const standing of auditor.audit()) {
    kinds.push(standing.kind);
    await sell(`meanwhile ${kinds.length}`);
  }
  expect(kinds).toEqual(['book', ...Array(20).fill('payment')]);
  expect(await Books.verify(auditor.audit())).toMatchObject({ balanced: true, columns: { earned: { payments: 41 } } });
});

test('a file that cannot be read is no empty store', async () => {
  const store = await open();
  tamper('DROP TABLE claims');
  expect(await codeOf(Books.verify(store.audit()))).toBe('STORE_UNAVAILABLE');
});

test('a file of a newer version is refused and left as it is', async () => {
  await (await open()).close();
  tamper('PRAGMA user_version = 99');
  const before = readFileSync(path);
  expect(await codeOf(open())).toBe('STORE_VERSION');
  expect(readFileSync(path).equals(before)).toBe(true);
});

test('a database of another program is refused and left as it is', async () => {
  tamper('CREATE TABLE theirs (a)');
  const before = readFileSync(path);
  expect(await codeOf(open())).toBe('STORE_VERSION');
  tamper('PRAGMA user_version = 1');
  expect(await codeOf(open())).toBe('STORE_VERSION');
  tamper('PRAGMA user_version = 0');
  expect(readFileSync(path).subarray(100).equals(before.subarray(100))).toBe(true);
});

test('what cannot be opened is STORE_UNAVAILABLE and names the file', async () => {
  writeFileSync(path, 'this is no database, however long it goes on '.repeat(100));
  await expect(open()).rejects.toThrow(path);
  expect(await codeOf(open())).toBe('STORE_UNAVAILABLE');
  expect(await codeOf(createSqliteStore({ path: join(folder, 'absent', 'farebox.db') }))).toBe('STORE_UNAVAILABLE');
  await expect(createSqliteStore({ path: '' })).rejects.toThrow(TypeError);
  await expect(createSqliteStore({ path: ':memory:' })).rejects.toThrow(TypeError);
});

test('a store that cannot be read or written says so, with the cause, and changes nothing', async () => {
  const store = await open();
  await store.claim(claimOf('a'));
  tamper('DROP TABLE ledger');
  const commit = { key: digest('a'), fence: 1, entry: entryOf('earned', 'a') };
  const error = await store.commit(commit).catch((thrown: unknown) => thrown);
  expect(FareboxError.is(error, 'STORE_UNAVAILABLE')).toBe(true);
  expect(String((error as FareboxError).cause)).toContain('ledger');
  expect(await codeOf(store.ledger({ after: 0, limit: 1 }))).toBe('STORE_UNAVAILABLE');
  const changes = store.changes({ after: 0, signal: new AbortController().signal });
  expect(await codeOf(changes[Symbol.asyncIterator]().next())).toBe('STORE_UNAVAILABLE');
  expect((await store.claim(claimOf('a'))).kind).toBe('busy');
  clock.advance(leaseSeconds * 1000);
  expect(await store.claim(claimOf('a'))).toEqual({ kind: 'granted', fence: 2, repeat: 0 });
});

test('calls that share a transaction share nothing else: one that breaks or is mistaken leaves the others whole', async () => {
  const store = await open();
  await store.claim(claimOf('a'));
  await store.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
  const debits = [{ account: 'a', units: 1n }];
  await store.reserve({ reservation: 'r', leaseSeconds, debits });
  tamper('DROP TABLE ledger');
  const [claimed, broken, mistaken, counted] = await Promise.allSettled([
    store.claim(claimOf('b')),
    store.commit({ key: digest('a'), fence: 1, entry: entryOf('earned', 'a') }),
    store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 2n }] }),
    store.count({ key: 'uses', by: 1, ceiling: 5, expiresAt }),
  ]);
  expect(claimed).toMatchObject({ status: 'fulfilled', value: { kind: 'granted', fence: 1 } });
  expect(broken).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
  expect(mistaken.status === 'rejected' && mistaken.reason).toBeInstanceOf(RangeError);
  expect(counted).toEqual({ status: 'fulfilled', value: { counted: true, value: 1 } });
  expect(await store.count({ key: 'uses', by: 0, ceiling: 5, expiresAt })).toEqual({ counted: true, value: 1 });
  expect((await store.claim(claimOf('b'))).kind).toBe('busy');
});

test('an answer whose time is over is forgotten before its claim', async () => {
  const store = await open();
  await store.claim(claimOf('a'));
  await store.commit({ key: digest('a'), fence: 1, answer: { status: 200, headers: [], body: new Uint8Array(10) } });
  await store.undelivered({ key: digest('a'), fence: 1 });
  clock.advance(600_000);
  expect(await store.prune()).toBe(0);
  clock.advance(1000);
  expect(await store.prune()).toBe(1);
  expect((await store.claim(claimOf('a'))).kind).toBe('used');
});

test('an answer that arrived is not kept', async () => {
  const store = await open();
  await store.claim(claimOf('a'));
  await store.commit({ key: digest('a'), fence: 1, answer: { status: 200, headers: [], body: new Uint8Array(10) } });
  expect(countOf('answers')).toBe(1);
  await store.deliver({ key: digest('a'), fence: 1 });
  expect(countOf('answers')).toBe(0);
});

test('a new file that another process is at work on is waited for', async () => {
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const opening = open();
  await turn();
  other.exec('COMMIT');
  other.close();
  expect((await (await opening).claim(claimOf('a'))).kind).toBe('granted');
});

function countOf(table: string): unknown {
  const db = new DatabaseSync(path);
  const row = db.prepare(`SELECT count(*) AS rows FROM ${table}`).get();
  db.close();
  return row?.rows;
}

/** Lets everything that is under way in this process go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
