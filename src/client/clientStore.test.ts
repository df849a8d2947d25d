import { fork } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { clientStoreContract, purchaseOf, requestOf, totalOf } from '../testing/clientStoreContract.ts';
import { recounted } from '../testing/recounted.ts';
import { createMemoryClientStore } from './memory.ts';
import { createSqliteClientStore } from './sqlite.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-client-'));
let files = 0;
const newPath = () => join(folder, `${++files}`, 'client.db');
afterAll(() => rmSync(folder, { recursive: true }));

describe('memory', () => {
  for (const { name, run } of clientStoreContract) it(name, () => run(createMemoryClientStore()));
});

describe('sqlite', () => {
  for (const { name, run } of clientStoreContract) {
    it(name, async () => {
      const store = createSqliteClientStore({ path: newPath() });
      await run(store);
      await store.close();
    });
  }

  it('keeps everything when it is closed and opened again', async () => {
    const path = newPath();
    const before = createSqliteClientStore({ path });
    await before.reserve(requestOf(purchaseOf('a')));
    const kept = await before.get(purchaseOf('a').paymentHash);
    await before.close();
    const after = createSqliteClientStore({ path });
    expect(await after.get(purchaseOf('a').paymentHash)).toEqual(kept);
    expect(await after.spending()).toEqual({ heldMsat: 60_000n, spentMsat: 0n, stoppedBy: undefined });
    await after.close();
  });

  it('takes back all of a step that breaks off before its end, and goes on', async () => {
    let breaks = true;
    const reached = (point: string) => {
      if (breaks && point === 'journal.reserve.written') throw new Error('broken off');
    };
    const store = createSqliteClientStore({ path: newPath(), reached });
    await expect(store.reserve(requestOf(purchaseOf('a')))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect([await store.list(), (await store.spending()).heldMsat]).toEqual([[], 0n]);
    breaks = false;
    expect((await store.reserve(requestOf(purchaseOf('a')))).kind).toBe('reserved');
    await store.close();
  });

  it('is for its owner alone, with the two files beside it', async () => {
    const path = newPath();
    const store = createSqliteClientStore({ path });
    await store.reserve(requestOf(purchaseOf('a')));
    const names = readdirSync(join(path, '..'));
    expect(names.toSorted()).toEqual(['client.db', 'client.db-shm', 'client.db-wal', 'client.db.key']);
    for (const name of names) expect(statSync(join(path, '..', name)).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    await store.close();
    chmodSync(path, 0o644);
    await createSqliteClientStore({ path }).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('refuses another database, and one of a newer version', async () => {
    const foreign = join(folder, 'foreign.db');
    const database = new DatabaseSync(foreign);
    database.exec('CREATE TABLE something (x)');
    database.close();
    expect(() => createSqliteClientStore({ path: foreign })).toThrow(expect.objectContaining({ code: 'STORE_VERSION' }));
    const newer = newPath();
    await createSqliteClientStore({ path: newer }).close();
    const raised = new DatabaseSync(newer);
    raised.exec('PRAGMA user_version = 99');
    raised.close();
    expect(() => createSqliteClientStore({ path: newer })).toThrow(expect.objectContaining({ code: 'STORE_VERSION' }));
    const robbed = newPath();
    await createSqliteClientStore({ path: robbed }).close();
    const emptied = new DatabaseSync(robbed);
    emptied.exec('DROP TABLE spending');
    emptied.close();
    expect(() => createSqliteClientStore({ path: robbed })).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }));
    const garbage = join(folder, 'garbage.db');
    writeFileSync(garbage, 'not a database, however long this text may be'.repeat(100));
    expect(() => createSqliteClientStore({ path: garbage })).toThrow(expect.objectContaining({ code: 'STORE_UNAVAILABLE' }));
  });

  it('takes over a file of an older version, with what it has spent and holds', async () => {
    const path = newPath();
    mkdirSync(join(path, '..'));
    const old = new DatabaseSync(path);
    old.exec(version2);
    old.close();
    const store = createSqliteClientStore({ path });
    expect(await store.spending()).toEqual({ heldMsat: 60_000n, spentMsat: 52_000n, stoppedBy: 'an overshoot', stopNote: undefined });
    expect((await store.list()).map(({ state, budgets, tags }) => [state, budgets, tags])).toEqual([
      ['redeemed', [], []],
      ['unknown', [], []],
    ]);
    expect(await recounted(store)).toEqual([]);
    await store.allowSpending();
    const outcome = await store.reserve({ ...requestOf(purchaseOf('a')), ...totalOf(161_000n as never) });
    expect(outcome.kind === 'exceeded' && [outcome.by.spentMsat, outcome.by.heldMsat]).toEqual([52_000n, 60_000n]);
    await store.close();
    const again = createSqliteClientStore({ path });
    expect((await again.list()).length).toBe(2);
    await again.close();
  });

  it('keeps the total limit over four processes on one new file', async () => {
    const path = newPath();
    const program = join(folder, 'buyer.mjs');
    writeFileSync(program, buyerProgram());
    const counts = await Promise.all(['a', 'b', 'c', 'd'].map((name) => runBuyer(program, path, name)));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(20);
    const store = createSqliteClientStore({ path });
    expect(await store.spending()).toEqual({ heldMsat: 1_000_000n, spentMsat: 0n, stoppedBy: undefined });
    await store.close();
  });
});

/** Reserves 50 sat fifty times within 1000 sat, and says how often it could. */
function buyerProgram(): string {
  const source = (file: string) => JSON.stringify(new URL(file, import.meta.url).href);
  return `
    import { createSqliteClientStore } from ${source('./sqlite.ts')};
    import { purchaseOf, requestOf, totalOf } from ${source('../testing/clientStoreContract.ts')};
    const [path, name] = process.argv.slice(2);
    const store = createSqliteClientStore({ path });
    let count = 0;
    for (let i = 0; i < 50; i++) {
      const outcome = await store.reserve({ ...requestOf(purchaseOf(name + i, { resource: name + i })), maxFeeMsat: 0n, ...totalOf(1_000_000n) });
      if (outcome.kind === 'reserved') count++;
    }
    process.send(count);
    await store.close();
    process.disconnect();
  `;
}

function runBuyer(program: string, path: string, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = fork(program, [path, name], { execArgv: [] });
    let count: number | undefined;
    child.on('message', (message) => {
      count = Number(message);
    });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 && count !== undefined ? resolve(count) : reject(new Error(`buyer ${name} ended with ${code}`))));
  });
}

/** A file of version 2, as it was written then: one payment that was made, and one whose end is not known. */
const version2 = `
  CREATE TABLE payment (
    payment_hash TEXT PRIMARY KEY, state TEXT NOT NULL, resource TEXT NOT NULL, origin TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    scheme TEXT NOT NULL, token TEXT NOT NULL, invoice TEXT NOT NULL, invoice_expires_at INTEGER NOT NULL, amount_msat TEXT NOT NULL,
    payer TEXT NOT NULL, network TEXT NOT NULL, reserved_msat TEXT NOT NULL, spent_msat TEXT NOT NULL, preimage TEXT, usable INTEGER NOT NULL,
    owner TEXT NOT NULL, lease_ends_at INTEGER NOT NULL, created_at INTEGER NOT NULL, dispatched_at INTEGER, updated_at INTEGER NOT NULL,
    note TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0, bound_to TEXT NOT NULL DEFAULT ''
  );
  CREATE INDEX payment_open ON payment (resource) WHERE state IN ('dispatched', 'unknown');
  CREATE INDEX payment_reserved ON payment (state) WHERE state = 'reserved';
  CREATE INDEX payment_usable ON payment (origin) WHERE usable = 1;
  CREATE TABLE spending (held_msat TEXT NOT NULL, spent_msat TEXT NOT NULL, stopped_by TEXT);
  INSERT INTO spending VALUES ('60000', '52000', 'an overshoot');
  PRAGMA application_id = 1178753073;
  PRAGMA user_version = 2;
  INSERT INTO payment VALUES ('h1', 'redeemed', 'r1', 'https://a.org', 'GET', '/', 'L402', 't', 'i', 1800000600, '50000', 'scripted', 'sandbox', '60000', '52000',
    'p', 0, '', 0, 1800000000, 1800000000, 1800000000, '', 0, '');
  INSERT INTO payment VALUES ('h2', 'unknown', 'r2', 'https://a.org', 'GET', '/', 'L402', 't', 'i', 1800000600, '50000', 'scripted', 'sandbox', '60000', '0',
    NULL, 0, '', 0, 1800000000, 1800000000, 1800000000, '', 0, '');
`;
