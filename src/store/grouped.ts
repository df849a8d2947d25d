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
  for (let key = leastKey(next); key !== undefined; key = leastKey(next)) {
    const rows = cursors.map((cursor, table) => {
      const taken: unknown[] = [];
      for (let one = next[table]; isUnder(one, key); one = next[table] = cursor.next()) taken.push(one.value.row);
      return taken;
    });
    yield { key, rows: rows as never };
  }
}

/** The same, of tables whose rows come when they come. */
export async function* groupedLater<const Rows extends readonly unknown[]>(
  tables: { readonly [table in keyof Rows]: AsyncIterable<Keyed<Rows[table]>> },
): AsyncGenerator<Group<Rows>> {
  const cursors = (tables as readonly AsyncIterable<Keyed<unknown>>[]).map((table) => table[Symbol.asyncIterator]());
  const next = await Promise.all(cursors.map((cursor) => cursor.next()));
  for (let key = leastKey(next); key !== undefined; key = leastKey(next)) {
    const rows: unknown[][] = [];
    for (const [table, cursor] of cursors.entries()) {
      const taken: unknown[] = [];
      for (let one = next[table]; isUnder(one, key); one = next[table] = await cursor.next()) taken.push(one.value.row);
      rows.push(taken);
    }
    yield { key, rows: rows as never };
  }
}

type Next = IteratorResult<Keyed<unknown>, unknown>;

function leastKey(next: readonly Next[]): string | undefined {
  const [first, ...others] = next.flatMap((one) => (one.done ? [] : [one.value.key]));
  return first === undefined ? undefined : others.reduce((least, other) => (isBefore(other, least) ? other : least), first);
}

function isUnder(next: Next | undefined, key: string): next is IteratorYieldResult<Keyed<unknown>> {
  return next !== undefined && !next.done && next.value.key === key;
}

/** As databases sort text by its bytes in UTF-8, which is by character, and not how strings compare: by halves of characters. */
export function isBefore(one: string, other: string): boolean {
  for (let i = 0; i < one.length && i < other.length; i++) {
    const [unit, otherUnit] = [one.charCodeAt(i), other.charCodeAt(i)];
    if (unit !== otherUnit) return rankOf(unit) < rankOf(otherUnit);
  }
  return one.length < other.length;
}

/** Half of a character stands for one behind all that are whole. */
function rankOf(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
