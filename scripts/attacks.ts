/**
 * `npm run attacks [row…]`: every attack is tried, and every defence is taken out to see that its test would have noticed.
 *
 * The table is `test/attacks/rows.ts`. A row's files stand beside it, named by its number and name:
 *
 *     05-path-tricks.test.ts      the attack, with all its variants, over sockets; green
 *     05-path-tricks.patch        takes the defence out, as a careless hand might: a small unified diff against src
 *     05-path-tricks.a.patch      where a row has several defences, a patch each (.a, .b, …), each of which must turn the test red
 *
 * A patch is applied by `git apply` to a copy of the project, from its root (`--- a/src/…`, `+++ b/src/…`). Its first line names the test that
 * must turn red, in full: `Turns red: gateway > is paid once`; it runs alone. Red means that it failed in an assertion: a patch that does not apply,
 * or breaks the load, or does not turn that test red, is a failure of its own. Where the line is missing, the row's tests run one after the other
 * until one fails, which takes ten times as long; `--name` writes the line then.
 *
 * As they are, the tests of a row run from the last to the first, so that none is green only behind another (`test/attacks/backwards.ts`).
 *
 * The last line counts: a row that is defended, and a patch that turns its test red, pass; rows that wait count as nothing.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { lastRow, type Row, rows } from '../test/attacks/rows.ts';
import { type Copy, checkTable, createCopy, namedBy, type PatchOutcome, patchesOf, testOf, tryPatch } from './attackRuns.ts';
import type { TestOutcome } from './attackVitest.ts';

const root = dirname(import.meta.dirname);
/** Copies that are tried at once. */
const atOnce = 2;

/** A row with what came of it. */
type Tried = { readonly row: Row; readonly defended: TestOutcome; readonly patches: ReadonlyMap<string, PatchOutcome> };

const options = process.argv.slice(2).filter((word) => word.startsWith('-'));
const named = process.argv
  .slice(2)
  .filter((word) => !word.startsWith('-'))
  .map(Number);
if (options.some((option) => option !== '--name')) {
  console.error('There is one option: --name, which writes into patches that name no test which one noticed.');
  process.exit(2);
}
if (named.some((row) => !rows.some((one) => one.row === row))) {
  console.error(`Rows are numbers from 1 to ${lastRow}.`);
  process.exit(2);
}
const chosen = rows.filter(({ row }) => named.length === 0 || named.includes(row));
const wrong = checkTable(root, rows, lastRow);
const copies = Array.from({ length: atOnce }, () => createCopy(root));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    for (const copy of copies) copy.remove();
    process.exit(1);
  });
}
try {
  const tried = await tryAll(chosen);
  print(tried);
} finally {
  for (const copy of copies) copy.remove();
}

/** Every row's test as it is, then every patch of those that are green, so many copies at once. */
async function tryAll(all: readonly Row[]): Promise<readonly Tried[]> {
  const stems = all.flatMap(({ test }) => (test === undefined ? [] : [test]));
  const defended = new Map<string, TestOutcome>();
  const startedAt = performance.now();
  await share(stems, async (copy, stem) => {
    defended.set(stem, await copy.run(testOf(stem)));
  });
  console.log(`${stems.length} rows as they are: ${seconds(startedAt)} s`);
  const patches = stems.filter((stem) => defended.get(stem)?.kind === 'green').flatMap((stem) => patchesOf(root, stem).map((patch) => ({ stem, patch })));
  const outcomes = new Map<string, PatchOutcome>();
  const patchedAt = performance.now();
  await share(patches, async (copy, { stem, patch }) => {
    const outcome = await tryPatch(copy, stem, patch);
    outcomes.set(patch, outcome);
    if (outcome.kind === 'red' && options.includes('--name') && namedBy(root, patch) === undefined) nameTest(patch, outcome.test);
    console.log(`  ${basename(patch)}: ${outcome.kind === 'red' ? `noticed by "${outcome.test}"` : 'FAILED'}`);
  });
  console.log(`${patches.length} patches, each on its own: ${seconds(patchedAt)} s\n`);
  return all.flatMap((row) => {
    if (row.test === undefined) return [];
    const patches = patchesOf(root, row.test).flatMap((patch) => {
      const outcome = outcomes.get(patch);
      return outcome ? [[patch, outcome] as const] : [];
    });
    return [{ row, defended: defended.get(row.test) ?? { kind: 'broken', message: 'it did not run' }, patches: new Map(patches) }];
  });
}

function nameTest(patch: string, test: string): void {
  const path = join(root, patch);
  writeFileSync(path, `Turns red: ${test}\n${readFileSync(path, 'utf8')}`);
}

/** Hands things to the copies, the next one to whichever is free. */
async function share<Thing>(things: readonly Thing[], work: (copy: Copy, thing: Thing) => Promise<void>): Promise<void> {
  const queue = [...things];
  await Promise.all(
    copies.map(async (copy) => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(copy, next);
    }),
  );
}

function print(tried: readonly Tried[]): void {
  const width = Math.max(...chosen.map(({ what }) => what.length));
  console.log(`row  ${'what must never work'.padEnd(width)}  defended  red without its defence`);
  let skipped = 0;
  for (const row of chosen) {
    const one = tried.find((each) => each.row === row);
    const start = `${String(row.row).padStart(3)}  ${row.what.padEnd(width)}`;
    if (one === undefined) {
      const tried = row.triedBy === undefined ? [] : [`tried by ${row.triedBy}`];
      const waits = row.waitsFor === undefined ? [] : [`${row.triedBy === undefined ? '' : 'the rest '}waits for: ${row.waitsFor}`];
      console.log(`${start}  ${[...tried, ...waits].join('; ')}`);
      continue;
    }
    const all = patchesOf(root, row.test ?? '').length;
    skipped += all - one.patches.size;
    const red = [...one.patches.values()].filter(({ kind }) => kind === 'red').length;
    const rest = row.waitsFor === undefined ? '' : `; the rest waits for: ${row.waitsFor}`;
    console.log(`${start}  ${(one.defended.kind === 'green' ? 'yes' : 'NO').padEnd(8)}  ${red} of ${all}${rest}`);
  }
  const failures = [...wrong, ...tried.flatMap(failuresOf)];
  if (failures.length > 0) console.log(`\n${failures.join('\n\n')}`);
  const passed = tried.reduce(
    (sum, { defended, patches }) => sum + Number(defended.kind === 'green') + [...patches.values()].filter(({ kind }) => kind === 'red').length,
    0,
  );
  const waiting = chosen.filter(({ test, triedBy }) => test === undefined && triedBy === undefined).length;
  console.log(`\n${tried.length} rows tried, ${waiting} rows wait for a part that is to come.`);
  console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
  process.exitCode = failures.length === 0 ? 0 : 1;
}

/** What did not hold in a row, a text each. */
function failuresOf({ row, defended, patches }: Tried): readonly string[] {
  const own =
    defended.kind === 'green'
      ? []
      : [`Row ${row.row} is not defended, and its patches were not tried. ${defended.kind === 'red' ? `${defended.test}\n` : ''}${defended.message}`];
  return [...own, ...[...patches].flatMap(([patch, outcome]) => (outcome.kind === 'failure' ? [`${patch} ${outcome.message}`] : []))];
}

function seconds(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
