/**
 * The inspector of those who write the Model Context Protocol, installed from its package once and kept beside other caches of this machine: a client that knows
 * nothing of payments.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const version = '2.12.0';

/** What it prints for one method, read as JSON. */
export type Inspect = (server: readonly string[], method: string, ...options: readonly string[]) => Promise<Inspected>;

/** What came of it. */
export type Inspected = { readonly code: number; readonly said: { readonly [name: string]: unknown }; readonly errors: string };

/** Installs it where it is not there yet. @throws Error – it cannot be installed */
export function installInspector(say: (line: string) => void): Inspect {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'farebox', 'mcp-inspector', version);
  const done = join(folder, 'complete');
  if (!existsSync(done)) {
    say('Installing the MCP inspector: half a minute, once.');
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    const words = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', `@modelcontextprotocol/inspector@${version}`];
    execFileSync('npm', words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 5 * 60_000 });
    writeFileSync(done, '');
  }
  const program = join(folder, 'node_modules', '.bin', 'mcp-inspector');
  return (server, method, ...options) =>
    new Promise((resolve) => {
      const args = [program, '--cli', ...server, '--method', method, ...options];
      execFile(process.execPath, args, { timeout: 90_000, maxBuffer: 1 << 24, env: environment(folder) }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        resolve({ code, said: readJson(stdout), errors: stderr });
      });
    });
}

/** It keeps files of its own: not in this person's home. */
function environment(folder: string): NodeJS.ProcessEnv {
  return { ...process.env, MCP_CATALOG_PATH: join(folder, 'catalog.json') };
}

function readJson(text: string): Inspected['said'] {
  try {
    return JSON.parse(text) as Inspected['said'];
  } catch {
    return {};
  }
}
