import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import { registerCheck } from './check.ts';
import { exitCodeOf } from './exit.ts';

const fakes: Fake[] = [];
const fake = (text: string, options: FakeOptions = {}) => {
  const made = createFake(registerCheck, options);
  fakes.push(made);
  const file = made.path('farebox.yaml');
  writeFileSync(file, text);
  return { ...made, file };
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

const good = `listen: 127.0.0.1:9000
services:
  - name: translate
    title: Translation API
    upstream: http://localhost:3000/v2
    routes:
      - path: /api/v1/translate
        methods: GET
        price: 50 sat
      - path: /premium/*
        price: 200 sat
        terms: pass 1h
      - path: /health
        free: true
`;

test('says what a file comes to: address, money, keys, store, and each route', async () => {
  const cli = fake(good);
  await cli.run('check', cli.file);
  const out = cli.out();
  expect(out).toContain('127.0.0.1:9000 (this machine alone)');
  expect(out).toMatch(/lightning +sandbox \(play money/);
  expect(out).toContain(cli.path('farebox.keys'));
  expect(out).toContain(cli.path('farebox.db'));
  expect(out).toContain('translate -> http://localhost:3000/v2');
  expect(out).toMatch(/GET +\/api\/v1\/translate +50 sat +1 request +"Translation API - 1 request"/);
  expect(out).toMatch(/any +\/premium\/\* +200 sat +1 hour/);
  expect(out).toMatch(/any +\/health +free/);
  expect(out).toContain(`No mistakes. Start it with: farebox serve --config ${cli.file}`);
  expect(out).toContain('made at the first start');
});

test('as JSON: amounts with their unit, nothing secret', async () => {
  const keys = 'ab'.repeat(32);
  const cli = fake(`keys: \${SHOP_KEYS}\n${good}`, { interactive: false, environment: { SHOP_KEYS: keys } });
  await cli.run('check', cli.file);
  expect(cli.out()).not.toContain(keys);
  const [config] = cli.json();
  expect(config).toMatchObject({
    listen: { host: '127.0.0.1', port: 9000 },
    keys: { kind: 'text' },
    routes: [{ name: 'GET /api/v1/translate', sale: { price: '50 sat', terms: { kind: 'per-request' } } }, { sale: { price: '200 sat' } }, { name: '/health' }],
  });
  expect(cli.out()).not.toContain('priceMsat');
});

const bad = `services:
  - name: translate
    upstream: http://localhost:3000
    routes:
      - path: /a
        prize: 50 sat
      - path: /b
        price: 10
`;

test('every mistake has its place, and the command line ends with 2', async () => {
  const cli = fake(bad);
  const error = await cli.run('check', cli.file).catch((thrown: unknown) => thrown);
  expect(exitCodeOf(error)).toBe(2);
  expect((error as Error).message).toBe(`${cli.file} has 2 mistakes.`);
  const notes = cli.notes().trimEnd().split('\n');
  expect(notes[0]).toBe(`${cli.file}:6:9: unknown key \`prize\`: did you mean \`price\`?`);
  expect(notes[1]).toMatch(/:8:16: `price`: "10" is not an amount/);
  expect(cli.out()).toBe('');
});

test('mistakes as JSON', async () => {
  const cli = fake(bad, { interactive: false });
  await expect(cli.run('check', cli.file)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(cli.json()).toMatchObject([
    {
      file: cli.file,
      mistakes: [
        { line: 6, column: 9, message: expect.stringContaining('did you mean') },
        { line: 8, column: 16 },
      ],
    },
  ]);
});

test('a file that is not there is an error that says how to make one', async () => {
  const cli = fake(good);
  await expect(cli.run('check', cli.path('none.yaml'))).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('farebox init') });
});

test('a satgate.yaml is read as it is', async () => {
  const cli = fake(
    'routes:\n  - path: /api/v1/translate\n    target: http://localhost:8080\n    policy: l402\n    price_sats: 50\n    description: "Translation"\n',
  );
  await cli.run('check', cli.file);
  expect(cli.out()).toMatch(/api-v1-translate -> http:\/\/localhost:8080\n +any +\/api\/v1\/translate +50 sat +1 request/);
});
