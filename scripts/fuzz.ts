/**
 * `npm run fuzz [-- --seconds 60] [--seed 1] [--parser name,name]`: throws changed inputs at every parser and prints what broke.
 *
 *     --inputs 2000          so many inputs for each parser instead of a time; nothing is timed, and equal seeds give equal answers
 *     --parser p --input j   runs one input again: a JSON string, as a find is printed
 *     --list                 names the parsers
 *     --targets file         those that another module exports as `targets`
 *
 * Ends with 1 where something was found. How it works: docs/decisions/0015-fuzzing.md.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Find, Row } from '../test/fuzz/Fuzzer.ts';
import { runOnce, type Target } from '../test/fuzz/Target.ts';
import { longestMsOf, type Suspect, verdictOn } from '../test/fuzz/time.ts';
import { createWindow, openWindow } from '../test/fuzz/Window.ts';
import type { News, Orders } from '../test/fuzz/worker.ts';

/** An input that takes this long never ends. */
const endlessMs = 60_000;
/** More than this, in megabytes, is a find of its own. */
const mostMemory = 768;
/** What came of a thread; `lost` is the target that ended it before its time. */
type Round = { readonly rows: readonly Row[]; readonly finds: number; readonly lost: string | undefined };

/** Runs a thread to its end, or to the end of what can be waited for. */
function runRound(orders: Omit<Orders, 'window'>, targets: readonly Target[]): Promise<Round> {
  const window = createWindow();
  const { look } = openWindow(window);
  const worker = new Worker(new URL('../test/fuzz/worker.ts', import.meta.url), {
    workerData: { ...orders, window } satisfies Orders,
    resourceLimits: { maxOldGenerationSizeMb: mostMemory },
  });
  return new Promise((resolve, reject) => {
    let rows: readonly Row[] = [];
    let finds = 0;
    let looking = Promise.resolve();
    const slow = new Set<string>();
    let beat = -1;
    let seenMs = performance.now();
    const end = (lost?: string) => {
      clearInterval(timer);
      resolve({ rows, finds, lost });
    };
    const lose = (kind: Find['kind'], what: string) => {
      const { target, input, beat: after } = look();
      const name = targets[target]?.name ?? '';
      finds++;
      print({ target: name, kind, what, input, after });
      end(name);
    };
    const timer = setInterval(() => {
      const now = look().beat;
      // Before the first input the thread is still loading.
      if (now !== beat || now === 0) {
        beat = now;
        seenMs = performance.now();
      } else if (performance.now() - seenMs > endlessMs) {
        void worker.terminate();
        lose('slow', `has not ended after ${endlessMs / 1000} s`);
      }
    }, 500);
    worker.on('message', (news: News) => {
      if (news.kind === 'find') {
        finds++;
        print(news.find);
      } else if (news.kind === 'suspect') {
        looking = looking.then(async () => {
          finds += await lookInto(news.suspect, targets, slow);
        });
      } else {
        ({ rows } = news);
        if (!news.isLast) return progress(rows, finds);
        clearInterval(timer);
        void looking.then(() => end());
      }
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ERR_WORKER_OUT_OF_MEMORY') {
        clearInterval(timer);
        return reject(error);
      }
      lose('large', `takes over ${mostMemory} MB`);
    });
  });
}

/** Measures an input that seemed slow once more, on this thread, where nothing is counted. The answer is how many finds it makes. */
async function lookInto({ target: name, lengths, after }: Suspect, targets: readonly Target[], slow: Set<string>): Promise<number> {
  const target = targets.find((each) => each.name === name);
  if (!target || slow.has(name)) return 0;
  let what: string | undefined;
  // The first times warm the code up, and any may fall on a busy moment.
  for (const tries of [3, 10, 40]) {
    what = await verdictOn(target, lengths, tries);
    if (what === undefined) return 0;
  }
  slow.add(name);
  print({ target: name, kind: 'slow', what: what ?? '', input: lengths.at(-1) ?? '', after });
  return 1;
}

function print({ target, kind, what, input, after }: Find): void {
  console.log(
    `FOUND ${target}: ${kind}, after ${after} inputs\n  ${what.replaceAll('\n', '\n  ')}\n  npm run fuzz -- --parser ${target} --input ${quoted(input)}`,
  );
}

/** For a shell: a JSON string, or, where that would fill the screen, one that is packed. */
function quoted(input: string): string {
  const literal = JSON.stringify(input).replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  if (literal.length > 1000) return `${packed}${deflateRawSync(literal).toString('base64url')}`;
  return `'${literal.replaceAll("'", "'\\''")}'`;
}

function unquoted(literal: string): string {
  const isPacked = literal.startsWith(packed);
  return JSON.parse(isPacked ? inflateRawSync(Buffer.from(literal.slice(packed.length), 'base64url')).toString() : literal) as string;
}

const packed = 'packed:';

let progressMs = performance.now();

function progress(rows: readonly Row[], finds: number): void {
  if (performance.now() - progressMs < 60_000) return;
  progressMs = performance.now();
  console.log(`${new Date().toISOString()} ${sumOf(rows, 'inputs')} inputs, ${sumOf(rows, 'blocks')} blocks, ${finds} finds`);
}

function printTable(rows: readonly Row[]): void {
  const line = (cells: readonly (string | number)[]) => cells.map((cell, at) => (at === 0 ? String(cell).padEnd(22) : String(cell).padStart(10))).join(' ');
  console.log(line(['parser', 'inputs', 'seconds', 'corpus', 'blocks', 'finds']));
  for (const row of rows) console.log(line([row.target, row.inputs, row.seconds.toFixed(1), row.corpus, row.blocks, row.finds]));
  console.log(line(['', sumOf(rows, 'inputs'), sumOf(rows, 'seconds').toFixed(1), sumOf(rows, 'corpus'), '', sumOf(rows, 'finds')]));
}

function sumOf(rows: readonly Row[], column: Exclude<keyof Row, 'target'>): number {
  return rows.reduce((sum, row) => sum + row[column], 0);
}

/** Runs an input again, a few times for its time's sake. */
async function replay(target: Target, literal: string): Promise<number> {
  const input = unquoted(literal);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 9; i++) best = Math.min(best, (await runOnce(target, input)).ms);
  const outcome = await runOnce(target, input);
  console.log(`${target.name}: ${outcome.kind}, ${outcome.kind === 'fine' ? outcome.reason || 'read' : outcome.what}`);
  console.log(`${input.length} characters, ${best.toFixed(2)} ms`);
  return outcome.kind === 'fine' && best <= longestMsOf(target) ? 0 : 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string' },
      inputs: { type: 'string' },
      seed: { type: 'string', default: '1' },
      parser: { type: 'string', default: '' },
      input: { type: 'string' },
      list: { type: 'boolean', default: false },
      targets: { type: 'string' },
    },
  });
  // The thread imports them again, after it has begun to count.
  const module = values.targets === undefined ? new URL('../test/fuzz/targets.ts', import.meta.url) : pathToFileURL(resolve(values.targets));
  const { targets } = (await import(module.href)) as { readonly targets: readonly Target[] };
  const names = targets.map(({ name }) => name);
  const wanted = values.parser.split(',').filter(Boolean);
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) throw new Error(`There is no parser "${unknown.join(', ')}"; there are ${names.join(', ')}.`);
  if (values.list) {
    console.log(names.join('\n'));
    return 0;
  }
  const target = targets.find(({ name }) => name === wanted[0]);
  if (values.input !== undefined) {
    if (!target) throw new Error('--input goes with --parser.');
    return replay(target, values.input);
  }
  return fuzz({
    module: module.href,
    targets,
    wanted,
    seed: number('seed', values.seed),
    seconds: number('seconds', values.seconds ?? '60'),
    inputs: values.inputs,
  });
}

type Wishes = {
  readonly module: string;
  readonly targets: readonly Target[];
  readonly wanted: readonly string[];
  readonly seed: number;
  readonly seconds: number;
  readonly inputs: string | undefined;
};

async function fuzz({ module, targets, wanted, seed, seconds, inputs }: Wishes): Promise<number> {
  const startedMs = performance.now();
  let finds = 0;
  let names = wanted.length > 0 ? wanted : targets.map(({ name }) => name);
  for (let round = 0; names.length > 0; round++) {
    const left = seconds - (performance.now() - startedMs) / 1000;
    if (round > 0 && left < 1) break;
    const until = inputs === undefined ? ({ kind: 'seconds', seconds: left } as const) : ({ kind: 'inputs', inputs: number('inputs', inputs) } as const);
    const { rows, finds: more, lost } = await runRound({ module, seed: seed + round, names, until }, targets);
    finds += more;
    printTable(rows);
    if (lost === undefined) break;
    // It would only be lost again: the others go on without it.
    names = names.filter((name) => name !== lost);
  }
  console.log(`${((performance.now() - startedMs) / 1000).toFixed(0)} s, seed ${seed}, ${finds} found`);
  return finds === 0 ? 0 : 1;
}

function number(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} is a whole number, not "${text}".`);
  return Number(text);
}

process.exitCode = await main().catch((error: unknown) => {
  console.error((error as Error).message);
  return 2;
});
