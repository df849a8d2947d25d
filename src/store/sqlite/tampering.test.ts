/**
 * A thief with write access to the store's file: whatever one row of it is made to say, the books no longer balance.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, grant, leaseSeconds, refOf, spendingOf } from '../../testing/storeContract/StoreCase.ts';
import * as Books from '../Books.ts';
import type { ClaimRef, LedgerEntry, Store } from '../Store.ts';
import { createSqliteStore } from '../sqlite.ts';
import { audit } from './audit.ts';

let folder: string;
let path: string;
let copies = 0;
const clock = FixedClock.create();

/** A store with a row of every kind, in every state. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-tampering-'));
  path = join(folder, 'farebox.db');
  const store = await createSqliteStore({ path, clock });
  const soon = 1_800_000_100;
  await earn(store, await claimed(store, 'closed used', soon), 'closed used');
  await claimed(store, 'closed unused', soon);
  await credit(store, 'closed account', soon);
  await spend(store, 'closed', 'closed account', 20);
  await credit(store, 'account', expiresAt);
  await spend(store, 'gone', 'account', 10);
  clock.advance(8_000_000);
  expect(await store.prune()).toBe(6);

  const used = await claimed(store, 'used');
  await earn(store, used, 'used');
  await store.deliver(used);
  const owed = await claimed(store, 'owed');
  await earn(store, owed, 'owed');
  await store.undelivered(owed);
  const again = await claimed(store, 'owed');
  await earn(store, again, 'owed', 'repeated');
  await store.undelivered(again);
  const reversed = await claimed(store, 'reversed');
  await earn(store, reversed, 'reversed');
  await store.release({ ...reversed, reason: 'broken', entryIfReleased: entryOf('reversed', 'reversed', { nonce: `${reversed.fence}` }) });
  await store.release({ ...(await claimed(store, 'open')), reason: 'upstream' });
  await earn(store, await claimed(store, 'answering'), 'answering');
  await claimed(store, 'held');
  await store.append([entryOf('received', 'pass'), entryOf('earned', 'pass')]);

  await store.credit({ account: 'limit', units: 100n, source: 'a limit', expiresAt });
  await spend(store, 'settled', 'account', 10);
  const debits = ['account', 'limit'].map((account) => ({ account, units: 5n }));
  await store.reserve({ reservation: 'held', leaseSeconds, debits });
  await store.reserve({ reservation: 'cancelled', leaseSeconds, debits });
  await store.cancel({ reservation: 'cancelled', reason: 'any' });
  await spend(store, 'reversed', 'account', 3);
  await store.cancel({ reservation: 'reversed', reason: 'broken', limit: 3, entry: spendingOf('reversed') });
  await store.close();
});

afterAll(() => rmSync(folder, { recursive: true }));

async function claimed(store: Store, name: string, until = expiresAt): Promise<ClaimRef> {
  const request = claimOf(name, { entry: entryOf('received', name), expiresAt: until });
  return refOf(request, await grant(store, request));
}

function earn(store: Store, ref: ClaimRef, name: string, kind: LedgerEntry['kind'] = 'earned'): Promise<unknown> {
  return store.commit({ ...ref, entry: entryOf(kind, name, { nonce: `${ref.fence}` }) });
}

function credit(store: Store, name: string, until: number): Promise<unknown> {
  return store.credit({ account: name, units: 50n, source: name, expiresAt: until, entry: entryOf('received', name) });
}

async function spend(store: Store, reservation: string, name: string, sat: number): Promise<void> {
  await store.reserve({ reservation, leaseSeconds, debits: [{ account: name, units: BigInt(sat) }] });
  await store.settle({ reservation, entry: spendingOf(reservation) });
}

/** What is found in a copy of the file to which this was done. */
async function found(sql: string): Promise<readonly Books.Discrepancy[]> {
  copies += 1;
  const copy = join(folder, `copy ${copies}.db`);
  copyFileSync(path, copy);
  const db = new DatabaseSync(copy);
  try {
    db.exec(sql);
  } finally {
    db.close();
  }
  return (await Books.verify(audit(copy, () => clock.nowMs() / 1000))).discrepancies;
}

/** Whether it is found, or the file itself does not let it be done. */
async function isFound(sql: string): Promise<boolean> {
  const isRefused = (error: unknown) => error instanceof Error && error.message.startsWith('UNIQUE constraint failed');
  return found(sql).then(
    (discrepancies) => discrepancies.length > 0,
    (error: unknown) => isRefused(error) || Promise.reject(error),
  );
}

/** Every row of a table as a condition that names it, with what it holds. */
function rowsOf(table: string, key: readonly string[]): readonly { readonly where: string; readonly row: Record<string, unknown> }[] {
  const db = new DatabaseSync(path, { readOnly: true });
  const rows = db.prepare(`SELECT * FROM ${table}`).all();
  db.close();
  return rows.map((row) => ({ row, where: key.map((column) => `${column} = '${row[column]}'`).join(' AND ') }));
}

const tables = {
  ledger: { key: ['seq'], amounts: ['amount_msat'] },
  claims: { key: ['key'], amounts: ['amount_msat'] },
  closings: { key: ['payment_hash'], amounts: ['amount_msat', 'earned_msat'] },
  accounts: { key: ['account'], amounts: ['units', 'spent', 'forgotten'] },
  lots: { key: ['source'], amounts: ['units', 'spent', 'paid_msat', 'earned_msat'] },
  reservations: { key: ['reservation'], amounts: ['units'] },
  debits: { key: ['reservation', 'account'], amounts: ['units', 'spent'] },
  book: { key: ['id'], amounts: ['settled_msat', 'received_msat', 'earned_msat', 'reversed_msat'] },
} as const;

test('as it was written, the file balances, and has rows to tamper with', async () => {
  expect(await found('')).toEqual([]);
  for (const [table, { key }] of Object.entries(tables)) expect(rowsOf(table, key).length, table).toBeGreaterThan(0);
});

describe.each(Object.entries(tables))('%s', (table, { key, amounts }) => {
  test.each(amounts)('any other %s in any row is found', async (column) => {
    for (const { where, row } of rowsOf(table, key)) {
      const amount = BigInt(String(row[column]));
      for (const other of [amount + 1n, amount - 1n, -amount, amount * 2n, 0n, 'nonsense', '1.5', '']) {
        if (other === amount) continue;
        expect(await found(`UPDATE ${table} SET ${column} = '${other}' WHERE ${where}`), `${table}.${column} ${other}: ${where}`).not.toEqual([]);
      }
    }
  });
});

test.each(Object.entries(tables).filter(([table]) => table !== 'book'))('any row of %s that is gone is found', async (table, { key }) => {
  for (const { where } of rowsOf(table, key)) expect(await found(`DELETE FROM ${table} WHERE ${where}`), where).not.toEqual([]);
});

test('an amount that is no number is told with its row', async () => {
  const discrepancies = await found("UPDATE ledger SET amount_msat = 'nonsense' WHERE seq = 2");
  expect(discrepancies.map(({ sentence }) => sentence)).toContain('A row of ledger has an amount that is no number: 2.');
});

test('the count of any kind of entry, and the number of the newest', async () => {
  for (const column of ['received', 'earned', 'reversed', 'repeated']) {
    for (const by of [1, -1]) expect(await found(`UPDATE book SET ${column} = ${column} + ${by}`), column).not.toEqual([]);
  }
  expect(await found('UPDATE book SET seq = (SELECT max(seq) - 1 FROM ledger)')).not.toEqual([]);
});

test('sums that are gone are not read as nothing', async () => {
  await expect(found('DELETE FROM book')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

test('any entry made out to be of another kind or another payment', async () => {
  for (const { where, row } of rowsOf('ledger', ['seq'])) {
    for (const kind of ['received', 'earned', 'reversed', 'repeated']) {
      if (kind !== row.kind) expect(await isFound(`UPDATE ledger SET kind = '${kind}' WHERE ${where}`), `${where} ${kind}`).toBe(true);
    }
    expect(await found(`UPDATE ledger SET payment_hash = '${digest('another')}' WHERE ${where}`), where).not.toEqual([]);
  }
});

test.each(['claims', 'closings', 'lots'] as const)('what any row of %s holds, made out to be another payment’s or nobody’s', async (table) => {
  for (const { where, row } of rowsOf(table, tables[table].key)) {
    if (row.payment_hash === null) continue;
    expect(await found(`UPDATE ${table} SET payment_hash = '${digest('another')}' WHERE ${where}`), where).not.toEqual([]);
    if (table !== 'closings') expect(await found(`UPDATE ${table} SET payment_hash = NULL WHERE ${where}`), where).not.toEqual([]);
  }
});

test('any claim made out to be used, or not to be', async () => {
  for (const { where, row } of rowsOf('claims', ['key'])) {
    for (const state of ['open', 'held', 'committed', 'used']) {
      // Whether a used answer may be asked for again is no question of money: the books do not know of it.
      const isNoMoney = row.lease_ends_at === null && [state, row.state].every((one) => one === 'committed' || one === 'used');
      if (state === row.state || isNoMoney) continue;
      expect(await found(`UPDATE claims SET state = '${state}' WHERE ${where}`), `${row.state} to ${state}`).not.toEqual([]);
    }
  }
});

test('any reservation made out to be held, settled or cancelled', async () => {
  for (const { where, row } of rowsOf('reservations', ['reservation'])) {
    for (const state of ['held', 'settled', 'cancelled', 'reversed']) {
      // What holds nothing and has spent nothing may be called by any of three names.
      if (state === row.state || (state !== 'held' && row.state !== 'held' && row.state !== 'settled')) continue;
      expect(await found(`UPDATE reservations SET state = '${state}' WHERE ${where}`), `${row.state} to ${state}`).not.toEqual([]);
    }
  }
  for (const { where } of rowsOf('debits', ['reservation', 'account'])) {
    expect(await found(`UPDATE debits SET held_until = coalesce(held_until, 1) + 1 WHERE ${where}`), where).not.toEqual([]);
  }
});

const columns = 'seq, kind, payment_hash, nonce, amount_msat, service, route, at, note';

test.each(['received', 'earned', 'reversed', 'repeated'])('an entry "%s" more, of any payment or of none', async (kind) => {
  for (const name of ['used', 'owed', 'open', 'held', 'pass', 'account', 'closed used', 'closed unused', 'unknown']) {
    const row = `999, '${kind}', '${digest(name)}', 'more', '50000', 'translate', '', 1, ''`;
    expect(await found(`INSERT INTO ledger (${columns}) VALUES (${row}); UPDATE book SET seq = 999`), name).not.toEqual([]);
  }
});

/** A claim like another one, under another key. */
const secondClaim = (name: string) => `
  CREATE TEMP TABLE second AS SELECT * FROM claims WHERE key = '${digest(name)}';
  UPDATE second SET key = 'another'`;

test.each([
  ['a second claim of a payment', `${secondClaim('used')}; INSERT INTO claims SELECT * FROM second`],
  ['a claim of no payment', `${secondClaim('held')}, payment_hash = '${digest('unknown')}'; INSERT INTO claims SELECT * FROM second`],
  ['an end of a payment that is still claimed', `INSERT INTO closings VALUES ('${digest('held')}', 'claim', '50000', '50000')`],
  ['an end of no payment', `INSERT INTO closings VALUES ('${digest('unknown')}', 'claim', '50000', '0')`],
  ['a credit from nothing', `INSERT INTO lots VALUES (999, 'free', 'account', '50000', '0', '0', '0', NULL, ${expiresAt})`],
  ['a credit of an account that is not there', `INSERT INTO lots VALUES (999, 'free', 'absent', '50000', '0', '0', '0', NULL, ${expiresAt})`],
  ['an account from nothing', `INSERT INTO accounts VALUES ('free', '50000', '0', ${expiresAt}, '0', '{}', 0)`],
  ['a reservation of nothing', `INSERT INTO reservations VALUES ('free', 'cancelled', 1, '0')`],
  ['a debit of no reservation', `INSERT INTO debits VALUES ('free', 'account', '1000', '0', NULL, 0, '[]')`],
  ['a debit more', `INSERT INTO debits VALUES ('settled', 'limit', '1000', '0', NULL, 1, '[]')`],
])('a row that was added: %s', async (_, sql) => {
  expect(await found(sql)).not.toEqual([]);
});
