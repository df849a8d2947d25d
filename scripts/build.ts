/** `npm run build`: src as JavaScript with declarations, and the operator's pages, in a fresh dist. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const dist = join(root, 'dist');
rmSync(dist, { recursive: true, force: true });

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });
const bin = join(dist, 'cli', 'bin.js');
if (existsSync(bin)) chmodSync(bin, 0o755);
const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js');
const pages =
  status === 0 ? spawnSync(process.execPath, [vite, 'build', 'dashboard', '--logLevel', 'warn'], { cwd: root, stdio: 'inherit' }).status : undefined;
process.exitCode = status || (pages ?? 1);
