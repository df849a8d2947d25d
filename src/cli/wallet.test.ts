import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { openDouble } from '../../test/lightning/Double.ts';
import { lnbot, walletKeys } from '../../test/lightning/lnbot.ts';
import { createNodes } from '../../test/lightning/Node.ts';
import { openNwc, secrets, uriOf } from '../../test/lightning/nwc.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { openWallet, readWallets, type Wallet, writeWallet } from './Wallets.ts';
import { registerWallet } from './wallet.ts';

const fakes: Fake[] = [];
const fake = () => {
  const made = createFake(registerWallet);
  fakes.push(made);
  return made;
};
afterEach(() => {
  for (const made of fakes.splice(0)) made.remove();
});

const lnd: Wallet = { kind: 'lnd', network: 'regtest', url: 'https://127.0.0.1:1', secretPath: '/nowhere/pay.macaroon' };

test.each([
  ['another product', ['connect', 'paypal', '--url', 'https://x', '--macaroon', 'x'], '"paypal" is no wallet that is known here'],
  ['no address', ['connect', 'lnd', '--macaroon', 'x'], 'Add --url'],
  ['no macaroon', ['connect', 'lnd', '--url', 'https://127.0.0.1:1'], 'Add --macaroon'],
  [
    'an unknown network',
    ['connect', 'lnd', '--url', 'https://127.0.0.1:1', '--macaroon', 'x', '--network', 'sandbox'],
    '--network is bitcoin, testnet, signet or regtest',
  ],
  ['an address of what has none', ['connect', 'nwc', '--connection', 'x', '--url', 'https://127.0.0.1:1'], '--url is for wallets that have an address'],
  ['no connection', ['connect', 'nwc'], 'Add --connection'],
  ['a name that is none', ['connect', 'lnd', '--url', 'https://127.0.0.1:1', '--macaroon', 'x', '--name', '../x'], '--name is'],
  ['plain http to the internet', ['connect', 'lnd', '--url', 'http://node.example.com', '--macaroon', 'x'], 'Use https'],
  ['a wallet to forget that is not there', ['remove', 'other'], 'There is no wallet "other"'],
])('%s is refused', async (_, args, message) => {
  const cli = fake();
  await expect(cli.run('wallet', ...args)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) });
  expect(readWallets(cli.home)).toEqual({});
});

test('a wallet that cannot be reached is not connected', async () => {
  const cli = fake();
  const macaroon = `${cli.home.folder}/pay.macaroon`;
  writeFileSync(macaroon, Buffer.from('0201', 'hex'));
  await expect(cli.run('wallet', 'connect', 'lnd', '--url', 'https://127.0.0.1:1', '--macaroon', macaroon)).rejects.toMatchObject({
    code: 'LIGHTNING_UNAVAILABLE',
  });
  expect(readWallets(cli.home)).toEqual({});
});

test('a hosted wallet is connected by its key’s file alone', async () => {
  const cli = fake();
  const nodes = createNodes();
  const double = await openDouble(lnbot(nodes.buyer));
  const key = cli.path('wallet.key');
  writeFileSync(key, walletKeys.buyer);
  try {
    await cli.run('wallet', 'connect', 'lnbot', '--url', double.url, '--network', 'regtest', '--key', key);
  } finally {
    await double.close();
    await nodes.close();
  }
  expect(cli.out()).toContain('Connected wallet: lnbot "buyer" on regtest, 1000000 sat to spend.');
  expect(readWallets(cli.home)).toEqual({ wallet: { kind: 'lnbot', network: 'regtest', url: double.url, secretPath: key } });
  expect(readFileSync(cli.home.wallets, 'utf8') + cli.out()).not.toContain(walletKeys.buyer);
});

test('wallets are listed, and forgotten one at a time; the file is its owner’s alone', async () => {
  const cli = fake();
  writeWallet(cli.home, 'wallet', lnd);
  writeWallet(cli.home, 'spare', { ...lnd, network: 'bitcoin' });
  expect(statSync(cli.home.wallets).mode & 0o077).toBe(0);
  await cli.run('wallet', 'list');
  expect(cli.out()).toMatch(/^wallet +lnd +regtest +https:\/\/127\.0\.0\.1:1\nspare +lnd +bitcoin/);
  await cli.run('wallet', 'remove', 'wallet');
  expect(Object.keys(readWallets(cli.home))).toEqual(['spare']);
});

test('where none is connected, it says what pays', async () => {
  const cli = fake();
  await cli.run('wallet', 'list');
  expect(cli.out()).toContain('play money from the sandbox');
});

test('a file that is no list of wallets is left alone and named', () => {
  const { home } = fake();
  for (const text of ['{', '[]', '{"wallet":{"kind":"paypal"}}']) {
    writeFileSync(home.wallets, text);
    expect(() => readWallets(home)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(() => writeWallet(home, 'wallet', lnd)).toThrow();
    expect(readFileSync(home.wallets, 'utf8')).toBe(text);
  }
});

test('two wallets of one product go by two names in the journal, for neither knows what the other paid', async () => {
  const [one, other] = [openWallet('wallet', lnd), openWallet('spare', lnd)];
  expect([one.name, other.name]).toEqual(['lnd/wallet', 'lnd/spare']);
  await Promise.all([one.close(), other.close()]);
});

test('a wallet over Nostr Wallet Connect is connected by its file alone, once it is known what to reckon with; one that may not pay is not', async () => {
  const cli = fake();
  const nodes = createNodes(FixedClock.create(Math.floor(Date.now() / 1000)));
  const wallet = await openNwc(nodes.buyer);
  try {
    for (const name of ['pay', 'sell'] as const) writeFileSync(cli.path(name), `${uriOf([wallet.url], secrets[name])}\n`);
    const connect = (file: string, ...more: readonly string[]) =>
      cli.run('wallet', 'connect', 'nwc', '--network', 'regtest', '--connection', cli.path(file), ...more);
    await expect(connect('pay')).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('--assumed-max-fee') });
    await expect(connect('sell', '--assumed-max-fee', '10 sat')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('may not pay'),
    });
    expect(readWallets(cli.home)).toEqual({});
    await connect('pay', '--assumed-max-fee', '10 sat');
    expect(cli.out()).toMatch(/Connected wallet: nwc "buyer" on regtest, [\d,]+ sat to spend/);
    expect(readWallets(cli.home)).toEqual({ wallet: { kind: 'nwc', network: 'regtest', secretPath: cli.path('pay'), assumedMaxFee: '10 sat' } });
    await cli.run('wallet', 'list');
    expect(cli.out()).toMatch(/^wallet +nwc +regtest/m);
    expect(cli.out() + cli.notes() + readFileSync(cli.home.wallets, 'utf8')).not.toContain(secrets.pay);
  } finally {
    await wallet.close();
    await nodes.close();
  }
});
