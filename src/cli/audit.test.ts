import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import { startWeakSeller, type Weakness, type WeakSeller } from '../../test/cli/weakSeller.ts';
import { probes } from './audit/probes.ts';
import { registerAudit } from './audit.ts';
import { exitCodeOf } from './exit.ts';

const open: (() => unknown)[] = [];
let exitCode: typeof process.exitCode;
beforeEach(() => {
  exitCode = process.exitCode;
  process.exitCode = undefined;
});
afterEach(async () => {
  process.exitCode = exitCode;
  for (const close of open.splice(0)) await close();
});

function fake(options: FakeOptions = {}): Fake {
  const made = createFake(registerAudit, options);
  open.push(made.remove);
  return made;
}

async function seller(cli: Fake, weakness?: Weakness): Promise<WeakSeller> {
  const made = await startWeakSeller(cli.clock, weakness);
  open.push(made.close);
  return made;
}

test('a person reads a line for each probe, then what was found, the worst first, with what to do', async () => {
  const cli = fake();
  const { url } = await seller(cli, 'serves on two slashes');
  await cli.run('audit', url);
  const out = cli.out();
  expect(out).toContain(`farebox audit   GET ${url}`);
  expect(out).toContain('price    50 sat, play money (regtest)');
  expect(out).toContain('may pay  nothing');
  for (const { name, pays } of probes) expect(new RegExp(`^ {4}(ok|finding) +${name} +\\S`, 'm').test(out), name).toBe(!pays);
  expect(out).toMatch(/^ {4}finding +path-spellings {5}a slash twice at the front, \/\/v1\/translate: 200/m);
  const [, end = ''] = out.split('\n loses money: ');
  expect(end).toMatch(/path-spellings\n {6}seen .*look at it\n {6}means .*\n {6}mend {4}Normalise the path once/);
  expect(end).toMatch(/ 36 ok · 1 finding\n \d+ requests, nothing paid\n/);
  expect([process.exitCode, cli.notes()]).toEqual([1, '']);
});

test('of what is found in many ways, eight are told', async () => {
  const cli = fake();
  const { url } = await seller(cli, 'repeats the credential');
  await cli.run('audit', url, '--only', 'clean-refusals,echo');
  expect(cli.out()).toContain('seen    the preimage of a made-up credential: in the body of a 401');
});

test('advice alone is told, and is no failure', async () => {
  const cli = fake();
  const { url } = await seller(cli, 'offers LSAT alone');
  await cli.run('audit', url);
  expect(cli.out()).toMatch(/^ {4}advice +both-schemes +LSAT alone$/m);
  expect(cli.out()).toContain('36 ok · no findings · 1 of advice');
  expect(process.exitCode).toBeUndefined();
});

test('what could not be told stands on its own, each reason once, and is never ok', async () => {
  const cli = fake();
  const { url } = await seller(cli, 'hangs up on credentials');
  await cli.run('audit', url);
  const [, end = ''] = cli.out().split('\n could not tell: ');
  expect(end).toMatch(/\n {4}many-tokens, two-credentials, path-spellings, .*\n {6}no answer|has not answered the last 5 requests/);
  expect(end).toMatch(/\d+ ok · no findings · \d+ could not be told/);
  expect(process.exitCode).toBe(7);
});

test('a program reads JSON lines: the offer, each probe, the end', async () => {
  const cli = fake({ interactive: false });
  const { url } = await seller(cli, 'gives HEAD away');
  await cli.run('audit', url, '--only', 'head,fresh-invoice');
  expect(cli.json()).toEqual([
    { kind: 'offer', what: `GET ${url}`, price: '50 sat, play money (regtest)', maxRequests: 120 },
    { kind: 'probe', name: 'fresh-invoice', group: 'offer', outcome: 'ok', saw: ['two asks, two of each'] },
    expect.objectContaining({ kind: 'probe', name: 'head', outcome: 'finding', severity: 'breaks clients', saw: ['HEAD: 200'] }),
    {
      kind: 'audit',
      what: `GET ${url}`,
      exitCode: 1,
      requests: 3,
      payments: 0,
      spentMsat: '0',
      counts: { ok: 1, finding: 1, unknown: 0, skipped: 0 },
      findings: [{ name: 'head', severity: 'breaks clients' }],
    },
  ]);
});

test('where nothing is for sale, that is said and nothing else is tried', async () => {
  const cli = fake();
  const { url, requests } = await seller(cli, 'is free');
  await cli.run('audit', url);
  expect([cli.out(), process.exitCode, requests()]).toEqual(['', 2, 1]);
  expect(cli.notes()).toContain('GET /v1/translate was answered 200: it asks for no payment.');
});

test('what a server writes cannot steer the terminal', async () => {
  const cli = fake();
  const { url } = await seller(cli, 'moves away');
  await cli.run('audit', `${url}?x=%1b[31m`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  expect(cli.out() + cli.notes()).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
});

test('--list asks nothing, and names them all', async () => {
  const cli = fake({ interactive: false });
  await cli.run('audit', '--list');
  expect(cli.json().map(({ name }) => name)).toEqual(probes.map(({ name }) => name));
  const person = fake();
  await person.run('audit', '--list');
  expect(person.out().trim().split('\n').length).toBe(probes.length);
});

describe('refused before anything is asked', () => {
  test.each([
    ['a stranger’s server', ['https://example.com/'], /example\.com is not this machine.*--i-may/],
    ['a name that begins like this machine', ['http://localhost.example.com/'], /--i-may/],
    ['no URL', [], /Name a URL/],
    ['no URL of HTTP', ['ftp://127.0.0.1/'], /Name a URL/],
    ['a password in the URL', ['http://me:secret@127.0.0.1:1/'], /user name or a password/],
    ['a probe that there is not', ['http://127.0.0.1:1/', '--only', 'head,heads'], /no probe "heads"/],
    ['a probe that pays, without --pay', ['http://127.0.0.1:1/', '--only', 'single-use'], /add --pay and --max/],
    ['a payment without a limit', ['http://127.0.0.1:1/', '--pay'], /--max/],
    ['a limit without a unit', ['http://127.0.0.1:1/', '--pay', '--max', '10'], /"10 sat" or "10 msat"/],
    ['a header that is none', ['http://127.0.0.1:1/', '-H', 'nothing'], /"Name: value"/],
    ['a credential of one’s own', ['http://127.0.0.1:1/', '-H', 'authorization: L402 a:b'], /the audit writes that one itself/],
    ['a method that is none', ['http://127.0.0.1:1/', '-X', 'GE T'], /--request is a method/],
    ['something dearer elsewhere', ['http://127.0.0.1:1/', '--dearer', 'http://127.0.0.1:2/x'], /--dearer is a path of 127\.0\.0\.1:1/],
  ])('%s: exit code 2', async (_, args, message) => {
    const cli = fake();
    const error = await cli.run('audit', ...args).catch((thrown: unknown) => thrown);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).not.toContain('secret');
    expect([exitCodeOf(error), cli.out()]).toEqual([2, '']);
  });

  test('a payment where no sandbox runs: exit code 7', async () => {
    const cli = fake();
    const error = await cli.run('audit', 'http://127.0.0.1:1/', '--pay', '--max', '10 sat').catch((thrown: unknown) => thrown);
    expect([exitCodeOf(error), (error as Error).message]).toEqual([7, expect.stringContaining('No sandbox runs')]);
  });
});
