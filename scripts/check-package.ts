/**
 * `npm run check:package`: `exports` in package.json is what the tree says, no door brings along what has no business behind it, and publint finds
 * nothing in the package as built.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { checkDoors } from './bundles.ts';
import { findDoors, formatExports } from './exports.ts';

const root = dirname(import.meta.dirname);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports?: unknown; files: readonly string[] };
const doors = findDoors(root);

/** `exports` as written against `exports` as the tree has it. */
function checkExports(): readonly string[] {
  if (JSON.stringify(manifest.exports) === JSON.stringify(formatExports(doors))) return [];
  return ['"exports" in package.json is not what src has. Run npm run generate.'];
}

/** Builds into a folder of its own, so that nobody's dist is in the way, and lints what npm would publish from it. */
async function lintBuilt(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-package-'));
  try {
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    spawnSync(process.execPath, [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')]);
    for (const file of ['package.json', ...manifest.files.filter((each) => each !== 'dist')]) {
      if (existsSync(join(root, file))) cpSync(join(root, file), join(folder, file), { recursive: true });
    }
    const { messages, pkg } = await publint({ pkgDir: folder, pack: false, level: 'warning', strict: true });
    return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const findings = [...checkExports(), ...(await checkDoors(root, doors)), ...(await lintBuilt())];
for (const each of findings) console.log(`error ${each}`);
process.exitCode = findings.length === 0 ? 0 : 1;
