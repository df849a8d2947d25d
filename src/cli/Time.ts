/**
 * Points in time as people read them on a terminal.
 */
export { formatAt, formatRelative, isoAt } from '../core/Time.ts';

/** On the clock of this machine, such as `2026-11-21 13:30:05`. */
export function formatLocal(at: number): string {
  const date = new Date(at * 1000);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}
