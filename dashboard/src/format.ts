/**
 * Amounts and times as people read them. Amounts are decimal strings of millisatoshis, and never pass through a number.
 */

/** `12,345.678 sat` without its unit; a whole number where it is one. */
export function sat(msat: string | bigint): string {
  const value = BigInt(msat);
  const size = value < 0n ? -value : value;
  const whole = (size / 1000n).toLocaleString('en-US');
  const rest = size % 1000n;
  const text = rest === 0n ? whole : `${whole}.${String(rest).padStart(3, '0').replace(/0+$/, '')}`;
  return value < 0n ? `−${text}` : text;
}

/** For axes and bars alone: a number of sat. */
export function satNumber(msat: string | bigint): number {
  return Number(BigInt(msat)) / 1000;
}

/** `1,234` */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** `38 %`, of which there may be none. */
export function share(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((part / whole) * 100)} %`;
}

/** `3.1 ms`, `1.20 s` */
export function duration(seconds: number | null): string {
  if (seconds === null) return '–';
  if (seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`;
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
}

const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const second = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

/** `14:03` today, `28 Nov 14:03` on other days. */
export function time(at: number, nowAt: number = Date.now() / 1000): string {
  const when = new Date(at * 1000);
  return sameDay(when, new Date(nowAt * 1000)) ? second.format(when) : `${day.format(when)} ${clock.format(when)}`;
}

/** `28 Nov 14:03:07` */
export function exactTime(at: number): string {
  const when = new Date(at * 1000);
  return `${day.format(when)} ${when.getFullYear()}, ${second.format(when)}`;
}

/** For the axis of a chart. */
export function tick(at: number, stepSeconds: number): string {
  const when = new Date(at * 1000);
  return stepSeconds >= 86_400 ? day.format(when) : clock.format(when);
}

/** `just now`, `4 min ago`, `3 h ago` */
export function ago(at: number, nowAt: number = Date.now() / 1000): string {
  const seconds = Math.max(0, nowAt - at);
  if (seconds < 45) return 'just now';
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** The beginning of a hash, and its end. */
export function short(hash: string): string {
  return hash.length <= 14 ? hash : `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}

/** `1 payment`, `2 payments` */
export function plural(value: number, name: string): string {
  return `${count(value)} ${name}${value === 1 ? '' : 's'}`;
}

function sameDay(one: Date, other: Date): boolean {
  return one.toDateString() === other.toDateString();
}
