/**
 * `farebox admin`: every operation of the admin of a gateway, and the tokens and links that let others in.
 */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import * as AdminToken from '../admin/auth/AdminToken.ts';
import { isScope, scopes } from '../admin/auth/Scope.ts';
import { mintLink } from '../admin/auth/Session.ts';
import type { Operation } from '../admin/Operation.ts';
import { longestSeconds } from '../admin/operations/access.ts';
import { operations, operationsByName } from '../admin/operations/index.ts';
import { nowAt, systemClock, systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { readDurationSeconds } from '../gateway/ConfigFields.ts';
import { addFlags, inputOf } from './admin/fields.ts';
import { printAnswer } from './admin/print.ts';
import { configWithAdmin, type ReachOptions, reach, ringOf, urlOf } from './admin/Reach.ts';
import type { CliContext } from './Context.ts';
import { Ended } from './exit.ts';
import { printable } from './Terminal.ts';

type CallOptions = ReachOptions & { readonly json?: boolean; readonly [name: string]: unknown };

type TokenOptions = ReachOptions & {
  readonly label?: string;
  readonly scope?: string;
  readonly expires?: string;
  readonly operation?: readonly string[];
  readonly from?: string;
  readonly json?: boolean;
};

/** Adds `farebox admin`. */
export function registerAdmin(program: Command, context: CliContext): void {
  const admin = program
    .command('admin')
    .description('See and change a gateway that runs: prices, routes, tokens, accounts, what was done.')
    .addHelpText('after', help);
  const nouns = new Map<string, Command>();
  for (const operation of operations) {
    const [noun = '', verb = ''] = operation.name.split('.');
    const parent = nouns.get(noun) ?? admin.command(noun).description(nounWords[noun] ?? `Operations on ${noun}.`);
    nouns.set(noun, parent);
    const command = parent.command(verb).description(operation.summary);
    addFlags(command, operation);
    withReach(command)
      .option('--json', 'print JSON')
      .addHelpText('after', `${operation.description === '' ? '' : `\n${operation.description}\n`}\nNeeds the scope "${operation.scope}".`)
      .action((options: CallOptions) => call(context, operation, options));
  }
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  admin
    .command('token')
    .description('Make a token for somebody who is to see or change the gateway, or narrow one.')
    .option('--label <name>', 'who it is for, as the audit log says it')
    .option('--scope <scope>', `${scopes.join(', ')}: each holds what stands before it; default: read, or what the narrowed one has`)
    .option('--expires <length>', 'how long it is good: 1h, 30d; default: 1h, or as long as the narrowed one')
    .option('--operation <name>', 'only these operations, such as routes.change; may repeat', several)
    .option('--from <file>', 'narrow the token in this file ("-" is standard input) instead: needs no key')
    .option('-c, --config <file>', 'the configuration of the gateway; default farebox.yaml')
    .option('--json', 'print JSON instead of the bare token')
    .addHelpText('after', tokenHelp)
    .action((options: TokenOptions) => token(context, options));
  admin
    .command('link')
    .description('Print a link that opens the pages in a browser, signed in: good once, for ten minutes.')
    .option('--scope <scope>', scopes.join(', '), 'admin')
    .option('-c, --config <file>', 'the configuration of the gateway; default farebox.yaml')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nWhoever opens it first is signed in.\n\nExample:\n  farebox admin link')
    .action((options: ReachOptions & { readonly scope: string; readonly json?: boolean }) => link(context, options));
}

const help = `
The gateway needs "admin: {}" in its configuration. On its machine, with its key
file, no token is needed; elsewhere name the gateway with --url, and the file of
a token with --with, or the token in FAREBOX_ADMIN_TOKEN.

Examples:
  farebox admin routes list
  farebox admin routes change --route /api/v1/translate --price "60 sat" --dry-run
  farebox admin token --label ci --scope read --expires 30d
  farebox admin audit verify`;

const tokenHelp = `
It goes to standard output alone. It can be narrowed by whoever holds it, and
never widened; "farebox admin access revoke" ends it with all that was made of it.

Examples:
  farebox admin token --label ana --scope operate --expires 8h
  farebox admin token --from ana.token --operation routes.change --expires 10m`;

const nounWords: { readonly [noun: string]: string | undefined } = {
  access: 'Who may do what here.',
  accounts: 'What balances hold.',
  audit: 'What operators have done.',
  changes: 'What was changed of the configuration, and taking it back.',
  config: 'The configuration as it runs.',
  health: 'How the gateway is.',
  routes: 'What is served, and for how much.',
  services: 'What is sold.',
  tokens: 'Tokens that were sold: what they are good for, and refusing them.',
};

/** The flags by which a gateway is found. */
export function withReach(command: Command): Command {
  return command
    .option('-c, --config <file>', 'the configuration of the gateway; default farebox.yaml')
    .option('--url <url>', 'where its admin listens; default: as the configuration says')
    .option('--with <file>', 'the file of a token; default: FAREBOX_ADMIN_TOKEN, or one that is made with the keys here');
}

async function call(context: CliContext, operation: Operation, options: CallOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const input = await inputOf(context, operation, options);
  const { client } = await reach(context, options, { scope: operation.scope, operations: [operation.name] });
  try {
    if (operation.kind === 'stream') {
      for await (const item of client.items(operation, input, context.signal)) {
        terminal.data(item);
        terminal.line(printable(JSON.stringify(item)));
      }
      return;
    }
    const value = await client.call(operation, input, context.signal);
    printAnswer(terminal, value);
    if (operation.name === 'audit.verify' && value.ok !== true) throw new Ended(1, 'altered', 'The audit log is not as it was written.');
  } catch (error) {
    if (context.signal.aborted) return;
    if (FareboxError.is(error, 'REQUEST_FAILED') && error.cause !== undefined) throw new Ended(7, 'away', error.message, { cause: error });
    throw error;
  }
}

async function token(context: CliContext, options: TokenOptions): Promise<void> {
  const { label, from, operation } = options;
  const now = nowAt(context.clock ?? systemClock);
  const scope = options.scope === undefined ? undefined : scopeOf(options.scope);
  const seconds = options.expires === undefined ? undefined : secondsOf(options.expires);
  for (const name of operation ?? [])
    if (!operationsByName.has(name)) throw wrong(`There is no operation ${name.slice(0, 64)}. "farebox admin --help" lists them.`);
  if (label !== undefined && !AdminToken.isLabel(label)) throw wrong('--label is 1 to 64 letters, digits, "_", "-" and ".".');
  const wishes = { label, scope, operations: operation, expiresAt: seconds === undefined ? undefined : now + seconds };
  let made: string;
  if (from === undefined) {
    if (label === undefined) throw wrong('Who is it for? The audit log says it: --label ana');
    const keys = await ringOf(context, await configWithAdmin(context, options));
    const complete = { label, scope: scope ?? ('read' as const), operations: operation, expiresAt: wishes.expiresAt ?? now + 3600 };
    made = AdminToken.mint(keys, keys.mintingAt(now), systemRandom(16), complete);
  } else {
    const text = from === '-' ? new TextDecoder().decode(await context.readInput()) : readFileSync(from, 'utf8');
    made = AdminToken.narrow(text.trim(), Object.fromEntries(Object.entries(wishes).filter(([, wish]) => wish !== undefined)));
  }
  if (options.json) context.terminal.withJson(true).data({ token: made });
  else await context.terminal.raw(new TextEncoder().encode(`${made}\n`));
}

async function link(context: CliContext, options: ReachOptions & { readonly scope: string; readonly json?: boolean }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const config = await configWithAdmin(context, options);
  if (config.store.kind === 'none') throw wrong('Without a store nobody can tell whether a link was used: name one in the configuration, or use a token.');
  const keys = await ringOf(context, config);
  const code = mintLink(keys, systemRandom(12), scopeOf(options.scope), nowAt(context.clock ?? systemClock));
  const url = `${config.admin?.url ?? urlOf(config)}/#${code}`;
  terminal.data({ url });
  terminal.line(url);
}

function scopeOf(text: string) {
  if (!isScope(text)) throw wrong(`--scope is one of ${scopes.join(', ')}, not "${text.slice(0, 64)}".`);
  return text;
}

function secondsOf(text: string): number {
  let seconds: number;
  try {
    seconds = readDurationSeconds(text);
  } catch (error) {
    throw wrong(`--expires: ${(error as Error).message}`);
  }
  if (seconds > longestSeconds) throw wrong(`--expires is ${longestSeconds / 86_400}d at most.`);
  return seconds;
}

function wrong(message: string): FareboxError {
  return new FareboxError('CONFIG_INVALID', message);
}
