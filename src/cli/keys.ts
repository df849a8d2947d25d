/**
 * `farebox keys`: the ring of master keys that every token is made and checked with. Only fingerprints are ever shown.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { nowAt, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { readDurationSeconds } from '../gateway/ConfigFields.ts';
import { KeyText, readKeyFile } from '../gateway/index.ts';
import { fingerprintOf } from '../server/RootKeys.ts';
import type { CliContext } from './Context.ts';
import { changeKeyFile, createMaster } from './keys/KeyStore.ts';
import { assertThere, type KeyFileOptions, locateKeys } from './keys/Located.ts';
import { type RetireOptions, retire } from './keys/retire.ts';
import { type KeyStanding, standingsOf } from './keys/Standing.ts';
import { type SealingOptions, sealKeys, unsealKeys } from './keys/sealing.ts';
import { type Terminal, table } from './Terminal.ts';
import { formatAt, formatRelative, isoAt } from './Time.ts';

type KeysOptions = KeyFileOptions & { readonly json?: boolean };

/** Adds `farebox keys`. */
export function registerKeys(program: Command, context: CliContext): void {
  const keys = program
    .command('keys')
    .description('Make, exchange, seal and list the master keys that tokens are made and checked with. A key itself is never shown.')
    .addHelpText('after', help);
  const add = (name: string, description: string, after: string) =>
    keys
      .command(name)
      .description(description)
      .option('-f, --file <file>', 'the key file; default: the one in ~/.farebox, of "farebox serve <url>"')
      .option('-c, --config <file>', 'the key file that this configuration names')
      .option('--json', 'print JSON')
      .addHelpText('after', after);
  add('list', 'Show the fingerprint of each key, which one mints, and until when the others have.', listHelp).action((options: KeysOptions) =>
    listKeys(context, options),
  );
  add('new', 'Make the first master key of a new file.', newHelp).action((options: KeysOptions) => newKey(context, options));
  add('rotate', 'Make a master key that mints after a while; those before it go on verifying.', rotateHelp)
    .option('--overlap <length>', 'how long it verifies before it mints', '1m')
    .action((options: KeysOptions & { readonly overlap: string }) => rotate(context, options));
  add('retire', 'Take a key out once nothing that it made can be good any more.', retireHelp)
    .argument('<fingerprint>', 'the key, as "farebox keys list" shows it')
    .option('--sold-for <length>', 'the longest that anything was sold for under it, such as 30d; default: the longest terms of the configuration')
    .option('--force', 'at once: everything that it made is revoked')
    .option('-y, --yes', 'do not ask')
    .action((fingerprint: string, options: RetireOptions) => retire(context, fingerprint, options));
  add('seal', 'Encrypt the key file under a passphrase.', sealHelp)
    .option('--change', 'the file is sealed already: seal it under another passphrase')
    .option('--new-passphrase-file <file>', 'the file that holds the passphrase to seal under; default: it is asked for')
    .action((options: SealingOptions) => sealKeys(context, options));
  add('unseal', 'Write the key file in clear again, readable by its owner alone.', sealHelp).action((options: SealingOptions) => unsealKeys(context, options));
}

const help = `
Whoever has a key can make tokens without paying: keep the file to yourself, and
keep a copy. Gateways that run take a changed file up by themselves, within a few
seconds.

Examples:
  farebox keys list
  farebox keys rotate --config farebox.yaml
  farebox keys seal --file farebox.keys`;

const listHelp = `
A fingerprint stands in every token: "farebox token inspect" says which key made one.

Example:
  farebox keys list --file farebox.keys`;

const newHelp = `
A gateway makes its own where there is none.

Example:
  farebox keys new --file farebox.keys`;

const rotateHelp = `
No token is lost: the new key is known everywhere before the first token is made
under it. Where other machines have copies of the file, give them the new one
before the overlap is over, and choose it long enough for that.

Examples:
  farebox keys rotate
  farebox keys rotate --config farebox.yaml --overlap 1h`;

const retireHelp = `
A key that was given away is revoked, not retired: make another one, and take the
old one out at once.

Examples:
  farebox keys retire 0a1b2c3d --config farebox.yaml
  farebox keys rotate --config farebox.yaml --overlap 10s
  farebox keys retire 0a1b2c3d --config farebox.yaml --force`;

const sealHelp = `
A gateway needs the passphrase when it starts: from the file that "passphrase" in
its configuration names, from FAREBOX_PASSPHRASE or FAREBOX_PASSPHRASE_FILE, or
typed in. The commands of "farebox keys" take it in the same way.

Examples:
  farebox keys seal --file farebox.keys
  farebox keys seal --file farebox.keys --change
  farebox keys unseal --file farebox.keys`;

async function newKey(context: CliContext, options: KeysOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const { path, passphrases, flags } = await locateKeys(context, options);
  const { masters, isSealed } = await changeKeyFile(path, passphrases.asked, {
    text: (before) => {
      if (before) throw new FareboxError('CONFIG_INVALID', `${path} holds keys already. To exchange the one that mints: farebox keys rotate${flags}`);
      return KeyText.withKey('', { key: createMaster() });
    },
    ...(existsSync(path) ? {} : { sealedUnder: passphrases.known }),
  });
  const fingerprint = fingerprintOf(masters[0].key);
  terminal.data({ file: path, fingerprint, role: 'mints', sealed: isSealed });
  terminal.line(`${terminal.tone('good', 'New master key')} ${terminal.tone('strong', fingerprint)} in ${path}${isSealed ? ', sealed' : ''}`);
}

async function rotate(context: CliContext, options: KeysOptions & { readonly overlap: string }): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const located = await locateKeys(context, options);
  const { path, passphrases } = located;
  assertThere(located);
  const overlap = overlapSeconds(options.overlap);
  let now = 0;
  const { masters } = await changeKeyFile(path, passphrases.asked, {
    text: (before) => {
      // Counted from now, not from before somebody looked for the passphrase.
      now = nowAt(context.clock ?? systemClock);
      return KeyText.withKey(before?.text ?? '', { key: createMaster(), mintsFromAt: now + overlap });
    },
  });
  const mintsFromAt = now + overlap;
  const [fresh, ...others] = standingsOf(masters, now) as [KeyStanding, ...KeyStanding[]];
  const minting = others.find(({ role }) => role === 'mints');
  terminal.data({ file: path, fingerprint: fresh.fingerprint, mintsFrom: isoAt(mintsFromAt), minting: minting?.fingerprint, keys: masters.length });
  const { tone } = terminal;
  terminal.line(`${tone('good', 'New master key')} ${tone('strong', fresh.fingerprint)} in ${path}`);
  terminal.line(
    `It verifies now, and mints from ${moment(mintsFromAt, now)}. Until then ${minting?.fingerprint ?? 'the one before it'} mints, and verifies on after that.`,
  );
  terminal.line(tone('quiet', 'Gateways that run take the file up by themselves. A machine with a copy of it needs the new one before that time.'));
}

async function listKeys(context: CliContext, options: KeysOptions): Promise<void> {
  const terminal = context.terminal.withJson(options.json);
  const located = await locateKeys(context, options);
  assertThere(located);
  const { path, passphrases } = located;
  const { masters, isSealed } = await readKeyFile(path, passphrases.asked);
  const now = nowAt(context.clock ?? systemClock);
  const keys = standingsOf(masters, now);
  terminal.data({ file: path, sealed: isSealed, keys: keys.map(toData) });
  terminal.line(terminal.tone('quiet', `${path}${isSealed ? ' (sealed)' : ''}`));
  const rows = keys.map((key) => [`  ${terminal.tone('strong', key.fingerprint)}`, ...words(terminal, key, now)]);
  for (const row of table(rows)) terminal.line(row);
}

function toData({ fingerprint, role, mintsFromAt, mintedUntilAt }: KeyStanding): unknown {
  return {
    fingerprint,
    role,
    mintsFrom: mintsFromAt === undefined ? undefined : isoAt(mintsFromAt),
    mintsUntil: mintedUntilAt === undefined ? undefined : isoAt(mintedUntilAt),
  };
}

function words({ tone }: Terminal, { role, mintsFromAt = 0, mintedUntilAt }: KeyStanding, now: number): readonly string[] {
  const until = mintedUntilAt === undefined ? [] : [tone('quiet', `until ${moment(mintedUntilAt, now)}`)];
  if (role === 'mints') return [`${tone('good', 'mints')}, and verifies`, ...until];
  if (role === 'waits') return [`${tone('warning', 'will mint')}, and verifies`, tone('quiet', `from ${moment(mintsFromAt, now)}`)];
  return ['verifies', tone('quiet', mintedUntilAt === undefined ? '' : `minted until ${moment(mintedUntilAt, now)}`)];
}

/** Fewer seconds, and a gateway might not know the key when another one mints under it: a file is taken up within three, and opening one takes its time. */
const leastOverlapSeconds = 10;

function overlapSeconds(text: string): number {
  let seconds = Number.NaN;
  try {
    seconds = readDurationSeconds(text);
  } catch (error) {
    throw new FareboxError('CONFIG_INVALID', `--overlap: ${(error as Error).message}`, { cause: error });
  }
  if (seconds < leastOverlapSeconds) {
    throw new FareboxError('CONFIG_INVALID', `--overlap is ${leastOverlapSeconds}s at least: gateways need a moment to learn of the key.`);
  }
  return seconds;
}

function moment(at: number, now: number): string {
  return `${formatAt(at)} (${formatRelative(at, now)})`;
}
