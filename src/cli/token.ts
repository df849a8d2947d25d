/**
 * `farebox token`: read a token, narrow one before it is handed on, and see what became of it.
 */
import type { Command } from 'commander';
import { nowAt, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import type { Network } from '../lightning/Lightning.ts';
import { describe } from '../server/CaveatWords.ts';
import { read as readTree, type Wanted } from '../server/DelegationTree.ts';
import { partKeyOf, useKeyOf } from '../server/Verifier.ts';
import type { CliContext } from './Context.ts';
import { passphrasesOf } from './Passphrase.ts';
import { locateStore, openToLook, type StoreOptions } from './Stores.ts';
import { printable, type Terminal, table } from './Terminal.ts';
import { narrow, type Wishes } from './token/attenuate.ts';
import { print } from './token/inspect.ts';
import * as Presented from './token/Presented.ts';
import { openRing, read } from './token/Reading.ts';
import { print as printTree } from './token/tree.ts';

type InspectOptions = { readonly network: string; readonly realm: string; readonly file?: string; readonly json?: boolean };
type TreeOptions = StoreOptions & { readonly payment?: string; readonly json?: boolean };
type AttenuateOptions = Wishes & { readonly json?: boolean };

/** Adds `farebox token`. */
export function registerToken(program: Command, context: CliContext): void {
  const token = program.command('token').description('Read a token, narrow one before it is handed on, or see what became of it.').addHelpText('after', help);
  token
    .command('inspect')
    .argument('[token...]', 'a token, "L402 <token>:<preimage>", a WWW-Authenticate value, or the body of a 402; default: standard input')
    .description('Say in words what a token is good for, until when, who narrowed it to what, and whether its signature holds.')
    .option('--network <network>', `the network that it was sold on: ${networks.join(', ')}`, 'sandbox')
    .option('--realm <realm>', 'the realm of the gateway that sold it', 'main')
    .option('-f, --file <file>', 'the key file to check with; default: the one in ~/.farebox')
    .option('--json', 'print JSON')
    .addHelpText('after', inspectHelp)
    .action((words: readonly string[], options: InspectOptions) => inspect(context, words, options));
  token
    .command('attenuate')
    .argument('[token...]', 'a token, or "L402 <token>:<preimage>"; default: standard input')
    .description('Print the same token, good for less. Needs no key, and cannot be undone by whoever gets it.')
    .option('--path <prefix>', 'only on this path and what is below it, such as /api/v1')
    .option('--method <methods>', 'only with these methods, such as GET or GET,POST')
    .option('--expires <when>', 'only for so long (10m, 1h, 1d) or until then (2030-12-31T23:59:00Z)')
    .option('--uses <count>', 'only for so many requests, counted wherever this token is handed on')
    .option('--max-sats <sats>', 'only for so much of what requests cost, counted likewise')
    .option('--carve <number>', 'so many satoshis of a credit, or units of a bucket, that are set aside for it (L402-Carve: open), and come back when it ends')
    .option('--caveat <condition=value>', 'any other caveat; may repeat', (text: string, all: readonly string[] = []) => [...all, text])
    .option('--json', 'print JSON instead of the bare token')
    .addHelpText('after', attenuateHelp)
    .action((words: readonly string[], options: AttenuateOptions) => attenuate(context, words, options));
  token
    .command('tree')
    .argument('[token...]', 'a token, whole or narrowed, or "L402 <token>:<preimage>"; default: standard input')
    .description('Show what was handed on of a token, and who has spent what, from the store of the gateways.')
    .option('--payment <hash>', 'the balance that this payment went into, instead of a token')
    .option('-s, --store <file>', 'the store to look into; default: that of "farebox serve <url>", in ~/.farebox')
    .option('-c, --config <file>', 'look into the store that this configuration names')
    .option('--json', 'print JSON, a line for the whole and for each part')
    .addHelpText('after', treeHelp)
    .action((words: readonly string[], options: TreeOptions) => tree(context, words, options));
}

const networks: readonly Network[] = ['bitcoin', 'testnet', 'signet', 'regtest', 'sandbox'];

const help = `
Examples:
  farebox token inspect AgEEbHNhdAJC…
  farebox token attenuate AgEEbHNhdAJC… --path /api/v1 --expires 10m
  farebox token tree AgEEbHNhdAJC… --config farebox.yaml`;

const inspectHelp = `
No gateway and no node is asked. The preimage is never shown. A token without
one (as in a challenge that nobody has paid) opens nothing.

Examples:
  farebox token inspect AgEEbHNhdAJC…
  curl -si http://localhost:8402/ | farebox token inspect
  farebox token inspect --file farebox.keys "L402 AgEEbHNhdAJC…:5f0c…"`;

const attenuateHelp = `
The narrowed token alone goes to standard output (with its preimage, where a
credential was given); what it allows is said on standard error. It draws on the
same payment: narrowing makes no second request out of one. Each call with --uses or
--max-sats makes a part of its own; all parts together have what the token has.

Examples:
  farebox token attenuate AgEEbHNhdAJC… --path /api/v1 --expires 10m
  farebox token attenuate AgEEbHNhdAJC… --max-sats 200
  curl -H "Authorization: $(farebox token attenuate "$CREDENTIAL" --method GET)" http://localhost:8402/`;

const treeHelp = `
A part is shown once something was asked for with it. What is spent with a part is
spent of all before it too. The names of parts are digests: nobody can use a part
by its name, and "farebox revoke --part" takes it (whole, as --json shows it).

Examples:
  farebox token tree "$CREDENTIAL" --config farebox.yaml
  farebox token tree --payment 301225cd300e13c1… --json`;

async function tree(context: CliContext, words: readonly string[], options: TreeOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { choice } = await locateStore(context, options);
  const wanted = await wantedIn(context, words, options);
  const store = await openToLook(choice, context.clock ?? systemClock, 'farebox token tree');
  try {
    printTree(terminal, await readTree(store, wanted), wanted);
  } finally {
    await store.close();
  }
}

async function wantedIn(context: CliContext, words: readonly string[], { payment }: TreeOptions): Promise<Wanted> {
  if (payment !== undefined) {
    const paymentHash = payment.toLowerCase();
    if (words.length > 0) throw new FareboxError('CONFIG_INVALID', 'Name a token or a payment, not both.');
    if (!/^[0-9a-f]{64}$/.test(paymentHash)) throw new FareboxError('CONFIG_INVALID', '--payment is a payment hash: 64 hex digits.');
    return { kind: 'payment', paymentHash };
  }
  const { macaroon } = await present(context, words);
  const { tokenId } = Identifier.decode(macaroon.identifier);
  return { kind: 'token', account: useKeyOf(macaroon.identifier), tokenId, given: partKeyOf(macaroon.signature) };
}

async function inspect(context: CliContext, words: readonly string[], options: InspectOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const network = networks.find((one) => one === options.network);
  if (network === undefined) throw new FareboxError('CONFIG_INVALID', `--network is one of ${networks.join(', ')}, not "${options.network.slice(0, 64)}".`);
  const { file } = options;
  const path = file ?? context.home().keyFile;
  const passphrase = passphrasesOf(context, path).asked;
  const ring = await openRing({ file: path, isNamed: file !== undefined, network, realm: options.realm, passphrase });
  const presented = await present(context, words);
  const at = nowAt(context.clock ?? systemClock);
  print(terminal, presented, read(presented, ring, at), ring, at);
}

async function attenuate(context: CliContext, words: readonly string[], options: AttenuateOptions): Promise<void> {
  const { terminal } = context;
  const presented = await present(context, words);
  const at = nowAt(context.clock ?? systemClock);
  const { macaroon, added, warnings } = narrow(presented, options, at);
  const text = Presented.format(presented, macaroon);
  if (options.json) terminal.withJson(true).data({ [presented.preimage === undefined ? 'token' : 'credential']: text, added, warnings });
  else await terminal.raw(new TextEncoder().encode(`${text}\n`));
  say(terminal, macaroon.caveats, added.length, at);
  for (const warning of warnings) terminal.note(terminal.tone('warning', warning));
}

/** What the narrowed token allows, beside it. */
function say(terminal: Terminal, caveats: readonly string[], added: number, at: number): void {
  const rows = describe(caveats, { nowAt: at, paymentHash: undefined }).map(({ means }, index) => [
    `  ${printable(means)}`,
    index >= caveats.length - added ? terminal.tone('good', 'new') : '',
  ]);
  terminal.note('It is good now');
  for (const row of table(rows)) terminal.note(row);
}

/** What was given as an argument, typed in, or piped. */
async function present(context: CliContext, words: readonly string[]): Promise<Presented.Presented> {
  const given = words.join(' ');
  if (given !== '' && given !== '-') return Presented.parse(given);
  const typed = given === '' ? await context.ask('Token, credential, or WWW-Authenticate value', '') : undefined;
  return Presented.parse(typed ?? new TextDecoder().decode(await context.readInput()));
}
