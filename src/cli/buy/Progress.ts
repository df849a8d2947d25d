/**
 * How far long work has come, in a line for each call at the foot of the terminal; nothing is shown of what is over in a moment, or where
 * nobody looks on.
 */
import type { Terminal } from '../Terminal.ts';

/** A call at work. */
export type Track = {
  /** What it is doing, such as "pays 50 sat". */
  readonly says: (phase: string) => void;
  readonly has: (bytes: number, total: number | undefined) => void;
  readonly ends: () => void;
};

/** See the head of this file. */
export type Progress = { readonly track: (name: string) => Track; readonly close: () => void };

/** As a line shows it. */
export type Standing = {
  readonly name: string;
  readonly phase: string;
  readonly bytes: number | undefined;
  readonly total: number | undefined;
  /** Since the first byte. */
  readonly seconds: number;
};

/** Work that is over sooner is not shown. */
const quietMs = 400;
const redrawMs = 120;
const mostLines = 8;

/** Shows progress on a terminal, or nowhere. */
export function createProgress(terminal: Terminal, isShown: boolean): Progress {
  if (!isShown || !terminal.isWatched) return { track: () => ({ says: () => {}, has: () => {}, ends: () => {} }), close: () => {} };
  const tracks = new Set<{ standing: Standing; firstMs: number | undefined }>();
  const startedMs = performance.now();
  const draw = () => {
    if (performance.now() - startedMs < quietMs) return;
    const lines = [...tracks].slice(0, mostLines).map(({ standing }) => progressLine(standing, terminal.width));
    terminal.live(lines.map((line) => terminal.tone('quiet', line)));
  };
  const timer = setInterval(draw, redrawMs);
  timer.unref();
  return {
    track: (name) => {
      const mine = { standing: { name, phase: 'asks', bytes: undefined, total: undefined, seconds: 0 } as Standing, firstMs: undefined as number | undefined };
      tracks.add(mine);
      return {
        says: (phase) => {
          mine.standing = { ...mine.standing, phase };
        },
        has: (bytes, total) => {
          mine.firstMs ??= performance.now();
          mine.standing = { ...mine.standing, bytes, total, seconds: (performance.now() - mine.firstMs) / 1000 };
        },
        ends: () => {
          tracks.delete(mine);
          if (tracks.size === 0) terminal.live([]);
        },
      };
    },
    close: () => {
      clearInterval(timer);
      terminal.live([]);
    },
  };
}

/** A line as wide as the terminal at most: the bar gives way first, then what is said besides. */
export function progressLine({ name, phase, bytes, total, seconds }: Standing, width: number): string {
  const room = Math.max(8, Math.min(28, Math.floor(width / 3)));
  const shown = name.length > room ? `…${name.slice(1 - room)}` : name.padEnd(Math.min(room, name.length));
  if (bytes === undefined) return `${shown}  ${phase}`;
  const perSecond = seconds > 0.2 ? bytes / seconds : undefined;
  const parts = [total === undefined ? sizeOf(bytes) : `${sizeOf(bytes)} of ${sizeOf(total)}`];
  if (perSecond !== undefined && width >= 60) parts.push(`${sizeOf(perSecond)}/s`);
  if (perSecond !== undefined && perSecond > 0 && total !== undefined && width >= 72) parts.push(`${lengthOf((total - bytes) / perSecond)} left`);
  if (total === undefined || total === 0) return [shown, ...parts].join('  ');
  const share = Math.min(1, bytes / total);
  const percent = `${String(Math.floor(share * 100)).padStart(3)} %`;
  const tail = [percent, ...parts].join('  ');
  const barWidth = Math.min(30, width - shown.length - tail.length - 5);
  if (barWidth < 6) return `${shown}  ${tail}`;
  const full = Math.round(barWidth * share);
  return `${shown}  ${'━'.repeat(full)}${'─'.repeat(barWidth - full)}  ${tail}`;
}

/** Bytes in words, such as `1.4 MB`. */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function lengthOf(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.ceil(whole / 60)} min` : `${Math.ceil(whole / 3600)} h`;
}
