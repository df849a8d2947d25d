/**
 * nginx, where this machine has it: a process with a configuration and a folder of its own.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Closing } from '../gateway/harness.ts';

/** The program; undefined: there is none, or one that does not speak HTTP/2. */
export const nginx: string | undefined = ['/usr/sbin/nginx', '/usr/local/sbin/nginx', '/usr/bin/nginx'].find(
  (path) => existsSync(path) && spawnSync(path, ['-V'], { encoding: 'utf8' }).stderr.includes('http_v2_module'),
);

/** Starts it, with these servers, and waits until it listens. `files`: below its `html`. */
export async function openNginx(
  closing: Closing,
  port: number,
  servers: string,
  files: Readonly<Record<string, Uint8Array | string>> = {},
): Promise<{ readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-nginx-'));
  for (const name of ['html', 'temp']) mkdirSync(join(folder, name));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, 'html', name), content);
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/temp/${name};`).join('\n');
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
http { ${temp}
access_log off; client_max_body_size 0; proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off;
${servers} }\n`,
  );
  const child: ChildProcess = spawn(nginx as string, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { stdio: 'ignore' });
  const ended = once(child, 'close');
  closing.push(async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true });
  });
  while (!(await listens(port))) if (child.exitCode !== null) throw new Error(`nginx does not start: ${readFileSync(join(folder, 'error.log'), 'utf8')}`);
  return { folder };
}

async function listens(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
