/**
 * The file with the master keys, as it is read: at the start, and again whenever it has changed, so that keys come and go in every gateway
 * without a restart.
 *
 * A change is taken whole or not at all: a file that cannot be read, opened or understood leaves the ring as it is. It is taken once it has
 * stood still for a second, so that a copy that is half there is never mistaken for a file that holds fewer keys.
 */
import { readFile } from 'node:fs/promises';
import { type Clock, wait } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { KeyRing, Master } from '../server/RootKeys.ts';
import { isSealed, unseal } from './KeySeal.ts';
import * as KeyText from './KeyText.ts';

/** What the file is sealed under; asked for where it is sealed. Undefined: nobody can tell. */
export type Passphrase = () => Promise<string | undefined>;

/** A key file as it was read. */
export type KeyFile = {
  /** As it stands in the file. */
  readonly written: string;
  /** The keys as text, unsealed. A secret. */
  readonly text: string;
  readonly isSealed: boolean;
  readonly masters: readonly [Master, ...Master[]];
};

/**
 * Reads a key file.
 * @throws KEYS_INVALID – it cannot be read, or holds something else
 * @throws KEYS_LOCKED – it is sealed, and the passphrase is another one, or nobody can tell it
 */
export async function readKeyFile(path: string, passphrase: Passphrase): Promise<KeyFile> {
  return openKeyText(await readText(path), path, passphrase);
}

/** The same of a text that was read already. */
export async function openKeyText(written: string, where: string, passphrase: Passphrase): Promise<KeyFile> {
  if (!isSealed(written)) return { written, text: written, isSealed: false, masters: KeyText.parse(written, where) };
  const opener = await passphrase();
  if (opener === undefined) {
    const how = 'Put the passphrase into a file, and name that in FAREBOX_PASSPHRASE_FILE or under "passphrase" in the configuration.';
    throw new FareboxError('KEYS_LOCKED', `${where} is sealed, and there is no passphrase. ${how}`);
  }
  const text = await unseal(written, opener, where);
  return { written, text, isSealed: true, masters: KeyText.parse(text, where) };
}

/** Follows a key file until it is closed. */
export type KeyFollowing = { readonly close: () => Promise<void> };

/** What following a key file needs. */
export type KeyFollowingOptions = {
  readonly path: string;
  readonly passphrase: Passphrase;
  /** The ring that takes its keys, made from `written`. */
  readonly keys: KeyRing;
  /** The file's text as it was when the ring was made. */
  readonly written: string;
  readonly clock: Clock;
  /** Told when the ring has changed. */
  readonly onChange: (masters: readonly Master[]) => void;
  /** Told when a change cannot be taken, and again every minute while that is so. */
  readonly onTrouble: (error: unknown) => void;
  /** Reads the file; for tests. */
  readonly read?: (path: string) => Promise<string>;
};

/** How often the file is looked at. */
const lookMs = 1000;

/** How often trouble is told, and what was refused is tried again: its passphrase may have come meanwhile. */
const tellMs = 60_000;

/** See the head of this file. Nothing is waited for. */
export function followKeyFile(options: KeyFollowingOptions): KeyFollowing {
  const { path, clock, keys } = options;
  const stop = new AbortController();
  const { signal } = stop;
  let taken = options.written;
  let seen = taken;
  let refused: { readonly written: string; readonly atMs: number } | undefined;
  let told = { message: '', atMs: Number.NEGATIVE_INFINITY };

  const tell = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    if (signal.aborted || (message === told.message && clock.nowMs() - told.atMs < tellMs)) return;
    told = { message, atMs: clock.nowMs() };
    options.onTrouble(error);
  };
  const look = async () => {
    const written = await (options.read ?? readText)(path);
    const stands = written === seen;
    seen = written;
    if (!stands || written === taken) return;
    if (refused?.written === written && clock.nowMs() - refused.atMs < tellMs) return;
    refused = { written, atMs: clock.nowMs() };
    const { masters } = await openKeyText(written, path, options.passphrase);
    if (signal.aborted) return;
    keys.replace(masters);
    taken = written;
    told = { message: '', atMs: Number.NEGATIVE_INFINITY };
    options.onChange(masters);
  };
  const follow = async () => {
    while (!signal.aborted) {
      await wait(clock, lookMs, signal);
      if (!signal.aborted) await look().catch(tell);
    }
  };

  const following = follow();
  return {
    close: async () => {
      stop.abort();
      await following;
    },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new FareboxError('KEYS_INVALID', `The key file ${path} cannot be read (${code}).`, { cause: error });
  }
}
