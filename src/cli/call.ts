/**
 * `farebox call`: calls a service by its name, out of a file of services, and buys its answer from the best of its providers. Standard output is the
 * answer and nothing else.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parse as parseYaml } from 'yaml';
import { type Bought, createServices, type ObservationStore, readServices } from '../client/choice.ts';
import { createClient, type PayingClient } from '../client/index.ts';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import { openPayer, paidLine } from './buy/Paying.ts';
import { openJournal } from './buy/Purse.ts';
import type { CliContext } from './Context.ts';
import type { Home } from './Home.ts';
import { printable } from './Terminal.ts';

type CallOptions = {
  readonly services: string;
  readonly max?: string;
  readonly maxTotal?: string;
  readonly data?: string;
  readonly payAgain?: boolean;
  readonly wallet: string;
  readonly json?: boolean;
};

/** Adds `farebox call`. */
export function registerCall(program: Command, context: CliContext): void {
  program
    .command('call')
    .argument('<service>', 'the name of a service')
    .argument('[input...]', 'what to ask it, as name=value')
    .description('Call a service by its name and buy its answer from the best of its providers. The answer goes to standard output.')
    .option('--services <file>', 'the file of services, YAML or JSON', 'services.yaml')
    .option('-m, --max <amount>', 'the most that the answer may cost, fee included, such as "50 sat"')
    .option('--max-total <amount>', 'the most that all calls of this wallet may cost together, counted from its first')
    .option('-d, --data <json>', 'what to ask it, as a JSON object; @file reads it from a file')
    .option('--pay-again', 'pay another provider where one was paid and gave no answer')
    .option('-w, --wallet <name>', 'the wallet that pays: one that was connected, or else one of the sandbox', 'wallet')
    .option('--json', 'print provider, payment and answer as one line of JSON')
    .addHelpText(
      'after',
      '\nWithout --max nothing is paid. Once a provider was paid and gives no answer, nobody else is\npaid for the same (exit code 6), unless --pay-again says so; and as long as it is not known\nwhether one was paid (5), not even then.\n\nExample:\n  farebox call sentiment_analyzer text="BTC to the moon" --max "20 sat"',
    )
    .action((service: string, words: readonly string[], options: CallOptions) => call(context, service, words, options));
}

async function call(context: CliContext, name: string, words: readonly string[], options: CallOptions): Promise<void> {
  const input = readInput(words, options.data);
  const services = readServices(readFile(options.services), `The file ${options.services}`);
  if (!services.has(name))
    throw new FareboxError('CONFIG_INVALID', `The file ${options.services} has no service "${name.slice(0, 64)}". It has ${[...services.keys()].join(', ')}.`);
  const home = context.home();
  const wallet = await openPayer(home, options.wallet);
  const { payer } = wallet;
  const store = openJournal(home, payer.network);
  let client: PayingClient | undefined;
  try {
    client = createClient({
      payer,
      store,
      // A client that may spend nothing is no client: without --max the least there is, and not that without a consent that nobody gives.
      ...(options.max === undefined ? { maxPerRequest: Amount.fromMsat(1n), consent: { above: Amount.zero } } : { maxPerRequest: Amount.parse(options.max) }),
      ...(wallet.assumedMaxFee === undefined ? {} : { assumedMaxFee: Amount.parse(wallet.assumedMaxFee) }),
      ...(options.maxTotal === undefined ? {} : { maxTotal: Amount.parse(options.maxTotal) }),
    });
    const observations = observationsIn(home);
    const bought = await createServices({ client, services, observations }).buy(name, input, { payAgain: options.payAgain === true, signal: context.signal });
    await print(context, bought, options, payer.network);
  } catch (error) {
    throw inWords(error, options);
  } finally {
    // The wallet may be at it still: how that ends is written down first. A second signal does not wait for it.
    await client?.close();
    await store.close();
    await wallet.close();
  }
}

async function print({ terminal }: CliContext, bought: Bought, options: CallOptions, network: Parameters<typeof paidLine>[1]): Promise<void> {
  const { answer, provider, payment, passedOver } = bought;
  if (options.json) {
    const paid = payment && { paymentHash: payment.paymentHash, amountMsat: payment.amountMsat, feeMsat: payment.feeMsat, reused: payment.reused };
    return terminal.withJson(true).data({ provider, payment: paid, passedOver: passedOver.map((one) => ({ ...one })), answer });
  }
  await terminal.raw(Buffer.from(`${typeof answer === 'string' ? answer : JSON.stringify(answer)}\n`));
  for (const { provider: other, why } of passedOver) terminal.note(terminal.tone('quiet', printable(`not ${other}: ${why}`)));
  terminal.note(terminal.tone('quiet', payment ? `${provider}: ${paidLine(payment, network)}` : `${provider}: free`));
}

/** What was seen of providers, beside the journal. What is lost of it when two commands write at once is no money. */
function observationsIn(home: Home): ObservationStore {
  const path = join(home.folder, 'services-seen.json');
  return {
    load: () => {
      try {
        return JSON.parse(readFileSync(path, 'utf8')) as unknown;
      } catch {
        return undefined;
      }
    },
    save: (value) => {
      const own = `${path}.${process.pid}`;
      writeFileSync(own, `${JSON.stringify(value)}\n`, { mode: 0o600 });
      renameSync(own, path);
    },
  };
}

function readInput(words: readonly string[], data: string | undefined): { readonly [name: string]: unknown } {
  const pairs = words.map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw new FareboxError('CONFIG_INVALID', `"${word.slice(0, 64)}" is not an input: write name=value, such as text="hello".`);
    return [word.slice(0, at), word.slice(at + 1)] as const;
  });
  return { ...(data === undefined ? {} : readData(data)), ...Object.fromEntries(pairs) };
}

function readData(data: string): { readonly [name: string]: unknown } {
  const text = data.startsWith('@') ? readText(data.slice(1)) : data;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new FareboxError('CONFIG_INVALID', '--data is a JSON object, such as {"text":"hello"}.');
  return { ...value };
}

/** JSON is YAML, too. */
function readFile(path: string): unknown {
  const text = readText(path);
  try {
    return parseYaml(text, { maxAliasCount: 0 });
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `The file ${path} is no YAML and no JSON: ${(error as Error).message.split('\n')[0]}.`, { cause: error });
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `The file ${path} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
  }
}

/** The client speaks of its options; here they are flags. */
function inWords(error: unknown, { max }: CallOptions): unknown {
  if (!FareboxError.is(error, 'PROVIDERS_EXHAUSTED', 'ANSWER_MISSING', 'BUDGET_EXCEEDED')) return error;
  const said = error.message.replaceAll('maxPerRequest', '--max').replaceAll('maxTotal', '--max-total').replaceAll('payAgain', '--pay-again');
  const hint = max === undefined && error.code === 'PROVIDERS_EXHAUSTED' ? ' Say how much the answer may cost, fee included, with --max.' : '';
  return new FareboxError(error.code, said + hint, { details: error.details, cause: error });
}
