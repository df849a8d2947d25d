import { fork } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it } from 'vitest';
import { clientStoreContract, purchaseOf, requestOf } from '../testing/clientStoreContract.ts';
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
    expect(names.toSorted()).toEqual(['client.db', 'client.db-shm', 'client.db-wal']);
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
    import { purchaseOf, requestOf } from ${source('../testing/clientStoreContract.ts')};
    const [path, name] = process.argv.slice(2);
    const store = createSqliteClientStore({ path });
    let count = 0;
    for (let i = 0; i < 50; i++) {
      const outcome = await store.reserve({ ...requestOf(purchaseOf(name + i, { resource: name + i })), maxFeeMsat: 0n, maxTotalMsat: 1_000_000n });
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
