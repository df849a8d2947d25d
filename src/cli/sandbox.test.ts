import { existsSync, readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import * as Amount from '../core/Amount.ts';
import { exitCodeOf } from './exit.ts';
import { openSandbox, type SandboxLink } from './SandboxLink.ts';
import { registerSandbox } from './sandbox.ts';

const ends: (() => Promise<void> | void)[] = [];
const fake = (options: FakeOptions = {}): Fake => {
  const made = createFake(registerSandbox, options);
  ends.push(made.remove);
  return made;
};
const withNetwork = async (options: FakeOptions = {}): Promise<Fake & { readonly link: SandboxLink }> => {
  const made = fake(options);
  const link = await openSandbox(made.home);
  ends.push(link.close);
  return { ...made, link };
};
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function pay({ link }: { readonly link: SandboxLink }, sat: number) {
  const { invoice } = await link.sandbox.receiver('seller').createInvoice({ amountMsat: Amount.fromSat(sat), description: 'x', expirySeconds: 600 });
  return link.sandbox.payer('wallet').pay({ invoice, maxFeeMsat: Amount.fromSat(5), timeoutSeconds: 5 });
}

test('runs until it is stopped, and says where, without its token', async () => {
  const cli = fake();
  const running = cli.run('sandbox');
  await cli.seen('Ctrl-C ends it.');
  const { url, token } = JSON.parse(readFileSync(cli.home.sandboxAddress, 'utf8')) as { url: string; token: string };
  expect(cli.out()).toContain(`The sandbox (play money, worth nothing) runs at ${url}`);
  expect(cli.out() + cli.notes()).not.toContain(token);
  cli.stop();
  await running;
  expect(existsSync(cli.home.sandboxAddress)).toBe(false);
});

test('one that runs already is said so, and goes on', async () => {
  const cli = await withNetwork();
  await cli.run('sandbox', 'run');
  expect(cli.out()).toContain(`runs already at ${cli.link.address.url}`);
  await cli.link.sandbox.faults();
});

test('status shows nodes, payments and that the books balance', async () => {
  const cli = await withNetwork();
  const paid = await pay(cli, 50);
  await cli.link.sandbox.setFault({ node: 'seller', kind: 'fails', payments: 2 });
  await pay(cli, 70);
  await cli.run('sandbox', 'status');
  const out = cli.out();
  expect(out).toContain('sandbox (play money, worth nothing)');
  expect(out).toMatch(/^wallet +9999\d\d sat/m);
  expect(out).toMatch(/^seller +1000050 sat .* fails, once$/m);
  expect(out).toMatch(/wallet -> seller +50 sat +fee 1 sat +settled +[0-9a-f]{16}$/m);
  expect(out).toMatch(/wallet -> seller +70 sat +fee 0 sat +failed +[0-9a-f]{16} +no-route, fault fails$/m);
  expect(out).toMatch(/The books balance: \d+ sat spendable \+ 0 sat held/);
  if (paid.kind !== 'settled') throw new Error('the payment has not settled');
  expect(out).not.toContain(paid.preimage.slice(0, 16));
  expect(out).not.toContain(cli.link.address.token);
});

test('status as JSON, the latest payments only', async () => {
  const cli = await withNetwork({ interactive: false });
  await pay(cli, 50);
  const paid = await pay(cli, 51);
  await cli.run('sandbox', 'status', '--limit', '1');
  expect(cli.json()).toMatchObject([
    { network: 'sandbox', balanced: true, faults: [], payments: [{ amountMsat: '51000', state: 'settled' }], nodes: [{ name: 'hub' }, {}, {}] },
  ]);
  expect(cli.out()).not.toContain(paid.kind === 'settled' ? paid.preimage : '');
  expect(cli.out()).not.toContain(cli.link.address.token);
});

test('funds a node, either side of it', async () => {
  const cli = await withNetwork();
  await cli.run('sandbox', 'fund', 'wallet', '5000 sat');
  await cli.run('sandbox', 'fund', 'wallet', '1 sat', '--inbound');
  expect(cli.out()).toContain('wallet can spend 1005000 sat now on the sandbox');
  expect(cli.out()).toContain('wallet can be paid 100000001 sat now');
});

test('sets a fault for a number of payments, and takes it back', async () => {
  const cli = await withNetwork();
  await cli.run('sandbox', 'fault', 'wallet', 'fails', '--payments', '2');
  expect(cli.out()).toContain('wallet on the sandbox (play money, worth nothing): fails, 2 times.');
  expect(await cli.link.sandbox.faults()).toEqual([{ node: 'wallet', kind: 'fails', payments: 2 }]);
  expect((await pay(cli, 10)).kind).toBe('failed');
  await cli.run('sandbox', 'clear', 'wallet');
  expect(cli.out()).toContain('Cleared on the sandbox (play money, worth nothing): wallet (fails).');
  expect((await pay(cli, 10)).kind).toBe('settled');
  await cli.run('sandbox', 'clear');
  expect(cli.out()).toContain('There was no fault of any node');
});

test('a fault of a node that is not there yet is shown too', async () => {
  const cli = await withNetwork();
  await cli.run('sandbox', 'fault', 'nobody', 'node-down');
  await cli.run('sandbox', 'status');
  expect(cli.out()).toMatch(/^nobody {2}node-down \(not opened yet\)$/m);
});

test('sets a delay', async () => {
  const cli = await withNetwork({ interactive: false });
  await cli.run('sandbox', 'delay', '0');
  expect(cli.json()).toEqual([{ network: 'sandbox', delayMs: 0 }]);
});

test.each([
  [['fund', 'wallet', '5000'], 'AMOUNT_MALFORMED', '"5000 sat" or "5000 msat"'],
  [['fund', 'wallet', '0 sat'], 'CONFIG_INVALID', 'more than nothing'],
  [['fund', 'HUB!', '5 sat'], 'CONFIG_INVALID', 'HUB!'],
  [['fault', 'wallet', 'explodes'], 'CONFIG_INVALID', 'Faults are fails, hangs'],
  [['fault', 'wallet', 'fails', '--payments', '0'], 'CONFIG_INVALID', '--payments is a whole number from 1'],
  [['fault', 'hub', 'fails'], 'CONFIG_INVALID', 'hub'],
  [['delay', '-'], 'CONFIG_INVALID', '<ms> is a whole number from 0'],
  [['run', '--port', '70000'], 'CONFIG_INVALID', '65535'],
])('%j is the command line’s mistake', async (args, code, message) => {
  const cli = await withNetwork();
  const error = await cli.run('sandbox', ...args).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  expect(exitCodeOf(error)).toBe(2);
});

test.each([[['status']], [['fund', 'wallet', '5 sat']], [['clear']], [['delay', '5']]])('%j without a sandbox says how to start one', async (args) => {
  const error = await fake()
    .run('sandbox', ...args)
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'SANDBOX_UNAVAILABLE', message: expect.stringContaining('farebox sandbox') });
  expect(exitCodeOf(error)).toBe(7);
});
