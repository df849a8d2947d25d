/** Points in time as text. */

/** Unix seconds as ISO 8601 in UTC, to the second: `2026-01-31T12:00:00Z`. */
export function isoAt(at: number): string {
  return new Date(at * 1000).toISOString().replace('.000', '');
}
