/**
 * Where a store of a suite is, so that another process can be told of it; and how it is opened there.
 */
import type { Clock } from '../../../src/core/Clock.ts';
import type { Store } from '../../../src/store/Store.ts';
import { createSqliteStore } from '../../../src/store/sqlite.ts';

/** One place for one store. */
export type Place = { readonly kind: 'sqlite'; readonly path: string };

/** Opens the store that is there, or a new one. */
export function openAt(place: Place, clock: Clock): Promise<Store> {
  return createSqliteStore({ path: place.path, clock });
}
