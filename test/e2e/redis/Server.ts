/**
 * A real Redis on this machine, on loopback at a port from the system, with its data in a folder that goes with it. Installed from Debian's
 * packages where it is missing.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, until } from '../lnd/Nodes.ts';

/** A server that runs, and can be ended in every way that servers end. */
export type Server = {
  /** Its address, with a password. */
  readonly url: string;
  readonly port: number;
  /** Options that differ from those of a good server, from the next start on. */
  readonly set: (options: Options) => void;
  readonly start: () => Promise<void>;
  /** Ends it at once, as a power cut does. */
  readonly kill: () => Promise<void>;
  /** Holds it, or lets it go on: a server that is there and does not answer. */
  readonly hold: (isHeld: boolean) => void;
  /** Asks it something as its administrator. */
  readonly ask: (command: string, ...args: readonly string[]) => Promise<unknown>;
  /** Ends it and removes its data. */
  readonly remove: () => Promise<void>;
};

/** As in `redis.conf`. */
export type Options = Readonly<Record<string, string>>;

const good: Options = { appendonly: 'yes', appendfsync: 'always', save: '', 'maxmemory-policy': 'noeviction' };

/** What lets one in. */
export const password = 'a secret of this suite';

/** Why there is none on this machine and none can be installed; undefined where there is. */
export function missing(): string | undefined {
  if (findProgram() !== undefined) return undefined;
  if (process.getuid?.() !== 0) return 'there is no Redis on this machine, and only root can install it';
  return install() ?? (findProgram() === undefined ? 'Redis was installed, and is not where it should be' : undefined);
}

/** Whether the suite cannot run here; says why, so that nobody takes it for one that has passed. */
export function whyNot(): boolean {
  const why = missing();
  if (why !== undefined) process.stderr.write(`SKIPPED, NOT RUN: ${why}.\n`);
  return why !== undefined;
}

/** Starts a server with nothing in it. */
export async function startServer(options: Options = {}): Promise<Server> {
  const found = findProgram();
  if (found === undefined) throw new Error(missing() ?? 'there is no Redis on this machine');
  const folder = mkdtempSync(join(tmpdir(), 'farebox-redis-'));
  const port = await freePort();
  let chosen = options;
  let program: ChildProcess | undefined;

  const ask = async (command: string, ...args: readonly string[]) => {
    const client = new Redis({ host: '127.0.0.1', port, password, lazyConnect: true, enableReadyCheck: false, retryStrategy: null, maxRetriesPerRequest: 0 });
    client.on('error', () => {});
    try {
      await client.connect();
      return await client.call(command, ...args);
    } finally {
      client.disconnect();
    }
  };
  const start = async () => {
    const all = { bind: '127.0.0.1', port: `${port}`, dir: folder, requirepass: password, masterauth: password, ...good, ...chosen };
    program = spawn(
      found,
      Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const log = createWriteStream(join(folder, 'log'), { flags: 'a' });
    program.stdout?.pipe(log, { end: false });
    program.stderr?.pipe(log, { end: false });
    await until('Redis answers', async () => /^loading:0/m.test(String(await ask('info', 'persistence'))));
  };
  const kill = () =>
    new Promise<void>((resolve) => {
      if (program === undefined || program.exitCode !== null || program.signalCode !== null) return resolve();
      program.once('close', () => resolve());
      program.kill('SIGKILL');
    });
  await start();
  return {
    url: `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}`,
    port,
    ask,
    start,
    kill,
    set: (options) => {
      chosen = options;
    },
    hold: (isHeld) => void program?.kill(isHeld ? 'SIGSTOP' : 'SIGCONT'),
    remove: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** `REDIS_SERVER` names another one. Valkey does as well. */
function findProgram(): string | undefined {
  return [process.env.REDIS_SERVER ?? 'redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** Installs it, and keeps the installation from starting a server of its own. The answer is why it could not be. */
function install(): string | undefined {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  process.stderr.write('Installing Redis: half a minute, once.\n');
  try {
    if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'redis-server']]) {
      execFileSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: 10 * 60_000 });
    }
    return undefined;
  } catch (error) {
    return `Redis cannot be installed: ${error instanceof Error ? error.message.split('\n').at(-1) : error}`;
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}
