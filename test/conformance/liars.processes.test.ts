/**
 * The liars as a process, and `farebox get` at them as another, as anybody would run them.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ways } from '../../src/testing/liars/ways.ts';
import { type Desk, openDesk } from '../e2e/processes.ts';

let desk: Desk;
let url: string;
beforeAll(async () => {
  desk = openDesk();
  url = String((await desk.start('lie', '--home', join(desk.folder, 'home'), '--json').says(({ kind }) => kind === 'listening')).url);
});
afterAll(() => desk.close());

type Seen = {
  readonly requests: readonly { readonly place: string; readonly hasCredential: boolean }[];
  readonly spentMsat: string;
  readonly robbed: readonly string[];
};

const seen = async (way: string) => (await (await fetch(`${url}/${way}/seen`)).json()) as Seen;
const get = (way: string, ...options: readonly string[]) => desk.run('get', `${url}/${way}/a`, '--max', '60 sat', ...options);

test('the catalogue says everything about every way, over HTTP', async () => {
  const catalogue = (await (await fetch(url)).json()) as { readonly limits: unknown; readonly wallet: { readonly url: string }; readonly ways: unknown };
  expect(catalogue.limits).toEqual({ maxPerRequestMsat: '60000', maxTotalMsat: '500000' });
  expect(catalogue.wallet.url).toBe(url);
  expect(catalogue.ways).toEqual(ways);
  for (const { does, demand, steps } of ways)
    expect([does, demand, steps.length > 0]).toEqual([expect.stringMatching(/\.$/), expect.stringMatching(/\.$/), true]);
  expect((await fetch(`${url}/no-such-way/a`)).status).toBe(404);
});

for (const [way, code, spentMsat, said] of [
  ['lower-price-in-body', 3, '0', 'CHALLENGE_REFUSED'],
  ['whole-bitcoin-amount', 3, '0', 'BUDGET_EXCEEDED'],
  ['endless-offer-body', 0, '51000', 'paid 50 sat, fee 1 sat'],
  ['refuses-for-ever', 6, '51000', 'PAYMENT_NOT_HONOURED'],
  ['order-delivered-twice', 0, '51000', 'paid 50 sat, fee 1 sat'],
  ['wrong-preimage', 5, '0', 'PAYMENT_UNKNOWN'],
] as const) {
  test(`farebox get at ${way}`, async () => {
    const got = await get(way);
    expect([got.code, got.stderr]).toEqual([code, expect.stringContaining(said)]);
    expect(await seen(way)).toMatchObject({ spentMsat, robbed: [] });
  });
}

test('farebox get, started anew after the wallet’s reply was lost, finds the payment and has the answer', async () => {
  const lost = await get('cut-after-order');
  expect([lost.code, lost.stderr]).toEqual([5, expect.stringContaining('PAYMENT_UNKNOWN')]);
  const found = await get('cut-after-order');
  expect([found.code, found.stdout, found.stderr]).toEqual([0, '{"ok":true}\n', expect.stringContaining('nothing paid')]);
  expect(await seen('cut-after-order')).toMatchObject({ spentMsat: '51000', robbed: [] });
});

test('farebox get takes no credential to a thief, and prints nothing that could steer a terminal', async () => {
  await get('redirect-to-a-thief', '--location');
  const { requests, robbed } = await seen('redirect-to-a-thief');
  expect(requests.map(({ place, hasCredential }) => [place, hasCredential])).toEqual([
    ['seller', false],
    ['seller', true],
    ['thief', false],
  ]);
  expect(robbed).toEqual([]);
  const { code, stdout, stderr } = await get('terminal-escapes', '--verbose', '--include');
  expect(code).toBe(0);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
  expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
});

test('any client in any language: the wallet is two calls of JSON, time is moved and a way begun anew over HTTP', async () => {
  const way = 'settles-an-hour-later';
  const offer = await fetch(`${url}/${way}/a`);
  const invoice = /L402 macaroon="[^"]+", invoice="([^"]+)"/.exec(offer.headers.get('www-authenticate') ?? '')?.[1] ?? '';
  const call = (name: string, request: object, signal?: AbortSignal) =>
    fetch(`${url}/v1/${name}`, { method: 'POST', body: JSON.stringify({ node: { name: 'any' }, ...request }), ...(signal && { signal }) });
  const patience = new AbortController();
  const order = call('pay', { invoice, maxFeeMsat: '10000', timeoutSeconds: 60 }, patience.signal).catch((error: Error) => error.name);
  let paymentHash: string | undefined;
  while (paymentHash === undefined)
    [paymentHash] = ((await seen(way)) as Seen & { payments: { paymentHash: string }[] }).payments.map((one) => one.paymentHash);
  patience.abort();
  expect(await order).toBe('AbortError');
  const lookUp = async () => (await (await call('trackPayment', { paymentHash })).json()) as unknown;
  expect(await lookUp()).toEqual({ kind: 'pending' });
  expect((await fetch(`${url}/later`, { method: 'POST', body: '{"seconds":3600}' })).status).toBe(204);
  expect(await lookUp()).toEqual({ kind: 'settled', preimage: expect.stringMatching(/^[0-9a-f]{64}$/), amountMsat: '50000', feeMsat: '1000' });
  expect(await seen(way)).toMatchObject({ spentMsat: '51000', robbed: [] });
  await fetch(`${url}/${way}/seen`, { method: 'DELETE' });
  expect(await seen(way)).toEqual({ requests: [], payments: [], spentMsat: '0', robbed: [] });
  expect((await fetch(`${url}/later`, { method: 'POST', body: '{"seconds":-1}' })).status).toBe(400);
});

test('a folder that knows a sandbox already is left alone, and Ctrl-C ends the liars well', async () => {
  const folder = join(desk.folder, 'taken');
  mkdirSync(folder);
  writeFileSync(join(folder, 'sandbox.json'), '{}');
  const refused = await desk.run('lie', '--home', folder);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('knows a sandbox already')]);
  const own = desk.start('lie', '--json');
  await own.says(({ kind }) => kind === 'listening');
  expect((await own.stop()).code).toBe(0);
});

test('farebox lying-server sells over the sandbox, to any client by URL, and says at its end who was robbed', async () => {
  const own = openDesk();
  const server = own.start('lying-server', '--json', '--check');
  const { url: at, ways: names } = (await server.says(({ kind }) => kind === 'listening')) as { url: string; ways: readonly string[] };
  expect(names.length).toBeGreaterThanOrEqual(60);
  const buy = (way: string) => own.run('get', `${at}/${way}/a`, '--max', '60 sat');
  expect((await buy('no-lie')).stdout).toBe('{"ok":true}\n');
  expect((await buy('refuses-for-ever')).code).toBe(6);
  // A client that follows wherever it is led, with all that it has.
  const paid = await own.run('get', `${at}/redirect-to-a-thief/a`, '--max', '60 sat', '--credential');
  await getWith(paid.stdout.trim(), `${at}/redirect-to-a-thief/a`);
  const check = await (await fetch(`${at}/check`)).json();
  expect(check).toMatchObject({ bought: true, verdicts: expect.arrayContaining([expect.objectContaining({ name: 'refuses-for-ever', verdict: 'unharmed' })]) });
  const ended = await server.stop();
  const lines = ended.stdout.split('\n').filter(Boolean);
  const said = lines.map((line) => JSON.parse(line) as { readonly kind: string; readonly name?: string });
  expect(ended.code).toBe(1);
  expect(said.at(-1)).toEqual({ kind: 'check', bought: true, robbed: 1, unharmed: 1, untried: names.length - 3, passed: false });
  expect(said.find(({ name }) => name === 'redirect-to-a-thief')).toMatchObject({ verdict: 'robbed', robbed: ['showed a credential to another origin'] });
  await own.close();
});

/** As a careless client does: the header goes along wherever it is sent. */
async function getWith(credential: string, url: string): Promise<void> {
  const headers = { authorization: credential };
  for (let at: string | null = url; at !== null; ) at = (await fetch(at, { headers, redirect: 'manual' })).headers.get('location');
}

test('farebox lying-server takes no wallet that it does not know', async () => {
  const refused = await desk.run('lying-server', '--to', 'nobody');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('farebox wallet connect')]);
});
