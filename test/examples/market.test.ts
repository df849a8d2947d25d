/**
 * `examples/market`, `examples/services` and the helpers of `examples/agents`, as processes of their own, the way their READMEs start them.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { type DeskOptions, openDesk } from '../e2e/processes.ts';

const root = join(import.meta.dirname, '..', '..');
const program = join(root, 'examples', 'run.ts');
const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function open(options: DeskOptions = {}) {
  const desk = openDesk(options);
  closing.push(desk.close);
  return desk;
}

async function printed(name: string): Promise<readonly string[]> {
  const { code, stdout, stderr } = await open({ program }).run(name);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.trim().split('\n');
}

describe('examples/market', () => {
  test('sells articles, each once, until the budget is spent', async () => {
    expect(await printed('market/articles')).toEqual([
      'on-402: The code was reserved in 1997 and waited. (200, paid 20 sat and a fee of 1 sat)',
      'on-402: The code was reserved in 1997 and waited. (200, nothing paid: what was bought before is still good)',
      'on-preimages: Whoever knows it has paid. (200, paid 20 sat and a fee of 1 sat)',
      'on-macaroons: not bought, the budget is spent',
      'receipt: /articles/on-402, 20 sat, proven',
      'receipt: /articles/on-preimages, 20 sat, proven',
      'The magazine has earned 40 sat.',
    ]);
  });

  test('has two pairs of agents that trade', async () => {
    const [last, ...others] = [...(await printed('market/agents'))].reverse();
    expect(last).toBe('scraping has earned 45 sat, testing 80 sat.');
    expect(others.sort()).toEqual([
      expect.stringMatching(/^coding has passed with draft 2 for 82 sat/),
      expect.stringMatching(/^research has read 3 pages for 48 sat/),
    ]);
  });

  test('gets hundreds of services done in one workflow, some of whose providers are down', { timeout: 120_000 }, async () => {
    const [done, down, spent] = await printed('market/workflow');
    expect(done).toBe('200 jobs done, the sum of their results is 2646700.');
    expect(down).toMatch(/^\d+ times a provider was down/);
    expect(spent).toMatch(/^Spent \d+ sat, fees included; the providers have earned \d+ sat and \d+ sat\.$/);
  });
});

test('examples/agents has helpers with shares of a budget, one of which is pulled', async () => {
  const readme = readFileSync(join(root, 'examples', 'agents', 'README.md'), 'utf8');
  const [, said = ''] = readme.split('It prints\n\n');
  expect(await printed('agents/orchestrator')).toEqual(
    said
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(4)),
  );
});

const python = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;

describe.skipIf(!python)(python ? 'examples/services' : 'examples/services: NOT TRIED, there is no python3 (3.9 or later) on this machine', () => {
  test('calls a service by its name from Python, and passes over a provider that is down', { timeout: 120_000 }, async () => {
    const home = join(open().folder, 'home');
    const environment = { FAREBOX_HOME: home, PORT: '0' };
    const sandbox = open({ environment }).start('sandbox', '--json');
    await sandbox.says(() => true);
    const server = open({ program, environment }).start('services/server');
    const [, url = ''] = await server.prints(/^A sentiment costs 10 sat \(sandbox\): (http:\S+)$/);
    const desk = open();
    const file = join(desk.folder, 'services.yaml');
    const text = readFileSync(join(root, 'examples/services/services.yaml'), 'utf8');
    writeFileSync(file, text.replace('http://127.0.0.1:8402', url).replace('127.0.0.1:8403', '127.0.0.1:1'));
    const farebox = `${process.execPath} --disable-warning=ExperimentalWarning ${join(root, 'src/cli/bin.ts')}`;
    const done = spawnSync('python3', [join(root, 'examples/services/services.py'), file], {
      env: { ...process.env, FAREBOX_HOME: home, FAREBOX: farebox },
      encoding: 'utf8',
    });
    expect([done.stderr, done.stdout]).toEqual(['', 'positive, by gateway for 10 sat\nnegative\n']);
  });
});
