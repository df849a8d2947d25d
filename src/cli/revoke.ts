/**
 * `farebox revoke`: refuses tokens from now on, in every gateway of a store, within a second.
 */
import type { Command } from 'commander';
import { nowAt, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import { loadConfig, openKeyText, readKeyFile } from '../gateway/index.ts';
import type { Network } from '../lightning/Lightning.ts';
import type { Denial } from '../store/Store.ts';
import { confirm } from './Confirm.ts';
import type { CliContext } from './Context.ts';
import { passphrasesOf } from './Passphrase.ts';
import { never, type Sellers } from './revoke/Ends.ts';
import { readWanted, type Wanted, type Wishes } from './revoke/Wanted.ts';
import { locateStore, nameOf, openToLook, type StoreOptions } from './Stores.ts';
import { type Terminal, table } from './Terminal.ts';
import { formatAt, formatRelative, isoAt } from './Time.ts';

type RevokeOptions = StoreOptions & Wishes & { readonly dryRun?: boolean; readonly yes?: boolean; readonly json?: boolean };
type ListOptions = StoreOptions & { readonly json?: boolean };

/** Adds `farebox revoke`. */
export function registerRevoke(program: Command, context: CliContext): void {
  const several = (text: string, all: readonly string[] = []) => [...all, text];
  const revoke = program
    .command('revoke')
    .description('Refuse tokens from now on: one, what was handed on of one, what a payment bought, all under a key, or all that were minted before a time.')
    .option('--token <token>', 'a token: its id, the file that holds it, itself, or "-" for standard input; may repeat', several)
    .option('--part <token>', 'what was handed on, and all that was handed on of it: a narrowed token, likewise, or the name of a part; may repeat', several)
    .option('--payment <hash>', 'everything that a payment bought; may repeat', several)
    .option('--key <fingerprint>', 'everything minted under a master key; may repeat', several)
    .option('--minted-before <time>', 'everything minted before a time (2026-11-21T12:30:05Z), or "now"')
    .option('-s, --store <file>', 'the store of the gateways; default: that of "farebox serve <url>", in ~/.farebox')
    .option('-c, --config <file>', 'the store that this configuration names')
    .option('--dry-run', 'say what would be refused, and until when, and change nothing')
    .option('-y, --yes', 'do not ask')
    .option('--json', 'print JSON, a line for each revocation')
    .addHelpText('after', help)
    .action((options: RevokeOptions) => revokeWanted(context, options));
  revoke
    .command('list')
    .description('Show what is revoked. Takes --store, --config and --json as well.')
    .addHelpText('after', '\nExample:\n  farebox revoke list --config farebox.yaml')
    .action((_: unknown, command: Command) => list(context, command.optsWithGlobals<ListOptions>()));
}

const help = `
Every gateway of the store refuses what is revoked within a second, also what it
has let through before. It cannot be taken back. What is revoked is answered 402:
whoever holds it can buy again.

Examples:
  farebox revoke --payment 301225cd300e13c1… --config farebox.yaml
  farebox revoke --token stolen.txt --dry-run
  farebox revoke --part helper.txt --config farebox.yaml
  farebox revoke --key 0a1b2c3d --config farebox.yaml --yes
  farebox revoke --minted-before 2026-11-21T12:30:05Z`;

async function revokeWanted(context: CliContext, options: RevokeOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const clock = context.clock ?? systemClock;
  const now = nowAt(clock);
  const { choice } = await locateStore(context, options);
  const wanted = await readWanted(context, options, await sellersOf(context, options), now);
  const store = await openToLook(choice, clock, 'farebox revoke');
  try {
    const { denials } = await store.denials();
    const fresh = wanted.filter(({ denial }) => !denials.some((one) => covers(one, denial)));
    tell(terminal, wanted, fresh, now, options.dryRun === true);
    if (options.dryRun || fresh.length === 0) return;
    await confirm(context, 'Refuse this from now on, in every gateway of this store? It cannot be taken back.', options.yes);
    for (const { denial } of fresh) {
      await store.deny(denial);
      terminal.data({ kind: 'revoked', ...toData(denial) });
    }
    terminal.line(`${terminal.tone('good', 'Revoked.')} Every gateway on ${nameOf(choice)} refuses it within a second.`);
  } finally {
    await store.close();
  }
}

/** What will be refused, and until when. */
function tell(terminal: Terminal, wanted: readonly Wanted[], fresh: readonly Wanted[], now: number, isDry: boolean): void {
  const { tone } = terminal;
  for (const { denial, hits } of wanted) {
    const isNew = fresh.some((one) => one.denial === denial);
    if (isDry || !isNew) terminal.data({ kind: isNew ? 'would-revoke' : 'already', ...toData(denial) });
    terminal.line(`${isNew ? tone('warning', 'To be refused') : tone('quiet', 'Refused already')}: ${hits}, ${untilWords(denial, now)}.`);
  }
  for (const warning of new Set(fresh.flatMap(({ warnings }) => warnings))) terminal.note(tone('warning', warning));
}

function covers(one: Denial, other: Denial): boolean {
  return one.kind === other.kind && one.value === other.value && one.expiresAt >= other.expiresAt;
}

async function list(context: CliContext, options: ListOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const clock = context.clock ?? systemClock;
  const { choice } = await locateStore(context, options);
  const store = await openToLook(choice, clock, 'farebox revoke list');
  try {
    const { denials } = await store.denials();
    for (const denial of denials) terminal.data(toData(denial));
    terminal.line(terminal.tone('quiet', nameOf(choice)));
    if (denials.length === 0) terminal.line('Nothing is revoked.');
    for (const row of table(denials.map((denial) => rowOf(terminal, denial, nowAt(clock))))) terminal.line(row);
  } finally {
    await store.close();
  }
}

function rowOf({ tone }: Terminal, denial: Denial, now: number): readonly string[] {
  const { kind, value } = denial;
  const token = kind === 'token' ? Identifier.readTokenId(value) : undefined;
  const about = token === undefined ? '' : `minted ${formatAt(token.mintedAt)} under ${token.fingerprint}`;
  const shown = kind === 'minted-before' ? formatAt(Number(value)) : value;
  return [`  ${kind}`, tone('strong', shown), tone('quiet', about), untilWords(denial, now)];
}

function untilWords({ expiresAt }: Denial, now: number): string {
  return expiresAt >= never ? 'for good' : `until its end, ${formatAt(expiresAt)} (${formatRelative(expiresAt, now)})`;
}

function toData({ kind, value, expiresAt }: Denial): object {
  return { revoked: kind, value, until: expiresAt >= never ? null : isoAt(expiresAt) };
}

const networks: readonly Network[] = ['bitcoin', 'testnet', 'signet', 'regtest', 'sandbox'];

/** The keys of the gateways, where they can be read without asking anybody. Revoking does not wait for them. */
async function sellersOf(context: CliContext, options: StoreOptions): Promise<Sellers | undefined> {
  if (options.store !== undefined) return undefined;
  try {
    if (options.config === undefined) {
      const path = context.home().keyFile;
      const { masters } = await readKeyFile(path, passphrasesOf(context, path).known);
      return { masters, networks, realm: 'main' };
    }
    const { keys, passphrase, network, realm } = await loadConfig(options.config, { environment: context.environment });
    const where = keys.kind === 'file' ? keys.path : 'the environment';
    const { known } = passphrasesOf(context, where, passphrase);
    const { masters } = keys.kind === 'file' ? await readKeyFile(where, known) : await openKeyText(keys.text, where, known);
    return { masters, networks: [network], realm };
  } catch (error) {
    if (!FareboxError.is(error, 'KEYS_INVALID', 'KEYS_LOCKED')) throw error;
    context.terminal.note(context.terminal.tone('quiet', `Without the keys less can be said of it: ${error.message}`));
    return undefined;
  }
}
