/**
 * Programs that are installed from their Python packages once, pinned, and kept beside other caches of this machine.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** What is installed. */
export type Program = {
  /** For messages, such as `LNbits`. */
  readonly title: string;
  /** Its folder among the caches, such as `lnbits`. */
  readonly name: string;
  /** The file of its pinned requirements. */
  readonly requirements: string;
};

/** Installs it where it is not there yet. The answer is the folder of its Python environment. @throws Error – there is no fitting Python, or it cannot be installed */
export function install({ title, name, requirements }: Program, say: (line: string) => void): string {
  const python = findPython();
  const hash = createHash('sha256').update(`${python.version} `).update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'farebox', name, hash);
  const done = join(folder, 'complete');
  if (!existsSync(done)) {
    say(`Installing ${title} with ${python.version}: a minute or two, once.`);
    // Not moved when it is done: an environment knows its own path.
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    execFileSync(python.command, ['-m', 'venv', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input', '-r', requirements];
    execFileSync(join(folder, 'bin', 'python'), pip, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 10 * 60_000 });
    writeFileSync(done, '');
  }
  return folder;
}

/** The Pythons that everything of the suites runs on. */
function findPython(): { readonly command: string; readonly version: string } {
  for (const command of ['python3', 'python3.12', 'python3.11', 'python3.10']) {
    const { status, stdout } = spawnSync(command, ['-c', 'import sys, venv, ensurepip; print("Python %d.%d" % sys.version_info[:2])'], { encoding: 'utf8' });
    if (status === 0 && /^Python 3\.1[0-2]$/.test(stdout.trim())) return { command, version: stdout.trim() };
  }
  throw new Error('there is no Python from 3.10 to 3.12 with venv on this machine');
}
