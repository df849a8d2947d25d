/**
 * Several processes on one SQLite file.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { testProcesses } from './stores/processes.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
testProcesses(() => {
  files += 1;
  return { kind: 'sqlite', path: join(folder, `${files}.db`) };
});
