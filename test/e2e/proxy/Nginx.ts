/**
 * A real nginx on this machine, on loopback at ports from the system, with everything it writes in a folder that goes with it. Installed from
 * Debian's packages where it is missing.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, until } from '../lnd/Nodes.ts';

/** A server that runs. */
export type Nginx = {
  readonly port: number;
  /** Its folder: `html` in it is what it serves where its configuration says `root html`. */
  readonly folder: string;
  readonly close: () => Promise<void>;
};

/** Why there is none on this machine and none can be installed; undefined where there is. */
export function missing(): string | undefined {
  if (findProgram() !== undefined) return undefined;
  if (process.getuid?.() !== 0) return 'there is no nginx on this machine, and only root can install it';
  return install() ?? (findProgram() === undefined ? 'nginx was installed, and is not where it should be' : undefined);
}

/** Whether the suite cannot run here; says why, so that nobody takes it for one that has passed. */
export function whyNot(): boolean {
  const why = missing();
  if (why !== undefined) process.stderr.write(`SKIPPED, NOT RUN: ${why}.\n`);
  return why !== undefined;
}

/**
 * Starts one, with a single process.
 * @param server - what stands in its `server { listen <port>; … }`
 * @param listen - behind the port, such as ` http2`
 */
export async function startNginx(server: string, { listen = '' } = {}): Promise<Nginx> {
  const program = findProgram();
  if (program === undefined) throw new Error(missing() ?? 'there is no nginx on this machine');
  const folder = mkdtempSync(join(tmpdir(), 'farebox-nginx-'));
  mkdirSync(join(folder, 'html'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`).join(' ');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${join(folder, 'pid')}; error_log ${join(folder, 'error.log')} info;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http { access_log off; ${temporary} server { listen 127.0.0.1:${port}${listen}; ${server} } }
`,
  );
  const child = spawn(program, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { stdio: 'ignore' });
  const close = async () => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until('nginx answers', () => answers(port));
  } catch (error) {
    await close();
    throw error;
  }
  return { port, folder, close };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('close', () => resolve());
    child.kill('SIGKILL');
  });
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', reject);
  });
}

/** `NGINX` names another one. */
function findProgram(): string | undefined {
  return [process.env.NGINX ?? 'nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v'], { stdio: 'ignore' }).status === 0);
}

/** The answer is why it could not be installed. */
function install(): string | undefined {
  process.stderr.write('Installing nginx: half a minute, once.\n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', 'nginx-light']]) {
    const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' });
    if (status !== 0) return `there is no nginx, and apt-get ${args[0]} cannot help: ${stderr.trim().split('\n').at(-1)}`;
  }
  return undefined;
}
