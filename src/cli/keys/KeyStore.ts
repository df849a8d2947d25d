/**
 * Key files as they are written. A file is written aside, flushed to the disk and moved into place, so that the keys that were there
 * survive whatever happens; one process at a time.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { type KeyFile, KeyText, openKeyText, type Passphrase, readKeyFile, seal } from '../../gateway/index.ts';

/** A new master key. */
export function createMaster(): Uint8Array {
  return systemRandom(32);
}

/**
 * The keys in a file; a new one where there is no file, sealed where there is a passphrase. Two processes that find none end with one key,
 * and the same.
 * @throws KEYS_INVALID, KEYS_LOCKED – as for reading one; the file cannot be written
 */
export async function ensureKeyFile(path: string, passphrase: { readonly known: Passphrase; readonly asked: Passphrase }): Promise<KeyFile> {
  if (!existsSync(path)) {
    const opener = await passphrase.known();
    const text = KeyText.withKey('', { key: createMaster() });
    const aside = writeAside(path, opener === undefined ? text : await seal(text, opener), undefined);
    try {
      linkSync(aside, path);
      flushFolder(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(path, error);
    } finally {
      rmSync(aside);
    }
  }
  return readKeyFile(path, passphrase.asked);
}

/** What becomes of a key file. */
export type KeyChange = {
  /** The new text of the keys, from the file as it was; undefined where there is none yet. Nothing is written where it throws. */
  readonly text: (before: KeyFile | undefined) => string;
  /** What the file is sealed under from now on; one that nobody can tell: it is not sealed. Left out: as it was. */
  readonly sealedUnder?: Passphrase;
};

/**
 * Changes a key file, or makes it. The answer is the file as it is then, read back from what was written.
 * @throws KEYS_INVALID – it holds something else, cannot be written, or another process is changing it
 * @throws KEYS_LOCKED – it does not open
 */
export async function changeKeyFile(path: string, passphrase: Passphrase, change: KeyChange): Promise<KeyFile> {
  const file = existsSync(path) ? realpathSync(path) : path;
  const unlock = lock(file);
  try {
    const before = existsSync(file) ? await readKeyFile(file, passphrase) : undefined;
    const text = change.text(before);
    const under = change.sealedUnder ?? (before?.isSealed === true ? passphrase : undefined);
    const opener = await under?.();
    const written = opener === undefined ? text : await seal(text, opener);
    // What would not open again is not put in place of what does.
    const after = await openKeyText(written, path, async () => opener);
    const aside = writeAside(file, written, before && statSync(file));
    renameSync(aside, file);
    flushFolder(file);
    return after;
  } catch (error) {
    throw FareboxError.is(error) || (error as NodeJS.ErrnoException).code === undefined ? error : unwritable(path, error);
  } finally {
    unlock();
  }
}

/** Holds others off. What a killed process left behind is for a person to take away: nothing else can tell it from one at work. */
function lock(file: string): () => void {
  const name = `${file}.lock`;
  try {
    closeSync(openSync(name, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw unwritable(file, error);
    throw new FareboxError('KEYS_INVALID', `Another command is changing ${file}. If none is, one was killed at it: remove ${name} and try again.`);
  }
  return () => rmSync(name, { force: true });
}

/** Owner and mode are those of the file that is replaced: the gateway that reads it may be somebody else. */
function writeAside(file: string, text: string, replaced: Stats | undefined): string {
  const aside = `${file}.${process.pid}`;
  try {
    writeFileSync(aside, text, { mode: 0o600, flush: true });
    if (replaced) {
      if (replaced.uid !== process.getuid?.() || replaced.gid !== process.getgid?.()) chownSync(aside, replaced.uid, replaced.gid);
      chmodSync(aside, replaced.mode & 0o777);
    }
  } catch (error) {
    rmSync(aside, { force: true });
    throw unwritable(file, error);
  }
  return aside;
}

/** A file's name is on disk when its folder is. Not every system lets a folder be opened; the file itself is flushed in any case. */
function flushFolder(file: string): void {
  let folder: number | undefined;
  try {
    folder = openSync(dirname(file), 'r');
    fsyncSync(folder);
  } catch {
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

function unwritable(file: string, cause: unknown): FareboxError {
  const { code } = cause as NodeJS.ErrnoException;
  return new FareboxError('KEYS_INVALID', `No key can be written to ${file} (${code}). Name another file with --file.`, { cause });
}
