/**
 * Metrics as data: what one process counted, ready to be added to what others did and to be written as text.
 *
 *     farebox_requests_total{route="GET /api",status="2xx"} 12
 *
 * @see Prometheus, "Text-based format", version 0.0.4
 */
import { families } from './families.ts';

/** A number by its series, written as in the text: `name{label="value"}`, labels in the order of their family. */
export type Snapshot = Readonly<Record<string, number>>;

/** A label's value as it stands between quotes. */
export function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (mark) => (mark === '\n' ? '\\n' : `\\${mark}`));
}

/** The name of one series. */
export function seriesOf(name: string, labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`;
}

/** What several processes counted together. Gauges are added up as well: each process holds its own part. */
export function sum(snapshots: readonly Snapshot[]): Snapshot {
  const [first = {}, ...others] = snapshots;
  const all: Record<string, number> = { ...first };
  for (const one of others) for (const [series, value] of Object.entries(one)) all[series] = (all[series] ?? 0) + value;
  return all;
}

/** What stays of a process that has ended: what it counted. What it held is gone with it. */
export function countedOnly(snapshot: Snapshot): Snapshot {
  const gauges = new Set<string>(families.filter(({ type }) => type === 'gauge').map(({ name }) => name));
  return Object.fromEntries(Object.entries(snapshot).filter(([series]) => !gauges.has(nameOf(series))));
}

/** The text that a scraper reads: families in their order, each with what it means. Those of which nothing was counted are left out. */
export function format(snapshot: Snapshot): string {
  const byName = new Map<string, string[]>();
  for (const [series, value] of Object.entries(snapshot)) {
    const name = nameOf(series);
    const lines = byName.get(name) ?? [];
    if (lines.length === 0) byName.set(name, lines);
    lines.push(`${series} ${value}`);
  }
  return families
    .map(({ name, type, help }) => {
      const names = type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
      const lines = names.flatMap((each) => byName.get(each) ?? []);
      return lines.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
    })
    .join('');
}

function nameOf(series: string): string {
  const brace = series.indexOf('{');
  return brace < 0 ? series : series.slice(0, brace);
}
