/**
 * Where a client store is kept, as a value that can be handed to another process.
 */
import type { ClientStore } from '../../../src/client/ClientStore.ts';
import { createMemoryClientStore } from '../../../src/client/memory.ts';
import { createPostgresClientStore } from '../../../src/client/postgres.ts';
import { createRedisClientStore } from '../../../src/client/redis.ts';
import { createSqliteClientStore } from '../../../src/client/sqlite.ts';
import { type Reached, unwatched } from '../../../src/core/CrashPoint.ts';

/** See the head of this file. */
export type ClientPlace =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly url: string; readonly schema: string }
  | { readonly kind: 'redis'; readonly url: string; readonly prefix: string };

/** Opens the store there. */
export async function openClientAt(place: ClientPlace, reached: Reached = unwatched): Promise<ClientStore> {
  switch (place.kind) {
    case 'memory':
      return createMemoryClientStore();
    case 'sqlite':
      return createSqliteClientStore({ path: place.path, reached });
    case 'postgres':
      return createPostgresClientStore({ url: place.url, schema: place.schema, reached });
    case 'redis':
      return createRedisClientStore({ url: place.url, prefix: place.prefix, reached });
  }
}
