/**
 * Points in time as text: absolute, and how far from now.
 */

/** Such as `2026-11-21 12:30:05 UTC`. */
export function formatAt(at: number): string {
  return `${isoAt(at).slice(0, 19).replace('T', ' ')} UTC`;
}

/** As JSON holds it: `2026-11-21T12:30:05.000Z`. */
export function isoAt(at: number): string {
  if (at !== last.at) last = { at, text: new Date(at * 1000).toISOString() };
  return last.text;
}

/** What is made in one second mostly names one time. */
let last = { at: 0, text: new Date(0).toISOString() };

/** How far it is: `in 23 hours`, `5 minutes ago`, `now`; rounded down in its largest unit. */
export function formatRelative(at: number, nowAt: number): string {
  const seconds = Math.abs(at - nowAt);
  const [name, size] = units.find(([, length]) => seconds >= length) ?? ['second', 1];
  const count = Math.floor(seconds / size);
  if (count === 0) return 'now';
  const length = `${count} ${name}${count === 1 ? '' : 's'}`;
  return at > nowAt ? `in ${length}` : `${length} ago`;
}

const units: readonly (readonly [string, number])[] = [
  ['year', 31_536_000],
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
];
