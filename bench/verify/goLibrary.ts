/**
 * The Go library that other L402 servers use, gopkg.in/macaroon.v2: built into a folder that is thrown away, and run beside us.
 */
import { execFile, spawn } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { Reading } from '../harness/Comparison.ts';
import type { PaidToken } from './Tokens.ts';

/** The program, running. */
export type GoLibrary = {
  readonly name: string;
  /** Does it that many times, token after token. */
  readonly run: (work: 'verify' | 'mint', count: number) => Promise<Reading>;
  readonly stop: () => Promise<void>;
};

/** Builds and starts the program, which has verified and minted each token once when it is there; or why it cannot be. */
export async function startGoLibrary(tokens: readonly PaidToken[]): Promise<GoLibrary | string> {
  const folder = await mkdtemp(join(tmpdir(), 'farebox-bench-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    await cp(join(import.meta.dirname, 'go'), folder, { recursive: true });
    await promisify(execFile)('go', ['build', '-o', 'bench', '.'], { cwd: folder, timeout: 240_000 });
  } catch (error) {
    await remove();
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isMissing ? 'there is no Go on this machine' : `Go could not build it (${error instanceof Error ? error.message.trim() : error})`;
  }
  const child = spawn(join(folder, 'bench'), { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<string> => {
    child.stdin.write(`${line}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the Go program ended');
    return value;
  };
  const stop = async () => {
    child.stdin.end();
    await ended;
    await remove();
  };
  try {
    await ask(JSON.stringify(tokens.map(inJson)));
    return { name: 'Go macaroon.v2', run: async (work, count) => ({ cpuNs: Number(await ask(`${work} ${count}`)), count }), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** As Go's JSON reads it, bytes in base64. */
function inJson({ text, rootKey, identifier, caveats }: PaidToken) {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  return { Text: text, RootKey: base64(rootKey), Identifier: base64(identifier), Location: Macaroon.location, Caveats: caveats };
}
