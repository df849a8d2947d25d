/**
 * The stores that a row is tried on: memory, where the row is about the paywall; memory and SQLite, where it is about what a store keeps.
 * With `ATTACKS_STORE` in the environment, the server that it names (a place as JSON) takes the place of both, a new store each time: so the
 * suites of PostgreSQL and Redis try the same rows.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Clock } from '../../src/core/Clock.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { openAt, type Place } from '../conformance/stores/Place.ts';

/** A kind of store, as tests are named by it. */
export type StoreKind = 'memory' | 'sqlite' | 'postgres' | 'redis';

const server = process.env.ATTACKS_STORE === undefined ? undefined : (JSON.parse(process.env.ATTACKS_STORE) as { kind: 'postgres' | 'redis'; url: string });
let folder: string | undefined;
let files = 0;
const afar = new WeakSet<object>();

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

/** Whether a server takes the place of all others. */
export const isFar = server !== undefined;

/** What a test opens that asks for no store of its own. */
export const anyKind: StoreKind = server?.kind ?? 'memory';

/** All kinds that what a store keeps is tried on; at a stand that is one of three, the plainest alone. */
export function kindsAt(stand: string): readonly StoreKind[] {
  if (server !== undefined) return [server.kind];
  return stand === 'gateway' ? ['memory', 'sqlite'] : ['memory'];
}

/** Opens a new store. */
export function opening(kind: StoreKind): (clock: Clock) => Promise<Store> {
  const open = (clock: Clock) => (kind === 'memory' ? Promise.resolve(createMemoryStore({ clock })) : openAt(newPlace(), clock));
  if (server !== undefined) afar.add(open);
  return open;
}

/**
 * How long a paywall goes on with an old list of what was revoked: where a test's clock leaps, a server answers later than the hour has moved.
 * Row 21 tries what happens when it is too old.
 */
export function patienceWith(open: unknown): { readonly revocationStaleMs?: number } {
  return typeof open === 'function' && afar.has(open) ? { revocationStaleMs: 400 * 86_400_000 } : {};
}

/** Where processes can share a new store: a file, or a place in the server. */
export function newPlace(): Place {
  if (server?.kind === 'postgres') return { ...server, kind: 'postgres', schema: `row_${randomBytes(8).toString('hex')}` };
  if (server?.kind === 'redis') return { ...server, kind: 'redis', prefix: `row ${randomBytes(8).toString('hex')}:` };
  folder ??= mkdtempSync(join(tmpdir(), 'farebox-thief-'));
  files += 1;
  return { kind: 'sqlite', path: join(folder, `${files}.db`) };
}
