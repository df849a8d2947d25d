/**
 * `npm run check [piece…]`: everything that can be said of the tree without running it, in parallel: a line each, then what failed.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);
const modules = join(root, 'node_modules');

/** What each piece runs under Node. */
const pieces: Readonly<Record<string, readonly string[]>> = {
  format: [join(modules, '@biomejs', 'biome', 'bin', 'biome'), 'check', '--error-on-warnings', '.'],
  types: [join(modules, 'typescript', 'bin', 'tsc'), '-p', '.'],
  pages: [join(modules, 'typescript', 'bin', 'tsc'), '-p', 'dashboard'],
  architecture: ['scripts/check-architecture.ts'],
  package: ['scripts/check-package.ts'],
  docs: ['scripts/check-docs.ts'],
};

type Outcome = { readonly name: string; readonly passed: boolean; readonly seconds: number; readonly output: string };

function runPiece(name: string, args: readonly string[]): Promise<Outcome> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (text: string) => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('close', (code) => resolve({ name, passed: code === 0, seconds: (performance.now() - startedAt) / 1000, output }));
  });
}

const named = process.argv.slice(2);
const unknown = named.filter((name) => !Object.hasOwn(pieces, name));
if (unknown.length > 0) {
  console.error(`There is no check "${unknown.join(', ')}"; there are ${Object.keys(pieces).join(', ')}.`);
  process.exit(2);
}
const chosen = Object.entries(pieces).filter(([name]) => named.length === 0 || named.includes(name));
const outcomes = await Promise.all(
  chosen.map(async ([name, args]) => {
    const outcome = await runPiece(name, args);
    console.log(`${outcome.passed ? 'ok    ' : 'FAILED'} ${name.padEnd(12)} ${outcome.seconds.toFixed(1)} s`);
    return outcome;
  }),
);
for (const { name, output, passed } of outcomes) {
  const text = output.trim();
  // What passed may still have something to say: the warnings.
  if (text !== '' && (!passed || /^warning /m.test(text))) console.log(`\n${name}\n${text}`);
}
const failed = outcomes.filter((each) => !each.passed).length;
console.log(`\n${outcomes.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
