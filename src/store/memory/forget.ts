/**
 * Forgetting, for every map of a store in memory.
 */

/** Drops what is over, and tells of each that goes; the answer is how many went. */
export function forget<T>(kept: Map<string, T>, isOver: (value: T, key: string) => boolean, onGone: (value: T, key: string) => void = () => {}): number {
  const before = kept.size;
  for (const [key, value] of kept) {
    if (!isOver(value, key)) continue;
    kept.delete(key);
    onGone(value, key);
  }
  return before - kept.size;
}
