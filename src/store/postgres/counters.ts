/**
 * Counters in PostgreSQL.
 */
import type { Store } from '../Store.ts';
import type { Work } from './group.ts';

/** Counters by key; one that has expired begins again. */
export function createCounters(now: () => number) {
  return {
    count: ({ key, by, ceiling, expiresAt }: Parameters<Store['count']>[0]): Work<Awaited<ReturnType<Store['count']>>> => ({
      want: ({ counters }) => counters.want(key),
      take: ({ counters }) => {
        const found = counters.get(key);
        const live = found && now() < found.expires_at ? found : { key, value: 0, expires_at: expiresAt };
        if (live.value + by > ceiling) return { counted: false, value: live.value };
        if (by > 0) counters.set(key, { ...live, value: live.value + by });
        return { counted: true, value: live.value + by };
      },
    }),
  };
}
