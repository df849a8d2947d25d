/**
 * `farebox check`: what a configuration file comes to, or every mistake in it.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import { explain, type GatewayConfig, loadConfig, toJson } from '../gateway/index.ts';
import { configFile } from './ConfigFile.ts';
import type { CliContext } from './Context.ts';
import type { Terminal } from './Terminal.ts';

type CheckOptions = { readonly json?: boolean };

/** Adds `farebox check`. */
export function registerCheck(program: Command, context: CliContext): void {
  program
    .command('check')
    .argument('[file]', 'the configuration; default: farebox.yaml, or satgate.yaml where only that is there')
    .description('Explain what a configuration file comes to, every default filled in, or show each mistake in it with its line.')
    .option('--json', 'print the effective configuration as JSON: amounts with their unit, no secrets')
    .addHelpText('after', '\nNothing is started, and no node is asked. Mistakes end with exit code 2.\n\nExample:\n  farebox check farebox.yaml')
    .action((file: string | undefined, options: CheckOptions) => check(context, configFile(file), context.terminal.withJson(options.json)));
}

async function check(context: CliContext, file: string, terminal: Terminal): Promise<void> {
  let config: GatewayConfig;
  try {
    config = await loadConfig(file, { environment: context.environment });
  } catch (error) {
    const mistakes = FareboxError.is(error, 'CONFIG_INVALID') ? error.details.mistakes : undefined;
    if (!Array.isArray(mistakes)) throw error;
    throw tell(terminal, file, mistakes as readonly string[], error);
  }
  terminal.data(withUnits(toJson(config)));
  const [facts = '', ...services] = explain(config).trimEnd().split('\n\n');
  for (const line of facts.split('\n')) terminal.line(colourFact(terminal, line));
  for (const line of services.flatMap((service) => ['', ...service.split('\n')])) terminal.line(colourRoute(terminal, line));
  terminal.line();
  terminal.line(`${terminal.tone('good', 'No mistakes.')} Start it with: farebox serve${nameOf(file)}`);
  for (const hint of hints(config)) terminal.line(terminal.tone('quiet', hint));
}

/** Each mistake on a line that editors can follow; what is left for the end is how many there are. */
function tell(terminal: Terminal, file: string, mistakes: readonly string[], cause: unknown): FareboxError {
  terminal.data({ file, mistakes: mistakes.map((text) => placed(file, text)) });
  for (const mistake of mistakes) terminal.note(mistake);
  const count = mistakes.length === 1 ? 'one mistake' : `${mistakes.length} mistakes`;
  return new FareboxError('CONFIG_INVALID', `${file} has ${count}.`, { cause, details: { mistakes } });
}

/** `file:line:column: message`, taken apart. */
function placed(file: string, text: string): unknown {
  const match = /^(\d+):(\d+): (.*)$/s.exec(text.slice(file.length + 1));
  return match ? { line: Number(match[1]), column: Number(match[2]), message: match[3] } : { message: text };
}

/** What the file alone does not say. */
function hints(config: GatewayConfig): readonly string[] {
  const { keys, store } = config;
  return [
    ...(keys.kind === 'file' && !existsSync(keys.path) ? [`There is no ${keys.path} yet: it is made at the first start.`] : []),
    ...(store.kind === 'sqlite' && !existsSync(store.path) ? [`There is no ${store.path} yet: nothing has been sold.`] : []),
    ...((store.kind === 'postgres' || store.kind === 'redis') && store.url.kind === 'file' && !existsSync(store.url.path)
      ? [`There is no ${store.url.path} yet: it is to hold the store's address.`]
      : []),
  ];
}

function nameOf(file: string): string {
  return file === configFile() ? '' : ` --config ${file}`;
}

/** A line about the gateway as a whole: a name of 12 columns, then what it is. */
function colourFact({ tone }: Terminal, line: string): string {
  const fact = /^( {2}.{12})(.*)$/.exec(line);
  if (!fact) return tone('strong', line);
  const [, name = '', value = ''] = fact;
  return `${tone('quiet', name)}${value.startsWith('sandbox') ? tone('warning', value) : value}`;
}

/** A line about a service, or about one of its routes. */
function colourRoute({ tone }: Terminal, line: string): string {
  if (!line.startsWith(' ')) return tone('strong', line);
  return line.replace(/ \d+ m?sat\b/, (price) => tone('money', price)).replace(/ "[^"]*"$/, (words) => tone('quiet', words));
}

/** `priceMsat: "50000"` becomes `price: "50 sat"`, however deep. */
function withUnits(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withUnits);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) =>
      key.endsWith('Msat') && typeof item === 'string' ? [key.slice(0, -'Msat'.length), Amount.format(Amount.fromMsat(BigInt(item)))] : [key, withUnits(item)],
    ),
  );
}
