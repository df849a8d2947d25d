/**
 * Forgetting, for every map of a store in memory.
 */

/** Drops what is over; the answer is how many went. */
export function forget<T>(kept: Map<string, T>, isOver: (value: T, key: string) => boolean): number {
  const before = kept.size;
  for (const [key, value] of kept) if (isOver(value, key)) kept.delete(key);
  return before - kept.size;
}
