/**
 * Terms `pass`: any number of requests until a time. Decided by hashing, and by the list of what was revoked that is in memory: no store, no node, in its path.
 */
import type { Terms } from './Terms.ts';

/**
 * A pass for so long, counted from the end of its invoice, so that paying late costs no time.
 * @throws RangeError – not between a second and ten years
 */
export function pass(options: { readonly seconds: number }): Terms {
  const { seconds } = options;
  return { kind: 'pass', caveat: 'pass', units: lengthOf(seconds), lastsSeconds: seconds, binds: 'route', describe: () => ({ terms: 'pass', seconds }) };
}

const lengths = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** In the largest unit that divides it: `1 hour`, `90 minutes`. @throws RangeError – not between a second and ten years */
export function lengthOf(seconds: number): string {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 315_360_000)
    throw new RangeError('what is sold lasts between 1 second and 10 years, in whole seconds');
  const [name, size] = lengths.find(([, length]) => seconds % length === 0) ?? ['second', 1];
  const count = seconds / size;
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}
