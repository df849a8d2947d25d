/**
 * `farebox store migrate`, `export` and `import`: a store brought up to date, and moved to another one.
 */
import { createReadStream, createWriteStream, rmSync, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import * as Amount from '../../core/Amount.ts';
import { systemClock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Books from '../../store/Books.ts';
import type { Store, Versions } from '../../store/Store.ts';
import type { CliContext } from '../Context.ts';
import { type KeptStore, locateStore, nameOf, openToChange, openToLook, type StoreOptions } from '../Stores.ts';
import { printable } from '../Terminal.ts';
import * as Line from './Line.ts';

type MigrateOptions = StoreOptions & { readonly json?: boolean };
type ExportOptions = StoreOptions & { readonly output?: string };
type ImportOptions = StoreOptions & { readonly json?: boolean };

/** Adds the three to `farebox store`. */
export function registerMoving(store: Command, context: CliContext): void {
  const located = (command: Command, what: string) =>
    command
      .option('-s, --store <file>', `the store to ${what}; default: that of "farebox serve <url>", in ~/.farebox`)
      .option('-c, --config <file>', `${what} the store that this configuration names`);
  located(store.command('migrate'), 'bring up to date')
    .description("Bring the tables of a store up to this Farebox's version, and make them where there are none. A gateway does the same when it starts.")
    .option('--json', 'print JSON: from which version to which')
    .addHelpText('after', migrateHelp)
    .action((options: MigrateOptions) => migrate(context, options));
  located(store.command('export'), 'export')
    .description('Write everything that has to outlive a move to another store, as lines of JSON.')
    .option('-o, --output <file>', 'the file to write, which must not be there yet; default: standard output')
    .addHelpText('after', exportHelp)
    .action((options: ExportOptions) => exportStore(context, options));
  located(store.command('import').argument('<file>', 'what "farebox store export" wrote; "-" is standard input'), 'fill')
    .description('Fill an empty store with what another one has exported, and verify its books.')
    .option('--json', 'print JSON: what was imported')
    .addHelpText('after', importHelp)
    .action((file: string, options: ImportOptions) => importStore(context, file, options));
}

const migrateHelp = `
Every step is one transaction. A store of a newer version is refused, by this
command and by every gateway. For a database whose gateways may not make tables:
run it as somebody who may.

Example:
  farebox store migrate --config farebox.yaml`;

const exportHelp = `
Claims, accounts, reservations, the ledger, revocations, bookmarks, and how what is
forgotten ended. No keys, no preimages and no answers: what is used is named by
hashes. Still, it is the shop's books: the file is its owner's alone (mode 0600).

It is of one moment, also while gateways sell; what they sell after it is not in it.
To move, stop them first. From Redis counters are as they are when they are read.

Examples:
  farebox store export --config farebox.yaml --output shop.jsonl
  farebox store export | gzip > shop.jsonl.gz`;

const importHelp = `
All of it or nothing; a store that is not empty is refused. Redis cannot take
anything back: a store there is locked until all is in it, and one whose import was
cut off is refused by gateways and cleared by the next import.

Exit code 1: it could not be imported, or its books do not balance.

Examples:
  farebox store import shop.jsonl --config farebox.yaml
  gunzip -c shop.jsonl.gz | farebox store import - --store new.db`;

async function migrate(context: CliContext, options: MigrateOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { choice } = await locateStore(context, options);
  let versions: Versions | undefined;
  const store = await openToChange(choice, { clock: context.clock ?? systemClock, onVersions: (found) => (versions = found) });
  await store.close();
  if (versions === undefined) throw new TypeError('the store did not tell its version');
  const { from, to } = versions;
  terminal.data({ kind: 'migrated', store: nameOf(choice), from, to });
  const name = printable(nameOf(choice));
  if (from === to) terminal.line(`${name} is up to date: version ${to}.`);
  else terminal.line(from === 0 ? `${name} was made, in version ${to}.` : `${name} was brought from version ${from} to ${to}.`);
}

async function exportStore(context: CliContext, options: ExportOptions): Promise<void> {
  const { terminal } = context;
  const { choice } = await locateStore(context, options);
  const store = await openToLook(choice, context.clock ?? systemClock, 'farebox store export');
  let rows: number;
  let verdict: Books.Verdict;
  try {
    rows = options.output === undefined ? await writeTo(store, terminal.raw) : await writeFile(store, options.output);
    verdict = await Books.verify(store.audit());
  } finally {
    await store.close();
  }
  terminal.note(`${rows} rows of ${printable(nameOf(choice))}${options.output === undefined ? '' : ` are in ${printable(options.output)}`}.`);
  if (choice.kind === 'redis') terminal.note('Counters are as they were when they were read: Redis keeps no older moment of them.');
  if (!verdict.balanced) terminal.note('Its books do not balance, and will not where it is imported: see "farebox store verify".');
}

/** Writes everything that a store tells; the answer is how many rows that was. */
async function writeTo(store: Store, write: (bytes: Uint8Array) => Promise<void>): Promise<number> {
  const encoder = new TextEncoder();
  let waiting = Line.head;
  let rows = 0;
  for await (const piece of store.export()) {
    waiting += Line.format(piece);
    rows += 1;
    if (waiting.length < chunkLength) continue;
    await write(encoder.encode(waiting));
    waiting = '';
  }
  await write(encoder.encode(waiting + Line.formatEnd(rows)));
  return rows;
}

/** Characters that are written at once. */
const chunkLength = 65_536;

/** A file that could not be written whole is taken away again. */
async function writeFile(store: Store, path: string): Promise<number> {
  const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true });
  // Told by whoever waits for it next.
  file.on('error', () => {});
  await opened(file, path);
  try {
    const rows = await writeTo(store, (bytes) => new Promise((resolve, reject) => file.write(bytes, (error) => (error ? reject(error) : resolve()))));
    file.end();
    await finished(file);
    return rows;
  } catch (error) {
    file.destroy();
    rmSync(path, { force: true });
    throw error;
  }
}

function opened(file: WriteStream, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    file.once('open', () => resolve());
    file.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EEXIST' ? 'is there already. Name another file' : `cannot be written (${cause.code})`;
      reject(new FareboxError('CONFIG_INVALID', `${path} ${why}.`, { cause }));
    });
  });
}

async function importStore(context: CliContext, file: string, options: ImportOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { choice } = await locateStore(context, options);
  const lines = await openLines(context, file);
  const store = await openToChange(choice, { clock: context.clock ?? systemClock, clears: true });
  let verdict: Books.Verdict;
  let rows = 0;
  const counted = async function* () {
    for await (const piece of Line.parse(lines)) {
      rows += 1;
      yield piece;
    }
  };
  try {
    await store.import(counted());
    verdict = await Books.verify(store.audit());
  } finally {
    await store.close();
  }
  const { received, earned } = verdict.columns;
  terminal.data({ kind: 'imported', store: nameOf(choice), rows, balanced: verdict.balanced, received, earned });
  terminal.line(`${rows} rows are in ${printable(nameOf(choice))}.`);
  if (!verdict.balanced) throw unbalanced(choice, verdict.found);
  const sums = `received ${Amount.format(received.amountMsat as Amount.Msat)} in ${received.payments}, earned ${Amount.format(earned.amountMsat as Amount.Msat)}`;
  terminal.line(`${terminal.tone('good', 'The books balance')}: ${sums}.`);
}

function unbalanced(choice: KeptStore, found: number): FareboxError {
  const what = `${found} ${found === 1 ? 'thing is' : 'things are'} wrong, see "farebox store verify"`;
  return new FareboxError(
    'BOOKS_UNBALANCED',
    `All of it was imported, and the books of ${nameOf(choice)} do not balance: ${what}. Verify the store that it came from as well.`,
  );
}

/** Lines of a file, from when they are asked for. @throws CONFIG_INVALID – the file cannot be read */
async function openLines({ readInput }: CliContext, file: string): Promise<AsyncIterable<string>> {
  if (file === '-') return linesOf(Readable.from([await readInput()]));
  const input = createReadStream(file);
  await new Promise<void>((resolve, reject) => {
    input.once('open', () => resolve());
    input.once('error', (cause: NodeJS.ErrnoException) => reject(new FareboxError('CONFIG_INVALID', `${file} cannot be read (${cause.code}).`, { cause })));
  });
  return linesOf(input);
}

/** What is read before somebody iterates over it, readline forgets. */
async function* linesOf(input: Readable): AsyncGenerator<string> {
  yield* createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
}
