/**
 * The wallets of a configuration, opened: on the sandbox, and on APIs as doubles answer them.
 */
import { writeFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { createFake } from '../../test/cli/fakeContext.ts';
import { openDouble } from '../../test/lightning/Double.ts';
import { keys, lnbits } from '../../test/lightning/lnbits.ts';
import { createNodes } from '../../test/lightning/Node.ts';
import { secrets, uriOf } from '../../test/lightning/nwc.ts';
import { passwords, phoenixd } from '../../test/lightning/phoenixd.ts';
import * as Amount from '../core/Amount.ts';
import { createConfig } from '../gateway/index.ts';
import { publicKeyOf } from '../lightning/nwc/Event.ts';
import { openReceivers } from './Receivers.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const order = { amountMsat: Amount.fromSat(50), description: 'x', expirySeconds: 600 };

function read(wallets: object, folder: string) {
  const services = [{ name: 'a', upstream: 'http://x', routes: [{ path: '/p', price: '50 sat' }] }];
  return createConfig({ ...wallets, services }, { folder });
}

test('on the sandbox every payee has a node of its own, and all live on one network', async () => {
  const fake = createFake(() => {});
  closing.push(fake.remove);
  const opened = await openReceivers(fake.home, read({ payees: { alice: 'sandbox', bob: ['sandbox'] } }, fake.path('.')));
  closing.push(opened.close);
  expect(opened.wallets.map(({ place, identity }) => [place, identity])).toEqual([
    ['lightning', 'sandbox: seller'],
    ['payees.alice', 'sandbox: alice'],
    ['payees.bob', 'sandbox: bob'],
  ]);
  const ids = await Promise.all([opened.receiver, opened.payees.alice, opened.payees.bob].map(async (one) => (await one?.info())?.nodeId));
  expect(new Set(ids).size).toBe(3);
});

test('of a list of wallets the next one sells while the first is away; each is known by itself', async () => {
  const fake = createFake(() => {});
  const nodes = createNodes();
  const [first, second] = [await openDouble(phoenixd(nodes.seller)), await openDouble(lnbits(nodes.seller))];
  closing.push(fake.remove, nodes.close, first.close, second.close);
  writeFileSync(fake.path('password'), passwords.limited);
  writeFileSync(fake.path('key'), keys.invoice);
  const lightning = [
    { network: 'regtest', ready: 0, phoenixd: { url: first.url, password: 'password' } },
    { network: 'regtest', ready: 0, lnbits: { url: second.url, invoiceKey: 'key' } },
  ];
  const opened = await openReceivers(fake.home, read({ lightning }, fake.path('.')));
  closing.push(opened.close);
  expect(opened.wallets.map(({ place, receiver }) => [place, receiver.name])).toEqual([
    ['lightning[0]', 'phoenixd'],
    ['lightning[1]', 'lnbits'],
  ]);
  expect(opened.wallets[1]?.identity).toBe(`lnbits at ${second.url}, regtest`);
  expect(opened.receiver.name).toBe('phoenixd+lnbits');
  await first.setDown(true);
  const { paymentHash } = await opened.receiver.createInvoice(order);
  await first.setDown(false);
  expect(await opened.receiver.lookupInvoice(paymentHash)).toMatchObject({ kind: 'open' });
});

test('one of several processes asks a node for its part of what all together may', async () => {
  const fake = createFake(() => {});
  const nodes = createNodes();
  const double = await openDouble(phoenixd(nodes.seller));
  closing.push(fake.remove, nodes.close, double.close);
  writeFileSync(fake.path('password'), passwords.limited);
  const config = read({ lightning: { network: 'regtest', phoenixd: { url: double.url, password: 'password' } } }, fake.path('.'));
  const opened = await openReceivers(fake.home, config, 50);
  closing.push(opened.close);
  // At one instant, each over another amount, so that none is ready.
  const asked = [10, 20, 30].map((sat) => opened.receiver.createInvoice({ ...order, amountMsat: Amount.fromSat(sat) }));
  const outcomes = await Promise.allSettled(asked);
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
});

test('a wallet that cannot be used is named by its place, and what was opened is closed again', async () => {
  const fake = createFake(() => {});
  closing.push(fake.remove);
  const lightning = [{ lnbits: { url: 'https://lnbits.example.com', invoiceKey: 'missing' } }, 'you@wallet.com'];
  await expect(openReceivers(fake.home, read({ lightning }, fake.path('.')))).rejects.toThrow(
    /^lightning\[0\]\.lnbits cannot be used: .*missing cannot be read/,
  );
});

test('a wallet over Nostr Wallet Connect is known by its key, wherever its connection string lies; a string that is none is not repeated', async () => {
  const fake = createFake(() => {});
  closing.push(fake.remove);
  const uri = uriOf(['wss://relay.example.com'], secrets.sell);
  for (const name of ['one', 'other']) writeFileSync(fake.path(name), `${uri}\n`);
  writeFileSync(fake.path('none'), uri.slice(0, -40));
  const wallet = publicKeyOf(Buffer.from(secrets.wallet, 'hex'));
  for (const connection of ['one', 'other']) {
    const opened = await openReceivers(fake.home, read({ lightning: { nwc: { connection } } }, fake.path('.')));
    closing.push(opened.close);
    expect(opened.wallets.map(({ identity }) => identity)).toEqual([`nwc wallet ${wallet}, bitcoin`]);
  }
  const refused = openReceivers(fake.home, read({ lightning: { nwc: { connection: 'none' } } }, fake.path('.')));
  const error: unknown = await refused.catch((thrown: unknown) => thrown);
  expect(String(error)).toMatch(/lightning\.nwc cannot be used: uri/);
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secrets.sell.slice(0, 16));
});
