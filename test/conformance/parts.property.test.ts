/**
 * Trees of parts against sums, on the stores that need no server.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { testParts } from './stores/parts.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-parts-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('memory', () => testParts(async (clock) => createMemoryStore({ clock }), 60));
describe('sqlite', () => testParts((clock) => createSqliteStore({ path: join(folder, 'farebox.db'), clock }), 30));
