/**
 * Makes sure that the packages of package-lock.json are in node_modules, once, however many runs begin at the same time.
 * Plain JavaScript for Node 18 and later, without a dependency.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { capture, environmentFor, findNpm, Told, whyNpmFailed } from './node.mjs';

const waitLimitMs = 10 * 60_000;

/** Installs what is missing under that Node; touches neither network nor disk where nothing is. Answers whether it installed. */
export async function ensureInstalled({ root, node, say, env = process.env }) {
  if (isInstalled(root)) return false;
  const release = await takeLock(root, say);
  try {
    if (isInstalled(root)) return false;
    say('Installing dependencies');
    const npm = findNpm(env);
    const flags = ['--include=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--no-progress', '--loglevel=error'];
    const quick = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];
    const forNode = environmentFor(node, env);
    // A Node from the registry brings its own list of authorities; behind a company's proxy only the machine's list will do.
    const trusting = { ...forNode, NODE_OPTIONS: `${forNode.NODE_OPTIONS} --use-system-ca` };
    const { code, stdout, stderr } = await capture(node.path, [npm, 'ci', ...flags, ...quick], { cwd: root, env: trusting });
    if (code !== 0) throw new Told(`The dependencies could not be installed: ${whyNpmFailed(`${stdout}${stderr}`)}`);
    return true;
  } finally {
    release();
  }
}

/** Whether node_modules holds what package-lock.json names, by npm's own record of what it put there. */
export function isInstalled(root) {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted) throw new Told(`${join(root, 'package-lock.json')} cannot be read. Is this a whole copy of the repository?`);
  if (!present) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/') || entry.link) return true;
    const there = present[path];
    if (!there) return entry.optional === true;
    return there.version === entry.version && there.integrity === entry.integrity && fitsMachine(entry);
  });
}

/** False for a binary of another platform: node_modules was carried here from another machine. */
function fitsMachine({ os, cpu }) {
  return (!os || os.includes(process.platform)) && (!cpu || cpu.includes(process.arch));
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Takes the one lock on installing. It is a folder with the holder's process id in it, put in place by a rename, which fails
 * while another is there; a lock whose holder is gone is moved away.
 */
async function takeLock(root, say) {
  const lock = join(root, '.farebox', 'install.lock');
  const mine = `${lock}.${process.pid}`;
  const giveUpAt = Date.now() + waitLimitMs;
  let told = false;
  rmSync(mine, { recursive: true, force: true });
  mkdirSync(mine, { recursive: true });
  writeFileSync(join(mine, 'pid'), String(process.pid));
  for (;;) {
    try {
      renameSync(mine, lock);
      return () => letGo(lock, mine);
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST', 'EPERM', 'EACCES'].includes(error.code)) throw error;
    }
    const holder = readHolder(lock);
    if (holder !== undefined && !isRunning(holder)) {
      moveAway(lock, holder);
      continue;
    }
    if (Date.now() > giveUpAt) {
      rmSync(mine, { recursive: true, force: true });
      throw new Told(`Process ${holder} has been installing for ten minutes. If it is not, remove ${lock} and run again.`);
    }
    if (!told) say('Waiting for another run to install the dependencies');
    told = true;
    await sleep(200);
  }
}

/** Takes our lock away whole: an empty one left for a moment would be taken by another, and then be ours no more to remove. */
function letGo(lock, mine) {
  if (readHolder(lock) !== process.pid) return;
  renameSync(lock, mine);
  rmSync(mine, { recursive: true, force: true });
}

function readHolder(lock) {
  try {
    return Number(readFileSync(join(lock, 'pid'), 'utf8'));
  } catch {
    return undefined;
  }
}

function isRunning(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}

/** Moves a dead holder's lock aside; where another took it over in between, its lock is put back. */
function moveAway(lock, holder) {
  const aside = `${lock}.${process.pid}.stale`;
  try {
    renameSync(lock, aside);
    if (readHolder(aside) !== holder) renameSync(aside, lock);
  } catch {
    // Another run was quicker: look again.
  }
  rmSync(aside, { recursive: true, force: true });
}
