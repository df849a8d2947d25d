/**
 * Names that were seen, up to twice as many as `size`: two generations, of which the older one goes as a whole, so that nothing is searched for.
 */

/** See the head of this file. */
export type Remembered = {
  readonly has: (name: string) => boolean;
  /** Seen now, and kept as if it were new. */
  readonly add: (name: string) => void;
};

/** Nothing seen yet. */
export function createRemembered(size: number): Remembered {
  let young = new Set<string>();
  let old = new Set<string>();
  return {
    has: (name) => young.has(name) || old.has(name),
    add: (name) => {
      if (young.has(name)) return;
      if (young.size >= size) {
        old = young;
        young = new Set();
      }
      young.add(name);
    },
  };
}
