/**
 * nginx of this machine as a proxy in front of an upstream, in a folder of its own: what proxies are measured by.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadsNs } from '../harness/Program.ts';
import type { Measured } from './gateways.ts';

/** Whether this machine has one. */
export function hasNginx(): boolean {
  return spawnSync('nginx', ['-v']).error === undefined;
}

/** How it is set up. */
export type NginxOptions = { readonly upstreamPort: number; readonly workers: number; readonly kind: 'http1' | 'http2' | 'grpc' };

/** Starts it. */
export async function startNginx(options: NginxOptions): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-nginx-'));
  const port = await freePort();
  writeFileSync(join(folder, 'nginx.conf'), configFor(folder, port, options));
  const master = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], { stdio: 'ignore' });
  const stop = async () => {
    await ended(master);
    rmSync(folder, { recursive: true });
  };
  try {
    await listening(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ports: [port],
    pids: [],
    cpuNs: async () => {
      const pids = readFileSync(`/proc/${master.pid}/task/${master.pid}/children`, 'utf8').trim().split(' ').map(Number);
      let sum = 0;
      for (const pid of pids) sum += (await threadsNs(pid)) ?? 0;
      return sum;
    },
    stop,
  };
}

function configFor(folder: string, port: number, { upstreamPort, workers, kind }: NginxOptions): string {
  return `daemon off;
pid ${folder}/nginx.pid;
worker_processes ${workers};
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  upstream behind { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port}${kind === 'http1' ? '' : ' http2'};
    location / {
${kind === 'grpc' ? grpcPass : proxyPass}
    }
  }
}
`;
}

const proxyPass = `      proxy_pass http://behind;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;`;

const grpcPass = `      grpc_pass grpc://behind;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      grpc_set_header X-Forwarded-Proto $scheme;`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nginx did not listen');
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const over = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await over;
}
