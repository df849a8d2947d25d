import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../../core/Errors.ts';
import { createMemoryStore } from '../../store/memory.ts';
import type { Store } from '../../store/Store.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Caller } from '../Operation.ts';
import { type AuditLog, createAuditLog } from './AuditLog.ts';

let folder: string;
let file: string;
let store: Store;
const clock = FixedClock.create();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-audit-'));
  file = join(folder, 'audit.jsonl');
  store = createMemoryStore({ clock });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const caller: Caller = { id: '01'.repeat(16), label: 'ana', kind: 'token', scope: 'admin', operations: undefined };
const open = (): AuditLog => createAuditLog({ file, store, clock, random: (length) => new Uint8Array(length).fill(9) });
const changed = (target: string) => ({
  caller,
  operation: 'routes.change',
  target,
  input: { route: target },
  differences: [{ field: 'price', before: '1 sat', after: '2 sat' }],
});
const lines = () => readFileSync(file, 'utf8').split('\n').slice(0, -1);
const rewrite = (next: readonly string[]) => writeFileSync(file, next.map((line) => `${line}\n`).join(''));

async function write(count: number, log = open()): Promise<AuditLog> {
  for (let index = 0; index < count; index++) await log.record(changed(`route ${index}`), async () => {});
  return log;
}

test('a change is written down before it is made and after it, readable by its owner alone', async () => {
  const log = open();
  let written: readonly string[] = [];
  await log.record(changed('route /a'), async () => {
    written = lines();
  });
  expect(written.map((line) => (JSON.parse(line) as { readonly phase: string }).phase)).toEqual(['begun']);
  expect(lines().map((line) => (JSON.parse(line) as { readonly phase: string }).phase)).toEqual(['begun', 'done']);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(await log.verify()).toEqual({ records: 2, broken: undefined, anchor: 'matches', behind: 0, lost: [] });
});

test('what came of it is listed, newest first: done, failed, or unknown where the process ended', async () => {
  const log = await write(2);
  const fails = log.record(changed('route /b'), async () => {
    throw new FareboxError('STORE_UNAVAILABLE', 'away');
  });
  await expect(fails).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await log.record(changed('route /c'), async () => {});
  rewrite(lines().slice(0, -1));
  const listed = await log.list({ limit: 3 });
  expect(listed.map(({ target, outcome, code }) => [target, outcome, code])).toEqual([
    ['route /c', 'unknown', undefined],
    ['route /b', 'failed', 'STORE_UNAVAILABLE'],
    ['route 1', 'done', undefined],
  ]);
  expect((await log.list({ before: listed[2]?.seq, limit: 3 })).map(({ target }) => target)).toEqual(['route 0']);
});

describe('what was done to it is found', () => {
  const attacks: readonly (readonly [string, (all: readonly string[]) => readonly string[], number])[] = [
    ['a word that was altered', (all) => all.with(2, (all[2] as string).replace('2 sat', '9 sat')), 3],
    ['a line that was taken out', (all) => all.toSpliced(2, 1), 3],
    ['the first line taken out', (all) => all.slice(1), 1],
    ['two lines that were swapped', (all) => all.with(2, all[4] as string).with(4, all[2] as string), 3],
    ['a line that was doubled', (all) => all.toSpliced(3, 0, all[2] as string), 4],
    ['a line of nothing', (all) => all.toSpliced(3, 0, ''), 4],
    ['a digest that was taken off', (all) => all.with(2, (all[2] as string).replace(/,"hash.*$/, '}')), 3],
  ];
  test.each(attacks)('%s', async (_, attack, line) => {
    const log = await write(3);
    rewrite(attack(lines()));
    expect((await log.verify()).broken?.line).toBe(line);
  });

  test('an end that was cut off, a log that was written anew, and one that was exchanged for another', async () => {
    const log = await write(3);
    const whole = lines();
    rewrite(whole.slice(0, 4));
    expect(await log.verify()).toMatchObject({ broken: undefined, anchor: 'contradicts' });
    rewrite(whole);
    // Somebody who can write the file can write a chain that holds, and not what the store remembers.
    const held = store;
    store = createMemoryStore({ clock });
    rewrite([]);
    const forging = open();
    for (let index = 0; index < 3; index++) await forging.record(changed(`forged ${index}`), async () => {});
    expect(await forging.verify()).toMatchObject({ broken: undefined, anchor: 'matches' });
    expect(await createAuditLog({ file, store: held, clock, random: () => new Uint8Array(16) }).verify()).toMatchObject({
      broken: undefined,
      anchor: 'contradicts',
    });
    rewrite([]);
    await write(3, createAuditLog({ file, store, clock, random: (length) => new Uint8Array(length).fill(1) }));
    expect((await createAuditLog({ file, store: held, clock, random: () => new Uint8Array(16) }).verify()).anchor).toBe('missing');
  });
});

describe('a log that is not there any more is missed, whatever comes after', () => {
  const another = () => createAuditLog({ file, store, clock, random: (length) => new Uint8Array(length).fill(7) });
  const endOf = (all: readonly string[]) => /"hash":"([0-9a-f]{64})"\}$/.exec(all.at(-1) ?? '')?.[1];

  test('nobody misses one that never was', async () => {
    expect(await open().verify()).toEqual({ records: 0, broken: undefined, anchor: 'none', behind: 0, lost: [] });
  });

  test.each([
    ['taken away', () => rmSync(file)],
    ['emptied', () => rewrite([])],
  ])('one that was %s', async (_, take) => {
    const log = await write(2);
    const end = { log: '09'.repeat(16), seq: 4, hash: endOf(lines()) };
    take();
    expect(await log.verify()).toEqual({ records: 0, broken: undefined, anchor: 'missing', behind: 0, lost: [] });
    // Who goes on begins another, and says what stood there.
    await write(2, another());
    expect((JSON.parse(lines()[0] as string) as { readonly after?: unknown }).after).toEqual(end);
    expect(await log.verify()).toEqual({ records: 4, broken: undefined, anchor: 'matches', behind: 0, lost: [end] });
    rewrite(lines().with(0, (lines()[0] as string).replace(/"after":\{[^}]*\},/, '')));
    expect((await log.verify()).broken?.line).toBe(1);
  });

  test('one that was exchanged for a forged one, or whose end was cut off, before somebody went on', async () => {
    const [log, held] = [await write(2), store];
    const whole = lines();
    store = createMemoryStore({ clock });
    rewrite([]);
    await write(1, another());
    store = held;
    expect((await open().verify()).anchor).toBe('missing');
    await write(1);
    expect(await log.verify()).toMatchObject({ broken: undefined, anchor: 'matches', lost: [{ hash: endOf(whole) }] });
    const exchanged = lines();
    rewrite(exchanged.slice(0, 2));
    expect((await log.verify()).anchor).toBe('contradicts');
    await write(1);
    expect(await log.verify()).toMatchObject({ anchor: 'matches', lost: [{ hash: endOf(exchanged) }] });
  });

  test('where the store could not be asked what stood there, it forgets nothing', async () => {
    const [log, held] = [await write(1), store];
    rmSync(file);
    const bookmark = () => Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'away'));
    store = { ...held, bookmark };
    await write(1, another());
    expect((await log.verify()).anchor).toBe('missing');
    store = held;
    await write(1, another());
    expect(await log.verify()).toMatchObject({ anchor: 'matches', lost: [{ log: '09'.repeat(16), seq: 2 }] });
  });

  test('two logs in one store do not miss each other, and one that was moved is known', async () => {
    const one = await write(1);
    const other = await write(2, createAuditLog({ file: join(folder, 'other.jsonl'), store, clock, random: (length) => new Uint8Array(length).fill(7) }));
    expect([(await one.verify()).anchor, (await other.verify()).anchor]).toEqual(['matches', 'matches']);
    renameSync(file, join(folder, 'moved.jsonl'));
    const moved = createAuditLog({ file: join(folder, 'moved.jsonl'), store, clock, random: () => new Uint8Array(16) });
    expect((await moved.verify()).anchor).toBe('matches');
    expect((await one.verify()).anchor).toBe('missing');
  });
});

test('a line that was cut off while it was written is taken off, and what comes after it holds', async () => {
  const log = await write(1);
  appendFileSync(file, '{"seq":3,"log":"09');
  expect(await log.verify()).toMatchObject({ records: 2, broken: undefined, anchor: 'matches' });
  await write(1, log);
  expect(await log.verify()).toMatchObject({ records: 4, broken: undefined, anchor: 'matches' });
});

test('behind a line that was altered nothing is changed any more', async () => {
  const log = await write(1);
  rewrite(lines().with(1, (lines()[1] as string).replace('done', 'dome')));
  let made = false;
  const next = log.record(changed('route /a'), async () => {
    made = true;
  });
  await expect(next).rejects.toMatchObject({ code: 'ADMIN_CHANGE_CONFLICT' });
  expect(made).toBe(false);
});

test('where it cannot be written down, a change is not made', async () => {
  const log = createAuditLog({ file: folder, store, clock, random: (length) => new Uint8Array(length) });
  let made = false;
  await expect(
    log.record(changed('route /a'), async () => {
      made = true;
    }),
  ).rejects.toMatchObject({ code: 'ADMIN_CHANGE_CONFLICT' });
  expect(made).toBe(false);
});

test('many changes at once are made one after the other, and the chain holds; a lock of a process that is gone holds nobody up', async () => {
  await open().record(changed('route'), async () => writeFileSync(`${file}.dead`, readFileSync(`${file}.lock`, 'utf8').replace(/^\d+/, '999999999')));
  renameSync(`${file}.dead`, `${file}.lock`);
  const [one, other] = [open(), open()];
  let running = 0;
  let most = 0;
  const change = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
  };
  const all = Array.from({ length: 6 }, (_, index) => one.record(changed(`route ${index}`), change));
  await Promise.all(all);
  await other.record(changed('route /x'), change);
  expect(most).toBe(1);
  expect(await one.verify()).toEqual({ records: 16, broken: undefined, anchor: 'matches', behind: 0, lost: [] });
});

test('a long input is written down by its length, and a character that ends lines elsewhere ends none here', async () => {
  const log = open();
  await log.record({ ...changed('a\u2028b'), input: { text: 'x'.repeat(20_000) } }, async () => {});
  await log.record(changed('after'), async () => {});
  expect(await log.verify()).toMatchObject({ records: 4, broken: undefined });
  expect((await log.list({ limit: 5 })).map(({ target, input }) => [target, 'characters' in input])).toEqual([
    ['after', false],
    ['a\u2028b', true],
  ]);
});
