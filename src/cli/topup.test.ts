import { writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createFake, type Fake } from '../../test/cli/fakeContext.ts';
import { startUpstream } from '../../test/conformance/shop/upstream.ts';
import { createSqliteClientStore } from '../client/sqlite.ts';
import * as Amount from '../core/Amount.ts';
import { createConfig } from '../gateway/Config.ts';
import { createGateway } from '../gateway/Gateway.ts';
import { createRootKeys } from '../server/RootKeys.ts';
import * as Books from '../store/Books.ts';
import { createMemoryStore } from '../store/memory.ts';
import { registerGet } from './buy/get.ts';
import { openSandbox } from './SandboxLink.ts';
import { registerTopUp } from './topup.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A seller of credits and buckets on the sandbox of a home, and commands of that home. */
async function open() {
  const first = createFake(registerTopUp);
  const link = await openSandbox(first.home);
  const store = createMemoryStore();
  const upstream = await startUpstream();
  const services = [
    {
      name: 'api',
      upstream: upstream.url,
      credit: { amount: '1000 sat', price: '900 sat' },
      routes: [
        { path: '/credit', price: '50 sat', terms: 'credit' },
        { path: '/bucket', price: '100 sat', terms: 'bucket: 3' },
        { path: '/pass', price: '100 sat', terms: 'pass: 1h' },
      ],
    },
  ];
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
  const config = createConfig({ listen: '127.0.0.1:0', store: 'memory', services });
  const gateway = await createGateway({ config, receiver: link.sandbox.receiver('seller'), keys, store });
  closing.push(first.remove, () => link.close(), store.close, upstream.close, gateway.close);
  const { url } = await gateway.listen();
  const run = async (register: Parameters<typeof createFake>[0], args: readonly string[], input = ''): Promise<Fake> => {
    const fake = createFake(register, { environment: { FAREBOX_HOME: first.home.folder }, input, interactive: false });
    closing.push(fake.remove);
    await fake.run(...args);
    return fake;
  };
  const get = async (path: string) => {
    const [said] = (await run(registerGet, ['get', url + path, '--max', '1000 sat', '--json'])).json();
    const { status, headers, payment } = said as { status: number; headers: Record<string, string>; payment: { reused: boolean } };
    return `${status} ${headers['l402-remaining']} ${payment.reused ? 'kept' : 'paid'}`;
  };
  /** Buys without a client, so that nothing of it is kept. */
  const buy = async (path: string) => {
    const { macaroon, invoice } = (await (await fetch(url + path)).json()) as { macaroon: string; invoice: string };
    const paid = await link.sandbox.payer('another').pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    return paid.kind === 'settled' ? `L402 ${macaroon}:${paid.preimage}` : '';
  };
  const topUp = async (path: string, ...more: readonly string[]) => (await run(registerTopUp, ['topup', url + path, ...more])).json()[0] ?? {};
  const books = async () => {
    const { columns, discrepancies } = await Books.verify(store.audit());
    expect(discrepancies).toEqual([]);
    return [columns.received.amountMsat, columns.earned.amountMsat, columns.unspent.amountMsat];
  };
  return { url, buy, home: first.home, path: first.path, run, get, topUp, books, store, upstream, payments: async () => (await store.totals()).payments };
}

/** A server of a test's own. */
async function listen(handle: RequestListener): Promise<string> {
  const server = createServer(handle).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const messageOf = (outcome: Promise<unknown>) => outcome.then(() => 'it went through').catch((error: Error) => error.message);

test('a credit and a bucket are topped up, and their tokens go on', async () => {
  const { get, topUp, books, run, url, store } = await open();
  expect([await get('/credit'), await get('/bucket')]).toEqual(['200 950 sat paid', '200 2 paid']);
  expect(await topUp('/credit', '--max', '950 sat')).toMatchObject({ toppedUp: true, credit: '1000 sat', payment: { amountMsat: '900000', reused: false } });
  expect(await topUp('/bucket', '--max', '150 sat')).toMatchObject({ toppedUp: true, units: '3' });
  expect([await get('/credit'), await get('/bucket'), await get('/bucket')]).toEqual(['200 1900 sat kept', '200 4 kept', '200 3 kept']);
  const earned = 90_000n + 100_000n;
  expect(await books()).toEqual([2_000_000n, earned, 2_000_000n - earned]);
  const notes = (await store.ledger({ after: 0, limit: 100 })).filter(({ kind }) => kind === 'received').map(({ note }) => note);
  expect(notes).toEqual(['credit', 'bucket', 'credit-topup', 'bucket-topup']);
  const person = createFake(registerTopUp, { environment: {} });
  closing.push(person.remove);
  expect((await run(registerTopUp, ['topup', `${url}/credit`, '--max', '950 sat', '--verbose'])).notes()).toMatch(/asks 900 sat[\s\S]*paid 900 sat, fee/);
});

test('without a limit nothing is paid, and the price is said', async () => {
  const { get, topUp, payments } = await open();
  await get('/credit');
  expect(await messageOf(topUp('/credit'))).toBe('This costs 900 sat. Nothing was paid: say how much it may cost, fee included, with --max.');
  expect(await payments()).toBe(1);
});

test('the balance is what is kept, or what is named: as it is, in a file, or on standard input', async () => {
  const { url, run, topUp, path } = await open();
  expect(await messageOf(topUp('/credit', '--max', '950 sat'))).toContain('Nothing that could be topped up is kept for 127.0.0.1');
  const bought = (await run(registerGet, ['get', `${url}/credit`, '--max', '950 sat', '--credential'])).out();
  writeFileSync(path('credit.txt'), bought);
  for (const [given, input] of [
    [bought.trim(), ''],
    [path('credit.txt'), ''],
    ['-', bought],
  ] as const) {
    const fake = await run(registerTopUp, ['topup', `${url}/credit`, '--max', '950 sat', '--credential', given], input);
    expect(fake.json()).toMatchObject([{ toppedUp: true, credit: '1000 sat' }]);
    expect(fake.out() + fake.notes()).not.toContain(bought.slice(-65, -1));
  }
  const answer = await fetch(`${url}/credit`, { headers: { authorization: bought.trim() } });
  expect(answer.headers.get('L402-Remaining')).toBe('3950 sat');
  expect(await messageOf(topUp('/credit', '--credential', bought.split(':')[0] ?? ''))).toContain('a token alone is nobody');
});

test('what was paid for and not presented is presented by the next call; an ordinary one neither presents it nor pays', async () => {
  const { url, run, payments, store } = await open();
  let breaks = false;
  const front = await listen((request, response) => {
    // The first credential is the balance's; what comes behind it is lost on the way.
    if (breaks && request.headers['l402-topup'] !== undefined && seen++ === 1) return void response.destroy();
    void fetch(url + (request.url ?? ''), { headers: request.headers as Record<string, string> }).then(async (got) => {
      const lines = (got.headers.get('www-authenticate') ?? '').split(/, (?=L402 )/).filter(Boolean);
      const kept = [...got.headers].filter(([name]) => name.startsWith('l402'));
      response.writeHead(got.status, [...kept, ...lines.map((line) => ['WWW-Authenticate', line] as [string, string])].flat()).end(await got.text());
    });
  });
  let seen = 0;
  await run(registerGet, ['get', `${front}/credit`, '--max', '950 sat']);
  breaks = true;
  expect(await messageOf(run(registerTopUp, ['topup', `${front}/credit`, '--max', '950 sat']))).toContain('the connection broke before an answer came');
  expect(await payments()).toBe(1);
  const [got] = (await run(registerGet, ['get', `${front}/credit`, '--max', '950 sat', '--json'])).json();
  expect(got).toMatchObject({ status: 200, headers: { 'l402-remaining': '900 sat' }, payment: { reused: true } });
  const again = await run(registerTopUp, ['topup', `${front}/credit`, '--max', '950 sat']);
  expect(again.json()).toMatchObject([{ toppedUp: true, payment: { reused: true } }]);
  expect(await payments()).toBe(2);
  const [after] = (await run(registerGet, ['get', `${front}/credit`, '--max', '950 sat', '--json'])).json();
  expect(after).toMatchObject({ headers: { 'l402-remaining': '1850 sat' } });
  expect((await Books.verify(store.audit())).discrepancies).toEqual([]);
});

test('nothing is paid to a seller who offers something else, serves the request instead, or refuses; nor anywhere else', async () => {
  const { url, run, home, payments, buy } = await open();
  const bought = (await run(registerGet, ['get', `${url}/credit`, '--max', '950 sat', '--credential'])).out().trim();
  const other = await buy('/credit');
  const fronts = {
    'an ordinary offer': await listen((_, response) => void passOn(response, fetch(`${url}/credit`))),
    'a top-up of another balance': await listen(
      (_, response) => void passOn(response, fetch(`${url}/credit`, { headers: { authorization: other, 'l402-topup': 'ask' } })),
    ),
    'the answer itself': await listen((_, response) => void response.end('served')),
    elsewhere: await listen((_, response) => void response.writeHead(302, { location: `${url}/credit` }).end()),
  };
  const passOn = async (response: Parameters<RequestListener>[1], asked: Promise<Response>) => {
    const got = await asked;
    response.writeHead(got.status, { 'WWW-Authenticate': got.headers.get('www-authenticate') ?? '' }).end(await got.text());
  };
  for (const [what, front] of Object.entries(fronts)) {
    const said = await messageOf(run(registerTopUp, ['topup', `${front}/credit`, '--max', '950 sat', '--credential', bought]));
    expect(said, what).toContain('sells no top-up of this balance');
  }
  expect(await messageOf(run(registerTopUp, ['topup', `${url}/pass`, '--max', '950 sat', '--credential', bought]))).toContain('403: This balance is a credit');
  expect(await messageOf(run(registerTopUp, ['topup', 'http://example.com/credit', '--credential', bought]))).toContain('is no address for a credential');
  const store = createSqliteClientStore({ path: home.clientStore('sandbox') });
  closing.push(store.close);
  expect((await store.list()).length).toBe(1);
  expect(await payments()).toBe(1);
});
