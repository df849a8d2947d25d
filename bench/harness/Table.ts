/**
 * What was compared, as a table of plain text for the terminal; nothing is written anywhere.
 */
import type { Bound, Comparison } from './Comparison.ts';

/** Prints comparisons, each on its line, and below them what the words mean. */
export function printTable(comparisons: readonly Comparison[]): void {
  const rows = comparisons.map((each) => [
    each.name,
    `${each.a}: ${microseconds(each.aMicroseconds)}`,
    `${each.b}: ${microseconds(each.bMicroseconds)}`,
    each.ratio.toFixed(3),
    `±${(each.spread * 100).toFixed(1)} %`,
    formatBound(each.bound),
    each.verdict,
    String(each.rounds),
  ]);
  printRows([['what', 'A', 'B', 'B/A', 'A/A', 'bound', 'verdict', 'rounds'], ...rows]);
  console.log('\nµs: processor time for one, median. B/A: median of the rounds. A/A: how far A lay from itself, for half of the rounds or more.');
  console.log('A bound is met where B/A clears it by more than A/A; missed where it fails it by more; otherwise not shown.\n');
}

/** Prints rows in columns as wide as their widest cell. */
export function printRows(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

function microseconds(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : value.toPrecision(3)} µs`;
}

function formatBound(bound: Bound | undefined): string {
  if (bound === undefined) return '-';
  return 'atMost' in bound ? `≤ ${Number(bound.atMost.toFixed(3))}` : `≥ ${Number(bound.atLeast.toFixed(3))}`;
}
