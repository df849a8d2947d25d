/**
 * How much memory the gateway takes as it is installed, the built command in a process of its own, while a buyer takes one long answer from it
 * that he paid for on the sandbox.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { commandArguments, residentBytes, start } from '../harness/Program.ts';

const command = fileURLToPath(new URL('../../dist/cli/bin.js', import.meta.url));

/** What the gateway may need, in bytes. */
const boundBytes = 150_000_000;

/** Prints what it found, or that there is nothing built to look at. */
export async function measurePackage(bytes: number, rounds: number): Promise<void> {
  if (!existsSync(command)) return console.log('LEFT OUT: package, for nothing is built (npm run build).\n');
  const folder = mkdtempSync(join(tmpdir(), 'farebox-bench-'));
  const upstream = await start<{ readonly port: number }>(new URL('./streamUpstreamProgram.ts', import.meta.url), { bytes });
  const env = { ...process.env, FAREBOX_HOME: join(folder, 'home') };
  const farebox = (...args: readonly string[]) =>
    spawn(process.execPath, [...commandArguments(), command, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'ignore'] });
  const gateway = farebox('serve', `http://127.0.0.1:${upstream.ready.port}`, '--price', '1 sat', '--listen', '127.0.0.1:0');
  try {
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: gateway.stdout }).on('line', (line) => {
        if (line.includes('"listening"')) resolve((JSON.parse(line) as { readonly url: string }).url);
      });
      gateway.once('exit', (code) => reject(new Error(`farebox serve ended with ${code}`)));
    });
    const pid = gateway.pid as number;
    const atRest = await residentBytes(pid);
    let peak = atRest;
    for (let round = 0; round < rounds; round++) {
      const buyer = farebox('get', `${url}/`, '--max', '10 sat');
      let got = 0;
      buyer.stdout.on('data', (chunk: Buffer) => {
        got += chunk.length;
      });
      const watch = setInterval(async () => {
        peak = Math.max(peak, await residentBytes(pid));
      }, 50);
      const code = await new Promise<number | null>((resolve) => buyer.once('close', resolve));
      clearInterval(watch);
      if (code !== 0 || got !== bytes) throw new Error(`farebox get ended with ${code} after ${got} bytes of ${bytes}`);
    }
    const found = `${(peak / 1e6).toFixed(0)} MB at most in the process of "farebox serve" as it is built (${(atRest / 1e6).toFixed(0)} at rest)`;
    const what = `${(bytes / 1e9).toFixed(1)} GB in one answer that was paid for, ${rounds} times`;
    console.log(`\n${what}: ${found}, ${boundBytes / 1e6} MB allowed: ${peak < boundBytes ? 'met' : 'missed'}\n`);
  } finally {
    const ended = new Promise((resolve) => gateway.once('exit', resolve));
    if (gateway.exitCode === null && gateway.kill('SIGINT')) await ended;
    await upstream.stop();
    rmSync(folder, { recursive: true });
  }
}
