import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import { loadConfig } from '../gateway/index.ts';
import { registerInit } from './init.ts';

const fakes: Fake[] = [];
const fake = (options: FakeOptions = {}) => {
  const made = createFake(registerInit, options);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

test('three answers make a configuration that loads', async () => {
  const cli = fake({ answers: ['http://localhost:4000/v2', '25 sat', 'Translation API'] });
  const file = cli.path('farebox.yaml');
  await cli.run('init', file);
  expect(cli.questions).toEqual(['Where is your API?', 'What does a request cost?', 'What is it called?']);
  const config = await loadConfig(file, { environment: {} });
  expect(config.routes).toMatchObject([
    {
      pattern: '/*',
      service: 'translation-api',
      upstream: { origin: 'http://localhost:4000', basePath: '/v2' },
      sale: { priceMsat: 25_000n, terms: { kind: 'per-request' }, description: 'Translation API - 1 request' },
    },
  ]);
  expect(cli.out()).toContain('farebox serve --config');
  expect(cli.out()).toContain('sandbox: play money, worth nothing');
});

test('an empty answer takes what stands in brackets', async () => {
  const cli = fake({ answers: ['', '', ''] });
  await cli.run('init', cli.path('farebox.yaml'));
  const [route] = (await loadConfig(cli.path('farebox.yaml'), { environment: {} })).routes;
  expect(route).toMatchObject({ service: 'my-api', upstream: { origin: 'http://localhost:3000' }, sale: { priceMsat: 10_000n } });
});

test('what an option says is not asked', async () => {
  const cli = fake({ answers: ['5 sat'] });
  await cli.run('init', cli.path('farebox.yaml'), '--upstream', 'http://localhost:3000', '--name', 'Maps');
  expect(cli.questions).toEqual(['What does a request cost?']);
  expect((await loadConfig(cli.path('farebox.yaml'), { environment: {} })).routes[0]?.sale?.priceMsat).toBe(5000n);
});

test('a mistyped answer is asked again, three times at most', async () => {
  const cli = fake({ answers: ['', '10', '10 sat', 'Maps'] });
  await cli.run('init', cli.path('a.yaml'));
  expect(cli.notes()).toMatch(/^"10" is not an amount.*"10 sat"/);
  const tired = fake({ answers: ['', '10', '10', '10', '10 sat'] });
  await expect(tired.run('init', tired.path('a.yaml'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(existsSync(tired.path('a.yaml'))).toBe(false);
});

test('with nobody to ask, the error names the options that are missing', async () => {
  const cli = fake({ interactive: false });
  await expect(cli.run('init', cli.path('a.yaml'), '--price', '10 sat')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('--upstream and --name is missing'),
  });
  expect(existsSync(cli.path('a.yaml'))).toBe(false);
});

test('with all options it is quiet, and JSON when piped', async () => {
  const cli = fake({ interactive: false });
  const file = cli.path('a.yaml');
  await cli.run('init', file, '--upstream', 'http://localhost:3000/', '--price', '2500 msat', '--name', 'Maps');
  expect(cli.json()).toEqual([{ file, service: 'maps', upstream: 'http://localhost:3000', price: '2500 msat', title: 'Maps' }]);
});

test.each([
  ['--price', '10', /--price: "10" is not an amount/],
  ['--price', '0 sat', /--price: a price is more than nothing/],
  ['--upstream', 'localhost:3000', /--upstream: .*write "http:\/\/localhost:3000"/],
  ['--name', 'two\nlines', /--name: this is one line of text/],
])('%s %j is refused before anything is written', async (flag, value, message) => {
  const cli = fake();
  const good = ['--upstream', 'http://localhost:3000', '--price', '10 sat', '--name', 'Maps'];
  const error = await cli.run('init', cli.path('a.yaml'), ...good, flag, value).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
  expect(existsSync(cli.path('a.yaml'))).toBe(false);
});

test('a file that is there is kept unless --force is given', async () => {
  const cli = fake({ answers: ['', '', '', '', '', ''] });
  const file = cli.path('farebox.yaml');
  writeFileSync(file, 'mine\n');
  await expect(cli.run('init', file)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('--force') });
  expect(readFileSync(file, 'utf8')).toBe('mine\n');
  expect(cli.questions).toEqual([]);
  await cli.run('init', file, '--force');
  expect(readFileSync(file, 'utf8')).toContain('services:');
});

test('a folder that is not there is an error with its reason', async () => {
  const cli = fake({ answers: ['', '', ''] });
  await expect(cli.run('init', cli.path('nowhere/farebox.yaml'))).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('ENOENT') });
});

test.each([
  ['He said: "hi" # no', 'he-said-hi-no'],
  [`\${HOME} \\ ' {a: b}`, 'home-a-b'],
  ['日本語', 'api'],
  ['x'.repeat(80), 'x'.repeat(64)],
])('the name %j survives as it is, as the service %s', async (title, service) => {
  const cli = fake();
  await cli.run('init', cli.path('a.yaml'), '--upstream', 'http://localhost:3000', '--price', '10 sat', '--name', title);
  const [route] = (await loadConfig(cli.path('a.yaml'), { environment: {} })).routes;
  expect(route).toMatchObject({ service, sale: { description: `${title} - 1 request` } });
});
