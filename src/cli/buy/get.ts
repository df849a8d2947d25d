/**
 * `farebox get`: buys what URLs sell, within a limit. Standard output is what was bought and nothing else.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ClientEvent } from '../../client/index.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { CliContext } from '../Context.ts';
import { Ended } from '../exit.ts';
import { type CallEvent, openEventLog, type TimedEvent } from './CallEvent.ts';
import { type Call, type CallResult, type Desk, type Manner, makeCall } from './call.ts';
import { createOrderedOutput, type Slot } from './OrderedOutput.ts';
import { narrate } from './Paying.ts';
import { createProgress } from './Progress.ts';
import { openPurse, type PurseOptions } from './Purse.ts';
import { quoteAll } from './quote.ts';
import { type RequestOptions, readRequest, withRequestOptions, wrong } from './RequestOptions.ts';
import { tell } from './story.ts';

type GetOptions = RequestOptions &
  PurseOptions & {
    readonly pay: boolean;
    readonly dryRun?: boolean;
    readonly output?: readonly string[];
    readonly remoteName?: boolean;
    readonly outputDir?: string;
    readonly continue?: boolean;
    readonly include?: boolean;
    readonly fail?: boolean;
    readonly silent?: boolean;
    readonly verbose?: boolean;
    readonly explain?: boolean;
    readonly events?: string;
    readonly parallel?: number;
    readonly credential?: boolean;
  };

/** Adds `farebox get`. */
export function registerGet(program: Command, context: CliContext): void {
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  const command = program
    .command('get')
    .argument('[url...]', 'what to fetch; several are fetched one after the other, or so many at once as --parallel says')
    .description('Fetch a URL and pay for it over Lightning if it asks for that. The body goes to standard output, what was paid to standard error.')
    .option('-m, --max <amount>', 'the most that a URL may cost, fee included, such as "50 sat"')
    .option('--max-all <amount>', 'the most that all URLs of this command may cost together')
    .option('--max-total <amount>', 'the most that all calls of this wallet may cost together, counted from its first')
    .option('--tag <tag>', 'a tag for limits that count by tag; may repeat', several)
    .option('--dry-run', 'say what it would cost and buy, and whether the limits allow it; the call is sent as it is, and nothing is paid')
    .option('--no-pay', 'pay nothing: an offer is printed as the answer that it is');
  withRequestOptions(command)
    .option('-o, --output <file>', 'write the body into a file; one for each URL', several)
    .option('-O, --remote-name', 'write each body into a file that is called like the end of its URL')
    .option('--output-dir <folder>', 'where these files are; made where it is not there')
    .option('-c, --continue', 'go on with a file that broke off, where it is still the same version')
    .option('-i, --include', 'print the head of the answer before its body')
    .option('-f, --fail', 'print nothing of an answer that is an error (400 to 599)')
    .option('-s, --silent', 'say nothing but what went wrong')
    .option('-v, --verbose', 'say every step: what is asked, quoted, paid and sent again')
    .option('--explain', 'tell the story of the payment afterwards')
    .option('--events <file>', 'write what happens as lines of JSON to the end of a file; "-" is standard error')
    .option('--parallel <count>', 'fetch so many URLs at once; bodies are printed in the order of the URLs', readCount)
    .option('--credential', 'pay, and print the credential instead of using it: to narrow it, or to hand it on')
    .option('-w, --wallet <name>', 'the wallet that pays: one that was connected, or else one of the sandbox', 'wallet')
    .addHelpText('after', help)
    .action((words: readonly string[], options: GetOptions) => get(context, words, options));
}

const help = `
Without a limit nothing is paid: the price is said, and the exit code is 3. A limit is
--max, --max-all, or one that stands (farebox budget). A server's
error is exit code 8, whether or not its body is printed. What was paid for and did
not arrive is had by the same command again, and is not paid twice.

Examples:
  farebox get "http://localhost:8402/api/v1/translate?text=hello&target=es" --max "60 sat"
  farebox get https://api.example.com/v1/chat --json '{"prompt":"hello"}' --max "200 sat"
  farebox get -O -c https://files.example.com/set.tar --max "5000 sat"
  farebox get --parallel 4 -O https://files.example.com/{1,2,3,4}.json --max "50 sat"`;

async function get(context: CliContext, words: readonly string[], options: GetOptions): Promise<void> {
  const { urls, request } = await readRequest(context, words, options);
  const files = filesOf(urls, options);
  if (options.credential && urls.length > 1) throw wrong('--credential is of one URL.');
  if (options.continue && (files.includes(undefined) || request.body !== undefined || request.method !== 'GET')) {
    throw wrong('--continue is for a file that is fetched with GET: name it with --output or --remote-name.');
  }
  const { terminal, environment } = context;
  const manner = mannerOf(options);
  const log = openEventLog(options.events, terminal);
  const progress = createProgress(terminal, !manner.isSilent && !manner.isVerbose && environment.TERM !== 'dumb');
  const output = createOrderedOutput((bytes) => terminal.raw(bytes), urls.length);
  try {
    const purse = await openPurse(context, { ...options, paysNothing: !options.pay });
    try {
      if (options.dryRun) return await quoteAll(context, purse, urls, request, options.verbose === true);
      const onEvent = (timed: TimedEvent) => {
        log.write(timed);
        if (manner.isVerbose && isNarrated(timed.event)) narrate(terminal, timed.event);
      };
      const calls = urls.map((url, index): Call => {
        const name = urls.length === 1 ? '' : (files[index] ?? nameOf(url));
        return { number: index + 1, url, slot: output.slots[index] as Slot, file: files[index], name, track: progress.track(name || nameOf(url)) };
      });
      const desk: Desk = { context, purse, request, manner, onEvent };
      const results = await inParallel(calls, options.parallel ?? 1, (call) => makeAndSay(desk, call));
      progress.close();
      if (options.explain && options.events !== '-') for (const { events } of results) await tell(terminal, events, purse.payer.name, purse.store);
      conclude(results, options);
    } finally {
      await purse.close();
    }
  } finally {
    progress.close();
    await output.close();
    log.close();
  }
}

/** One of several says what went wrong where it stands; the only one ends the command with it. */
async function makeAndSay(desk: Desk, call: Call): Promise<CallResult> {
  const result = await makeCall(desk, call);
  const { terminal } = desk.context;
  if (result.failure !== undefined && call.name !== '' && !desk.manner.isLogged) {
    const { code, message } = result.failure;
    terminal.note([call.name, ...(code === '' ? [] : [terminal.tone('bad', code)]), message].join('  '));
  }
  return result;
}

function mannerOf(options: GetOptions): Manner {
  const isLogged = options.events === '-';
  return {
    paysNothing: !options.pay,
    fails: options.fail === true,
    resumes: options.continue === true,
    includesHead: options.include === true,
    isVerbose: options.verbose === true && !isLogged,
    isSilent: options.silent === true || isLogged,
    isLogged,
    keepsCredential: options.credential === true,
  };
}

function isNarrated(event: CallEvent): event is ClientEvent {
  // Heads are shown as they go by.
  return !['began', 'receiving', 'received', 'ended', 'sent', 'answered'].includes(event.kind);
}

/** Ends the command as its first failure says. */
function conclude(results: readonly CallResult[], options: GetOptions): void {
  const failed = results.find(({ failure }) => failure !== undefined);
  if (failed?.failure === undefined) return;
  const { exitCode, code, message } = failed.failure;
  if (results.length > 1 || options.events === '-') throw new Ended(exitCode, '');
  if (FareboxError.is(failed.cause)) throw new FareboxError(failed.cause.code, message, { details: failed.cause.details, cause: failed.cause });
  throw new Ended(exitCode, code === '' ? 'error' : code, message);
}

/** Works on so many at once, in their order. Where one throws, nothing new is begun, and what has begun comes to its end: it may be paying. */
async function inParallel<Item, Result>(items: readonly Item[], count: number, work: (item: Item) => Promise<Result>): Promise<readonly Result[]> {
  const results = new Map<number, Result>();
  let next = 0;
  const workers = Array.from({ length: Math.min(count, items.length) }, async () => {
    for (;;) {
      const index = next++;
      const item = items[index];
      if (item === undefined) return;
      try {
        results.set(index, await work(item));
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  });
  await Promise.allSettled(workers);
  await Promise.all(workers);
  return items.flatMap((_, index) => results.get(index) ?? []);
}

/** The file of each address; undefined where it is standard output. */
function filesOf(urls: readonly URL[], options: GetOptions): readonly (string | undefined)[] {
  const { output, remoteName, outputDir, credential } = options;
  if (output !== undefined && remoteName) throw wrong('--output and --remote-name both name the file: choose one.');
  if (output === undefined && !remoteName) {
    if (outputDir !== undefined) throw wrong('--output-dir is for --output or --remote-name.');
    return urls.map(() => undefined);
  }
  if (output !== undefined && output.length !== urls.length)
    throw wrong(`--output is given once for each URL: ${urls.length} in all, and not ${output.length}.`);
  if (credential) throw wrong('--credential prints the credential: leave --output and --remote-name away.');
  if (outputDir !== undefined) mkdirSync(outputDir, { recursive: true });
  const names = (output ?? urls.map(remoteNameOf)).map((name) => (name === '-' ? undefined : outputDir === undefined ? name : join(outputDir, name)));
  const twice = names.find((name, index) => name !== undefined && names.indexOf(name) !== index);
  if (twice !== undefined) throw wrong(`Two URLs would be written into ${twice}: name their files with --output.`);
  return names;
}

/** The end of an address, where that can be the name of a file in this folder. */
function remoteNameOf(url: URL): string {
  const last = url.pathname.split('/').at(-1) ?? '';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: no name of a file should have them.
  if (last === '' || last === '.' || last === '..' || /[\u0000-\u001f\\\u007f]/.test(last))
    throw wrong(`${url.host}${url.pathname} ends with no name of a file: use --output.`);
  return last;
}

function nameOf(url: URL): string {
  const last = url.pathname.split('/').findLast((part) => part !== '');
  return last ?? url.host;
}

function readCount(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(count >= 1 && count <= 64)) throw wrong('--parallel is a whole number from 1 to 64.');
  return count;
}
