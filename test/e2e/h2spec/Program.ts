/**
 * h2spec, built from its Go module once, and kept beside other caches of this machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const modules = fileURLToPath(new URL('./program/', import.meta.url));

/** Builds it where it is not there yet, and says where it is. @throws Error – there is no Go, or it cannot build it */
export function buildH2spec(say: (line: string) => void): string {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8', cwd: modules });
  if (status !== 0) throw new Error('there is no Go on this machine, or none that h2spec can be built with');
  const version = stdout.trim();
  const pinned = ['go.mod', 'go.sum'].map((file) => readFileSync(join(modules, file)));
  const name = createHash('sha256').update(`${version} `).update(Buffer.concat(pinned)).digest('hex').slice(0, 16);
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'farebox', 'h2spec');
  const folder = join(cache, name);
  if (!existsSync(folder)) {
    mkdirSync(cache, { recursive: true });
    say(`Building h2spec with ${version}, once.`);
    const draft = mkdtempSync(join(cache, 'draft-'));
    try {
      const options = ['build', '-trimpath', '-ldflags=-s -w', '-o', `${draft}/`, 'github.com/summerwind/h2spec/cmd/h2spec'];
      execFileSync('go', options, { cwd: modules, stdio: ['ignore', 'ignore', 'pipe'], timeout: 10 * 60_000 });
      if (!existsSync(folder)) renameSync(draft, folder);
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
  return join(folder, 'h2spec');
}
