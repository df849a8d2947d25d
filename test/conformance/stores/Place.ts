/**
 * Where a store of a suite is, so that another process can be told of it; and how it is opened there.
 */
import type { Clock } from '../../../src/core/Clock.ts';
import { createPostgresStore } from '../../../src/store/postgres.ts';
import type { Store } from '../../../src/store/Store.ts';
import { createSqliteStore } from '../../../src/store/sqlite.ts';

/** One place for one store. */
export type Place =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly schema: string; readonly timeoutMs?: number };

/** Opens the store that is there, or a new one. */
export function openAt(place: Place, clock: Clock): Promise<Store> {
  return place.kind === 'sqlite' ? createSqliteStore({ path: place.path, clock }) : createPostgresStore({ ...place, clock });
}
