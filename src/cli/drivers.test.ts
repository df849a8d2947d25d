/**
 * `farebox drivers` on doubles of products over the sandbox: one that is right, and one that is wrong, so that both show.
 */
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it, test } from 'vitest';
import { createFake, type Fake, type FakeOptions } from '../../test/cli/fakeContext.ts';
import { type Asked, openDouble, type Told } from '../../test/lightning/Double.ts';
import { keys, lnbits } from '../../test/lightning/lnbits.ts';
import { lnd, macaroons } from '../../test/lightning/lnd.ts';
import { createNodes, type Node } from '../../test/lightning/Node.ts';
import { registerDrivers } from './drivers.ts';
import { products } from './Products.ts';
import { type Wallet, writeWallet } from './Wallets.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  process.exitCode = 0;
});

function createCli(options: FakeOptions = {}): Fake {
  const cli = createFake(registerDrivers, options);
  closing.push(cli.remove);
  return cli;
}

type Answers = (node: Node) => (asked: Asked) => Promise<Told>;

/** Two lnd nodes as their API is answered, in a configuration and as a connected wallet. */
async function connectLnd(cli: Fake, answers: Answers, changed: Partial<Wallet> = {}): Promise<void> {
  const nodes = createNodes();
  const [selling, buying] = await Promise.all([openDouble(answers(nodes.seller)), openDouble(answers(nodes.buyer))]);
  closing.push(nodes.close, selling.close, buying.close);
  writeFileSync(cli.path('sell.macaroon'), Buffer.from(macaroons.sell, 'hex'));
  writeFileSync(cli.path('pay.macaroon'), Buffer.from(macaroons.pay, 'hex'));
  const lightning = `{ network: regtest, lnd: { url: "${selling.url}", macaroon: sell.macaroon } }`;
  writeFileSync(cli.path('farebox.yaml'), `lightning: ${lightning}\nservices: [{ name: a, upstream: http://x, routes: [{ path: /p, price: 50 sat }] }]\n`);
  writeWallet(cli.home, 'wallet', { kind: 'lnd', network: 'regtest', url: buying.url, secretPath: cli.path('pay.macaroon'), ...changed });
}

const verify = (cli: Fake, ...args: readonly string[]) => cli.run('drivers', 'verify', 'lnd', '--seller', cli.path('farebox.yaml'), ...args);
const verdictsOf = (cli: Fake, verdict: string) => cli.json().filter((line) => line.verdict === verdict);

describe('a driver that is right', () => {
  it('holds in every case that can be tried, also with another clock and with what lets nobody in', async () => {
    const cli = createCli({ interactive: false });
    await connectLnd(cli, lnd);
    await verify(cli, '--yes');
    expect(verdictsOf(cli, 'failed')).toEqual([]);
    expect(verdictsOf(cli, 'ok').map((line) => line.case)).toEqual(
      expect.arrayContaining([
        'pays: the preimage proves it, the fee is within its limit',
        expect.stringMatching(/clock is an hour off/),
        expect.stringMatching(/lets nobody in/),
      ]),
    );
    expect(cli.json()[0]).toMatchObject({ driver: 'lnd', network: 'regtest', spendable: '1000000 sat', atMost: '10000 sat' });
    expect(cli.json().at(-1)).toMatchObject({ driver: 'lnd', fails: 0, holds: verdictsOf(cli, 'ok').length, held: '0 sat', isWhole: true });
    expect(verdictsOf(cli, 'left-out')[0]).toMatchObject({ case: 'an invoice expires', needs: ['advance'] });
    expect(process.exitCode ?? 0).toBe(0);
  });

  it('shows a person what it spends before it asks, a line a case, and what was left out and why', async () => {
    const cli = createCli({ answers: ['yes'] });
    await connectLnd(cli, lnd);
    await verify(cli);
    expect(cli.questions).toEqual(['Go on? yes or no']);
    expect(cli.out()).toMatch(
      /^lnd on regtest\n {2}paid {3}lnd at http.*, "seller"\n {2}pays {3}lnd at .* \(wallet "wallet"\), 1000000 sat to spend\n {2}spends 10000 sat at most/,
    );
    expect(cli.out()).toContain('✓ an invoice is open, then paid\n');
    expect(cli.out()).toContain('– an invoice expires: left out, it takes time to be moved\n');
    expect(cli.out()).toMatch(/Every case that can be tried holds\. \d\d held, \d\d were left out\.\nPaid \d+ sat, and \d+ sat of fees\.\n$/);
  });
});

describe('a driver that is wrong', () => {
  /** Another fee, afterwards. */
  const forgetful: Answers = (node) => async (asked) => {
    const told = await lnd(node)(asked);
    if (!asked.path.startsWith('/v2/router/track') || !told.lines) return told;
    const { lines } = told;
    async function* changed() {
      for await (const line of lines) yield JSON.parse(JSON.stringify(line).replace(/"fee_msat":"\d+"/, '"fee_msat":"1"'));
    }
    return { ...told, lines: changed() };
  };

  it('is caught, with a reason that proves no payment, and the other cases go on', async () => {
    const cli = createCli({ interactive: false });
    await connectLnd(cli, forgetful);
    await verify(cli, '--yes');
    const failed = verdictsOf(cli, 'failed');
    expect(failed.map((line) => line.case)).toContain('a payment that settled is found by its payment hash');
    expect(String(failed[0]?.reason)).toMatch(/^Expected values to be strictly deep-equal/);
    expect(verdictsOf(cli, 'ok').length).toBeGreaterThan(20);
    expect(cli.json().at(-1)).toMatchObject({ fails: failed.length });
    expect(process.exitCode).toBe(1);
    expect(cli.out()).not.toMatch(/[0-9a-f]{32}/);
    for (const macaroon of Object.values(macaroons)) expect(cli.out() + cli.notes()).not.toContain(macaroon);
  });
});

test('an API that sends back all that it was sent is told of without what lets one in', async () => {
  const cli = createCli({ answers: ['yes'] });
  let asked = 0;
  const echo: Answers = (node) => async (request) => {
    asked += 1;
    // Who it is and what it has, it says; then it begins to talk.
    if (asked <= 4) return lnbits(node)(request);
    const all = `${JSON.stringify(request.headers)} ${request.body}`;
    return { status: 500, body: { message: all, detail: all, error: all } };
  };
  const nodes = createNodes();
  const double = await openDouble(echo(nodes.buyer));
  closing.push(nodes.close, double.close);
  for (const [name, key] of Object.entries(keys)) writeFileSync(cli.path(name), key);
  const lightning = `{ network: regtest, lnbits: { url: "${double.url}", invoiceKey: invoice } }`;
  writeFileSync(cli.path('farebox.yaml'), `lightning: ${lightning}\nservices: [{ name: a, upstream: http://x, routes: [{ path: /p, price: 50 sat }] }]\n`);
  writeWallet(cli.home, 'wallet', { kind: 'lnbits', network: 'regtest', url: double.url, secretPath: cli.path('admin') });
  await cli.run('drivers', 'verify', 'lnbits', '--seller', cli.path('farebox.yaml'));
  expect(cli.out()).toContain('✗ makes the invoice that it was asked for');
  for (const key of Object.values(keys)) expect(cli.out() + cli.notes()).not.toContain(key);
});

describe('nothing is spent', () => {
  const nothing = (cli: Fake) => expect(cli.out()).not.toMatch(/✓|✗/);

  it('where the person says no', async () => {
    const cli = createCli({ answers: [''] });
    await connectLnd(cli, lnd);
    await verify(cli);
    expect(cli.out()).toContain('Nothing was done.');
    nothing(cli);
  });

  it('where nobody is there to be asked', async () => {
    const cli = createCli();
    await connectLnd(cli, lnd);
    await expect(verify(cli)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('--yes') });
    nothing(cli);
  });

  it('of real money without a word of it', async () => {
    const cli = createCli();
    await connectLnd(cli, lnd, { network: 'bitcoin' });
    const real = `lightning: { lnd: { url: "https://127.0.0.1:1", macaroon: sell.macaroon } }\nservices: [{ name: a, upstream: http://x, routes: [{ path: /p, price: 50 sat }] }]\n`;
    writeFileSync(cli.path('farebox.yaml'), real);
    await expect(verify(cli, '--yes')).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('--real-money') });
    nothing(cli);
  });

  it('of a wallet that has too little', async () => {
    const cli = createCli();
    const poor: Answers = (node) => lnd({ ...node, balanceMsat: async () => 9_999_999n });
    await connectLnd(cli, poor);
    await expect(verify(cli, '--yes')).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('the cases need 10000 sat') });
  });
});

describe('which two wallets', () => {
  it.each<[string, readonly string[], string]>([
    ['a driver that nobody knows', ['verify', 'paypal'], 'There is no driver "paypal"'],
    ['no wallet of that product', ['verify', 'phoenixd', '--seller', 'farebox.yaml'], 'Neither is of phoenixd'],
    ['a wallet that was never connected', ['verify', 'lnd', '--seller', 'farebox.yaml', '--buyer', 'other'], 'There is no wallet "other"'],
  ])('%s is said to be so', async (_, args, message) => {
    const cli = createCli();
    await connectLnd(cli, lnd);
    const named = args.map((arg) => (arg === 'farebox.yaml' ? cli.path(arg) : arg));
    await expect(cli.run('drivers', ...named)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(message) });
  });

  it('they are on one network', async () => {
    const cli = createCli();
    await connectLnd(cli, lnd, { network: 'signet' });
    await expect(verify(cli)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('"wallet" is on signet') });
  });

  it('the sandbox is there without any, and costs nothing', async () => {
    const cli = createCli();
    await cli.run('drivers', 'verify', 'sandbox');
    expect(cli.out()).toMatch(/^sandbox on sandbox\n/);
    expect(cli.out()).toContain('Every case that can be tried holds.');
    expect(process.exitCode ?? 0).toBe(0);
  });
});

test('the list is what the drivers say of themselves', async () => {
  const cli = createCli();
  await cli.run('drivers');
  for (const name of ['sandbox', ...Object.keys(products), 'lnurl', 'webln']) expect(cli.out()).toMatch(new RegExp(`^${name} `, 'm'));
  expect(cli.out()).toMatch(/^phoenixd +yes +yes +yes +yes +– +– +its documentation$/m);
  const piped = createCli({ interactive: false });
  await piped.run('drivers', 'list');
  expect(piped.json()).toContainEqual({
    ...{ driver: 'lnurl', sells: true, buys: false, lookUp: false, watch: false, msat: true, feeLimit: false },
    triedAgainst: 'a service of ours',
  });
});
