import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';

const trees: string[] = [];
const groups: number[] = [];

afterEach(() => {
  for (const group of groups.splice(0)) endGroup(group);
  for (const tree of trees.splice(0)) rmSync(tree, { recursive: true, force: true });
});

const entry = { version: '1.0.0', integrity: 'sha512-a' };

/** Stands in for npm: counts its calls, takes its time, and installs by writing down that it has. */
const fakeNpm = `
const { appendFileSync, copyFileSync, mkdirSync, rmSync } = require('node:fs');
appendFileSync('npm-calls', process.argv.slice(2).join(' ') + '\\n');
if (process.env.FAKE_NPM === 'offline') {
  console.error('npm error code ENOTFOUND\\nnpm error network request failed');
  process.exit(1);
}
setTimeout(() => {
  rmSync('node_modules', { recursive: true, force: true });
  mkdirSync('node_modules');
  copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
}, 300);
`;

/** Stands in for the program: says what it was given. */
const fakeProgram = `
console.log(JSON.stringify({ args: process.argv.slice(2), options: process.env.NODE_OPTIONS, path: process.env.PATH }));
if (process.argv.includes('--wait')) { process.on('SIGTERM', () => process.exit(9)); console.log('ready'); setInterval(() => {}, 1000); }
else process.exitCode = process.argv.includes('--fail') ? 7 : 0;
`;

/** A small clone with the real bootstrap, a fake npm and a fake program. */
function makeClone(options: { readonly installed?: boolean } = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'farebox-run-')));
  trees.push(root);
  for (const file of ['run.mjs', 'node.mjs', 'install.mjs']) cpSync(join(import.meta.dirname, file), join(root, 'scripts', file));
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write('npm-cli.js', fakeNpm);
  write('src/cli/bin.ts', fakeProgram);
  const lock = JSON.stringify({ packages: { '': {}, 'node_modules/a': entry, 'node_modules/b': { ...entry, optional: true } } });
  write('package-lock.json', lock);
  if (options.installed) write('node_modules/.package-lock.json', JSON.stringify({ packages: { 'node_modules/a': entry } }));
  return root;
}

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

function start(root: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, [join(root, 'scripts', 'run.mjs'), ...args], {
    cwd: root,
    detached: true,
    env: { PATH: process.env.PATH, NODE_OPTIONS: '', npm_execpath: join(root, 'npm-cli.js'), ...env },
  });
  if (child.pid !== undefined) groups.push(child.pid);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
  return { child, ended };
}

/** Ends whatever a failed test has left running. */
function endGroup(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

function npmCalls(root: string): readonly string[] {
  const file = join(root, 'npm-calls');
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
}

describe('the program', () => {
  test('gets the word and the arguments, a quiet Node, and that Node first on PATH', async () => {
    const { code, stdout } = await start(makeClone({ installed: true }), ['start', '--once', 'a b']).ended;
    const told = JSON.parse(stdout) as { args: string[]; options: string; path: string };
    expect(code).toBe(0);
    expect(told.args).toEqual(['demo', '--once', 'a b']);
    expect(told.options).toBe('--disable-warning=ExperimentalWarning');
    expect(told.path.split(':')[0]).toBe(dirname(process.execPath));
  });

  test('ends us with its exit code', async () => {
    expect((await start(makeClone({ installed: true }), ['farebox', '--fail']).ended).code).toBe(7);
  });

  test('gets the signals that we get', async () => {
    const { child, ended } = start(makeClone({ installed: true }), ['farebox', '--wait']);
    await new Promise<void>((resolve) => child.stdout.on('data', (text: string) => text.includes('ready') && resolve()));
    child.kill('SIGTERM');
    expect((await ended).code).toBe(9);
  });

  test.each([
    ['none', [], ['test/e2e/lnd/']],
    ['one', ['sale'], ['test/e2e/lnd/sale']],
    ['two and an option', ['sale', '--reporter=dot', 'payees'], ['test/e2e/lnd/sale', 'test/e2e/lnd/payees', '--reporter=dot']],
  ])('of a suite runs all files where %s is named, and else those that are', async (_, named, expected) => {
    const root = makeClone({ installed: true });
    mkdirSync(join(root, 'node_modules', 'vitest'));
    writeFileSync(join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'console.log(JSON.stringify(process.argv.slice(2)))');
    const { stdout } = await start(root, ['e2e:lnd', ...named]).ended;
    expect(JSON.parse(stdout)).toEqual(['run', '--config', 'vitest.nodes.config.ts', ...expected]);
  });

  test('has to be one that there is', async () => {
    const { code, stderr } = await start(makeClone({ installed: true }), ['constructor']).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('<start|farebox|');
  });
});

describe('the dependencies', () => {
  test('are left alone where they are there', async () => {
    const root = makeClone({ installed: true });
    await start(root, ['farebox']).ended;
    expect(npmCalls(root)).toEqual([]);
  });

  test('are installed where they are missing', async () => {
    const root = makeClone();
    const { code, stderr } = await start(root, ['farebox']).ended;
    expect(code).toBe(0);
    expect(stderr).toBe('Installing dependencies\n');
    expect(npmCalls(root)).toEqual([expect.stringMatching(/^ci --include=dev --ignore-scripts /)]);
  });

  test('are installed anew when the lock file names another version', async () => {
    const root = makeClone({ installed: true });
    writeFileSync(join(root, 'package-lock.json'), JSON.stringify({ packages: { 'node_modules/a': { ...entry, version: '1.0.1' } } }));
    await start(root, ['farebox']).ended;
    expect(npmCalls(root)).toHaveLength(1);
  });

  test('are installed anew when they were made for another machine', async () => {
    const root = makeClone();
    const foreign = JSON.stringify({ packages: { 'node_modules/a': { ...entry, optional: true, os: ['plan9'] } } });
    writeFileSync(join(root, 'package-lock.json'), foreign);
    mkdirSync(join(root, 'node_modules'));
    writeFileSync(join(root, 'node_modules', '.package-lock.json'), foreign);
    await start(root, ['farebox']).ended;
    expect(npmCalls(root)).toHaveLength(1);
  });

  test('are installed once when several runs begin together', async () => {
    const root = makeClone();
    const runs = await Promise.all([1, 2, 3, 4].map(() => start(root, ['farebox']).ended));
    expect(runs.map((each) => each.code)).toEqual([0, 0, 0, 0]);
    expect(npmCalls(root)).toHaveLength(1);
    expect(existsSync(join(root, '.farebox', 'install.lock'))).toBe(false);
  });

  test('are installed though a run that held the lock was killed', async () => {
    const root = makeClone();
    mkdirSync(join(root, '.farebox', 'install.lock'), { recursive: true });
    const gone = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => gone.on('close', resolve));
    writeFileSync(join(root, '.farebox', 'install.lock', 'pid'), String(gone.pid));
    expect((await start(root, ['farebox']).ended).code).toBe(0);
    expect(npmCalls(root)).toHaveLength(1);
  });

  test('that cannot be fetched are told of in plain words', async () => {
    const { code, stderr, stdout } = await start(makeClone(), ['farebox'], { FAKE_NPM: 'offline' }).ended;
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('The dependencies could not be installed: the npm registry cannot be reached (ENOTFOUND).');
  });
});

describe('the Node', () => {
  test.each([
    ['18.20.4', false],
    ['20.20.2', false],
    ['22.18.0', false],
    ['22.19.0', true],
    ['23.11.0', false],
    ['24.0.0', true],
    ['26.10.0', true],
  ])('%s is new enough: %s', async (version, expected) => {
    const { isNewEnough } = (await import(new URL('./node.mjs', import.meta.url).href)) as { isNewEnough: (version: string) => boolean };
    expect(isNewEnough(version)).toBe(expected);
  });
});
