import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../../test/cli/fakeContext.ts';
import { tableNames } from '../../store/pieces.ts';
import { createSqliteStore } from '../../store/sqlite.ts';
import { claimOf, entryOf, expiresAt } from '../../testing/storeContract/StoreCase.ts';
import { exitCodeOf } from '../exit.ts';
import { registerStore } from '../store.ts';

const ends: (() => void)[] = [];
const fake = (options: FakeOptions = { interactive: false }): Fake => {
  const made = createFake(registerStore, options);
  ends.push(made.remove);
  return made;
};
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A store that has sold, and has something to spend in it. */
async function sell(cli: Fake, path: string): Promise<void> {
  const store = await createSqliteStore({ path, clock: cli.clock });
  const { key } = claimOf('a');
  await store.claim(claimOf('a', { entry: entryOf('received', 'a') }));
  await store.commit({ key, fence: 1, entry: entryOf('earned', 'a', { nonce: '1' }) });
  await store.credit({ account: 'bucket', source: 'b', units: 7n, expiresAt, entry: entryOf('received', 'b') });
  await store.close();
}

const newer = (path: string) => {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 99');
  db.close();
};

test('a file of an older version is brought up to date, and it is said from which to which; one of a newer is refused and left as it is', async () => {
  const cli = fake();
  const path = cli.path('old.db');
  const db = new DatabaseSync(path);
  db.exec(readFileSync(new URL('../../../test/vectors/store-1.sql', import.meta.url), 'utf8'));
  db.close();
  await cli.run('store', 'migrate', '--store', path);
  await cli.run('store', 'migrate', '--store', path);
  await cli.run('store', 'migrate', '--store', cli.path('new.db'));
  const now = Number(cli.json()[0]?.to);
  expect(now).toBeGreaterThan(1);
  expect(cli.json().map(({ kind, from, to }) => [kind, from, to])).toEqual([
    ['migrated', 1, now],
    ['migrated', now, now],
    ['migrated', 0, now],
  ]);
  newer(path);
  const error = await cli.run('store', 'migrate', '--store', path).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'STORE_VERSION', message: expect.stringContaining(`has version 99; this Farebox reads up to ${now}`) });
  await expect(createSqliteStore({ path, clock: cli.clock })).rejects.toMatchObject({ code: 'STORE_VERSION' });
});

test('what one store exports another imports, and exports again as the same text', async () => {
  const cli = fake({});
  const [from, to] = [cli.path('from.db'), cli.path('to.db')];
  const [first, second] = [cli.path('first.jsonl'), cli.path('second.jsonl')];
  await sell(cli, from);
  await cli.run('store', 'export', '--store', from, '--output', first);
  await cli.run('store', 'import', first, '--store', to);
  await cli.run('store', 'export', '--store', to, '--output', second);
  expect(readFileSync(second, 'utf8')).toBe(readFileSync(first, 'utf8'));
  expect(statSync(first).mode & 0o777).toBe(0o600);
  expect(cli.out()).toBe(`7 rows are in ${to}.\nThe books balance: received 100 sat in 2, earned 50 sat.\n`);
  expect(cli.notes()).toContain(`7 rows of ${from} are in ${first}.\n`);

  await cli.run('store', 'export', '--store', to);
  expect(cli.out().split('\n').slice(2).join('\n')).toBe(readFileSync(first, 'utf8'));
  const again = await cli.run('store', 'export', '--store', from, '--output', first).catch((thrown: unknown) => thrown);
  expect(again).toMatchObject({ code: 'CONFIG_INVALID', message: `${first} is there already. Name another file.` });
  const full = await cli.run('store', 'import', first, '--store', to).catch((thrown: unknown) => thrown);
  expect(full).toMatchObject({ code: 'STORE_NOT_EMPTY' });
  expect(exitCodeOf(full)).toBe(1);
});

test('a store that is not there is not made by exporting it, and a file that is not there by importing it', async () => {
  const cli = fake();
  await expect(cli.run('store', 'export', '--store', cli.path('no.db'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await expect(cli.run('store', 'import', cli.path('no.jsonl'), '--store', cli.path('no.db'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(existsSync(cli.path('no.db'))).toBe(false);
});

test('a file that was cut off or changed is not imported, and the next whole one is', async () => {
  const cli = fake();
  const [from, to, file] = [cli.path('from.db'), cli.path('to.db'), cli.path('bad.jsonl')];
  await sell(cli, from);
  await cli.run('store', 'export', '--store', from, '--output', cli.path('good.jsonl'));
  const good = readFileSync(cli.path('good.jsonl'), 'utf8');
  const lines = good.split('\n');
  const bad: readonly (readonly [string, string])[] = [
    ['', 'its last line is missing'],
    [good.slice(0, good.lastIndexOf('{"rows"')), 'its last line is missing'],
    [lines.toSpliced(4, 1).join('\n'), 'its last line says 7 rows, and there are 6'],
    [lines.slice(1).join('\n'), 'its first line is another’s'],
    [good.replace('"version":1', '"version":2'), 'The export has version 2'],
    [good.replace('"spent":"0"', '"spent":"0.5"'), 'accounts cannot have spent so'],
    [good.replace('"spent":"0"', '"spent":"0","color":"red"'), 'accounts cannot have color so'],
    [good.replace('"table":"claims"', '"table":"parts"'), 'line 6 is no row of a store’s'],
    [good.replace('"table"', 'table'), 'line 2 is no JSON'],
    [`${good}{"rows":7}\n`, 'line 10 comes behind the last'],
  ];
  for (const [text, why] of bad) {
    writeFileSync(file, text);
    await expect(cli.run('store', 'import', file, '--store', to), why).rejects.toThrow(why);
  }
  await cli.run('store', 'import', cli.path('good.jsonl'), '--store', to);
  expect(cli.json()).toEqual([expect.objectContaining({ kind: 'imported', rows: 7, balanced: true, received: { amountMsat: '100000', payments: 2 } })]);
});

test('books that do not balance are imported as they are, and said to be so', async () => {
  const cli = fake();
  const [from, to, file] = [cli.path('from.db'), cli.path('to.db'), cli.path('shop.jsonl')];
  await sell(cli, from);
  const db = new DatabaseSync(from);
  db.exec("UPDATE claims SET amount_msat = '1'");
  db.close();
  await cli.run('store', 'export', '--store', from, '--output', file);
  expect(cli.notes()).toContain('Its books do not balance');
  const error = await cli.run('store', 'import', file, '--store', to).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'BOOKS_UNBALANCED' });
  expect(exitCodeOf(error)).toBe(1);
});

test('standard input is read as a file is', async () => {
  const source = fake();
  await sell(source, source.path('from.db'));
  await source.run('store', 'export', '--store', source.path('from.db'));
  const cli = fake({ interactive: false, input: source.out() });
  await cli.run('store', 'import', '-', '--store', cli.path('to.db'));
  expect(cli.json()[0]).toMatchObject({ kind: 'imported', rows: 7 });
});

test('no table of a file is forgotten, nor a column of one', async () => {
  const cli = fake();
  const path = cli.path('shop.db');
  await sell(cli, path);
  await cli.run('store', 'export', '--store', path);
  const db = new DatabaseSync(path);
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'").all() as { readonly name: string }[];
  expect(tables.map(({ name }) => name).sort()).toEqual([...tableNames, 'answers'].sort());
  const told = new Map(cli.json().map(({ table, row }) => [table, Object.keys((row as object | undefined) ?? {})]));
  for (const table of ['book', 'ledger', 'claims', 'accounts', 'lots'] as const) {
    const columns = (db.prepare(`PRAGMA table_info(${table})`).all() as { readonly name: string }[]).map(({ name }) => name);
    // Places of the file's own.
    const own = { book: ['id'], lots: ['number'] }[table as string] ?? [];
    expect(told.get(table)?.toSorted(), table).toEqual(columns.filter((name) => !own.includes(name)).sort());
  }
  db.close();
});
