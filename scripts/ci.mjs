/**
 * `.ci/run [suite…]`: every suite that this machine can run, counted together: one after the other, but for those with nodes that mostly wait, beside which
 * others run.
 *
 * Ends with one line, `N passed, N failed, N skipped`, and fails when any failed. A suite that cannot run says why and counts as skipped. Leaves
 * nothing behind: each program runs in a process group that is ended with it, each temporary folder is removed. Plain JavaScript for Node 18 and later.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { environmentFor, fetchNode, findNode, findNpm, nodePackage, Told } from './node.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** For what hangs: nodes that are built first, beside other suites and on a slow machine, have taken twenty minutes. */
const limitMs = 40 * 60_000;
const begunAt = Date.now();
/** In minutes. Where all of it takes forty, this is past the last of them. */
const repeatsWithin = 38;
const temporary = new Set();
const groups = new Set();

/**
 * Every suite, in order, one entry each. `run` answers counts, or throws {@link Skip}; `unless` the machine's own Node covers it already; `beside`: it begins with the
 * suite of that name, and those of one name run one after the other.
 */
const suites = [
  { name: 'test', what: 'npm test, on the Node of this machine', run: () => runTests(machine, [findNpm(), 'test', '--']) },
  { name: 'check', what: 'npm run check', run: () => runCounted('check') },
  { name: 'attacks', what: 'npm run attacks: every attack tried, every defence taken out', run: () => runCounted('attacks') },
  { name: 'crash', what: 'npm run crash: a kill at every crash point, and 2,000 sales with faults and kills', run: () => runCounted('crash') },
  { name: 'lnd', what: 'npm run e2e:lnd: real lnd nodes with channels, built here', run: runNodes },
  { name: 'h2spec', beside: 'lnd', what: 'npm run e2e:h2spec: the conformance tests of HTTP/2, built here, in the clear and over TLS', run: runH2spec },
  { name: 'lnbits', what: 'npm run e2e:lnbits: the real LNbits over those nodes, installed here', run: runLnbits },
  { name: 'nwc', beside: 'lnd', what: 'npm run e2e:nwc: real relays of Nostr, installed here', run: runNwc },
  { name: 'agents', beside: 'lnd', what: 'npm run e2e:agents: the MCP inspector, and frameworks for agents in Python, installed here', run: runAgents },
  { name: 'admin', beside: 'lnd', what: 'npm run e2e:admin: a validator of OpenAPI and a tester of APIs by their properties, installed here', run: runAdmin },
  { name: 'browser', beside: 'lnd', what: 'npm run test:browser: pages, and a wallet on one, in Chromium', run: runBrowser },
  { name: 'postgres', what: 'npm run e2e:postgres: a real PostgreSQL, installed here where it is missing', run: runPostgres },
  { name: 'redis', what: 'npm run e2e:redis: a real Redis, installed here where it is missing', run: runRedis },
  { name: 'proxy', what: 'npm run e2e:proxy: the gateway between servers and clients that others wrote', run: runProxy },
  {
    name: 'crash-stores',
    what: 'npm run crash:stores: 20,000 calls of four gateways on PostgreSQL and on Redis, with faults and kills',
    run: () => runCounted('crash:stores'),
  },
  { name: 'start', what: 'npm start -- --once in a fresh clone, on the Node of this machine', run: () => runStart(machine) },
  { name: 'start-24', what: 'npm start -- --once in a fresh clone, on Node 24', unless: /^24\./, run: async () => runStart(await fetchOther('24')) },
  { name: 'package', what: 'build, pack, install the package elsewhere, import every door', run: runPackage },
  { name: 'test-22', what: 'the tests on the oldest Node that we promise', run: () => runRepeat('22.19.0') },
  { name: 'test-26', what: 'the tests on Node 26', unless: /^26\./, run: () => runRepeat('26') },
];

/** Thrown by a suite that cannot run here; the message says why. */
class Skip extends Error {}

/** The Node that runs us, whatever its age: what a stranger's machine has. */
const machine = { path: process.execPath, version: process.versions.node };

/** Runs the tests and counts them by Vitest's own report. */
async function runTests(node, through = [join(root, 'scripts', 'run.mjs'), 'test']) {
  const report = join(makeFolder(), 'report.json');
  const outcome = await run(node, [...through, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]);
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {};
  const failed = counts.numFailedTests ?? 0;
  return {
    passed: counts.numPassedTests ?? 0,
    // A file that does not load, or an error between the tests, fails the run without failing a test.
    failed: failed === 0 && outcome.code !== 0 ? 1 : failed,
    skipped: (counts.numPendingTests ?? 0) + (counts.numTodoTests ?? 0),
    output: outcome.output,
  };
}

/** The same tests once more, which a machine that is too slow for them leaves out: the whole is not to take longer than anybody waits for it. */
async function runRepeat(range) {
  const minutes = Math.round((Date.now() - begunAt) / 60_000);
  if (minutes >= repeatsWithin)
    throw new Skip(`${minutes} minutes are over already, and the tests are repeated on another Node within the first ${repeatsWithin} alone`);
  return runTests(await fetchOther(range));
}

/** A word of ours that counts for itself, by its last line. */
async function runCounted(word) {
  const { code, output } = await run(machine, [findNpm(), 'run', word]);
  const counts = /(\d+) passed, (\d+) failed(?:, (\d+) skipped)?\s*$/.exec(output);
  const failed = Number(counts?.[2] ?? 0);
  return { passed: Number(counts?.[1] ?? 0), failed: failed === 0 && code !== 0 ? 1 : failed, skipped: Number(counts?.[3] ?? 0), output };
}

/** Real nodes, which are built with Go: minutes the first time. */
async function runNodes() {
  await needGo('btcd and lnd');
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'e2e:lnd']);
}

/** h2spec, which is built with Go: half a minute the first time. */
async function runH2spec() {
  await needGo('h2spec');
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'e2e:h2spec']);
}

/** The real LNbits, which is installed from its Python package: a minute or two the first time. */
async function runLnbits() {
  await needGo('btcd and lnd');
  await needPython('LNbits');
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'e2e:lnbits']);
}

/** Real relays, which are installed from a Python package: half a minute the first time. */
async function runNwc() {
  await needPython('a relay');
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'e2e:nwc']);
}

/** The inspector and Python's frameworks, which are installed from their packages: a minute or two the first time. */
async function runAgents() {
  await needPython('frameworks for agents');
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'e2e:agents']);
}

/** What reads the document of admin, which is installed from Python's packages: half a minute the first time. */
async function runAdmin() {
  await needPython('a tester of APIs');
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'e2e:admin']);
}

async function needPython(what) {
  const { code, output } = await runProgram('python3', ['-c', 'import sys, venv, ensurepip; print(*sys.version_info[:2])'], { cwd: root });
  if (code !== 0 || !/^3 1[0-2]$/m.test(output)) throw new Skip(`there is no Python from 3.10 to 3.12 with venv to install ${what} with`);
}

/** Chromium, which is installed where it is missing and we may: a minute. */
async function runBrowser() {
  const isThere = async () => (await runProgram('chromium', ['--version'], { cwd: root })).code === 0;
  if (!(await isThere())) {
    if (process.getuid?.() !== 0) throw new Skip('there is no chromium, and only root could install it');
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    for (const args of [['update'], ['install', '-y', 'chromium']]) {
      const { code, output } = await runProgram('apt-get', args, { cwd: root, env });
      if (code !== 0) throw new Skip(`there is no chromium, and apt-get ${args[0]} cannot help: ${output.trim().split('\n').at(-1)}`);
    }
  }
  return runTests(machine, [join(root, 'scripts', 'run.mjs'), 'test:browser']);
}

/** A real PostgreSQL, which is installed from Debian's packages where it is missing. */
function runPostgres() {
  return runInstalled('e2e:postgres');
}

/** A real Redis, which is installed from Debian's packages where it is missing. */
function runRedis() {
  return runInstalled('e2e:redis');
}

/** What stands in front of the gateway and behind it: nginx and others, which are installed where they are missing. */
function runProxy() {
  return runInstalled('e2e:proxy');
}

/** A suite that installs its program itself, and says why where it cannot. */
async function runInstalled(word) {
  const outcome = await runTests(machine, [join(root, 'scripts', 'run.mjs'), word]);
  const why = /SKIPPED, NOT RUN: (.*)\./.exec(outcome.output)?.[1];
  if (why !== undefined && outcome.failed === 0) throw new Skip(why);
  return outcome;
}

async function needGo(what) {
  const { code, output } = await runProgram('go', ['version'], { cwd: root });
  const [, major = 0, minor = 0] = /go(\d+)\.(\d+)/.exec(output) ?? [];
  if (code !== 0 || Number(major) * 1000 + Number(minor) < 1025) throw new Skip(`there is no Go 1.25 or later to build ${what} with`);
}

/** The first thing that a stranger does. */
async function runStart(node) {
  const clone = join(makeFolder(), 'farebox');
  const head = await runProgram('git', ['rev-parse', '--verify', '--quiet', 'HEAD'], { cwd: root });
  if (head.code !== 0) throw new Skip('there is no commit to clone');
  const dirty = await runProgram('git', ['status', '--porcelain'], { cwd: root });
  if (dirty.output.trim() !== '') console.log('  The work tree has changes that the clone has not.');
  const cloned = await runProgram('git', ['clone', '--quiet', root, clone], { cwd: root });
  if (cloned.code !== 0) return { failed: 1, output: cloned.output };

  const startedAt = Date.now();
  const { code, output, left } = await run(node, [findNpm(), 'start', '--', '--once'], clone);
  console.log(`  from clone to sale on Node ${node.version}: ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  if (left) return { failed: 1, output: `${output}\nIt left a process running.` };
  return code === 0 ? { passed: 1, output } : { failed: 1, output };
}

/** The package as a stranger gets it: every door opens, the program runs, the types are whole. */
async function runPackage() {
  const node = await findNode({ root, say: (line) => console.log(`  ${line}`) });
  const folder = makeFolder();
  const npm = findNpm();
  const built = await run(node, [npm, 'run', 'build']);
  if (built.code !== 0) return { failed: 1, output: built.output };
  const packed = await run(node, [npm, 'pack', '--silent', '--pack-destination', folder]);
  const archive = readdirSync(folder).find((file) => file.endsWith('.tgz'));
  if (packed.code !== 0 || !archive) return { failed: 1, output: packed.output };
  writeFileSync(join(folder, 'package.json'), '{ "name": "stranger", "private": true, "type": "module" }\n');
  const installed = await run(node, [npm, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', `./${archive}`], folder);
  if (installed.code !== 0) return { failed: 1, output: installed.output };

  const doors = Object.keys(manifest.exports ?? {}).filter((door) => door !== './package.json');
  const outcomes = [];
  // Those that stand behind another library come last, when it is there.
  const plain = doors.filter((door) => !(door in behind));
  const peers = Object.values(behind).map((peer) => `${peer}@${manifest.devDependencies[peer]}`);
  for (const door of [...plain, ...doors.filter((door) => door in behind)]) {
    if (outcomes.length === plain.length)
      await run(node, [npm, 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', ...peers], folder);
    const name = door.replace('.', manifest.name);
    outcomes.push({ what: `import '${name}'`, ...(await run(node, ['--input-type=module', '-e', `await import('${name}')`], folder)) });
  }
  const version = await run(node, [npm, 'exec', '--offline', '--', 'farebox', '--version'], folder);
  outcomes.push({ what: 'npx farebox --version', ...version, code: version.stdout.trim() === manifest.version ? version.code : 1 });
  outcomes.push({ what: 'its types', ...(await checkTypes(node, folder, doors)) });
  const failed = outcomes.filter((each) => each.code !== 0);
  return {
    passed: 2 + outcomes.length - failed.length,
    failed: failed.length,
    output: failed.map((each) => `${each.what}\n${each.output}`).join('\n'),
  };
}

/** Doors to another library's clients, and the library: whoever imports them has it. */
const behind = { './ai-sdk': 'ai', './client/axios': 'axios', './client/grpc': '@grpc/grpc-js', './langchain': '@langchain/core' };

/** The declarations behind `farebox`, all of them, without Node's or a browser's types. */
async function checkTypes(node, folder, doors) {
  if (!doors.includes('.')) return { code: 1, output: 'package.json has no door "."' };
  writeFileSync(join(folder, 'stranger.ts'), `import * as farebox from '${manifest.name}';\nexport default farebox;\n`);
  const flags = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--module', 'nodenext', '--target', 'es2024', '--types', ''];
  return run(node, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...flags, 'stranger.ts'], folder);
}

/** Another Node from the npm registry. */
async function fetchOther(range) {
  const found = nodePackage();
  if (!found) throw new Skip(`the npm registry has no Node for ${process.platform} on ${process.arch}`);
  try {
    return await fetchNode({ name: found.name, range, root, env: cleanEnvironment() });
  } catch (error) {
    if (error instanceof Told) throw new Skip(error.message);
    throw error;
  }
}

/** Runs a program on that Node as a person would from a fresh terminal. */
function run(node, args, cwd = root) {
  const clean = cleanEnvironment();
  const env = environmentFor(node, clean);
  // An old Node may not know the option; the bootstrap sets it for the Node that it finds.
  if (node === machine) delete env.NODE_OPTIONS;
  return runProgram(node.path, args, { cwd, env });
}

/** Ours, less what npm and this project add to it. */
function cleanEnvironment() {
  const kept = Object.entries(process.env).filter(([key]) => !/^(npm_|NODE_OPTIONS$|INIT_CWD$)/i.test(key));
  const paths = (process.env.PATH ?? '').split(':').filter((path) => !path.endsWith('node_modules/.bin'));
  return { ...Object.fromEntries(kept), PATH: paths.join(':') };
}

/** Runs a program in a process group of its own and ends whatever is left of the group; `left` says whether anything was. */
function runProgram(command, args, options) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    groups.add(child.pid);
    let output = '';
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      output += text;
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
    const timer = setTimeout(() => {
      output += `\nStopped after ${limitMs / 60_000} minutes.\n`;
      endGroup(child.pid);
    }, limitMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: error.message, stdout, left: false });
    });
    const closed = new Promise((done) => child.on('close', done));
    child.on('exit', async (code) => {
      clearTimeout(timer);
      const left = await isGroupLeft(child.pid);
      endGroup(child.pid);
      groups.delete(child.pid);
      // The last output comes with `close`, which something that left the group could keep from coming.
      await Promise.race([closed, pause(5000, undefined, { ref: false })]);
      resolve({ code: code ?? 1, output, stdout, left });
    });
  });
}

/** Whether a group outlives its leader by more than two seconds. */
async function isGroupLeft(group) {
  for (let tries = 0; tries < 20; tries++) {
    if (!hasLivingMember(group)) return false;
    await pause(100);
  }
  return true;
}

/** Whether any process of the group runs. Where /proc tells, the dead that nobody has buried do not count. */
function hasLivingMember(group) {
  try {
    process.kill(-group, 0);
  } catch {
    return false;
  }
  if (!existsSync('/proc/self/stat')) return true;
  return readdirSync('/proc').some((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const [state, , pgrp] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(pgrp) === group && state !== 'Z';
    } catch {
      return false;
    }
  });
}

function endGroup(group) {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

function makeFolder() {
  const folder = mkdtempSync(join(tmpdir(), 'farebox-ci-'));
  temporary.add(folder);
  return folder;
}

function cleanUp() {
  for (const group of groups) endGroup(group);
  for (const folder of temporary) rmSync(folder, { recursive: true, force: true });
  temporary.clear();
}

/** One suite: a line when it begins, a line when it ends, its output where it failed. */
async function runSuite({ name, what, run: go }) {
  console.log(`\n${name}: ${what}`);
  const startedAt = Date.now();
  let counts;
  try {
    counts = await go();
  } catch (error) {
    counts = error instanceof Skip ? { skipped: 1, reason: error.message } : { failed: 1, output: error instanceof Told ? error.message : error.stack };
  }
  const { passed = 0, failed = 0, skipped = 0, output = '', reason } = counts;
  if (failed > 0) console.log(output.trimEnd().split('\n').slice(-200).join('\n'));
  if (reason) console.log(`  SKIPPED, NOT RUN: ${reason}`);
  console.log(`  ${name}: ${passed} passed, ${failed} failed, ${skipped} skipped, ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  return { passed, failed, skipped };
}

async function main(named) {
  const unknown = named.filter((name) => !suites.some((suite) => suite.name === name));
  if (unknown.length > 0) throw new Told(`There is no suite "${unknown.join(', ')}"; there are ${suites.map((suite) => suite.name).join(', ')}.`);
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const chosen = suites.filter(({ name, unless }) => (named.length === 0 ? !unless?.test(machine.version) : named.includes(name)));
  const runAll = async (list) => {
    for (const suite of list) {
      const counts = await runSuite(suite);
      for (const key of Object.keys(sum)) sum[key] += counts[key];
    }
  };
  for (const suite of chosen) {
    if (suite.beside !== undefined && chosen.some(({ name }) => name === suite.beside)) continue;
    await Promise.all([runAll([suite]), runAll(chosen.filter(({ beside }) => beside === suite.name))]);
  }
  console.log(`\n${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  return sum.failed === 0 ? 0 : 1;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    cleanUp();
    process.exit(1);
  });
}
main(process.argv.slice(2))
  .catch((error) => {
    console.error(error instanceof Told ? error.message : error.stack);
    return 1;
  })
  .then((code) => {
    cleanUp();
    process.exitCode = code;
  });
