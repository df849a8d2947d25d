import { describe, expect, it } from 'vitest';
import { holds, windowOf } from './windows.ts';

const at = (text: string) => Date.parse(text) / 1000;
const written = (per: Parameters<typeof windowOf>[0], text: string) => {
  const { startAt, endAt } = windowOf(per, at(text));
  return [startAt, endAt ?? 0].map((time) => new Date(time * 1000).toISOString().slice(0, 16));
};

describe('a window', () => {
  it('is a stretch of the calendar in UTC', () => {
    expect(written('minute', '2026-11-28T23:59:59Z')).toEqual(['2026-11-28T23:59', '2026-11-29T00:00']);
    expect(written('hour', '2026-11-28T23:59:59Z')).toEqual(['2026-11-28T23:00', '2026-11-29T00:00']);
    expect(written('day', '2026-11-28T23:59:59Z')).toEqual(['2026-11-28T00:00', '2026-11-29T00:00']);
  });

  it('of a week begins on Monday, also where a month or a year ends in it', () => {
    expect(written('week', '2026-11-30T00:00:00Z')).toEqual(['2026-11-30T00:00', '2026-12-07T00:00']);
    expect(written('week', '2026-12-06T23:59:59Z')).toEqual(['2026-11-30T00:00', '2026-12-07T00:00']);
    expect(written('week', '2027-01-03T12:00:00Z')).toEqual(['2026-12-28T00:00', '2027-01-04T00:00']);
  });

  it('of a month is as long as the month', () => {
    expect(written('month', '2028-02-29T12:00:00Z')).toEqual(['2028-02-01T00:00', '2028-03-01T00:00']);
    expect(written('month', '2026-12-31T23:59:59Z')).toEqual(['2026-12-01T00:00', '2027-01-01T00:00']);
  });

  it('of everything does not end', () => {
    expect(windowOf('total', at('2026-11-28T00:00:00Z'))).toEqual({ startAt: 0, endAt: undefined });
    expect(holds({ startAt: 0, endAt: undefined }, 9e12)).toBe(true);
  });

  it('holds its first second, and not the first of the next', () => {
    const { startAt, endAt = 0 } = windowOf('day', at('2026-11-28T12:00:00Z'));
    expect([startAt - 1, startAt, endAt - 1, endAt].map((time) => holds({ startAt, endAt }, time))).toEqual([false, true, true, false]);
  });
});
