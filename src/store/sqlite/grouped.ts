/**
 * Sorted rows of several tables side by side, one key at a time: a join that holds the rows of one key and no more.
 */

/** The rows under one key, table by table. */
export type Group<Rows extends readonly unknown[]> = { readonly key: string; readonly rows: { readonly [table in keyof Rows]: readonly Rows[table][] } };

/** A row and the key that it stands under. */
export type Keyed<Row> = { readonly key: string; readonly row: Row };

/** Groups tables that are sorted by key, in the order of their bytes; a key that only one of them has is a group too. */
export function* grouped<const Rows extends readonly unknown[]>(
  tables: { readonly [table in keyof Rows]: Iterable<Keyed<Rows[table]>> },
): Generator<Group<Rows>> {
  const cursors = (tables as readonly Iterable<Keyed<unknown>>[]).map((table) => table[Symbol.iterator]());
  const next = cursors.map((cursor) => cursor.next());
  for (;;) {
    const keys = next.flatMap((one) => (one.done ? [] : [one.value.key]));
    const [first, ...others] = keys;
    if (first === undefined) return;
    const key = others.reduce((least, other) => (isBefore(other, least) ? other : least), first);
    const rows = cursors.map((cursor, table) => {
      const taken: unknown[] = [];
      for (let one = next[table]; one && !one.done && one.value.key === key; one = next[table] = cursor.next()) taken.push(one.value.row);
      return taken;
    });
    yield { key, rows: rows as never };
  }
}

/** As SQLite sorts text, which is not how strings compare. */
function isBefore(one: string, other: string): boolean {
  return one !== other && Buffer.compare(Buffer.from(one), Buffer.from(other)) < 0;
}
