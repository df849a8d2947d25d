import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import * as Amount from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { LedgerEntry } from '../store/Store.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { exitCodeOf } from './exit.ts';
import { openSandbox } from './SandboxLink.ts';
import { registerStore } from './store.ts';

const ends: (() => Promise<void> | void)[] = [];
const fake = (options: FakeOptions = {}): Fake => {
  const made = createFake(registerStore, options);
  ends.push(made.remove);
  return made;
};
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A sandbox beside the command line, whose wallet pays the seller; the answer is the payment hash. */
async function withSandbox(cli: Fake) {
  const { sandbox, close } = await openSandbox(cli.home);
  ends.push(close);
  const pay = async (sat: number, payee = 'seller'): Promise<PaymentHash> => {
    const asked = { amountMsat: Amount.fromSat(sat), description: 'x', expirySeconds: 600 };
    const { invoice, paymentHash } = await sandbox.receiver(payee).createInvoice(asked);
    await sandbox.payer('wallet').pay({ invoice, maxFeeMsat: Amount.fromSat(5), timeoutSeconds: 5 });
    return paymentHash;
  };
  return { sandbox, pay };
}

const entry = (kind: LedgerEntry['kind'], paymentHash: PaymentHash, sat: number, nonce = ''): LedgerEntry => ({
  kind,
  paymentHash,
  nonce,
  amountMsat: Amount.fromSat(sat),
  service: 'translate',
  route: 'GET /translate',
  at: 1_799_999_000,
  note: '200',
});

/** Sells one use of each payment: the first is used, the second under way, the third given back. */
async function sell(cli: Fake, path: string, payments: readonly (readonly [PaymentHash, number])[]): Promise<void> {
  const store = await createSqliteStore({ path, clock: cli.clock });
  for (const [index, [paymentHash, sat]] of payments.entries()) {
    const repeat = { limit: 2, withinSeconds: 600 };
    const request = { key: `use ${index}`, request: 'GET /', leaseSeconds: 30, expiresAt: 1_800_086_400, repeat };
    await store.claim({ ...request, entry: entry('received', paymentHash, sat) });
    if (index === 0) await store.commit({ key: request.key, fence: 1, entry: entry('earned', paymentHash, sat, '1') });
    if (index === 2) await store.release({ key: request.key, fence: 1, reason: 'upstream' });
  }
  await store.close();
}

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 0,
    (error: unknown) => exitCodeOf(error),
  );

test('the sums, that they balance, that the sandbox agrees, and what was paid and never presented', async () => {
  const cli = fake();
  const { pay } = await withSandbox(cli);
  const payments = [[await pay(50), 50] as const, [await pay(20), 20] as const, [await pay(30), 30] as const];
  const kept = await pay(7);
  await pay(9, 'somebody');
  await sell(cli, cli.home.gatewayStore, payments);
  await cli.run('store', 'verify');
  const [head, , ...lines] = cli.out().split('\n');
  expect(head).toBe(`The books of ${cli.home.gatewayStore}   sandbox: play money, worth nothing`);
  expect(lines.slice(0, 11)).toEqual([
    '             amount  payments',
    'received    100 sat         3',
    '  earned     50 sat         1',
    '  unspent    30 sat         1',
    '  held       20 sat         1',
    '  refunded    0 sat         0',
    '  expired     0 sat         0',
    '',
    'The books balance: received = earned + unspent + held + refunded + expired.',
    'The sandbox agrees: it has settled 3 of 3 payments that the ledger received.',
    'Paid, and not yet presented to this store: 1 payment, 7 sat.',
  ]);
  expect(lines[11]).toMatch(new RegExp(`^ {2}\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d {2}7 sat {2}${kept}$`));
  expect(lines.slice(12)).toEqual(['']);
});

test('piped, it is JSON lines', async () => {
  const cli = fake({ interactive: false });
  const { pay } = await withSandbox(cli);
  await sell(cli, cli.home.gatewayStore, [[await pay(50), 50]]);
  const kept = await pay(7);
  await cli.run('store', 'verify');
  const nothing = { amountMsat: '0', payments: 0 };
  const all = { amountMsat: '50000', payments: 1 };
  const columns = { received: all, earned: all, unspent: nothing, held: nothing, refunded: nothing, expired: nothing };
  const store = cli.home.gatewayStore;
  const at = '2027-01-15T08:00:00.000Z';
  expect(cli.json()).toEqual([
    { kind: 'books', network: 'sandbox', store, at, balanced: true, found: 0, sandbox: 'agrees', ...columns, untied: 0 },
    { kind: 'unpresented', paymentHash: kept, amountMsat: '7000', at: expect.stringMatching(/^20.*Z$/) },
  ]);
});

test('a file that was tampered with: a sentence for each thing that is wrong, and exit code 1', async () => {
  const cli = fake();
  const { pay } = await withSandbox(cli);
  const [used, held] = [await pay(50), await pay(20)];
  const path = cli.path('shop.db');
  await sell(cli, path, [
    [used, 50],
    [held, 20],
  ]);
  const db = new DatabaseSync(path);
  db.exec(`DELETE FROM ledger WHERE kind = 'earned'; UPDATE claims SET amount_msat = '2000' WHERE payment_hash = '${held}'`);
  db.close();
  const error = await cli.run('store', 'verify', '--store', path).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'BOOKS_UNBALANCED', message: `The books of ${path} do not balance: 4 things are wrong.` });
  expect(exitCodeOf(error)).toBe(1);
  expect(cli.out()).toContain('The books do not balance:\n');
  expect(cli.out()).toContain(`  Payment ${used}: the ledger earned 0 sat of it, and by its claim 50 sat were used.\n`);
  expect(cli.out()).toContain(`  Payment ${held}: 20 sat were received, and its claim is over 2 sat.\n`);
  expect(cli.out()).toContain(`  The totals say "earned" 50 sat in all; the ledger's entries say 0 sat.\n`);
  expect(cli.out()).toContain('The sandbox agrees');

  const machine = fake({ interactive: false });
  await expect(machine.run('store', 'verify', '--store', path, '--no-sandbox')).rejects.toThrow();
  const lines = machine.json();
  expect(lines[0]).toMatchObject({ balanced: false, found: 4, sandbox: 'not-asked' });
  expect(lines.slice(1).map(({ kind, discrepancy }) => [kind, discrepancy])).toEqual([
    ['discrepancy', expect.any(String)],
    ['discrepancy', expect.any(String)],
    ['discrepancy', 'totals-differ'],
    ['discrepancy', 'totals-differ'],
  ]);
  expect(lines.find(({ discrepancy }) => discrepancy === 'used-unearned')?.paymentHash).toBe(used);
});

test('what the sandbox never settled, or settled with less, is said, and exits with 1', async () => {
  const cli = fake();
  const { pay, sandbox } = await withSandbox(cli);
  const less = await pay(10);
  const elsewhere = await pay(10, 'somebody');
  await sandbox.setFault({ node: 'seller', kind: 'fails', payments: 1 });
  const failed = await pay(10);
  await sell(cli, cli.home.gatewayStore, [
    [less, 50],
    [elsewhere, 10],
    [failed, 10],
  ]);
  expect(await codeOf(cli.run('store', 'verify'))).toBe(1);
  expect(cli.out()).toContain(`  Payment ${less}: the ledger received 50 sat, and the sandbox settled 10 sat.\n`);
  for (const hash of [elsewhere, failed]) {
    expect(cli.out()).toContain(`  Payment ${hash}: the ledger received 10 sat, and the sandbox has settled no such payment.\n`);
  }
  expect(cli.out()).toContain('The sandbox does not agree: it has settled 0 of 3 payments that the ledger received.');
});

test('a sandbox that cannot be asked never agrees: the books are shown, and the exit code is 7', async () => {
  const cli = fake();
  await sell(cli, cli.home.gatewayStore, [['ab'.repeat(32) as PaymentHash, 50]]);
  const error = await cli.run('store', 'verify').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'SANDBOX_UNAVAILABLE', message: expect.stringMatching(/could not be found out\. No sandbox runs/) });
  expect(exitCodeOf(error)).toBe(7);
  expect(cli.out()).toContain('The books balance');
  expect(cli.out()).toContain('Whether the sandbox agrees is not known: it could not be asked.');
  expect(cli.out()).not.toContain('The sandbox agrees');
  await cli.run('store', 'verify', '--no-sandbox');
  expect(cli.out()).toContain('The sandbox was not asked.');
});

test('a sandbox that is found and does not tell is not known to agree', async () => {
  const cli = fake({ interactive: false });
  await sell(cli, cli.home.gatewayStore, []);
  const broken = createServer((request, response) => {
    if (request.url !== '/v1/faults') response.writeHead(500);
    response.end('{"faults":[]}');
  });
  broken.listen(0, '127.0.0.1');
  await once(broken, 'listening');
  ends.push(() => void broken.close());
  const { port } = broken.address() as AddressInfo;
  writeFileSync(cli.home.sandboxAddress, JSON.stringify({ url: `http://127.0.0.1:${port}`, token: 'a' }));
  expect(await codeOf(cli.run('store', 'verify'))).toBe(7);
  expect(cli.json()).toEqual([expect.objectContaining({ balanced: true, sandbox: 'unknown' })]);
});

test('a store that is not there is said so, and none is made', async () => {
  const cli = fake();
  const error = await cli.run('store', 'verify').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(`there is no store at ${cli.home.gatewayStore}`) });
  expect(exitCodeOf(error)).toBe(7);
  expect(existsSync(cli.home.gatewayStore)).toBe(false);
});

test('of payments that were never presented the latest ten are shown', async () => {
  const cli = fake();
  const { pay } = await withSandbox(cli);
  await sell(cli, cli.home.gatewayStore, [[await pay(50), 50]]);
  for (let i = 1; i <= 12; i++) await pay(i);
  await cli.run('store', 'verify');
  expect(cli.out()).toContain('Paid, and not yet presented to this store: 12 payments, 78 sat.');
  expect(cli.out().trimEnd().split('\n').slice(-2)[0]).toMatch(/ 12 sat {2}[0-9a-f]{64}$/);
  expect(cli.out()).toContain('  … and 2 earlier ones; --json has them all.');
});
