/**
 * The rows of `test/attacks` whose defences a store has a part in, tried on a store in a real server; and the server's own defences, taken out
 * one by one to see that a row would notice.
 *
 * The patches lie in the folder `attacks` of the server's suite, named by the row that notices: `10-same-instant.a.patch`.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Copy, createCopy, testOf, tryPatch } from '../../scripts/attackRuns.ts';
import { rows } from '../attacks/rows.ts';

const root = join(import.meta.dirname, '..', '..');

/** Rows that ask a store for something. The rest of 18 is `npm run crash:stores`, and 21 is tried with the server away, in `away.e2e.ts`. */
const asking = [8, 9, 10, 11, 16, 18, 23, 41, 42, 43, 46];

/** Tests the kind of store that this server holds. Asked for its address when it runs. */
export function testAttacks(kind: 'postgres' | 'redis', urlOf: () => string): void {
  const stems = rows.flatMap(({ row, test }) => (test !== undefined && asking.includes(row) ? [test] : []));
  const folder = join('test', 'e2e', kind, 'attacks');
  const patches = readdirSync(join(root, folder)).sort();
  let copy: Copy;

  beforeAll(() => {
    process.env.ATTACKS_STORE = JSON.stringify({ kind, url: urlOf() });
    copy = createCopy(root);
  });

  afterAll(() => {
    delete process.env.ATTACKS_STORE;
    copy?.remove();
  });

  test.each(stems)('%s is defended', async (stem) => {
    const outcome = await copy.run(testOf(stem));
    expect(outcome, JSON.stringify(outcome)).toMatchObject({ kind: 'green' });
  });

  test.each(patches)('%s is noticed', async (patch) => {
    const [stem = ''] = patch.split('.');
    expect(stems).toContain(stem);
    const outcome = await tryPatch(copy, stem, join(folder, patch));
    expect(outcome, JSON.stringify(outcome)).toMatchObject({ kind: 'red' });
  });
}
