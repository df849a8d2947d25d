/**
 * A real PostgreSQL on this machine, on loopback at a port from the system, with its data in a folder that goes with it. Installed from
 * Debian's packages where it is missing; run by the user `postgres` where we are root, as whom it does not run.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chownSync, createWriteStream, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { freePort, until } from '../lnd/Nodes.ts';

/** A server that runs, and can be ended in every way that servers end. */
export type Server = {
  /** The address of its database, with a password. */
  readonly url: string;
  readonly port: number;
  /** Settings that differ from its own defaults, from the next start on. */
  readonly set: (settings: Settings) => void;
  /** Makes it a standby, or no standby, from the next start on. */
  readonly standBy: (stands: boolean) => void;
  /** Gives it a certificate of its own for 127.0.0.1, which `ssl=on` lets it use; the answer is the certificate's file. */
  readonly certify: () => string;
  readonly start: () => Promise<void>;
  /** Ends all of its processes at once, as a power cut does. */
  readonly kill: () => Promise<void>;
  /** Ends its connections first. */
  readonly stop: () => Promise<void>;
  /** Holds all of its processes, or lets them go on: a server that is there and does not answer. */
  readonly hold: (isHeld: boolean) => void;
  /** Asks it something as its administrator. */
  readonly ask: (sql: string) => Promise<readonly { readonly [column: string]: unknown }[]>;
  /** Ends it and removes its data. */
  readonly remove: () => Promise<void>;
};

/** As in `postgresql.conf`. */
export type Settings = { readonly [name: string]: string };

/** What lets one in. */
export const password = 'a secret of this suite';

/** Why there is none on this machine and none can be installed; undefined where there is. */
export function missing(): string | undefined {
  if (findPrograms() !== undefined) return undefined;
  if (process.getuid?.() !== 0) return 'there is no PostgreSQL on this machine, and only root can install it';
  return install() ?? (findPrograms() === undefined ? 'PostgreSQL was installed, and is not where it should be' : undefined);
}

/** Whether the suite cannot run here; says why, so that nobody takes it for one that has passed. */
export function whyNot(): boolean {
  const why = missing();
  if (why !== undefined) process.stderr.write(`SKIPPED, NOT RUN: ${why}.\n`);
  return why !== undefined;
}

/** Makes a database with nothing in it, and starts a server on it. */
export async function startServer(settings: Settings = {}): Promise<Server> {
  const programs = findPrograms();
  if (programs === undefined) throw new Error(missing() ?? 'there is no PostgreSQL on this machine');
  const owner = ownerOf();
  const folder = mkdtempSync(join(tmpdir(), 'farebox-postgres-'));
  const data = join(folder, 'data');
  const secret = join(folder, 'password');
  writeFileSync(secret, password);
  mkdirSync(data, { mode: 0o700 });
  if (owner) for (const path of [folder, data, secret]) chownSync(path, owner.uid, owner.gid);
  const initial = ['-D', data, '-U', 'farebox', '-E', 'UTF8', '--locale=C', '--auth=scram-sha-256', `--pwfile=${secret}`, '--no-sync'];
  execFileSync(join(programs, 'initdb'), initial, { ...owner, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const port = await freePort();
  const url = `postgres://farebox:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  let chosen = settings;
  let program: ChildProcess | undefined;

  const ask = async (sql: string) => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
    client.on('error', () => {});
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const start = async () => {
    const set = Object.entries({ listen_addresses: '127.0.0.1', port: `${port}`, unix_socket_directories: '', ...chosen });
    const options = ['-D', data, ...set.flatMap(([name, value]) => ['-c', `${name}=${value}`])];
    program = spawn(join(programs, 'postgres'), options, { ...owner, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(folder, 'log'), { flags: 'a' });
    program.stdout?.pipe(log, { end: false });
    program.stderr?.pipe(log, { end: false });
    await until('PostgreSQL answers', async () => (await ask('SELECT 1')).length === 1);
  };
  const end = (how: (pid: number) => void) =>
    new Promise<void>((resolve) => {
      if (program?.pid === undefined || program.exitCode !== null || program.signalCode !== null) return resolve();
      program.once('close', () => resolve());
      how(program.pid);
    });
  const kill = () =>
    end((pid) => {
      for (const each of [pid, ...childrenOf(pid)]) signal(each, 'SIGKILL');
    });
  await start();
  return {
    url,
    port,
    ask,
    start,
    kill,
    set: (settings) => {
      chosen = settings;
    },
    standBy: (stands) => {
      const file = join(data, 'standby.signal');
      if (stands) writeFileSync(file, '');
      else rmSync(file, { force: true });
    },
    certify: () => {
      const [certificate, key] = [join(data, 'server.crt'), join(data, 'server.key')];
      const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
      execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { ...owner, cwd: folder, stdio: 'ignore' });
      return certificate;
    },
    stop: () => end((pid) => signal(pid, 'SIGINT')),
    hold: (isHeld) => {
      const pid = program?.pid ?? 0;
      for (const each of [pid, ...childrenOf(pid)]) signal(each, isHeld ? 'SIGSTOP' : 'SIGCONT');
    },
    remove: async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The folder of the newest PostgreSQL's programs. */
function findPrograms(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(debian, version, 'bin')), ...(process.env.PATH ?? '').split(':')];
  return folders.find((folder) => existsSync(join(folder, 'initdb')) && existsSync(join(folder, 'postgres')));
}

/** Installs it, and keeps the installation from starting a server of its own. The answer is why it could not be. */
function install(): string | undefined {
  const policy = '/usr/sbin/policy-rc.d';
  const isOurs = !existsSync(policy);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  process.stderr.write('Installing PostgreSQL: a minute, once.\n');
  try {
    if (isOurs) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'postgresql']]) {
      const { status, error, stderr } = spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'pipe'], timeout: 10 * 60_000, encoding: 'utf8' });
      if (status !== 0) return `PostgreSQL cannot be installed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`;
    }
    return undefined;
  } finally {
    if (isOurs) rmSync(policy, { force: true });
  }
}

/** Whom it runs as: nobody else than ourselves, but for root. */
function ownerOf(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** Its processes have groups of their own each, so that they are looked for by their parent. */
function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid ? [Number(entry)] : [];
    } catch {
      return [];
    }
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
