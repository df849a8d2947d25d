/**
 * `farebox keys`: the ring of master keys that every token is made and checked with. Only fingerprints are ever shown.
 */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { FareboxError } from '../core/Errors.ts';
import { fingerprintOf } from '../server/RootKeys.ts';
import type { CliContext } from './Context.ts';
import { addKey, readKeys } from './Home.ts';
import { table } from './Terminal.ts';

type KeysOptions = { readonly file?: string; readonly json?: boolean };

/** Adds `farebox keys`. */
export function registerKeys(program: Command, context: CliContext): void {
  const keys = program
    .command('keys')
    .description('Make and list the master keys that tokens are minted and verified with. A key itself is never shown.')
    .addHelpText('after', '\nExamples:\n  farebox keys list\n  farebox keys new --file farebox.keys');
  keys
    .command('new')
    .description('Make a master key. It mints from now on; the keys before it go on verifying what they have minted.')
    .option('-f, --file <file>', 'the key file, as a configuration names it; default: the one in ~/.farebox')
    .option('--json', 'print JSON')
    .addHelpText('after', newHelp)
    .action((options: KeysOptions) => newKey(context, options));
  keys
    .command('list')
    .description('Show the fingerprint of each key, and which one mints.')
    .option('-f, --file <file>', 'the key file, as a configuration names it; default: the one in ~/.farebox')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nA fingerprint stands in every token: "farebox token inspect" says which key made one.\n\nExample:\n  farebox keys list --file farebox.keys',
    )
    .action((options: KeysOptions) => listKeys(context, options));
}

const newHelp = `
Whoever has a key can make tokens without paying: keep the file to yourself, and
keep a copy. To retire a key, take its line out of the file: the tokens that it
minted are worthless then. A gateway reads the file when it starts.

Example:
  farebox keys new --file farebox.keys`;

function newKey(context: CliContext, options: KeysOptions): void {
  const terminal = context.terminal.withJson(options.json);
  const file = options.file ?? context.home().keyFile;
  // A file that cannot be read is left as it is: what looks broken may be the only copy.
  const before = existsSync(file) ? readKeys(file).length : 0;
  const fingerprint = fingerprintOf(add(file));
  terminal.data({ file, fingerprint, role: 'mints', keys: before + 1 });
  terminal.line(`${terminal.tone('good', 'New master key')} ${terminal.tone('strong', fingerprint)} in ${file}`);
  const rest = before === 1 ? 'the one before it still verifies' : `the ${before} before it still verify`;
  const standing = before === 0 ? 'It is the first one in this file.' : `It mints from now on; ${rest}.`;
  terminal.line(terminal.tone('quiet', `${standing} A gateway that runs takes it up at its next start.`));
}

function add(file: string): Uint8Array {
  try {
    return addKey(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new FareboxError('KEYS_INVALID', `No key can be written to ${file} (${code}). Name another file with --file.`, { cause: error });
  }
}

function listKeys(context: CliContext, options: KeysOptions): void {
  const terminal = context.terminal.withJson(options.json);
  const file = options.file ?? context.home().keyFile;
  if (!existsSync(file)) {
    const how = options.file === undefined ? 'farebox keys new' : `farebox keys new --file ${file}`;
    throw new FareboxError('KEYS_INVALID', `There is no key yet: ${file} does not exist. Make one with: ${how} (a gateway makes its own when it starts).`);
  }
  const keys = readKeys(file).map((key, index) => ({ fingerprint: fingerprintOf(key), role: index === 0 ? 'mints' : 'verifies' }));
  terminal.data({ file, keys });
  terminal.line(terminal.tone('quiet', file));
  const rows = keys.map(({ fingerprint, role }) => [
    `  ${terminal.tone('strong', fingerprint)}`,
    role === 'mints' ? `${terminal.tone('good', 'mints')}, and verifies` : 'verifies',
  ]);
  for (const row of table(rows)) terminal.line(row);
}
