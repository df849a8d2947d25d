/**
 * The store contract, run against every store that needs no server.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe } from 'vitest';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import type * as FixedClock from '../../src/testing/FixedClock.ts';
import { testContract } from './stores/contract.ts';

const folder = mkdtempSync(join(tmpdir(), 'farebox-store-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
const stores: { readonly [name: string]: (clock: FixedClock.FixedClock) => Promise<Store> } = {
  memory: async (clock) => createMemoryStore({ clock }),
  sqlite: (clock) => {
    files += 1;
    return createSqliteStore({ path: join(folder, `${files}.db`), clock });
  },
};

describe.each(Object.entries(stores))('%s', (_, create) => testContract(create));
