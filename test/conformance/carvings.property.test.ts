/**
 * What is carved out of a balance against sums, on the stores that need no server.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { testCarvings } from './stores/carvings.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-carvings-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

describe('memory', () => testCarvings(async (clock) => createMemoryStore({ clock }), 60));
describe('sqlite', () => testCarvings((clock) => createSqliteStore({ path: join(folder, `${++files}.db`), clock }), 25));
