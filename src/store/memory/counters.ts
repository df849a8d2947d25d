/**
 * Counters in memory.
 */
import type { Store } from '../Store.ts';
import { forget } from './forget.ts';

/** Counters by key; one that has expired begins again. */
export function createCounters(now: () => number) {
  const kept = new Map<string, { readonly value: number; readonly expiresAt: number }>();
  return {
    count: (request: Parameters<Store['count']>[0]) => {
      const { key, by, ceiling } = request;
      const found = kept.get(key);
      const counter = found && now() < found.expiresAt ? found : { value: 0, expiresAt: request.expiresAt };
      if (counter.value + by > ceiling) return { counted: false, value: counter.value };
      const value = counter.value + by;
      if (by > 0) kept.set(key, { ...counter, value });
      return { counted: true, value };
    },
    all: (): ReadonlyMap<string, { readonly value: number; readonly expiresAt: number }> => kept,
    load: (key: string, counter: { readonly value: number; readonly expiresAt: number }): void => void kept.set(key, counter),
    prune: () => forget(kept, ({ expiresAt }) => expiresAt <= now()),
  };
}
