import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { fingerprintOf } from '../server/RootKeys.ts';
import { readKeys } from './Home.ts';
import { registerKeys } from './keys.ts';

const fakes: Fake[] = [];
const fake = (options = {}) => {
  const made = createFake(registerKeys, options);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

test('a new key mints, the ones before it verify, and none is shown', async () => {
  const cli = fake();
  await cli.run('keys', 'new');
  await cli.run('keys', 'new');
  await cli.run('keys', 'list');
  const [second, first] = readKeys(cli.home.keyFile).map(fingerprintOf);
  expect(cli.out()).toMatch(new RegExp(`${second} +mints, and verifies\\n +${first} +verifies\\n`));
  for (const line of readFileSync(cli.home.keyFile, 'utf8').trim().split('\n')) expect(cli.out() + cli.notes()).not.toContain(line);
  expect(statSync(cli.home.keyFile).mode & 0o077).toBe(0);
});

test('piped, it is JSON', async () => {
  const cli = fake({ interactive: false });
  const file = cli.path('shop.keys');
  await cli.run('keys', 'new', '--file', file);
  await cli.run('keys', 'list', '--file', file);
  const [fingerprint] = readKeys(file).map(fingerprintOf);
  expect(cli.json()).toEqual([
    { file, fingerprint, role: 'mints', keys: 1 },
    { file, keys: [{ fingerprint, role: 'mints' }] },
  ]);
  expect(existsSync(cli.home.keyFile)).toBe(false);
});

test('a list without a file is an error, and makes none', async () => {
  const cli = fake();
  await expect(cli.run('keys', 'list')).rejects.toThrow(/There is no key yet.*farebox keys new/);
  expect(existsSync(cli.home.keyFile)).toBe(false);
});

test('a file that holds something else is left as it is, and not repeated', async () => {
  const cli = fake();
  const file = cli.path('broken.keys');
  writeFileSync(file, 'correct horse battery staple\n');
  const outcome = await cli.run('keys', 'new', '--file', file).catch((error: Error) => error.message);
  expect(outcome).toMatch(/no key: a key is 64 hex digits/);
  expect(outcome).not.toContain('horse');
  expect(readFileSync(file, 'utf8')).toBe('correct horse battery staple\n');
});

test('a folder that is not there is an error that says what to do', async () => {
  const cli = fake();
  await expect(cli.run('keys', 'new', '--file', cli.path('nowhere/keys'))).rejects.toMatchObject({
    code: 'KEYS_INVALID',
    message: expect.stringMatching(/ENOENT.*--file/),
  });
});
