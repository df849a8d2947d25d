import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { checkArchitecture } from './architecture.ts';

const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

/** Checks a tree of these files; answers `rule file` for each error. */
function check(files: Readonly<Record<string, string>>, warnings = false): readonly string[] {
  const root = mkdtempSync(join(tmpdir(), 'farebox-architecture-'));
  trees.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return checkArchitecture(root)
    .filter((each) => each.isWarning === warnings)
    .map((each) => `${each.rule} ${each.file}:${each.line}`);
}

test('a tree that keeps the rules has no finding', () => {
  const findings = check({
    'src/index.ts': `export * as Amount from './core/Amount.ts';\n`,
    'src/core/Amount.ts': `import { hex } from '@scure/base';\nimport { x } from './internal/x.ts';\nexport const y = [hex, x];\n`,
    'src/core/internal/x.ts': 'export const x = 1;\n',
    'src/core/Clock.ts': 'export const now = () => Date.now();\nexport const random = (n: number) => crypto.getRandomValues(new Uint8Array(n));\n',
    'src/store/sqlite.ts': `import { DatabaseSync } from 'node:sqlite';\nexport const open = (path: string) => new DatabaseSync(path);\n`,
    'src/server/Paywall.ts': `import type { Store } from '../store/Store.ts';\nimport { y } from '../core/Amount.ts';\nexport const z = (s: Store) => [s, y];\n`,
    'src/store/Store.ts': 'export type Store = { readonly name: string };\n',
    'src/adapters/hono.ts': `import type { Context } from 'hono';\nimport { z } from '../server/Paywall.ts';\nexport const a = (c: Context) => [c, z];\n`,
    'src/gateway/Config.ts': `import { parse } from 'yaml';\nexport const b = () => parse(process.env['X'] ?? '');\n`,
    'src/cli/bin.ts': `import { b } from '../gateway/Config.ts';\nconsole.log(b(), process.env['HOME'], Date.now());\n`,
  });
  expect(findings).toEqual([]);
});

describe('layers', () => {
  const store = { 'src/store/Store.ts': 'export type Store = string;\n' };

  test.each([
    ['upward', 'src/core/A.ts', '../store/Store.ts'],
    ['to a neighbour', 'src/lightning/a.ts', '../store/Store.ts'],
    ['out of src', 'src/core/A.ts', '../../scripts/x.ts'],
    ['to the door', 'src/server/A.ts', '../index.ts'],
  ])('an import %s is found', (_, file, specifier) => {
    expect(check({ ...store, [file]: `import { a } from '${specifier}';\nexport const b = a;\n` })).toEqual([`layer ${file}:1`]);
  });

  test.each([
    ['import type', `import type { Store } from '../store/Store.ts';\nexport type A = Store;\n`],
    ['export from', `export type { Store } from '../store/Store.ts';\n`],
    ['export all', `export * from '../store/Store.ts';\n`],
    ['import()', `export const a = () => import('../store/Store.ts');\n`],
    ['a type in passing', `export type A = import('../store/Store.ts').Store;\n`],
  ])('%s counts as an import', (_, text) => {
    expect(check({ ...store, 'src/core/A.ts': text })).toEqual(['layer src/core/A.ts:1']);
  });

  test('an import in a comment or a string does not', () => {
    expect(check({ 'src/core/A.ts': `// import '../store/Store.ts'\nexport const a = "import x from '../store/Store.ts'";\n` })).toEqual([]);
  });

  test('tests may import upward', () => {
    expect(check({ ...store, 'src/core/A.test.ts': `import type { Store } from '../store/Store.ts';\nexport type A = Store;\n` })).toEqual([]);
  });

  test('the door leads to core alone', () => {
    expect(check({ ...store, 'src/index.ts': `export * from './store/Store.ts';\n` })).toEqual(['layer src/index.ts:1']);
  });
});

describe('rings', () => {
  test.each([
    ['Date.now()'],
    ['new Date()'],
    ['Math.random()'],
    ['fetch("x")'],
    ['setTimeout(() => {}, 1)'],
    ['crypto.subtle'],
    ['globalThis.x'],
    ['process.pid'],
    ['Buffer.from("")'],
  ])('core may not use %s', (use) => {
    expect(check({ 'src/core/A.ts': `export const a = () => ${use};\n` })).toContain('ring src/core/A.ts:1');
  });

  test('a property of that name is not the thing itself', () => {
    const text = 'export const a = (x: { fetch: number; process: string }) => [x.fetch, x.process, { Buffer: 1 }, new Date(0)];\n';
    expect(check({ 'src/core/A.ts': text })).toEqual([]);
  });

  test.each(['core', 'http', 'server', 'client', 'lightning', 'store'])('%s may not import from Node', (folder) => {
    expect(check({ [`src/${folder}/A.ts`]: `import { readFileSync } from 'node:fs';\nexport const a = readFileSync;\n` })).toEqual([
      `ring src/${folder}/A.ts:1`,
    ]);
  });

  test('files named as exceptions may, and nobody else in their folder', () => {
    const text = `import { createHash } from 'node:crypto';\nexport const a = () => [createHash('sha256'), Buffer.from('')];\n`;
    expect(check({ 'src/http/NodeRequest.ts': text, 'src/http/Path.ts': text })).toEqual(['ring src/http/Path.ts:1', 'ring src/http/Path.ts:2']);
    expect(check({ 'src/server/A.ts': text })).toEqual(['ring src/server/A.ts:2']);
  });

  test('the clock may name the time and nothing more', () => {
    expect(check({ 'src/core/Clock.ts': 'export const a = () => [Date.now(), Math.random()];\n' })).toEqual(['ring src/core/Clock.ts:1']);
  });

  test('node:sqlite has three homes', () => {
    const text = `import { DatabaseSync } from 'node:sqlite';\nexport const a = DatabaseSync;\n`;
    expect(check({ 'src/gateway/A.ts': text, 'src/client/sqliteJournal.ts': text, 'src/lightning/sandbox/A.ts': text })).toEqual(['ring src/gateway/A.ts:1']);
  });

  test('the environment and the console belong to the command line', () => {
    expect(check({ 'src/gateway/A.ts': `export const a = process.env['A'];\n` })).toEqual(['ring src/gateway/A.ts:1']);
    expect(check({ 'src/gateway/A.ts': `export const a = () => console.log('x');\n` })).toEqual(['ring src/gateway/A.ts:1']);
  });
});

describe('packages', () => {
  test('a folder imports what the table gives it', () => {
    const text = `import { z } from 'zod';\nexport const a = z;\n`;
    expect(check({ 'src/gateway/A.ts': text, 'src/server/A.ts': text })).toEqual(['package src/server/A.ts:1']);
  });

  test('a path inside a package is that package', () => {
    const text = `import { a } from '@noble/curves/secp256k1.js';\nimport { b } from '@noble/hashes/sha2.js';\nexport const c = [a, b];\n`;
    expect(check({ 'src/core/A.ts': text })).toEqual(['package src/core/A.ts:2']);
  });

  test('an adapter takes the types of its framework, and nothing else of it', () => {
    expect(check({ 'src/adapters/hono.ts': `import type { Context } from 'hono';\nexport type A = Context;\n` })).toEqual([]);
    expect(check({ 'src/adapters/hono.ts': `import { Hono } from 'hono';\nexport const a = Hono;\n` })).toEqual(['package src/adapters/hono.ts:1']);
  });
});

describe('cycles', () => {
  const a = `import { b } from './B.ts';\nexport const a = b;\n`;

  test('a circle of imports is found once', () => {
    expect(check({ 'src/core/A.ts': a, 'src/core/B.ts': `import { a } from './A.ts';\nexport const b = () => a;\n` })).toEqual(['cycle src/core/A.ts:1']);
  });

  test('a circle that types alone close is gone when they are', () => {
    expect(check({ 'src/core/A.ts': a, 'src/core/B.ts': `import type { a } from './A.ts';\nexport const b: typeof a = 1;\n` })).toEqual([]);
  });
});

describe('size', () => {
  const lines = (count: number) => 'export {};\n'.repeat(count);

  test('600 lines are the most, and past 400 there is a warning', () => {
    expect(check({ 'src/core/A.ts': lines(600), 'src/core/B.ts': lines(601), 'test/c.test.ts': lines(601) })).toEqual([
      'size src/core/B.ts:1',
      'size test/c.test.ts:1',
    ]);
    expect(check({ 'src/core/A.ts': lines(400), 'src/core/B.ts': lines(401) }, true)).toEqual(['size src/core/B.ts:1']);
  });

  test('60 lines are the most in a function, without the functions inside it', () => {
    const long = (count: number) => `export function a() {\n${'  a();\n'.repeat(count - 2)}}\n`;
    const nested = `export function b() {\n${'  b();\n'.repeat(30)}  const c = () => {\n${'    b();\n'.repeat(40)}  };\n  return c;\n}\n`;
    expect(check({ 'src/core/A.ts': long(60) + nested, 'src/core/B.ts': long(61) })).toEqual(['function src/core/B.ts:1']);
  });
});

describe('names and places', () => {
  test.each(['src/core/utils.ts', 'src/core/stringHelpers.ts', 'src/server/common/A.ts', 'src/server/SessionManager.ts'])('%s says nothing', (file) => {
    expect(check({ [file]: 'export const a = 1;\n' })).toEqual([`name ${file}:1`]);
  });

  test('nor does an exported name of that kind', () => {
    expect(check({ 'src/core/A.ts': 'export class TokenManager {}\nexport const haveCommonHost = 1;\n' })).toEqual(['name src/core/A.ts:1']);
  });

  test('src holds one file and folders that are known', () => {
    expect(check({ 'src/other.ts': 'export {};\n', 'src/stuff/A.ts': 'export {};\n' })).toEqual(['place src/other.ts:1', 'place src/stuff/A.ts:1']);
  });
});
