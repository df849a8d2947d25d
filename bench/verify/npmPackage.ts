/**
 * The npm package `macaroon`, fetched into a folder that is thrown away: Farebox does not depend on it.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { PaidToken } from './Tokens.ts';

/** The two things that it is asked to do. */
export type NpmPackage = {
  readonly name: string;
  /** From base64 to a signature that holds. No condition is looked into. */
  readonly verify: (token: PaidToken) => void;
  /**
   * From a root key to the signature. Its binary form is left out: it doubles a buffer at every write, and takes hundreds of megabytes for a
   * token of ours.
   */
  readonly sign: (token: PaidToken) => Uint8Array;
};

type NpmMacaroon = {
  readonly addFirstPartyCaveat: (caveat: string) => void;
  readonly signature: Uint8Array;
  readonly verify: (rootKey: Uint8Array, check: (caveat: string) => string | null, discharges: readonly unknown[]) => void;
};

type NpmModule = {
  readonly importMacaroon: (token: string) => NpmMacaroon;
  readonly newMacaroon: (parts: {
    readonly version: 2;
    readonly rootKey: Uint8Array;
    readonly identifier: Uint8Array;
    readonly location: string;
  }) => NpmMacaroon;
};

const version = '3.0.4';

/** The package, or why it cannot be had. */
export async function loadNpmPackage(): Promise<NpmPackage | string> {
  const folder = await mkdtemp(join(tmpdir(), 'farebox-bench-'));
  try {
    await writeFile(join(folder, 'package.json'), '{"private":true}');
    const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `macaroon@${version}`];
    await promisify(execFile)('npm', words, { cwd: folder, timeout: 120_000 });
    const { importMacaroon, newMacaroon } = createRequire(join(folder, 'package.json'))('macaroon') as NpmModule;
    return {
      name: `npm macaroon ${version}`,
      verify: ({ text, rootKey }) => importMacaroon(text).verify(rootKey, () => null, []),
      sign: ({ rootKey, identifier, caveats }) => {
        const made = newMacaroon({ version: 2, rootKey, identifier, location: Macaroon.location });
        for (const caveat of caveats) made.addFirstPartyCaveat(caveat);
        return made.signature;
      },
    };
  } catch (error) {
    return `npm could not fetch macaroon@${version} (${error instanceof Error ? error.message.split('\n')[0] : error})`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
