/**
 * The real LNbits, installed from its Python package once and kept beside other caches of this machine, run on loopback over a node of the
 * suite's.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, type Node, until } from '../lnd/Nodes.ts';
import { install } from '../Python.ts';

/** An LNbits that runs. */
export type Lnbits = {
  readonly url: string;
  /** A wallet of an account of its own. */
  readonly createWallet: (name: string) => Promise<Keys>;
  /** Ends the process at once. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  /** Holds the process, or lets it go on: one that is there and does not answer. */
  readonly hold: (isHeld: boolean) => void;
};

/** The keys of a wallet: one to sell, one to spend. */
export type Keys = { readonly invoiceKey: string; readonly adminKey: string };

const requirements = fileURLToPath(new URL('./requirements.txt', import.meta.url));

/** Installs it where it is not there yet. The answer is the folder of its Python environment. @throws Error – there is no fitting Python, or it cannot be installed */
export function installLnbits(say: (line: string) => void): string {
  return install({ title: 'LNbits', name: 'lnbits', requirements }, say);
}

/** Starts one over a node; it is ended by `kill`. */
export async function startLnbits(environment: string, folder: string, node: Node): Promise<Lnbits> {
  const home = mkdtempSync(join(folder, `lnbits-${node.name}-`));
  const data = join(home, 'data');
  mkdirSync(data);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let program: ChildProcess | undefined;
  const start = async () => {
    const [library = ''] = readdirSync(join(environment, 'lib'));
    program = spawn(join(environment, 'bin', 'lnbits'), [], {
      // It looks for its own pages from where it is started.
      cwd: join(environment, 'lib', library, 'site-packages'),
      env: { ...process.env, ...settings(home, data, port, node) },
      stdio: ['ignore', 'pipe', 'pipe'],
      // It has a process that listens and one that watches over it; they end together.
      detached: true,
    });
    const log = createWriteStream(join(home, 'log'), { flags: 'a' });
    program.stdout?.pipe(log, { end: false });
    program.stderr?.pipe(log, { end: false });
    await until(`LNbits over ${node.name} answers`, async () => (await fetch(`${url}/api/v1/health`)).ok);
  };
  const kill = () =>
    new Promise<void>((resolve) => {
      if (program === undefined || program.exitCode !== null || program.signalCode !== null) return resolve();
      program.once('close', () => resolve());
      if (program.pid !== undefined) process.kill(-program.pid, 'SIGKILL');
    });
  const hold = (isHeld: boolean) => {
    if (program?.pid !== undefined) process.kill(-program.pid, isHeld ? 'SIGSTOP' : 'SIGCONT');
  };
  await start();
  return {
    hold,
    url,
    start,
    kill,
    createWallet: async (name) => {
      const answer = await fetch(`${url}/api/v1/account`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) });
      const { inkey, adminkey } = (await answer.json()) as { readonly inkey: string; readonly adminkey: string };
      return { invoiceKey: inkey, adminKey: adminkey };
    },
  };
}

function settings(home: string, data: string, port: number, node: Node): Record<string, string> {
  return {
    HOST: '127.0.0.1',
    PORT: String(port),
    LNBITS_DATA_FOLDER: data,
    LNBITS_EXTENSIONS_PATH: join(home, 'extensions'),
    LNBITS_ADMIN_UI: 'false',
    AUTH_SECRET_KEY: randomBytes(16).toString('hex'),
    LNBITS_RATE_LIMIT_NO: '1000000',
    // What it sets aside at the least: the contract allows ten satoshis.
    LNBITS_RESERVE_FEE_MIN: '10000',
    LNBITS_BACKEND_WALLET_CLASS: 'LndRestWallet',
    LND_REST_ENDPOINT: node.url,
    LND_REST_CERT: node.certificatePath,
    LND_REST_MACAROON: node.adminMacaroonPath,
  };
}
