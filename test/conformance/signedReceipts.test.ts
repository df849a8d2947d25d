/**
 * Receipts that a gateway signs: bought over a socket, and checked with nothing but the keys that were told, by the command line.
 */
import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { registerReceipts } from '../../src/cli/buy/receipts.ts';
import * as Amount from '../../src/core/Amount.ts';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import * as Receipt from '../../src/core/Receipt.ts';
import * as SignedReceipt from '../../src/core/SignedReceipt.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { createFake } from '../cli/fakeContext.ts';
import { startUpstream } from './shop/upstream.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const first = new Uint8Array(32).fill(7);
const second = new Uint8Array(32).fill(8);

async function open(top: object = { receipts: 'signed' }) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const upstream = await startUpstream();
  const store = createMemoryStore({ clock });
  const routes = [
    { path: '/once', price: '10 sat' },
    { path: '/pass', price: '20 sat', terms: 'pass: 1h' },
    { path: '/ten', price: '30 sat', terms: 'bucket: 10' },
    { path: '/free', free: true },
  ];
  const config = createConfig({ listen: '127.0.0.1:0', store: 'memory', services: [{ name: 'api', upstream: upstream.url, routes }], ...top });
  const keys = createRootKeys({ masters: [first], network: 'sandbox', realm: 'main' });
  const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store, clock });
  const { url } = await gateway.listen();
  closing.push(() => sandbox.close(), upstream.close, store.close, gateway.close);
  const buy = async (path: string) => {
    const unpaid = await fetch(url + path);
    await unpaid.text();
    const challenge = Challenge.choose(Challenge.parse(unpaid.headers.get('www-authenticate') ?? ''));
    if (!challenge) throw new Error('no challenge');
    const paid = await sandbox.payer('buyer').pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error('not paid');
    return { preimage: paid.preimage, paymentHash: Bolt11.decode(challenge.invoice).paymentHash, authorization: `L402 ${challenge.token}:${paid.preimage}` };
  };
  const ask = async (path: string, authorization?: string) => {
    const answer = await fetch(url + path, { headers: authorization === undefined ? {} : { authorization } });
    await answer.text();
    return answer;
  };
  const keySet = async () => (await fetch(`${url}/.well-known/farebox/receipts.json`)).text();
  return { clock, keys, url, buy, ask, keySet };
}

test('every paid answer has one, whatever was bought, and it proves itself by the keys that are told', async () => {
  const { buy, ask, keySet } = await open();
  const known = SignedReceipt.parseKeys(await keySet());
  for (const [path, terms, amountMsat] of [
    ['/once', 'per-request', 10_000n],
    ['/pass', 'pass', 20_000n],
    ['/ten', 'bucket', 30_000n],
  ] as const) {
    const { authorization, paymentHash, preimage } = await buy(path);
    const { status, headers } = await ask(path, authorization);
    expect(status).toBe(200);
    const text = headers.get('l402-receipt') ?? '';
    const verified = SignedReceipt.verify(SignedReceipt.parse(text), known);
    expect(verified).toMatchObject({
      kind: 'proven',
      receipt: { paymentHash, amountMsat, service: 'api', route: path, terms, network: 'sandbox', realm: 'main', issuedAt: 1_800_000_000 },
    });
    expect(Receipt.parse(headers.get('payment-receipt') ?? '').reference, 'the other one is as it was').toBe(paymentHash);
    expect(Buffer.from(text, 'base64url').toString()).not.toContain(preimage);
  }
});

test('what was not paid for, or not answered, has none', async () => {
  const { buy, ask, url } = await open();
  const { authorization } = await buy('/once');
  expect((await ask('/once')).headers.has('l402-receipt'), '402').toBe(false);
  expect((await ask('/free')).headers.has('l402-receipt'), 'free').toBe(false);
  expect((await ask('/once?do=status-500', authorization)).headers.has('l402-receipt'), 'given back').toBe(false);
  expect((await fetch(`${url}/.well-known/farebox/receipts.json`, { method: 'POST' })).status).toBe(405);
});

test('nothing is signed, and no keys are told, where the configuration does not ask for it', async () => {
  const { buy, ask, url } = await open({});
  const { authorization } = await buy('/once');
  const { headers } = await ask('/once', authorization);
  expect([headers.has('payment-receipt'), headers.has('l402-receipt')]).toEqual([true, false]);
  expect((await fetch(`${url}/.well-known/farebox/receipts.json`)).status).toBe(404);
});

test('a key that is to sign is told before it does; one that left the ring signs no more', async () => {
  const { clock, keys, buy, ask, keySet } = await open();
  keys.replace([{ key: second, mintsFromAt: 1_800_000_100 }, first]);
  const told = SignedReceipt.parseKeys(await keySet());
  expect(told.size).toBe(2);
  const before = SignedReceipt.parse((await ask('/once', (await buy('/once')).authorization)).headers.get('l402-receipt') ?? '');
  clock.advance(200_000);
  const after = SignedReceipt.parse((await ask('/once', (await buy('/once')).authorization)).headers.get('l402-receipt') ?? '');
  expect(after.kid).not.toBe(before.kid);
  for (const receipt of [before, after]) expect(SignedReceipt.verify(receipt, told).kind).toBe('proven');
  keys.replace([second]);
  expect([...SignedReceipt.parseKeys(await keySet()).keys()]).toEqual([after.kid]);
});

test('the command line checks them offline: headers and JSON, true, false and of another seller', async () => {
  const { buy, ask, keySet } = await open();
  const text = (await ask('/once', (await buy('/once')).authorization)).headers.get('l402-receipt') ?? '';
  const receipt = SignedReceipt.parse(text);
  const other = { ...receipt, kid: 'of-another' };
  const cli = createFake(registerReceipts, { input: `l402-receipt: ${text}\n${SignedReceipt.toJson(receipt)}\n\n${SignedReceipt.toJson(other)}\n` });
  closing.push(cli.remove);
  writeFileSync(cli.path('keys.json'), await keySet());
  // One that nobody here has signed was not what was asked for.
  await expect(cli.run('receipts', 'verify', '--keys', cli.path('keys.json'))).rejects.toThrow();
  const lines = cli.out().trim().split('\n');
  expect(lines[0]).toMatch(/^[0-9a-f]{16} {2}10 sat {2}api \/once, .* on sandbox {2}proven: whoever has this key said so$/);
  expect(lines[1]).toBe(lines[0]);
  expect(lines[2]).toContain('its key is not among these');

  writeFileSync(cli.path('false.txt'), SignedReceipt.toJson({ ...receipt, amountMsat: Amount.fromSat(9) }));
  await expect(cli.run('receipts', 'verify', cli.path('false.txt'), '--keys', cli.path('keys.json'), '--json')).rejects.toThrow();
  expect(JSON.parse(cli.out().trim().split('\n').at(-1) ?? '')).toMatchObject({ kind: 'false', amountMsat: '9000', kid: receipt.kid });
});
