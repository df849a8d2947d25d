/**
 * One attack at a time, in a copy of the project: a row's test as it is, and with a patch that takes a defence out.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Row } from '../test/attacks/rows.ts';
import type { Ask, TestOutcome } from './attackVitest.ts';

/** A copy of the project that can be broken. */
export type Copy = {
  readonly root: string;
  /** Runs a test file of it, by its path below the root; `name`: that test of it alone; `bail`: no further than to the first test that fails. */
  readonly run: (test: string, part?: { readonly name?: string | undefined; readonly bail?: boolean }) => Promise<TestOutcome>;
  /** Says which files have been changed: what was loaded of them is loaded again. */
  readonly touch: (paths: readonly string[]) => void;
  readonly remove: () => void;
};

/** What a patch came to; a `failure` is the patch's, and says what to do. */
export type PatchOutcome = { readonly kind: 'red'; readonly test: string } | { readonly kind: 'failure'; readonly message: string };

const folder = join('test', 'attacks');
const vitest = join(import.meta.dirname, 'attackVitest.ts');
const copied = ['src', 'test', 'package.json', 'tsconfig.json'];
/** How long a test, or git, may take. */
const limitMs = 180_000;

/** The path of a row's test, below the root. */
export function testOf(stem: string): string {
  return join(folder, `${stem}.test.ts`);
}

/** A row's patches, below the root, in order. */
export function patchesOf(root: string, stem: string): readonly string[] {
  const names = readdirSync(join(root, folder)).filter(
    (name) => name === `${stem}.patch` || (name.startsWith(`${stem}.`) && /^\.[a-z]{1,2}\.patch$/.test(name.slice(stem.length))),
  );
  return names.sort().map((name) => join(folder, name));
}

/** What is wrong with the table itself: a number without a row, a row without a test or a reason, a test without a patch, a file without a row. */
export function checkTable(root: string, rows: readonly Row[], lastRow: number): readonly string[] {
  const wrong: string[] = [];
  const numbers = rows.map(({ row }) => row);
  for (let row = 1; row <= lastRow; row++) if (!numbers.includes(row)) wrong.push(`Row ${row} is missing: give it a test, or say what it waits for.`);
  for (const row of new Set(numbers.filter((one, index) => numbers.indexOf(one) !== index))) wrong.push(`Row ${row} is there twice.`);
  for (const { row, test, triedBy, waitsFor } of rows) {
    if (test === undefined && triedBy === undefined && waitsFor === undefined) wrong.push(`Row ${row} has no test and names nothing that it waits for.`);
    if (test === undefined) continue;
    if (!test.startsWith(`${String(row).padStart(2, '0')}-`))
      wrong.push(`The files of row ${row} begin with ${String(row).padStart(2, '0')}-, not with ${test}.`);
    if (!existsSync(join(root, testOf(test)))) wrong.push(`Row ${row} has no test: ${testOf(test)} is not there.`);
    if (patchesOf(root, test).length === 0) wrong.push(`Row ${row} has no patch beside its test: nothing shows that the test would notice.`);
  }
  const known = new Set(rows.flatMap(({ test }) => (test === undefined ? [] : [testOf(test), ...patchesOf(root, test)])));
  for (const name of readdirSync(join(root, folder))) {
    const path = join(folder, name);
    if (/\.(test\.ts|patch)$/.test(name) && !known.has(path)) wrong.push(`${path} belongs to no row.`);
  }
  return wrong;
}

/** Copies what a test needs into a folder of its own; the packages are linked. */
export function createCopy(root: string, modules = join(root, 'node_modules')): Copy {
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'farebox-attacks-')));
  for (const name of copied) if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(modules, join(copy, 'node_modules'), 'dir');
  const touched = new Set<string>();
  let runner: Runner | undefined;
  return {
    root: copy,
    touch: (paths) => {
      for (const path of paths) touched.add(path);
    },
    run: async (test, { name, bail = false } = {}) => {
      runner ??= startRunner(copy);
      const changed = [...touched];
      touched.clear();
      const outcome = await runner.ask({ test, changed, name, bail });
      // What did not end, or died, is not asked again.
      if (outcome === undefined) {
        const output = runner.stop();
        runner = undefined;
        return { kind: 'broken', message: `the run did not end\n${output}` };
      }
      return outcome;
    },
    remove: () => {
      runner?.stop();
      rmSync(copy, { recursive: true, force: true });
    },
  };
}

/** The full name of the test that must turn red, where the patch names one: its first line, `Turns red: gateway > is paid once`. */
export function namedBy(root: string, patch: string): string | undefined {
  return /^Turns red: (.+)\n/.exec(readFileSync(join(root, patch), 'utf8'))?.[1];
}

/** Takes a defence out, runs the test that the patch names, or all of the row's, and puts the defence back. */
export async function tryPatch(copy: Copy, stem: string, patch: string): Promise<PatchOutcome> {
  const targets = targetsOf(readFileSync(join(copy.root, patch), 'utf8'));
  const strays = targets.filter((path) => !path.startsWith('src/'));
  if (strays.length > 0) return failure(`changes ${strays.join(', ')}: a patch takes a defence out of src`);
  const applied = await git(copy, ['apply', '--whitespace=nowarn', patch]);
  if (applied.code !== 0) return failure(`no longer applies: write it again for the source as it is now\n${applied.output}`);
  copy.touch(targets);
  const outcome = await judge(copy, stem, namedBy(copy.root, patch));
  const undone = await git(copy, ['apply', '--whitespace=nowarn', '--reverse', patch]);
  if (undone.code !== 0) throw new Error(`${patch} could not be undone\n${undone.output}`);
  copy.touch(targets);
  return outcome;
}

async function judge(copy: Copy, stem: string, name: string | undefined): Promise<PatchOutcome> {
  const test = testOf(stem);
  let outcome = await copy.run(test, { name, bail: true });
  // The first test that failed may have failed in another way than the next.
  if (outcome.kind === 'red' && !outcome.asserted && name === undefined) outcome = await copy.run(test);
  if (outcome.kind === 'broken') return failure(`breaks the program instead of taking a defence out\n${outcome.message}`);
  if (outcome.kind === 'green') return failure(`turns nothing red: ${name === undefined ? `${outcome.tests} tests` : `"${name}"`} passed without the defence`);
  if (!outcome.asserted) return failure(`fails the test in no assertion: ${outcome.test}\n${outcome.message}`);
  return { kind: 'red', test: outcome.test };
}

/** The files that a patch changes. */
function targetsOf(patch: string): readonly string[] {
  const paths = patch.split('\n').flatMap((line) => /^(?:---|\+\+\+) (?:[ab]\/)?(\S+)/.exec(line)?.[1] ?? []);
  return [...new Set(paths.filter((path) => path !== '/dev/null'))];
}

function failure(message: string): PatchOutcome {
  return { kind: 'failure', message };
}

type Ended = { readonly code: number | null; readonly output: string };

/** Git outside any repository: a copy may lie below one. */
function git(copy: Copy, args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, GIT_CEILING_DIRECTORIES: dirname(copy.root) };
    const child = spawn('git', args, { cwd: copy.root, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: limitMs });
    const output = collect(child);
    child.on('error', (error) => resolve({ code: null, output: error.message }));
    child.on('close', (code) => resolve({ code, output: output() }));
  });
}

type Runner = {
  /** Undefined where there is no answer in time. */
  readonly ask: (ask: Ask) => Promise<TestOutcome | undefined>;
  /** Ends it; the answer is what it printed. */
  readonly stop: () => string;
};

/** A Vitest of a copy's own. */
function startRunner(root: string): Runner {
  // What Vitest tells its own workers is not for another Vitest.
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST$|NODE_ENV$)/.test(name)));
  // What is kept of a copy's sources goes with the copy.
  const env = { ...inherited, NODE_COMPILE_CACHE: join(root, '.cache', 'node') };
  const child = fork(vitest, [root], { cwd: root, env, execPath: process.execPath, execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const output = collect(child);
  const answer = (): Promise<unknown> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), limitMs);
      const done = (message?: unknown) => {
        clearTimeout(timer);
        child.off('message', done).off('exit', ended);
        resolve(message);
      };
      const ended = () => done();
      child.on('message', done).on('exit', ended);
    });
  const ready = answer();
  return {
    ask: async (ask) => {
      if ((await ready) === undefined || !child.connected) return undefined;
      const answered = answer();
      child.send(ask);
      return (await answered) as TestOutcome | undefined;
    },
    stop: () => {
      child.kill('SIGKILL');
      return output();
    },
  };
}

/** What a process prints, from now on. */
function collect(child: ChildProcess): () => string {
  let output = '';
  const take = (text: string) => {
    output = (output + text).slice(-20_000);
  };
  child.stdout?.setEncoding('utf8').on('data', take);
  child.stderr?.setEncoding('utf8').on('data', take);
  return () => output;
}
