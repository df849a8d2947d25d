/** A server by Python's `http.server`, which says what it has read. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Recorder } from '../../gateway/rfc9112/cases.ts';

/** One that runs. */
export type PythonServer = Recorder & { readonly port: number; readonly close: () => Promise<void> };

/** Why there is none on this machine; undefined where there is. */
export function missing(): string | undefined {
  return spawnSync('python3', ['--version'], { stdio: 'ignore' }).status === 0 ? undefined : 'there is no Python on this machine';
}

/** Starts one. */
export function startPython(): Promise<PythonServer> {
  const seen: { method: string; url: string; lines: [string, string][]; body: Buffer }[] = [];
  const child: ChildProcess = spawn('python3', [join(import.meta.dirname, 'upstream.py')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const close = () =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('close', () => resolve());
      child.kill('SIGKILL');
    });
  return new Promise((resolve, reject) => {
    let port: number | undefined;
    child.once('error', reject);
    createInterface({ input: child.stdout as NonNullable<typeof child.stdout> }).on('line', (line) => {
      if (port === undefined) {
        port = Number(line);
        resolve({ port, seen: () => seen, close });
        return;
      }
      const { body, ...one } = JSON.parse(line);
      seen.push({ ...one, body: Buffer.from(body, 'latin1') });
    });
    child.once('close', () => reject(new Error('the server ended before it had begun')));
  });
}
