/**
 * What a snapshot of the metrics says, read back as numbers: counts by label, and how long things took.
 */
import type { Snapshot } from '../../gateway/index.ts';

/** How long something took, of all that was measured since the start. */
export type Timing = {
  readonly count: number;
  /** Of those, the ones that failed. */
  readonly failed: number;
  /** Null where nothing was measured. */
  readonly meanSeconds: number | null;
  /** The upper end of the bucket that holds the 95th of a hundred: no more than an estimate. */
  readonly p95Seconds: number | null;
};

/** A series, taken apart. */
type Series = { readonly labels: ReadonlyMap<string, string>; readonly value: number };

/** Every series of a family. */
export function seriesOf(snapshot: Snapshot, name: string): readonly Series[] {
  const found: Series[] = [];
  for (const [series, value] of Object.entries(snapshot)) {
    if (series !== name && !series.startsWith(`${name}{`)) continue;
    found.push({ labels: labelsOf(series.slice(name.length)), value });
  }
  return found;
}

/** A family's counts, by one of its labels, the most first. */
export function countsBy(snapshot: Snapshot, name: string, label: string): readonly (readonly [value: string, count: number])[] {
  const counts = new Map<string, number>();
  for (const { labels, value } of seriesOf(snapshot, name)) {
    const of = labels.get(label) ?? '';
    counts.set(of, (counts.get(of) ?? 0) + value);
  }
  return [...counts].sort(([, a], [, b]) => b - a);
}

/** All of a family together. */
export function total(snapshot: Snapshot, name: string): number {
  return seriesOf(snapshot, name).reduce((sum, { value }) => sum + value, 0);
}

/** How long things took, of the series whose labels are meant. */
export function timingOf(snapshot: Snapshot, name: string, isMeant: (labels: ReadonlyMap<string, string>) => boolean = () => true): Timing {
  const sum = (suffix: string, also = isMeant) =>
    seriesOf(snapshot, `${name}_${suffix}`).reduce((all, { labels, value }) => (also(labels) ? all + value : all), 0);
  const count = sum('count');
  if (count === 0) return { count: 0, failed: 0, meanSeconds: null, p95Seconds: null };
  const failed = sum('count', (labels) => isMeant(labels) && labels.get('outcome') === 'failed');
  const buckets = new Map<number, number>();
  for (const { labels, value } of seriesOf(snapshot, `${name}_bucket`)) {
    const end = labels.get('le');
    if (end === undefined || !isMeant(labels)) continue;
    const bound = end === '+Inf' ? Number.POSITIVE_INFINITY : Number(end);
    buckets.set(bound, (buckets.get(bound) ?? 0) + value);
  }
  const ends = [...buckets].sort(([a], [b]) => a - b);
  const p95 = ends.find(([, below]) => below >= 0.95 * count)?.[0];
  return { count, failed, meanSeconds: sum('sum') / count, p95Seconds: p95 === undefined || !Number.isFinite(p95) ? null : p95 };
}

/** `{a="b",c="d"}` as names and values. */
function labelsOf(text: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
    labels.set(
      name,
      value.replace(/\\(.)/g, (_, mark: string) => (mark === 'n' ? '\n' : mark)),
    );
  }
  return labels;
}
