/**
 * `node scripts/run.mjs <word> [args…]`: runs one of the project's programs from a fresh clone, with no step before it.
 *
 * Finds a Node that is new enough, installs the dependencies where they are missing, then runs the word with both. Plain
 * JavaScript for Node 18 and later, without a dependency.
 */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled } from './install.mjs';
import { environmentFor, findNode, rememberNode, Told } from './node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What a word runs, and whether it runs in the project's folder instead of the caller's. Arguments that are no options name files in `suite`. */
const words = {
  start: { run: ['src/cli/bin.ts', 'demo'] },
  farebox: { run: ['src/cli/bin.ts'] },
  example: { run: ['examples/run.ts'] },
  test: { run: ['node_modules/vitest/vitest.mjs', 'run'], atRoot: true },
  'test:browser': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.browser.config.ts'], atRoot: true },
  attacks: { run: ['scripts/attacks.ts'], atRoot: true },
  'e2e:lnd': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/lnd/', atRoot: true },
  'e2e:h2spec': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/h2spec/', atRoot: true },
  'e2e:lnbits': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/lnbits/', atRoot: true },
  'e2e:nwc': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/nwc/', atRoot: true },
  'e2e:postgres': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/postgres/', atRoot: true },
  'e2e:redis': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/redis/', atRoot: true },
  'e2e:proxy': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/proxy/', atRoot: true },
  'e2e:admin': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/admin/', atRoot: true },
  'e2e:agents': { run: ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.nodes.config.ts'], suite: 'test/e2e/agents/', atRoot: true },
  fuzz: { run: ['scripts/fuzz.ts'], atRoot: true },
  crash: { run: ['test/crash/run.ts'], atRoot: true },
  soak: { run: ['test/crash/run.ts', '--soak'], atRoot: true },
  check: { run: ['scripts/check.ts'], atRoot: true },
  format: { run: ['node_modules/@biomejs/biome/bin/biome', 'check', '--write', '.'], atRoot: true },
  'crash:budgets': { run: ['test/crash/budgets/run.ts'], atRoot: true },
  'crash:stores': { run: ['test/crash/stores/run.ts'], atRoot: true },
  'soak:stores': { run: ['test/crash/stores/run.ts', '--soak'], atRoot: true },
  bench: { run: ['bench/run.ts'], atRoot: true },
  generate: { run: ['scripts/generate-exports.ts'], atRoot: true },
  build: { run: ['scripts/build.ts'], atRoot: true },
};

/** Runs the word and takes over how it ended. */
async function main([name, ...args]) {
  const word = Object.hasOwn(words, name ?? '') ? words[name] : undefined;
  if (!word) throw new Told(`Say what to run: node scripts/run.mjs <${Object.keys(words).join('|')}> [args…]`);

  const node = await findNode({ root, say });
  await ensureInstalled({ root, node, say });
  rememberNode(root, node);

  const [file, ...first] = word.run;
  const { code, signal } = await runInFront(node.path, [join(root, file), ...first, ...(word.suite ? inSuite(word.suite, args) : args)], {
    env: withCompileCache(environmentFor(node)),
    // npm changes to the project's folder; relative paths are meant from where its caller stood.
    cwd: word.atRoot ? root : (process.env.INIT_CWD ?? process.cwd()),
  });
  if (signal) process.kill(process.pid, signal);
  process.exitCode = code ?? 1;
}

/** What Node makes of the sources is kept: the second program, and there are many, starts in half the time. */
function withCompileCache(env) {
  return { NODE_COMPILE_CACHE: join(root, '.cache', 'node'), ...env };
}

/** All of a suite, or its files that are named. */
function inSuite(suite, args) {
  const isOption = (arg) => arg.startsWith('-');
  const named = args.filter((arg) => !isOption(arg)).map((arg) => suite + arg);
  return [...(named.length === 0 ? [suite] : named), ...args.filter(isOption)];
}

/** Runs a program with our own input and output, passing on the signals that we get. */
function runInFront(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: 'inherit' });
    const passed = process.platform === 'win32' ? [] : ['SIGTERM', 'SIGHUP', 'SIGINT'];
    const onSignal = (signal) => {
      // A terminal sends Ctrl-C to the child as well; a second one from us would read as impatience.
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    for (const signal of passed) process.on(signal, onSignal);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const name of passed) process.removeListener(name, onSignal);
      resolve({ code, signal });
    });
  });
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

main(process.argv.slice(2)).catch((error) => {
  say(error instanceof Told ? error.message : error.stack);
  process.exitCode = 1;
});
