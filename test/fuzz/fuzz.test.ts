/**
 * The fuzzer is alive: every parser stands a few thousand changed inputs, and what is planted is found.
 *
 * `npm run fuzz` goes on from here, by the coverage that inputs reach and for as long as one likes.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { mutate } from './mutate.ts';
import { createRandom } from './Random.ts';
import { runOnce } from './Target.ts';
import { targets } from './targets.ts';

const root = dirname(dirname(import.meta.dirname));

describe('every parser stands its seeds and what changes make of them', () => {
  test.each(targets)('$name', { timeout: 60_000 }, async (target) => {
    const random = createRandom(1, target.name);
    const source = { random, form: target.form, words: target.words ?? [], longest: target.longest ?? 2048, other: () => random.pick(target.seeds) };
    const inputs = [...target.seeds, ...Array.from({ length: 10 * (target.batch ?? 200) }, () => mutate(random.pick(target.seeds), source))];
    for (const input of inputs) {
      const outcome = await runOnce(target, input);
      // The input first: it is the find.
      if (outcome.kind !== 'fine') expect([input, outcome.kind, outcome.what]).toEqual([]);
    }
  });
});

describe('the program', { timeout: 60_000 }, () => {
  const run = (...args: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'scripts', 'fuzz.ts'), ...args], { cwd: root, encoding: 'utf8' });
    return { status, stdout, stderr };
  };
  /** Without the seconds. */
  const table = (stdout: string) =>
    stdout.split('\n').flatMap((line) => /^([a-z0-9-]+) +(\d+) +[\d.]+ +(\d+) +(\d+) +(\d+)$/.exec(line)?.slice(1).join(' ') ?? []);

  test('finds what is planted, and shows it as something that can be run again', () => {
    const { status, stdout } = run('--targets', 'test/fuzz/planted.ts', '--inputs', '6000');
    for (const find of ['rare-branch: threw', 'varint: broken', 'doubled-field: broken', 'missing-bound: large']) expect(stdout).toContain(`FOUND ${find}`);
    expect(status).toBe(1);

    const [, input = ''] = /--parser doubled-field --input '(.*)'/.exec(stdout) ?? [];
    const again = run('--targets', 'test/fuzz/planted.ts', '--parser', 'doubled-field', '--input', input);
    expect([again.status, again.stdout]).toEqual([1, expect.stringContaining('doubled-field: broken, a field twice')]);
  });

  test('equal seeds draw equal inputs, and other seeds others', () => {
    const drawn = (seed: string) => table(run('--targets', 'test/fuzz/planted.ts', '--inputs', '1000', '--seed', seed).stdout);
    const rows = drawn('7');
    expect(rows).toHaveLength(4);
    expect(drawn('7')).toEqual(rows);
    expect(drawn('8')).not.toEqual(rows);
  });

  test('counts what runs of the source itself', () => {
    const { status, stdout, stderr } = run('--parser', 'amount', '--inputs', '200');
    expect([status, stderr]).toEqual([0, '']);
    const [row = ''] = table(stdout);
    const [, inputs, corpus, blocks, finds] = row.split(' ').map(Number);
    expect([inputs, finds]).toEqual([208, 0]);
    expect(corpus).toBeGreaterThanOrEqual(8);
    expect(blocks).toBeGreaterThan(12);
  });

  test('what is not there is told', () => {
    expect(run('--parser', 'nothing')).toMatchObject({ status: 2, stderr: expect.stringContaining('There is no parser "nothing"; there are amount, ') });
  });
});
