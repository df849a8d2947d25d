/**
 * What the doctor says of wallets, each on its API as a double answers it.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { cln, runes } from '../../test/lightning/cln.ts';
import { type Asked, type Double, openDouble, type Told } from '../../test/lightning/Double.ts';
import { keys, lnbits } from '../../test/lightning/lnbits.ts';
import { lnbot, walletKeys } from '../../test/lightning/lnbot.ts';
import { lnd } from '../../test/lightning/lnd.ts';
import { createNodes, type Node } from '../../test/lightning/Node.ts';
import { openNwc, secrets, uriOf } from '../../test/lightning/nwc.ts';
import { passwords, phoenixd } from '../../test/lightning/phoenixd.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { registerDoctor } from './doctor.ts';
import { writeWallet } from './Wallets.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  process.exitCode = 0;
});

function createCli(): Fake {
  const fake = createFake(registerDoctor);
  closing.push(fake.remove);
  return fake;
}

async function openSeller(answers: (node: Node) => (asked: Asked) => Promise<Told>): Promise<Double> {
  const nodes = createNodes();
  const double = await openDouble(answers(nodes.seller));
  closing.push(nodes.close, double.close);
  return double;
}

/** Asks the doctor about a configuration: of each finding its mark and its words. */
async function findings(cli: Fake, lightning: string, files: Readonly<Record<string, string | Uint8Array>>, price = '50 sat', network = 'regtest') {
  for (const [name, content] of Object.entries(files)) writeFileSync(cli.path(name), content);
  const file = cli.path('farebox.yaml');
  writeFileSync(
    file,
    `lightning: { network: ${network}, ${lightning} }\nservices:\n  - { name: a, upstream: http://x, routes: [{ path: /p, price: ${price} }] }\n`,
  );
  await cli.run('doctor', file);
  return cli
    .out()
    .split('\n')
    .filter((line) => /^ {2}[✓!✗?] /.test(line))
    .map((line) => line.trim());
}

/** A macaroon of lnd's that names what it may in its identifier. */
const baked = (...operations: readonly (readonly [string, ...string[]])[]) =>
  Buffer.concat([
    Buffer.from([2, 1, 3]),
    ...operations.map(([entity, ...actions]) => {
      const part = (tag: number, text: string) => Buffer.concat([Buffer.from([tag, text.length]), Buffer.from(text)]);
      return Buffer.concat([part(0x0a, entity), ...actions.map((action) => part(0x12, action))]);
    }),
  ]);

test('a wallet that is well: reached, let in, makes invoices, cannot spend, and has room', async () => {
  const cli = createCli();
  const { url } = await openSeller(lnbits);
  expect(await findings(cli, `lnbits: { url: "${url}", invoiceKey: invoice.key }`, { 'invoice.key': `${keys.invoice}\n` })).toEqual([
    '✓ Reached "seller" on regtest',
    '✓ Makes invoices, and finds them again',
    '✓ What lets us in cannot spend',
    '? How much it can be paid is not to be found out, with what lets us in',
  ]);
  expect(cli.out()).toContain('Nothing is wrong.');
});

test('a key that could spend is one too many', async () => {
  const cli = createCli();
  const { url } = await openSeller(lnbits);
  const found = await findings(cli, `lnbits: { url: "${url}", invoiceKey: k }`, { k: keys.admin });
  expect(found).toContain('! What lets us in could spend as well: whoever breaks in here takes what is in the wallet');
  expect(cli.out()).not.toContain(keys.admin);
});

test('a driver that was never tried against its product says so, and reads its password out of phoenix.conf', async () => {
  const cli = createCli();
  const { url } = await openSeller(phoenixd);
  const conf = `http-password=${passwords.primary}\nhttp-password-limited-access=${passwords.limited}\n`;
  expect(await findings(cli, `phoenixd: { url: "${url}", password: phoenix.conf }`, { 'phoenix.conf': conf })).toEqual([
    '✓ Reached "phoenixd" on regtest',
    '! The driver of phoenixd was tried against its documented API, and not against phoenixd itself',
    '✓ Makes invoices, and finds them again',
    '✓ What lets us in cannot spend',
    '✓ Can be paid 1000000 sat now',
  ]);
});

test('a hosted wallet whose every key spends says so', async () => {
  const cli = createCli();
  const { url } = await openSeller(lnbot);
  expect(await findings(cli, `lnbot: { url: "${url}", key: wallet.key }`, { 'wallet.key': `${walletKeys.seller}\n` })).toEqual([
    '✓ Reached "seller" on regtest',
    '! The driver of lnbot was tried against its documented API, and not against lnbot itself',
    '✓ Makes invoices, and finds them again',
    '! What lets us in could spend as well: whoever breaks in here takes what is in the wallet',
    '? How much it can be paid is not to be found out, with what lets us in',
  ]);
});

test('no room for the highest price is wrong', async () => {
  const cli = createCli();
  const { url } = await openSeller(phoenixd);
  const found = await findings(cli, `phoenixd: { url: "${url}", password: p }`, { p: passwords.primary }, '2000000 sat');
  expect(found).toContain('✗ Can be paid 1000000 sat now, and the highest price is 2000000 sat');
  expect(found).toContain('! What lets us in could spend as well: whoever breaks in here takes what is in the wallet');
  expect(cli.out()).toContain('One thing is wrong.');
  expect(process.exitCode).toBe(1);
});

test.each<[string, boolean, Buffer]>([
  ['invoices alone', false, baked(['info', 'read'], ['invoices', 'read', 'write'], ['offchain', 'read'])],
  ['everything', true, baked(['info', 'read'], ['offchain', 'read', 'write'])],
  ['coins', true, baked(['onchain', 'write'])],
  ['other macaroons', true, baked(['macaroon', 'generate'])],
  ['one call by its name', true, baked(['uri', '/routerrpc.Router/SendPaymentV2'])],
])('of a macaroon for %s, that it could spend is %s', async (_, expected, macaroon) => {
  const cli = createCli();
  // The double lets in whoever shows this one.
  const { url } = await openSeller((node) => {
    const answers = lnd(node);
    return (asked) => answers({ ...asked, headers: { ...asked.headers, 'grpc-metadata-macaroon': '5e11' } });
  });
  const found = await findings(cli, `lnd: { url: "${url}", macaroon: m }`, { m: macaroon });
  expect(found.some((line) => line.startsWith('! What lets us in could spend'))).toBe(expected);
});

test.each<[string, boolean, string]>([
  ['no restriction', true, '=0'],
  ['selling', false, '=0&method=invoice|method=listinvoices|method=waitanyinvoice|method=wait|method=getinfo'],
  ['reading', false, '=0&method^list|method^get'],
  ['paying as well', true, '=0&method=invoice|method=pay'],
  ['a rate alone', true, '=0&rate=60'],
  ['a rate, and selling', false, '=0&rate=60&method=invoice|method=listinvoices'],
])('of a rune for %s, that it could spend is %s', async (_, expected, restrictions) => {
  const cli = createCli();
  const { url } = await openSeller((node) => {
    const answers = cln(node);
    return (asked) => answers({ ...asked, headers: { ...asked.headers, rune: runes.sell } });
  });
  const rune = Buffer.concat([Buffer.alloc(32, 7), Buffer.from(restrictions)]).toString('base64url');
  const found = await findings(cli, `cln: { url: "${url}", rune: r }`, { r: rune });
  expect(found.some((line) => line.startsWith('! What lets us in could spend'))).toBe(expected);
  expect(cli.out()).not.toContain(rune);
});

test('what lets nobody in, a node that is away and one on another chain are wrong, each with what to do', async () => {
  const cli = createCli();
  const double = await openSeller(lnbits);
  const wrong = await findings(cli, `lnbits: { url: "${double.url}", invoiceKey: k }`, { k: 'f'.repeat(32) });
  expect(wrong).toEqual(['✗ It cannot be reached: LNbits knows no wallet of this key. Copy the key from its page "API docs"']);
  await double.setDown(true);
  const away = createCli();
  const [found] = await findings(away, `lnbits: { url: "${double.url}", invoiceKey: k }`, { k: keys.invoice });
  expect(found).toMatch(/^✗ It cannot be reached: LNbits cannot be asked/);
  expect(away.out()).toContain('Is it running, is the address right');
  await double.setDown(false);
  const other = createCli();
  const { url } = await openSeller(cln);
  const [elsewhere] = await findings(other, `cln: { url: "${url}", rune: r }`, { r: runes.sell }, '50 sat', 'signet');
  expect(elsewhere).toBe('✗ "seller" is on regtest, and is said to be on signet');
});

test('how much a node can be paid is a right of its own, which is named', async () => {
  const cli = createCli();
  const { url } = await openSeller(cln);
  const found = await findings(cli, `cln: { url: "${url}", rune: r }`, { r: runes.sell });
  expect(found).toContain('? How much it can be paid is not to be found out, with what lets us in');
  expect(cli.out()).toContain('With method=listpeerchannels in its rune as well, it is. Selling does without.');
});

test('a file that is not there and a certificate that nobody vouches for are told from a node that is away', async () => {
  const missing = createCli();
  const { url } = await openSeller(lnd);
  expect(await findings(missing, `lnd: { url: "${url}", macaroon: no.macaroon }`, {})).toEqual([
    '✗ It cannot be reached: lnd cannot be asked: the file of its macaroon cannot be read (ENOENT)',
  ]);
  expect(missing.out()).toContain('Is it where the configuration says');
  const tls = JSON.parse(readFileSync(join(import.meta.dirname, '../../test/vectors/tls.json'), 'utf8')) as {
    readonly serverKey: string;
    readonly selfSigned: string;
  };
  const server = createServer({ key: tls.serverKey, cert: tls.selfSigned }).listen(0, '127.0.0.1');
  closing.push(() => void server.close());
  await once(server, 'listening');
  const stranger = createCli();
  const at = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await findings(stranger, `lnd: { url: "${at}", macaroon: m }`, { m: baked(['info', 'read']) })).toEqual([
    '✗ It cannot be reached: lnd cannot be asked: it shows a certificate that nobody vouches for, and none is pinned',
  ]);
  expect(stranger.out()).toContain('Name the certificate that it shows');
});

test('the wallets that pay are looked at as well', async () => {
  const cli = createCli();
  const nodes = createNodes();
  const double = await openDouble(lnbits(nodes.buyer));
  closing.push(nodes.close, double.close);
  writeFileSync(cli.path('admin.key'), keys.admin);
  writeWallet(cli.home, 'wallet', { kind: 'lnbits', network: 'regtest', url: double.url, secretPath: cli.path('admin.key') });
  writeWallet(cli.home, 'gone', { kind: 'lnbits', network: 'regtest', url: double.url, secretPath: cli.path('no.key') });
  await cli.run('doctor');
  expect(cli.out()).toContain('✓ Can spend 1000000 sat');
  expect(cli.out()).toMatch(/✗ It cannot be used: The wallet "gone" cannot be used: .*no\.key cannot be read \(ENOENT\)/);
});

test('nothing to look at is said to be so', async () => {
  await expect(createCli().run('doctor')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('a wallet over Nostr Wallet Connect says what its connection may, and what its driver was tried against', async () => {
  const nodes = createNodes(FixedClock.create(Math.floor(Date.now() / 1000)));
  const wallet = await openNwc(nodes.seller);
  closing.push(nodes.close, wallet.close);
  const tried = '! The driver of nwc was tried with a service of ours, and not with a wallet that others have made';
  const spends = '! What lets us in could spend as well: whoever breaks in here takes what is in the wallet';
  for (const [key, expected] of [
    [secrets.sell, '✓ What lets us in cannot spend'],
    [secrets.both, spends],
  ] as const) {
    const cli = createCli();
    const found = await findings(cli, 'nwc: { connection: c }', { c: uriOf([wallet.url], key) });
    expect(found).toEqual(expect.arrayContaining(['✓ Reached "seller" on regtest', tried, '✓ Makes invoices, and finds them again', expected]));
    expect(cli.out()).not.toContain(key);
  }
});
