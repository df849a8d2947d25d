/**
 * A real relay, nostr-relay, installed from its Python package once and run on loopback: it has its own idea of what an event is, of its
 * signature, and of what it keeps.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, until } from '../lnd/Nodes.ts';
import { install } from '../Python.ts';

/** One that runs. */
export type NostrRelay = {
  readonly url: string;
  /** Ends it at once. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** Ends it, and removes what it kept. */
  readonly remove: () => Promise<void>;
};

/** Installs it where it is not there yet. The answer is the folder of its Python environment. @throws Error – there is no fitting Python, or it cannot be installed */
export function installRelay(say: (line: string) => void): string {
  const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url));
  return install({ title: 'nostr-relay', name: 'nostr-relay', requirements }, say);
}

/** Starts one. */
export async function startRelay(environment: string): Promise<NostrRelay> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-relay-'));
  const port = await freePort();
  const file = join(folder, 'config.yaml');
  writeFileSync(file, configuration(folder, port));
  let program: ChildProcess | undefined;
  const start = async () => {
    // It has a process that listens and one that watches over it; they end together.
    program = spawn(join(environment, 'bin', 'nostr-relay'), ['-c', file, 'serve'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    const log = createWriteStream(join(folder, 'log'), { flags: 'a' });
    program.stdout?.pipe(log, { end: false });
    program.stderr?.pipe(log, { end: false });
    await until('the relay answers', async () => (await fetch(`http://127.0.0.1:${port}`, { headers: { accept: 'application/nostr+json' } })).ok);
  };
  const kill = () =>
    new Promise<void>((resolve) => {
      if (program === undefined || program.exitCode !== null || program.signalCode !== null) return resolve();
      program.once('close', () => resolve());
      if (program.pid !== undefined) process.kill(-program.pid, 'SIGKILL');
    });
  await start();
  return {
    url: `ws://127.0.0.1:${port}`,
    kill,
    start,
    remove: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** JSON is YAML. Its checks are those of its own example; the size is what a relay of NWC has to allow at the least (NWC-05), where its own default is 4 KB. */
function configuration(folder: string, port: number): string {
  const validators = ['is_not_too_large', 'is_signed', 'is_recent', 'is_not_hellthread'].map((name) => `nostr_relay.validators.${name}`);
  return JSON.stringify({
    DEBUG: false,
    relay_name: 'the relay of the suite',
    max_event_size: 65_536,
    storage: { 'sqlalchemy.url': `sqlite+aiosqlite:///${join(folder, 'nostr.sqlite3')}`, validators },
    gunicorn: { bind: `127.0.0.1:${port}`, workers: 1, loglevel: 'info', reload: false },
  });
}
