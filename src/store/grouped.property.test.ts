import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grouped, groupedLater, type Keyed } from './grouped.ts';

const byBytes = (one: string, other: string) => Buffer.compare(Buffer.from(one), Buffer.from(other));
const table = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\u{e000}', '\u{10000}'), maxLength: 2 }));

test('every row of every table is in the group of its key, in its order, and groups are sorted by bytes; rows that come later are grouped alike', async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(table, table, table), async (tables) => {
      const sorted = tables.map((keys) => keys.toSorted(byBytes).map((key, row) => ({ key, row })));
      const groups = [...grouped<readonly number[]>(sorted)];
      const groupsLater = [];
      for await (const group of groupedLater<readonly number[]>(sorted.map(later))) groupsLater.push(group);
      expect(groupsLater).toEqual(groups);
      const keys = groups.map(({ key }) => key);
      expect(keys).toEqual([...new Set(tables.flat())].sort(byBytes));
      for (const [index, rows] of sorted.entries()) {
        expect(groups.flatMap((group) => group.rows[index]?.map((row) => ({ key: group.key, row })) ?? [])).toEqual(rows);
      }
    }),
  );
});

async function* later(rows: readonly Keyed<number>[]): AsyncGenerator<Keyed<number>> {
  yield* rows;
}
