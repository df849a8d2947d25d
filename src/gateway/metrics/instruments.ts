/**
 * Counters and histograms: a number changed in place for each thing that happens, and text made of it only when somebody asks. Every set of labels is
 * bounded: what comes after the last place is counted as `(other)`.
 */
import type { FamilyName } from './families.ts';
import { escapeLabel, seriesOf } from './Snapshot.ts';

/** Where what has no place of its own is counted. */
export const other = '(other)';

/** One count of a counter's. */
export type Count = { count: number };

/** Counts by one or more labels. */
export type Counter = {
  readonly add: (by: number, ...values: readonly string[]) => void;
  /** What counts these labels, for whoever counts them again and again. */
  readonly of: (...values: readonly string[]) => Count;
  readonly write: (into: Record<string, number>) => void;
};

/** @param most - so many sets of labels have a place of their own */
export function createCounter(name: FamilyName, labels: readonly string[], most: number): Counter {
  const counts = new Map<string, { readonly values: readonly string[]; count: number }>();
  const rest = labels.map(() => other);
  const placeOf = (values: readonly string[]) => {
    const key = values.length === 1 ? (values[0] as string) : values.join('\n');
    const known = counts.get(key);
    if (known !== undefined) return known;
    if (counts.size >= most && values !== rest) return placeOf(rest);
    const place = { values, count: 0 };
    counts.set(key, place);
    return place;
  };
  return {
    add: (by, ...values) => {
      placeOf(values).count += by;
    },
    of: (...values) => placeOf(values),
    write: (into) => {
      for (const { values, count } of counts.values())
        into[seriesOf(name, Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])))] = count;
    },
  };
}

/** How long things took. */
export type Histogram = {
  readonly observe: (seconds: number) => void;
  /** @param labels - as they stand in the text, without braces; '' where there are none */
  readonly write: (into: Record<string, number>, labels: string) => void;
};

/** The upper ends of the buckets, in seconds. */
const bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** An empty one. */
export function createHistogram(name: FamilyName): Histogram {
  const counts = new Float64Array(bounds.length + 1);
  let total = 0;
  return {
    observe: (seconds) => {
      total += seconds;
      let index = 0;
      while (index < bounds.length && seconds > (bounds[index] as number)) index++;
      counts[index] = (counts[index] as number) + 1;
    },
    write: (into, labels) => {
      const before = labels === '' ? '' : `${labels},`;
      let below = 0;
      for (const [index, count] of counts.entries()) {
        below += count;
        into[`${name}_bucket{${before}le="${bounds[index] ?? '+Inf'}"}`] = below;
      }
      const all = labels === '' ? '' : `{${labels}}`;
      into[`${name}_sum${all}`] = total;
      into[`${name}_count${all}`] = below;
    },
  };
}

/** How long things took, by labels whose values are few. */
export type Histograms = { readonly of: (...values: readonly string[]) => Histogram; readonly write: (into: Record<string, number>) => void };

/** @param most - so many sets of labels have a place of their own */
export function createHistograms(name: FamilyName, labels: readonly string[], most: number): Histograms {
  const known = new Map<string, Histogram>();
  const of = (...values: readonly string[]): Histogram => {
    const text = labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? '')}"`).join(',');
    const found = known.get(text);
    if (found !== undefined) return found;
    if (known.size >= most && values.some((value) => value !== other)) return of(...labels.map(() => other));
    const made = createHistogram(name);
    known.set(text, made);
    return made;
  };
  return {
    of,
    write: (into) => {
      for (const [text, histogram] of known) histogram.write(into, text);
    },
  };
}
