/**
 * Stretches of the calendar that limits count in: minutes, hours, days, weeks from Monday, months, all in UTC, and everything together.
 */

/** What a limit counts: one request, a stretch of the calendar, or everything that the store has ever seen. */
export type Period = 'request' | 'minute' | 'hour' | 'day' | 'week' | 'month' | 'total';

/** Every period, shortest first. */
export const periods: readonly Period[] = ['request', 'minute', 'hour', 'day', 'week', 'month', 'total'];

/** A stretch of time. A payment belongs to the one in which its money was set aside, whenever it ends. */
export type Window = {
  /** Unix seconds; 0 for everything. */
  readonly startAt: number;
  /** Unix seconds, not in it any more; undefined: it does not end. */
  readonly endAt: number | undefined;
};

/** The window of this period that a time lies in; one request has none. */
export function windowOf(per: Exclude<Period, 'request'>, at: number): Window {
  const time = new Date(at * 1000);
  const [year, month, day] = [time.getUTCFullYear(), time.getUTCMonth(), time.getUTCDate()];
  switch (per) {
    case 'minute':
    case 'hour':
    case 'day':
      return stretch(at - (at % seconds[per]), seconds[per]);
    case 'week':
      // Sunday is 0, and belongs to the week before.
      return stretch(Date.UTC(year, month, day - ((time.getUTCDay() + 6) % 7)) / 1000, 7 * seconds.day);
    case 'month':
      return { startAt: Date.UTC(year, month) / 1000, endAt: Date.UTC(year, month + 1) / 1000 };
    case 'total':
      return { startAt: 0, endAt: undefined };
  }
}

/** Whether a time lies in it. */
export function holds({ startAt, endAt }: Window, at: number): boolean {
  return at >= startAt && (endAt === undefined || at < endAt);
}

/** As it stands behind an amount: `a day`, `for one request`, `altogether`. */
export function sayPeriod(per: Period): string {
  if (per === 'request') return 'for one request';
  if (per === 'total') return 'altogether';
  return per === 'hour' ? 'an hour' : `a ${per}`;
}

const seconds = { minute: 60, hour: 3600, day: 86_400 } as const;

function stretch(startAt: number, length: number): Window {
  return { startAt, endAt: startAt + length };
}
