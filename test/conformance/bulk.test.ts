/**
 * What one payment buys, over sockets, in memory and in SQLite: with a client that keeps what it has bought, and each configuration that the
 * guide shows, as it stands. On PostgreSQL and Redis: `npm run e2e:postgres -- selling`, `npm run e2e:redis -- selling`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createMemoryStore } from '../../src/store/memory.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { testBulk } from './selling/bulk.ts';
import type { OpenStore } from './selling/Example.ts';
import { testRows } from './selling/rows.ts';

let folder: string;
let files = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-bulk-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const memory: OpenStore = async (clock) => createMemoryStore({ clock });
const sqlite: OpenStore = (clock) => createSqliteStore({ path: join(folder, `${++files}.db`), clock });

describe('on memory', () => testBulk(memory));
describe('on sqlite', () => testBulk(sqlite));
describe('the rows of the guide on sqlite', () => testRows(sqlite));
