/**
 * Which key file a command means: the one that is named, the one of a configuration, or the one of `farebox serve <url>`.
 */
import { existsSync } from 'node:fs';
import { FareboxError } from '../../core/Errors.ts';
import { type GatewayConfig, loadConfig } from '../../gateway/index.ts';
import type { CliContext } from '../Context.ts';
import { type Passphrases, passphrasesOf } from '../Passphrase.ts';

/** How it is named on the command line. */
export type KeyFileOptions = { readonly file?: string; readonly config?: string };

/** A key file, and what is known of it. */
export type LocatedKeys = {
  readonly path: string;
  /** Whether it is the one of `farebox serve <url>`. */
  readonly isHome: boolean;
  readonly passphrases: Passphrases;
  /** The configuration that names it. */
  readonly config: GatewayConfig | undefined;
  /** As a command is told the same again: ` --config farebox.yaml`. */
  readonly flags: string;
};

/** @throws CONFIG_INVALID – both were named, or the keys of the configuration are in no file */
export async function locateKeys(context: CliContext, { file, config: name }: KeyFileOptions): Promise<LocatedKeys> {
  if (file !== undefined && name !== undefined) throw new FareboxError('CONFIG_INVALID', 'Name a key file or a configuration, not both.');
  if (name === undefined) {
    const path = file ?? context.home().keyFile;
    const flags = file === undefined ? '' : ` --file ${file}`;
    return { path, isHome: file === undefined, passphrases: passphrasesOf(context, path), config: undefined, flags };
  }
  const config = await loadConfig(name, { environment: context.environment });
  if (config.keys.kind !== 'file') {
    throw new FareboxError('CONFIG_INVALID', `The keys of ${name} come out of the environment: they are changed there. Name a file under "keys" instead.`);
  }
  const { path } = config.keys;
  return { path, isHome: false, passphrases: passphrasesOf(context, path, config.passphrase), config, flags: ` --config ${name}` };
}

/** @throws KEYS_INVALID – there is no such file: a command that changes or shows one makes none */
export function assertThere({ path, flags }: LocatedKeys): void {
  if (existsSync(path)) return;
  const how = `farebox keys new${flags} (a gateway makes its own when it starts).`;
  throw new FareboxError('KEYS_INVALID', `There is no key yet: ${path} does not exist. Make one with: ${how}`);
}
