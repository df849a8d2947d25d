import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from '../test/attacks/rows.ts';
import { type Copy, checkTable, createCopy, patchesOf, testOf, tryPatch } from './attackRuns.ts';

const ours = dirname(import.meta.dirname);
const stem = '01-door';

/** A door with a lock, and a thief who tries it. */
const lock = `export function opens(key: string): boolean {
  if (key !== 'ours') return false;
  return true;
}
`;
const thief = `import { describe, expect, test } from 'vitest';
import { opens } from '../../src/lock.ts';
describe('a door', () => {
  test('its owner opens it', () => {
    expect(opens('ours')).toBe(true);
  });
  test('a stranger does not open it', () => {
    expect(opens('a wire')).toBe(false);
  });
});
`;

const patchOf = (from: string, to: string, path = 'src/lock.ts') =>
  `--- a/${path}\n+++ b/${path}\n@@ -1,3 +1,3 @@\n${from
    .split('\n')
    .map((line, i) => (line === to.split('\n')[i] ? ` ${line}` : `-${line}\n+${to.split('\n')[i]}`))
    .join('\n')}\n`;
const head = lock.split('\n').slice(0, 3).join('\n');
const patches = {
  a: patchOf(head, head.replace("key !== 'ours'", 'false')),
  b: patchOf(head.replace('ours', 'theirs'), head.replace("key !== 'ours'", 'false')),
  c: patchOf(head, head.replace("'ours'", "'ours' && key !== 'mine'")),
  d: patchOf(head, head.replace("if (key !== 'ours')", 'if (((')),
  e: patchOf(head, head.replace("if (key !== 'ours')", "if (key === 'a wire') throw new Error('no'); else if (key !== 'ours')")),
  f: patchOf(head, head.replace('export function opens', 'export function isOpen')),
  h: `Turns red: a door > a stranger does not open it\n${patchOf(head, head.replace("key !== 'ours'", 'false'))}`,
  i: `Turns red: a door > its owner opens it\n${patchOf(head, head.replace("key !== 'ours'", 'false'))}`,
  j: `Turns red: a window > a stranger does not open it\n${patchOf(head, head.replace("key !== 'ours'", 'false'))}`,
  g: patchOf("import { describe, expect, test } from 'vitest';\n", "import { describe, expect, test as it } from 'vitest';\n", `test/attacks/${stem}.test.ts`),
} as const;

const strange = {
  '02-nothing': "test.skip('nothing', () => {});",
  '04-crash': "test('crash', () => process.kill(process.ppid, 'SIGKILL'));",
  '05-order': "let first = 0;\ntest('one', () => void first++);\ntest('two', () => expect(first).toBe(1));",
};

let project: string;
let copy: Copy;
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
};

beforeAll(() => {
  project = realpathSync(mkdtempSync(join(tmpdir(), 'farebox-thief-')));
  write('package.json', '{ "type": "module" }\n');
  write('src/lock.ts', lock);
  write(testOf(stem), thief);
  for (const name of ['vitest.config.ts', 'backwards.ts']) write(`test/attacks/${name}`, readFileSync(join(ours, 'test', 'attacks', name), 'utf8'));
  for (const [letter, patch] of Object.entries(patches)) write(`test/attacks/${stem}.${letter}.patch`, patch);
  copy = createCopy(project, join(ours, 'node_modules'));
  // In the copy alone, whose files are looked for once: they belong to no row.
  for (const [each, text] of Object.entries(strange)) writeFileSync(join(copy.root, testOf(each)), `import { expect, test } from 'vitest';\n${text}\n`);
});

afterAll(() => {
  copy.remove();
  rmSync(project, { recursive: true });
});

const attempt = (letter: keyof typeof patches) => tryPatch(copy, stem, join('test', 'attacks', `${stem}.${letter}.patch`));

describe('a patch', () => {
  test('that takes the defence out turns the test red, by its name', async () => {
    expect(await attempt('a')).toEqual({ kind: 'red', test: 'a door > a stranger does not open it' });
  });

  test('runs the test that it names, and no other', async () => {
    expect(await attempt('h')).toEqual({ kind: 'red', test: 'a door > a stranger does not open it' });
    expect(await copy.run(testOf(stem), { name: 'a door > its owner opens it' })).toEqual({ kind: 'green', tests: 1 });
  });

  test.each([
    ['b', 'no longer applies', 'patch does not apply'],
    ['c', 'turns nothing red', '2 tests passed'],
    ['i', 'turns nothing red', '"a door > its owner opens it" passed'],
    ['j', 'breaks the program', 'there is no test "a window > a stranger does not open it"'],
    ['d', 'breaks the program', 'lock.ts'],
    ['e', 'fails the test in no assertion', 'a stranger does not open it'],
    ['f', 'fails the test in no assertion', 'is not a function'],
    ['g', 'a patch takes a defence out of src', testOf(stem)],
  ] as const)('%s: %s', async (letter, what, detail) => {
    const outcome = await attempt(letter);
    if (outcome.kind !== 'failure') throw new Error(outcome.kind);
    expect(outcome.message).toContain(what);
    expect(outcome.message).toContain(detail);
  });

  test('is undone, whatever came of it', async () => {
    expect(readFileSync(join(copy.root, 'src', 'lock.ts'), 'utf8')).toBe(lock);
    expect(readFileSync(join(project, 'src', 'lock.ts'), 'utf8')).toBe(lock);
    expect(await copy.run(testOf(stem))).toEqual({ kind: 'green', tests: 2 });
  });
});

test('a file in which no test runs is broken, and so is one that is not there', async () => {
  expect(await copy.run(testOf('02-nothing'))).toEqual({ kind: 'broken', message: 'no test ran' });
  expect(await copy.run(testOf('03-absent'))).toEqual({ kind: 'broken', message: `there is no ${testOf('03-absent')}` });
});

test('a test that needs another one before it is red', async () => {
  const outcome = await copy.run(testOf('05-order'));
  expect(outcome, JSON.stringify(outcome)).toMatchObject({ kind: 'red', test: 'two' });
});

test('a run that ends the process is broken, and the next one starts anew', async () => {
  const outcome = await copy.run(testOf('04-crash'));
  expect([outcome.kind, outcome.kind === 'broken' && outcome.message.split('\n')[0]]).toEqual(['broken', 'the run did not end']);
  expect((await copy.run(testOf(stem))).kind).toBe('green');
});

test('the page shows the rows as they are', () => {
  const page = readFileSync(join(ours, 'docs', 'attacks.md'), 'utf8');
  const shown = rows.map(({ row, what, test: stem, triedBy, waitsFor }) => {
    const tried = stem === undefined ? (triedBy ?? '') : 'yes';
    const waits = waitsFor === undefined ? '' : tried === '' ? waitsFor : `the rest: ${waitsFor}`;
    return `| ${row} | ${what} | ${tried} | ${waits} |`;
  });
  expect(page.split('\n').filter((line) => /^\| \d+ \|/.test(line))).toEqual(shown);
});

describe('the table', () => {
  const whole = [
    { row: 1, what: 'a door', test: stem },
    { row: 2, what: 'a window', waitsFor: 'a house' },
  ];

  test('is whole', () => {
    expect(checkTable(project, whole, 2)).toEqual([]);
    expect(patchesOf(project, stem).length).toBe(10);
  });

  test.each([
    ['a row is missing', whole.slice(0, 1), 'Row 2 is missing'],
    ['a row is there twice', [...whole, { row: 2, what: 'a window', waitsFor: 'a house' }], 'Row 2 is there twice'],
    ['a row has neither test nor reason', [whole[0], { row: 2, what: 'a window' }], 'Row 2 has no test and names nothing'],
    ['a test is not there', [whole[0], { row: 2, what: 'a window', test: '02-window' }], 'Row 2 has no test: '],
    ['a test has no patch', [whole[0], { row: 2, what: 'a window', test: '02-window' }], 'Row 2 has no patch'],
    [
      'a file is of another row',
      [
        { row: 1, what: 'a door', waitsFor: 'x' },
        { row: 2, what: 'a window', test: stem },
      ],
      'begin with 02-',
    ],
    ['a file is of no row', [{ row: 1, what: 'a door', waitsFor: 'x' }, whole[1]], `${testOf(stem)} belongs to no row`],
  ])('%s', (_, rows, message) => {
    expect(checkTable(project, rows as typeof whole, 2)).toContainEqual(expect.stringContaining(message));
  });
});
