import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { checkDoors } from './bundles.ts';
import { findDoors, formatExports } from './exports.ts';

const trees: string[] = [];

afterEach(() => {
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

function makeTree(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'farebox-exports-'));
  trees.push(root);
  for (const [path, text] of Object.entries({ 'package.json': '{ "type": "module", "sideEffects": false }', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

test('doors are the index of src and of each folder, the adapters, and the drivers under their own name', () => {
  const root = makeTree({
    'src/index.ts': '',
    'src/client/index.ts': '',
    'src/client/Budget.ts': '',
    'src/core/Amount.ts': '',
    'src/client/sqlite.ts': 'export function createSqliteClientStore() {}',
    'src/client/pay.ts': 'export function pay() {}',
    'src/client/receipts.ts': 'export const x = 1;',
    'src/client/receipts/text.ts': '',
    'src/adapters/hono.ts': '',
    'src/adapters/nodeSale.ts': '',
    'src/lightning/Lightning.ts': '',
    'src/lightning/sandbox.ts': 'export const createSandboxReceiver = () => {};',
    'src/lightning/sandbox.test.ts': '',
    'src/lightning/sandbox/index.ts': '',
    'src/store/memory.ts': 'export function createMemoryStore() {}',
    'src/store/feed.ts': 'export function createFeed() {}',
    'src/store/checked.ts': 'export function createMemoryStore() {}',
    'src/store/claimLife.ts': 'export function createClaimLifeStore() {}',
  });
  expect(findDoors(root).map((door) => door.name)).toEqual([
    '.',
    './client',
    './client/receipts',
    './client/sqlite',
    './hono',
    './lightning/sandbox',
    './store/memory',
  ]);
  expect(formatExports(findDoors(root))['./lightning/sandbox']).toEqual({ types: './dist/lightning/sandbox.d.ts', default: './dist/lightning/sandbox.js' });
});

describe('what stands behind a door', () => {
  const rules = [{ door: '.', imports: /^@scure\//, words: /\bsecret\b/, because: 'of reasons' }];
  const check = (files: Readonly<Record<string, string>>) => {
    const root = makeTree(files);
    return checkDoors(root, findDoors(root), rules);
  };

  test('is followed through the tree', async () => {
    const found = await check({
      'src/index.ts': `export { a } from './core/A.ts';\n`,
      'src/core/A.ts': `import { hex } from '@scure/base';\nimport { readFileSync } from 'node:fs';\nexport const a = () => [hex, readFileSync, ({ secret: 1 })];\n`,
    });
    expect(found).toEqual(['. imports node:fs: of reasons.', 'The code behind . says "secret": of reasons.']);
  });

  test('does not include types, comments and what nobody calls', async () => {
    const found = await check({
      'src/index.ts': `import * as A from './core/A.ts';\nimport type { PathLike } from 'node:fs';\nexport const b = (x: PathLike) => [x, A.a];\n`,
      'src/core/A.ts': '/** secret */\nexport function a() {\n  /** secret */\n  return 1;\n}\nexport const unused = (secret: string) => secret;\n',
    });
    expect(found).toEqual([]);
  });

  test('has to be there', async () => {
    expect(await check({ 'src/client/index.ts': '' })).toEqual(['There is a rule for the door ., and no such door.']);
  });
});
