/**
 * What is left when a seller, the server or the line between them fails in the middle of something: all that was acknowledged, once, and
 * books that balance.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as Books from '../../../src/store/Books.ts';
import { createPostgresStore, type PostgresOptions } from '../../../src/store/postgres.ts';
import type { Store } from '../../../src/store/Store.ts';
import { claimOf, digest, entryOf, grant, leaseSeconds, refOf } from '../../../src/testing/storeContract/StoreCase.ts';
import { type Cutter, startCutter } from './Cutter.ts';
import { type Server, startServer, whyNot } from './Server.ts';

const script = fileURLToPath(new URL('./seller.ts', import.meta.url));
const expiresAt = 4_000_000_000;

let server: Server;
let schema: string;
let schemas = 0;
let opened: Store[];
let sellers: Seller[];

async function open(options: Partial<PostgresOptions> = {}): Promise<Store> {
  const store = await createPostgresStore({ url: server.url, schema, ...options });
  opened.push(store);
  return store;
}

type Told = { readonly kind: 'open' | 'committed' | 'lost' | 'unavailable' | 'wrong'; readonly sale: string; readonly error?: string };
type Seller = { readonly process: ChildProcess; readonly told: Told[]; readonly kill: () => Promise<void> };

/** A process that sells, open by now. */
async function startSeller(name: string, crashPoint = ''): Promise<Seller> {
  const child = fork(script, [JSON.stringify({ url: server.url, schema }), name, crashPoint], { execPath: process.execPath, execArgv: [] });
  const told: Told[] = [];
  child.on('message', (one) => told.push(one as Told));
  const seller = {
    process: child,
    told,
    kill: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
  sellers.push(seller);
  await once(child, 'message');
  return seller;
}

/** Until a seller has told of so many more sales. */
function sold({ process: child }: Seller, count: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = count;
    const onMessage = ({ kind }: Told) => {
      if (kind === 'committed') left -= 1;
      if (left > 0) return;
      child.off('message', onMessage);
      resolve();
    };
    child.on('message', onMessage);
    child.once('exit', () => reject(new Error('the seller has ended')));
  });
}

/** Every sale that was told of is in the books, once, and the books balance. */
async function expectWhole(store: Store, told: readonly Told[]): Promise<void> {
  expect(told.filter(({ kind }) => kind === 'wrong' || kind === 'lost')).toEqual([]);
  const rows = await everything(store);
  const earned = rows.filter(({ kind }) => kind === 'earned').map(({ paymentHash }) => paymentHash as string);
  expect(new Set(earned).size, 'each was earned once').toBe(earned.length);
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, i) => i + 1));
  const all = new Set(earned);
  const missing = told.filter(({ kind, sale }) => kind === 'committed' && !all.has(digest(sale)));
  expect(missing, 'what was acknowledged is there').toEqual([]);
  const verdict = await Books.verify(store.audit());
  expect(verdict.discrepancies).toEqual([]);
  expect(verdict.columns.earned.payments).toBe(earned.length);
}

async function everything(store: Store) {
  const rows = [];
  for (let after = 0; ; ) {
    const batch = await store.ledger({ after, limit: 1000 });
    rows.push(...batch);
    after = batch.at(-1)?.seq ?? after;
    if (batch.length < 1000) return rows;
  }
}

/** How often a call came back with nothing but that. */
async function codeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => value,
    (error: { readonly code?: string }) => error.code,
  );
}

describe.skipIf(whyNot())('faults', () => {
  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  beforeEach(() => {
    schemas += 1;
    schema = `faults_${schemas}`;
    opened = [];
    sellers = [];
  });

  afterEach(async () => {
    await Promise.all(sellers.map((seller) => seller.kill()));
    await Promise.all(opened.map((store) => store.close()));
  });

  test('four processes sell, one after the other is killed: what they told of is there, and nothing twice', async () => {
    const all = await Promise.all(['a', 'b', 'c', 'd'].map((name) => startSeller(name)));
    for (const seller of all) {
      await sold(seller, 50);
      await seller.kill();
    }
    await expectWhole(
      await open(),
      all.flatMap(({ told }) => told),
    );
  });

  test('the server is killed in the middle of writes, twice: what was acknowledged is there, and selling goes on', async () => {
    const all = await Promise.all(['a', 'b', 'c'].map((name) => startSeller(name)));
    for (let round = 0; round < 2; round++) {
      await Promise.all(all.map((seller) => sold(seller, 50)));
      await server.kill();
      await server.start();
    }
    await Promise.all(all.map((seller) => sold(seller, 50)));
    await Promise.all(all.map((seller) => seller.kill()));
    const told = all.flatMap((seller) => seller.told);
    expect(told.some(({ kind }) => kind === 'unavailable')).toBe(true);
    await expectWhole(await open(), told);
  });

  test.each([
    ['store.claim.written', 0, 0],
    ['store.claim.committed', 1, 0],
    ['store.commit.written', 1, 0],
    ['store.commit.committed', 1, 1],
  ])('a process that dies at %s leaves %i claims behind at least, and %i sales', async (point, claims, sales) => {
    const seller = await startSeller('a', point);
    if (seller.process.exitCode === null && seller.process.signalCode === null) await once(seller.process, 'exit');
    const store = await open();
    const { payments, sales: count } = await store.totals();
    expect([Math.min(payments, claims) === claims, payments > 0]).toEqual([true, claims > 0]);
    expect(Math.sign(count)).toBe(sales);
    await expectWhole(store, seller.told);
  });

  test('connections that the server ends between two calls are made anew, and nobody hears of it', async () => {
    const store = await open();
    const ref = refOf(claimOf('a'), await grant(store, claimOf('a', { expiresAt })));
    await store.totals();
    await server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'farebox'");
    expect(await store.commit({ ...ref, entry: entryOf('earned', 'a') })).toBe('committed');
    expect((await store.totals()).sales).toBe(1);
  });

  test('a seller that stops in the middle of a transaction holds others up for a while, and its call is answered as what it is', async () => {
    const [one, other] = [await open({ timeoutMs: 2000 }), await open({ timeoutMs: 2000 })];
    const blocker = new pg.Client({ connectionString: server.url });
    await blocker.connect();
    await blocker.query('BEGIN');
    await blocker.query(`SELECT pg_advisory_xact_lock(hashtextextended('${schema} claims ${digest('a')}', 0))`);
    const [held, free] = [one.claim(claimOf('a', { expiresAt })), other.claim(claimOf('b', { expiresAt }))];
    expect((await free).kind).toBe('granted');
    expect(await codeOf(held)).toBe('STORE_UNAVAILABLE');
    await blocker.query('COMMIT');
    await blocker.end();
    expect((await one.claim(claimOf('a', { expiresAt }))).kind).toBe('granted');
  });

  test('a server that is there and does not answer is unavailable in time, for every caller, and is taken up again', async () => {
    const store = await open({ timeoutMs: 1000 });
    await grant(store, claimOf('a', { expiresAt }));
    server.hold(true);
    try {
      const startedAt = performance.now();
      const calls = [store.claim(claimOf('b', { expiresAt })), store.totals(), store.count({ key: 'a', by: 1, ceiling: 9, expiresAt })];
      expect(await Promise.all(calls.map(codeOf))).toEqual(Array(3).fill('STORE_UNAVAILABLE'));
      expect(await codeOf(createPostgresStore({ url: server.url, schema, timeoutMs: 1000 }))).toBe('STORE_UNAVAILABLE');
      expect(performance.now() - startedAt).toBeLessThan(10_000);
    } finally {
      server.hold(false);
    }
    expect((await store.claim(claimOf('a', { expiresAt }))).kind).toBe('busy');
    expect((await store.claim(claimOf('c', { expiresAt }))).kind).toBe('granted');
  });

  test('two processes that take the same things in every order are never in each other’s way for long', async () => {
    const stores = [await open(), await open(), await open()];
    const names = Array.from({ length: 6 }, (_, i) => `account ${i}`);
    for (const name of names) await stores[0]?.credit({ account: name, units: 1_000_000n, source: name, expiresAt });
    const calls = stores.flatMap((store, which) =>
      Array.from({ length: 200 }, async (_, i) => {
        const order = names.map((_, at) => names[(at * (which === 1 ? 5 : 1) + i) % names.length] as string);
        const reservation = `${which} ${i}`;
        await store.reserve({ reservation, leaseSeconds, debits: order.slice(0, 1 + (i % 4)).map((account) => ({ account, units: 1n })) });
        await store.settle({ reservation });
        await store.append([entryOf('received', `${i}`)], { reader: `reader ${i % 3}`, place: `${which}` });
      }),
    );
    await Promise.all(calls);
    expect((await stores[0]?.totals())?.payments).toBe(200);
    const spent = await Promise.all(names.map(async (name) => (await stores[0]?.balance(name))?.spent ?? 0n));
    expect(spent.reduce((sum, one) => sum + one, 0n)).toBe(BigInt(3 * 50 * (1 + 2 + 3 + 4)));
  });

  test('calls that share a transaction share nothing else: one that breaks or is mistaken leaves the others whole', async () => {
    const store = await open();
    const ref = refOf(claimOf('a'), await grant(store, claimOf('a', { expiresAt })));
    await store.credit({ account: 'a', units: 5n, source: 'one', expiresAt });
    await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 1n }] });
    await server.ask(`DROP TABLE ${schema}.ledger`);
    const [claimed, broken, mistaken, counted] = await Promise.allSettled([
      store.claim(claimOf('b', { expiresAt })),
      store.commit({ ...ref, entry: entryOf('earned', 'a') }),
      store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 2n }] }),
      store.count({ key: 'uses', by: 1, ceiling: 5, expiresAt }),
    ]);
    expect(claimed).toMatchObject({ status: 'fulfilled', value: { kind: 'granted', fence: 1 } });
    expect(broken).toMatchObject({ status: 'rejected', reason: { code: 'STORE_UNAVAILABLE' } });
    expect(mistaken.status === 'rejected' && mistaken.reason).toBeInstanceOf(RangeError);
    expect(counted).toEqual({ status: 'fulfilled', value: { counted: true, value: 1 } });
    expect((await store.claim(claimOf('a', { expiresAt }))).kind).toBe('busy');
  });
});

describe.skipIf(whyNot())('a line that is cut at a commit', () => {
  let cutter: Cutter;
  let store: Store;

  beforeAll(async () => {
    server = await startServer();
    cutter = await startCutter(server.port);
  });

  afterAll(async () => {
    await cutter?.close();
    await server?.remove();
  });

  beforeEach(async () => {
    schemas += 1;
    schema = `cut_${schemas}`;
    opened = [];
    const url = new URL(server.url);
    url.port = `${cutter.port}`;
    store = await open({ url: url.href });
  });

  afterEach(() => Promise.all(opened.map((one) => one.close())));

  test.each(['before', 'after'] as const)('%s the server has made it: nobody is told that it was written, or that it was not', async (when) => {
    const ref = refOf(claimOf('a'), await grant(store, claimOf('a', { expiresAt })));
    cutter.cutAtCommit(when);
    const commit = { ...ref, entry: entryOf('earned', 'a', { nonce: '1' }) };
    expect(await codeOf(store.commit(commit))).toBe('STORE_UNAVAILABLE');
    const elsewhere = await open();
    expect((await elsewhere.totals()).sales).toBe(when === 'after' ? 1 : 0);
    expect(await store.commit(commit)).toBe('committed');
    expect((await elsewhere.totals()).sales).toBe(1);
  });

  test.each(['before', 'after'] as const)('%s a claim was granted: it is nobody’s until its lease has ended, or free', async (when) => {
    cutter.cutAtCommit(when);
    expect(await codeOf(store.claim(claimOf('a', { expiresAt })))).toBe('STORE_UNAVAILABLE');
    expect((await store.claim(claimOf('a', { expiresAt }))).kind).toBe(when === 'after' ? 'busy' : 'granted');
  });

  test('all who shared the transaction hear the same', async () => {
    cutter.cutAtCommit('after');
    const claims = ['a', 'b', 'c'].map((name) => store.claim(claimOf(name, { expiresAt })));
    expect(await Promise.all(claims.map(codeOf))).toEqual(Array(3).fill('STORE_UNAVAILABLE'));
    expect(cutter.cuts()).toBeGreaterThan(0);
    expect((await store.claim(claimOf('c', { expiresAt }))).kind).toBe('busy');
  });
});
