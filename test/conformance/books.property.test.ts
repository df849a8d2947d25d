/**
 * The books balance after every step, in SQLite beside memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { testBooks } from './stores/books.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
testBooks(() => {
  files += 1;
  return { kind: 'sqlite', path: join(folder, `${files}.db`) };
});
