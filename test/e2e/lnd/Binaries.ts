/**
 * btcd and lnd, built from their Go modules once, and kept beside other caches of this machine: building takes minutes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The programs, ready to start. */
export type Binaries = { readonly btcd: string; readonly lnd: string };

const modules = fileURLToPath(new URL('./nodes/', import.meta.url));

/** lnd's services that Farebox and the suite speak to. */
const tags = 'autopilotrpc signrpc walletrpc chainrpc invoicesrpc peersrpc routerrpc';

/** Builds what is not there yet. A folder is complete or not there: two builds at once do not disturb each other. @throws Error – there is no Go, or it cannot build them */
export function buildNodes(say: (line: string) => void): Binaries {
  const version = goVersion();
  const pinned = ['go.mod', 'go.sum'].map((file) => readFileSync(join(modules, file)));
  const name = createHash('sha256').update(`${version} ${tags} `).update(Buffer.concat(pinned)).digest('hex').slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'farebox', 'nodes');
  const folder = join(cache, name);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    say(`Building btcd and lnd with ${version}: this takes minutes, once.`);
    const draft = mkdtempSync(join(cache, 'draft-'));
    try {
      for (const program of ['github.com/btcsuite/btcd', 'github.com/lightningnetwork/lnd/cmd/lnd']) build(program, draft);
      if (!existsSync(folder)) renameSync(draft, folder);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  return { btcd: join(folder, 'btcd'), lnd: join(folder, 'lnd') };
}

function goVersion(): string {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', cwd: modules });
  if (status !== 0) throw new Error('there is no Go on this machine, or none that the nodes can be built with');
  return stdout.trim();
}

function build(program: string, folder: string): void {
  const options = ['build', '-trimpath', '-ldflags=-s -w', '-tags', tags, '-o', `${folder}/`, program];
  execFileSync('go', options, { cwd: modules, stdio: ['ignore', 'ignore', 'pipe'], timeout: 30 * 60_000 });
}
