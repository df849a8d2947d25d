/**
 * Where a store of a suite is, so that another process can be told of it; and how it is opened there.
 */
import type { Clock } from '../../../src/core/Clock.ts';
import { type Reached, unwatched } from '../../../src/core/CrashPoint.ts';
import { createPostgresStore } from '../../../src/store/postgres.ts';
import { createRedisStore } from '../../../src/store/redis.ts';
import type { Store } from '../../../src/store/Store.ts';
import { createSqliteStore } from '../../../src/store/sqlite.ts';

/** One place for one store. */
export type Place =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly schema: string; readonly timeoutMs?: number }
  | { readonly kind: 'redis'; readonly url: string; readonly prefix: string };

/** Opens the store that is there, or a new one. */
export function openAt(place: Place, clock: Clock, reached: Reached = unwatched): Promise<Store> {
  if (place.kind === 'sqlite') return createSqliteStore({ path: place.path, clock, reached });
  if (place.kind === 'postgres') return createPostgresStore({ ...place, clock, reached });
  return createRedisStore({ url: place.url, prefix: place.prefix, clock, reached });
}
