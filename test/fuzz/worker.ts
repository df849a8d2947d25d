/**
 * The thread that fuzzes: starts counting, imports the targets, and gives each its turn until the time is over. Whoever started it watches
 * what it is at, since an input that never ends, or takes all memory, can only be told from outside.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { startCoverage } from './Coverage.ts';
import { createFuzzer, type Find, type Row } from './Fuzzer.ts';
import type { Target } from './Target.ts';
import type { Suspect } from './time.ts';
import { openWindow } from './Window.ts';

/** What to do. */
export type Orders = {
  /** The URL of the module with the targets. */
  readonly module: string;
  readonly seed: number;
  /** Targets by name. */
  readonly names: readonly string[];
  /** How long, or how many inputs for each target: then nothing is timed. */
  readonly until: { readonly kind: 'seconds'; readonly seconds: number } | { readonly kind: 'inputs'; readonly inputs: number };
  readonly window: SharedArrayBuffer;
};

/** What is told on the way. */
export type News =
  | { readonly kind: 'find'; readonly find: Find }
  | { readonly kind: 'suspect'; readonly suspect: Suspect }
  | { readonly kind: 'table'; readonly rows: readonly Row[]; readonly isLast: boolean };

const { module, seed, names, until, window } = workerData as Orders;
const coverage = startCoverage((url) => (url.includes('/src/') && !url.includes('/node_modules/')) || url === module);
const { targets } = (await import(module)) as { targets: readonly Target[] };
const { show } = openWindow(window);

const tell = (news: News) => parentPort?.postMessage(news);
const fuzzers = targets
  .map((target, index) => ({ target, index }))
  .filter(({ target }) => names.includes(target.name))
  .map(({ target, index }) =>
    createFuzzer(target, {
      coverage,
      seed,
      onFind: (find) => tell({ kind: 'find', find }),
      onSuspect: until.kind === 'seconds' ? (suspect) => tell({ kind: 'suspect', suspect }) : undefined,
      onInput: (input) => show(index, input),
    }),
  );
const rows = () => fuzzers.map((fuzzer) => fuzzer.row());
const endMs = until.kind === 'seconds' ? performance.now() + until.seconds * 1000 : Number.POSITIVE_INFINITY;
const isDone = (row: Row) => until.kind === 'inputs' && row.inputs >= until.inputs;

let toldMs = performance.now();
for (let open = fuzzers; open.length > 0 && performance.now() < endMs; open = open.filter((fuzzer) => !isDone(fuzzer.row()))) {
  for (const fuzzer of open) {
    await fuzzer.turn();
    if (performance.now() >= endMs) break;
  }
  if (performance.now() - toldMs < 5000) continue;
  tell({ kind: 'table', rows: rows(), isLast: false });
  toldMs = performance.now();
}
tell({ kind: 'table', rows: rows(), isLast: true });
