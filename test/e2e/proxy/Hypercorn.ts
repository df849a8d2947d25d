/**
 * Hypercorn, a server that others wrote and that takes WebSockets over HTTP/2, with the application of `echo.py`. Installed from its Python
 * package once.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { freePort, until } from '../lnd/Nodes.ts';
import { install } from '../Python.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The folder of its Python environment; undefined where it cannot be installed here, which is said, so that nobody takes it for tried. */
export function environment(): string | undefined {
  try {
    return install({ title: 'Hypercorn', name: 'hypercorn', requirements: here('./requirements.txt') }, (line) => process.stderr.write(`${line}\n`));
  } catch (error) {
    process.stderr.write(`NOT TRIED: Hypercorn cannot be installed here: ${(error as Error).message}\n`);
    return undefined;
  }
}

/** Starts one on loopback; the answer is the port. `pair`: files of a certificate and its key, for TLS. */
export async function start(closing: (() => unknown)[], python: string, pair?: { readonly certificate: string; readonly key: string }): Promise<number> {
  const port = await freePort();
  const secure = pair === undefined ? [] : ['--certfile', pair.certificate, '--keyfile', pair.key];
  const args = ['-m', 'hypercorn', '--bind', `127.0.0.1:${port}`, '--workers', '0', ...secure, `${here('./echo.py')}:app`];
  const child = spawn(`${python}/bin/python`, args, { stdio: ['ignore', 'ignore', 'ignore'] });
  closing.push(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  });
  await until('Hypercorn listens', () => listens(port));
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
