import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grouped } from './grouped.ts';

const byBytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
const table = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\u{e000}', '\u{10000}'), maxLength: 2 }));

test('every row of every table is in the group of its key, in its order, and groups are sorted as SQLite sorts', () => {
  fc.assert(
    fc.property(fc.tuple(table, table, table), (tables) => {
      const sorted = tables.map((keys) => keys.toSorted(byBytes).map((key, row) => ({ key, row })));
      const groups = [...grouped<readonly number[]>(sorted)];
      const keys = groups.map(({ key }) => key);
      expect(keys).toEqual([...new Set(tables.flat())].sort(byBytes));
      for (const [index, rows] of sorted.entries()) {
        expect(groups.flatMap((group) => group.rows[index]?.map((row) => ({ key: group.key, row })) ?? [])).toEqual(rows);
      }
    }),
  );
});
