/**
 * Where the command line keeps what outlives it: `~/.farebox`, or the folder that `FAREBOX_HOME` names. Only its owner can read it.
 *
 *     master.key     the ring of master keys, a line of hex each; the first mints
 *     gateway.db     claims and ledger of `farebox serve`
 *     client.db      journal and credentials of `farebox get` on the sandbox; client-<network>.db elsewhere
 *     wallets.json   the wallets that are connected: where each is, and which files let one in
 *     sandbox.db     the books of the sandbox; sandbox.json says where it is reached while it runs
 */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Network } from '../lightning/Lightning.ts';

/** The folder and what is in it. */
export type Home = {
  readonly folder: string;
  readonly keyFile: string;
  readonly gatewayStore: string;
  /** Of what is bought on a network. */
  readonly clientStore: (network: Network) => string;
  readonly wallets: string;
  readonly sandboxStore: string;
  readonly sandboxAddress: string;
};

/** The folder that the environment names; made where it is not there. */
export function openHome(environment: { readonly [name: string]: string | undefined }): Home {
  const folder = resolve(environment.FAREBOX_HOME ?? join(homedir(), '.farebox'));
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = (name: string) => join(folder, name);
  return {
    folder,
    keyFile: file('master.key'),
    gatewayStore: file('gateway.db'),
    clientStore: (network) => file(network === 'sandbox' ? 'client.db' : `client-${network}.db`),
    wallets: file('wallets.json'),
    sandboxStore: file('sandbox.db'),
    sandboxAddress: file('sandbox.json'),
  };
}

/**
 * The ring of master keys in a file, the minting one first.
 * @throws KEYS_INVALID – a line that is not 64 hex digits or more, or no line at all
 */
export function readKeys(file: string): readonly Uint8Array[] {
  return parseKeys(readFileSync(file, 'utf8'), file);
}

/**
 * The ring of master keys in a text: a key a line (or between commas), the minting one first; `#` begins a comment.
 * @param where - names the text in errors
 * @throws KEYS_INVALID – a key that is not 64 hex digits or more, or none
 */
export function parseKeys(text: string, where: string): readonly Uint8Array[] {
  const keys = text.split(/[\n,]/).map((line) => line.replace(/#.*$/, '').trim());
  const written = keys.filter((key) => key !== '');
  if (written.length === 0) throw new FareboxError('KEYS_INVALID', `${where} holds no key. Make one with: farebox keys new`);
  return written.map((key) => {
    if (!/^([0-9a-fA-F]{2}){32,}$/.test(key)) throw new FareboxError('KEYS_INVALID', `${where} has a line that is no key: a key is 64 hex digits or more.`);
    return new Uint8Array(Buffer.from(key, 'hex'));
  });
}

/** Makes a new master key and puts it first; the keys before it go on verifying. The file is its owner's alone. */
export function addKey(file: string): Uint8Array {
  const key = systemRandom(32);
  // Written aside and moved into place: the keys before it must survive whatever happens here.
  renameSync(writeAside(file, key, existsSync(file) ? readFileSync(file, 'utf8') : ''), file);
  return key;
}

/** The ring in a file; a new one where there is none. Two processes that find none end with one key, and the same. */
export function ensureKeys(file: string): readonly Uint8Array[] {
  if (!existsSync(file)) {
    const aside = writeAside(file, systemRandom(32), '');
    try {
      linkSync(aside, file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      rmSync(aside);
    }
  }
  return readKeys(file);
}

function writeAside(file: string, key: Uint8Array, rest: string): string {
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, `${Buffer.from(key).toString('hex')}\n${rest}`, { mode: 0o600 });
  return aside;
}
