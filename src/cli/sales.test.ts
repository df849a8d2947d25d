import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import * as Amount from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { pollMs } from '../store/feed.ts';
import type { LedgerEntry } from '../store/Store.ts';
import { createSqliteStore } from '../store/sqlite.ts';
import { exitCodeOf } from './exit.ts';
import { registerSales } from './sales.ts';

const fakes: Fake[] = [];
const fake = (options: FakeOptions = {}) => {
  const made = createFake(registerSales, options);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

const entry = (number: number, kind: LedgerEntry['kind'], note = 'per-request'): LedgerEntry => ({
  kind,
  paymentHash: number.toString(16).padStart(64, '0').split('').reverse().join('') as PaymentHash,
  nonce: '',
  amountMsat: Amount.fromSat(50),
  service: 'translate',
  route: 'GET /api/v1/translate',
  at: 1_799_999_000 + number,
  note,
});
const sale = (number: number) => [entry(number, 'received'), entry(number, 'earned', '200')];

async function fill(path: string, entries: readonly LedgerEntry[]): Promise<void> {
  const store = await createSqliteStore({ path });
  await store.append(entries);
  await store.close();
}

test('the totals and the latest entries, and an end where it is asked for', async () => {
  const cli = fake();
  await fill(cli.home.gatewayStore, [...sale(1), ...sale(2), { ...entry(2, 'reversed', 'upstream'), nonce: '1' }]);
  await cli.run('sales', '--once');
  expect(cli.out()).toContain('earned    50 sat with 1 sale   sandbox: play money, worth nothing');
  expect(cli.out()).toContain('received  100 sat in 2 payments');
  const rows = cli.out().split('\n').slice(3);
  expect(rows[0]).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}received {8}50 sat {2}1000000000000000 {2}GET \/api\/v1\/translate {2}per-request$/);
  expect(rows[1]).toMatch(/earned {9}\+50 sat .*200$/);
  expect(rows[4]).toMatch(/reversed {7}-50 sat .*upstream$/);
  expect(cli.out()).not.toContain('arrived');
});

test('what a wallet says has arrived stands beside what was sold, also where nobody has presented it', async () => {
  const cli = fake();
  await fill(cli.home.gatewayStore, [entry(1, 'settled', 'lnd'), ...sale(1), entry(2, 'settled', 'lnd')]);
  await cli.run('sales', '--once');
  expect(cli.out()).toContain('received  50 sat in 1 payment\n');
  expect(cli.out()).toContain("arrived   100 sat in 2 payments, by the wallet's word");
  expect(cli.out()).toMatch(/settled {9}50 sat .*lnd\n/);
});

test('of many entries the last ones, even behind many denials', async () => {
  const cli = fake();
  const store = await createSqliteStore({ path: cli.home.gatewayStore, clock: cli.clock });
  await store.append([1, 2, 3, 4].flatMap(sale));
  for (let i = 0; i < 40; i++) await store.deny({ kind: 'token', value: i.toString(16).padStart(64, '0'), expiresAt: 2_000_000_000 });
  await store.close();
  await cli.run('sales', '--once', '--json', '--limit', '3');
  expect(
    cli
      .json()
      .slice(1)
      .map(({ kind, seq }) => [kind, seq]),
  ).toEqual([
    ['earned', 6],
    ['received', 7],
    ['earned', 8],
  ]);
});

test('piped, it is JSON lines and ends', async () => {
  const cli = fake({ interactive: false });
  await fill(cli.home.gatewayStore, sale(1));
  await cli.run('sales');
  expect(cli.json()).toEqual([
    { kind: 'totals', network: 'sandbox', settledMsat: '0', settled: 0, receivedMsat: '50000', earnedMsat: '50000', payments: 1, sales: 1 },
    {
      kind: 'received',
      at: '2027-01-15T07:43:21.000Z',
      amountMsat: '50000',
      paymentHash: entry(1, 'earned').paymentHash,
      service: 'translate',
      route: 'GET /api/v1/translate',
      note: 'per-request',
      seq: 1,
    },
    expect.objectContaining({ kind: 'earned', note: '200', seq: 2 }),
  ]);
});

test.each([
  ['on a terminal', true, []],
  ['piped with --follow', false, ['--follow']],
])('%s it stays, shows what another process sells, and ends with Ctrl-C', async (_, interactive, flags) => {
  const cli = fake({ interactive });
  await fill(cli.home.gatewayStore, sale(1));
  const running = cli.run('sales', ...flags);
  await cli.seen(entry(1, 'earned').paymentHash.slice(0, 16));
  const gateway = await createSqliteStore({ path: cli.home.gatewayStore });
  await gateway.append(sale(2));
  const shown = cli.seen(entry(2, 'earned').paymentHash.slice(0, 16));
  await advanceUntil(cli, shown);
  cli.stop();
  await running;
  await gateway.close();
  // Nothing keeps the process alive any more.
  expect(cli.clock.timers()).toBe(0);
  if (interactive) expect(cli.out().trimEnd()).toMatch(/earned {4}100 sat with 2 sales .*\nreceived {2}100 sat in 2 payments$/);
  else expect(cli.json()).toHaveLength(5);
});

/** Moves the store's polling on until what it waits for has come. */
async function advanceUntil(cli: Fake, shown: Promise<void>): Promise<void> {
  let isShown = false;
  void shown.then(() => {
    isShown = true;
  });
  while (!isShown) {
    cli.clock.advance(pollMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a store that is not there is an error, and is not made', async () => {
  const cli = fake();
  const error = await cli.run('sales').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining(`Nothing has been sold yet: there is no store at ${cli.home.gatewayStore}`),
  });
  expect(exitCodeOf(error)).toBe(7);
  expect(existsSync(cli.home.gatewayStore)).toBe(false);
});

test('nor is a store made of an empty file', async () => {
  const cli = fake();
  writeFileSync(cli.path('empty.db'), '');
  await expect(cli.run('sales', '--store', cli.path('empty.db'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(readFileSync(cli.path('empty.db'), 'utf8')).toBe('');
});

test('an empty store says so', async () => {
  const cli = fake();
  await fill(cli.path('shop.db'), []);
  await cli.run('sales', '--once', '--store', cli.path('shop.db'));
  expect(cli.out()).toContain('earned    0 sat with 0 sales');
  expect(cli.out()).toContain('Nothing has been sold yet.');
});

test('a file that is no store is left alone', async () => {
  const cli = fake();
  writeFileSync(cli.path('notes.txt'), 'these are my notes, and no database of anybody');
  await expect(cli.run('sales', '--store', cli.path('notes.txt'))).rejects.toMatchObject({ code: expect.stringMatching(/^STORE_/) });
});

test('a configuration names the store', async () => {
  const cli = fake({ interactive: false });
  const services = 'services: [{ name: a, upstream: "http://localhost:3000", routes: [{ path: /*, price: 10 sat, terms: pass 1h }] }]';
  writeFileSync(cli.path('farebox.yaml'), `store: till.db\n${services}\n`);
  await fill(cli.path('till.db'), sale(7));
  await cli.run('sales', '--config', cli.path('farebox.yaml'));
  expect(cli.json()[0]).toMatchObject({ earnedMsat: '50000' });
  writeFileSync(cli.path('none.yaml'), `store: none\n${services}\n`);
  await expect(cli.run('sales', '--config', cli.path('none.yaml'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('has no store'),
  });
});

test.each([[['--store', 'a', '--config', 'b']], [['--once', '--follow']], [['--limit', 'many']]])('%j makes no sense', async (flags) => {
  await expect(fake().run('sales', ...flags)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
