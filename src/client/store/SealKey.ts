/**
 * Where the key of a store is kept: in a file beside it that its owner alone may read, or in the keychain of the operating system.
 *
 *     farebox-client-key:1:<base64url of 32 bytes>
 */
import { chmodSync, closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Random, systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import { keyLength } from './Seal.ts';

/**
 * The key in a file.
 * @returns undefined where there is no such file
 * @throws STORE_LOCKED – it cannot be read, or holds no key
 */
export function readKeyFile(path: string): Uint8Array | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    // A file that others may read is made its owner's own, as the store itself is.
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) chmodSync(path, 0o600);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new FareboxError('STORE_LOCKED', `The key file ${path} cannot be read (${codeOf(error)}). Nothing was changed.`, { cause: error });
  }
  return keyIn(text, `The key file ${path}`);
}

/** Makes a key in a new file, for its owner alone; or reads the one that another process has just made there. */
export function makeKeyFile(path: string, random: Random = systemRandom): Uint8Array {
  const own = `${path}.${toHex(random(8))}`;
  try {
    // On disk before anything is sealed with it: a key that a power cut takes away takes all that it sealed along.
    writeFileSync(own, `${format(random(keyLength))}\n`, { mode: 0o600, flag: 'wx', flush: true });
    // A link is there whole or not at all, and the first one stays.
    linkSync(own, path);
    flushFolder(dirname(path));
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw new FareboxError('STORE_UNAVAILABLE', `The key file ${path} cannot be written (${codeOf(error)}).`, { cause: error });
  } finally {
    rmSync(own, { force: true });
  }
  const key = readKeyFile(path);
  if (key === undefined) throw new FareboxError('STORE_UNAVAILABLE', `The key file ${path} went away while it was made.`);
  return key;
}

/** Puts the names in a folder on disk, where the system has a way to. */
function flushFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** One entry of the keychain, as `@napi-rs/keyring` gives it. */
export type KeychainEntry = {
  readonly getPassword: () => string | null;
  readonly setPassword: (password: string) => void;
};

/** What is asked of the package `@napi-rs/keyring`. */
export type Keychain = { readonly Entry: new (service: string, account: string) => KeychainEntry };

/** Which entry. */
export type KeychainOptions = {
  /** Tells the keys of several stores apart. Default: `client-store`. */
  readonly account?: string;
  /** Default: the package `@napi-rs/keyring`, which has to be installed. */
  readonly load?: () => Promise<unknown>;
  readonly random?: Random;
};

/**
 * The key of a store in the keychain of the operating system, made there at the first call. Only who calls this needs the package
 * `@napi-rs/keyring`.
 *
 * @throws STORE_LOCKED – the package is not installed, the keychain does not answer, or its entry holds no key
 * @example createSqliteClientStore({ path, key: await keychainKey() })
 */
export async function keychainKey({ account = 'client-store', load = loadKeychain, random = systemRandom }: KeychainOptions = {}): Promise<Uint8Array> {
  let module: unknown;
  try {
    module = await load();
  } catch (error) {
    const message = 'The keychain of the operating system needs the package @napi-rs/keyring: npm install @napi-rs/keyring, or leave the key in its file.';
    throw new FareboxError('STORE_LOCKED', message, { cause: error });
  }
  try {
    const entry = new (module as Keychain).Entry('farebox', account);
    const kept = passwordOf(entry);
    if (kept !== null) return keyIn(kept, `The keychain's entry farebox/${account}`);
    entry.setPassword(format(random(keyLength)));
    // What another process has just written there counts, too.
    return keyIn(passwordOf(entry) ?? '', `The keychain's entry farebox/${account}`);
  } catch (error) {
    if (FareboxError.is(error)) throw error;
    throw new FareboxError('STORE_LOCKED', 'The keychain of the operating system does not answer. Unlock it, or leave the key in its file.', { cause: error });
  }
}

/** Some versions say that there is no entry by throwing. */
function passwordOf(entry: KeychainEntry): string | null {
  try {
    return entry.getPassword();
  } catch (error) {
    if (/no (?:matching )?entry|not found/i.test(error instanceof Error ? error.message : '')) return null;
    throw error;
  }
}

function loadKeychain(): Promise<unknown> {
  const name = '@napi-rs/keyring';
  return import(name);
}

function format(key: Uint8Array): string {
  return `${head}${Buffer.from(key).toString('base64url')}`;
}

function keyIn(text: string, where: string): Uint8Array {
  const [, encoded] = /^farebox-client-key:1:([\w-]{43})$/.exec(text.trim()) ?? [];
  if (encoded === undefined) throw new FareboxError('STORE_LOCKED', `${where} holds no key of a client store, or was cut off. Nothing was changed.`);
  return new Uint8Array(Buffer.from(encoded, 'base64url'));
}

const head = 'farebox-client-key:1:';

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
