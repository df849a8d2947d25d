/**
 * Counters in SQLite.
 */
import type { Store } from '../Store.ts';
import type { Connection } from './connection.ts';

/** Counters by key; one that has expired begins again. Runs inside a transaction. */
export function createCounters(connection: Connection, now: () => number) {
  const select = connection.prepare('SELECT value, expires_at FROM counters WHERE key = ?');
  const upsert = connection.prepare('INSERT OR REPLACE INTO counters (key, value, expires_at) VALUES (?, ?, ?)');
  return {
    count: ({ key, by, ceiling, expiresAt }: Parameters<Store['count']>[0]) => {
      const found = select.get(key) as { readonly value: number; readonly expires_at: number } | undefined;
      const live = found && now() < found.expires_at ? found : { value: 0, expires_at: expiresAt };
      if (live.value + by > ceiling) return { counted: false, value: live.value };
      if (by > 0) upsert.run(key, live.value + by, live.expires_at);
      return { counted: true, value: live.value + by };
    },
  };
}
