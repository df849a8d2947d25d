/**
 * What holds for every store after any sequence of calls, in SQLite beside memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { testProperties } from './stores/properties.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
testProperties(() => {
  files += 1;
  return { kind: 'sqlite', path: join(folder, `${files}.db`) };
});
