/**
 * `farebox/client/import`: takes over what other clients have bought, from the token files of lnget, Loop and whatever else uses aperture's client
 * library. The files are read and left as they are.
 *
 * lnget keeps a folder for each host, `~/.lnget/tokens/<host>[_<port>]/l402.token`; Loop one file, `~/.loop/<network>/l402.token` (`lsat.token` in
 * older versions). `….pending` files are not paid for, as far as they know, and are not taken.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Network } from '../lightning/Lightning.ts';
import type { ClientStore } from './ClientStore.ts';
import * as ApertureToken from './import/ApertureToken.ts';
import { keep } from './import/keep.ts';

export { type ApertureToken, decode as decodeApertureToken } from './import/ApertureToken.ts';

/** Where tokens come from and go to. */
export type ImportOptions = {
  readonly store: ClientStore;
  /** The folder: lnget's `tokens`, or Loop's folder of a network. */
  readonly folder: string;
  /** Whose money they were bought with. */
  readonly network: Network;
  readonly clock?: Clock;
  readonly random?: Random;
};

/** What became of one file. */
export type ImportedFile = {
  readonly file: string;
  /** Scheme, host and port that its credential is sent to. */
  readonly origin: string;
  /** `known`: the store had it already. `unpaid`, `unreadable`: it was not taken, and `why` says more. */
  readonly kind: 'imported' | 'known' | 'unpaid' | 'unreadable';
  readonly why: string;
};

/**
 * Imports the tokens of lnget, each for the host that it was bought at.
 * @returns what became of each file
 * @throws IMPORT_MALFORMED – the folder cannot be read
 * @throws JOURNAL_CONFLICT, STORE_UNAVAILABLE – the store does not take it
 * @example await importLnget({ store, folder: join(homedir(), '.lnget', 'tokens'), network: 'bitcoin' })
 */
export async function importLnget(options: ImportOptions): Promise<readonly ImportedFile[]> {
  const done: ImportedFile[] = [];
  for (const entry of entriesOf(options.folder)) {
    if (!entry.isDirectory()) continue;
    const origin = originOf(entry.name);
    const folder = join(options.folder, entry.name);
    if (origin === undefined) done.push({ file: folder, origin: '', kind: 'unreadable', why: 'The name of its folder is no host.' });
    else done.push(...(await importFolder({ ...options, folder }, origin)));
  }
  return done;
}

/**
 * Imports the token of Loop, or of another program that keeps one token.
 * @param origin - where that program's server is: a URL, of which scheme, host and port count
 * @returns as {@link importLnget}
 * @throws as {@link importLnget}
 * @throws RangeError – an origin that is none
 * @example await importLoop({ store, folder: join(homedir(), '.loop', 'mainnet'), network: 'bitcoin', origin: 'https://swap.lightning.today:11010' })
 */
export async function importLoop(options: ImportOptions & { readonly origin: string }): Promise<readonly ImportedFile[]> {
  const url = URL.parse(options.origin);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new RangeError('origin is the URL of the server whose token it is, such as "https://swap.example.com:11010"');
  return importFolder(options, url.origin);
}

async function importFolder(
  { store, folder, network, clock = systemClock, random = systemRandom }: ImportOptions,
  origin: string,
): Promise<readonly ImportedFile[]> {
  const names = entriesOf(folder)
    .filter((entry) => entry.isFile() && /^(?:l402|lsat)\.token(?:\.pending)?$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
  const done: ImportedFile[] = [];
  for (const name of names) {
    const file = join(folder, name);
    const read = readToken(file);
    if (typeof read === 'string') done.push({ file, origin, kind: 'unreadable', why: read });
    else if (read.preimage === undefined)
      done.push({ file, origin, kind: 'unpaid', why: 'It was not paid for, as far as the file knows: let the program that wrote it find out.' });
    else done.push({ file, origin, kind: await keep(read, { store, origin, network, clock, random }), why: '' });
  }
  return done;
}

/** The token in a file, or why there is none. */
function readToken(file: string): ApertureToken.ApertureToken | string {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    return `It cannot be read (${(error as NodeJS.ErrnoException).code}).`;
  }
  try {
    return ApertureToken.decode(bytes);
  } catch (error) {
    if (FareboxError.is(error, 'IMPORT_MALFORMED')) return error.message;
    throw error;
  }
}

/** The origin that a folder of lnget's is for. It writes a port behind `_`, and no scheme: loopback is taken for http, all else for https. */
function originOf(folder: string): string | undefined {
  const [, host = '', port] = /^([a-zA-Z0-9.-]+)(?:_(\d{1,5}))?$/.exec(folder) ?? [];
  const isLocal = host === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(host);
  const url = host === '' ? null : URL.parse(`${isLocal ? 'http' : 'https'}://${host}${port === undefined ? '' : `:${port}`}`);
  return url?.origin;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code;
    throw new FareboxError('IMPORT_MALFORMED', `The folder ${folder} cannot be read (${why}): name the folder where the other program keeps its tokens.`, {
      cause: error,
    });
  }
}
