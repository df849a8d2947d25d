/**
 * What one payment buys, over sockets: the gateway, and a client that keeps what it has bought, on each store.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createFetch, paymentOf } from '../../src/client/index.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import * as Books from '../../src/store/Books.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { startUpstream } from './shop/upstream.ts';

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const stores: readonly (readonly [name: string, open: () => Promise<Store>])[] = [
  ['memory', async () => createMemoryStore()],
  [
    'sqlite',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'farebox-bulk-'));
      closing.push(() => rmSync(folder, { recursive: true }));
      return createSqliteStore({ path: join(folder, 'farebox.db') });
    },
  ],
];

const services = (upstream: string) => [
  {
    name: 'api',
    title: 'API',
    upstream,
    bucket: { units: 5, price: '100 sat' },
    credit: { amount: '1000 sat', price: '900 sat', lasts: '7d' },
    routes: [
      { path: '/single', price: '10 sat' },
      { path: '/pass', price: '100 sat', terms: 'pass: 1h' },
      { path: '/bucket', price: '100 sat', terms: 'bucket: 3' },
      { path: '/light', terms: 'bucket' },
      { path: '/heavy', terms: 'bucket', weight: 3 },
      { path: '/credit/*', price: '50 sat', terms: 'credit' },
      { path: '/dear', price: '400 sat', terms: 'credit' },
    ],
  },
  { name: 'other', upstream, routes: [{ path: '/other', price: '20 sat' }] },
];

describe.each(stores)('on %s', (_, openStore) => {
  async function open() {
    const sandbox = createSandboxNetwork();
    const store = await openStore();
    const upstream = await startUpstream();
    const config = createConfig({ listen: '127.0.0.1:0', store: 'memory', services: services(upstream.url) });
    const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'main' });
    const gateway = await createGateway({ config, receiver: sandbox.receiver('seller'), keys, store });
    closing.push(() => sandbox.close(), store.close, upstream.close, gateway.close);
    const { url } = await gateway.listen();
    const pay = createFetch({ payer: sandbox.payer('buyer'), maxPerRequest: '1000 sat', maxTotal: '10000 sat' });
    let payments = 0;
    /** Gets a path, and says what is left and whether it was paid for just now. */
    const get = async (path: string) => {
      const response = await pay(url + path);
      await response.arrayBuffer();
      const payment = paymentOf(response);
      if (payment && !payment.reused) payments += 1;
      return `${response.status} ${response.headers.get('L402-Remaining') ?? response.headers.get('L402-Payment') ?? 'pass'} ${payment?.reused ? 'kept' : 'paid'}`;
    };
    const books = async () => {
      const { columns, discrepancies } = await Books.verify(store.audit());
      expect(discrepancies).toEqual([]);
      return columns;
    };
    return { url, get, books, payments: () => payments, payer: sandbox.payer('buyer') };
  }

  test('a bucket is bought once for so many requests of its route', async () => {
    const { get, books, payments } = await open();
    const got = [];
    for (let call = 0; call < 4; call++) got.push(await get('/bucket'));
    expect(got).toEqual(['200 2 paid', '200 1 kept', '200 0 kept', '200 2 paid']);
    expect(payments()).toBe(2);
    const { received, earned, unspent } = await books();
    expect([received.amountMsat, earned.amountMsat, unspent.amountMsat]).toEqual([200_000n, 133_333n, 66_667n]);
  });

  test("a service's bucket is spent on its routes by their weight", async () => {
    const { get, payments } = await open();
    expect([await get('/light'), await get('/heavy'), await get('/light')]).toEqual(['200 4 paid', '200 1 kept', '200 0 kept']);
    expect(await get('/heavy')).toBe('200 2 paid');
    expect(payments()).toBe(2);
  });

  test('a credit is spent across a service at its own prices, and nothing of it at another', async () => {
    const { get, books, payments } = await open();
    expect(await get('/credit/a')).toBe('200 950 sat paid');
    expect(await get('/dear')).toBe('200 550 sat kept');
    expect(await get('/single')).toBe('200 540 sat kept');
    expect(await get('/other')).toBe('200 charged paid');
    expect(await get('/credit/b')).toBe('200 490 sat kept');
    expect(payments()).toBe(2);
    const { received, earned } = await books();
    expect([received.amountMsat, earned.amountMsat]).toEqual([920_000n, 459_000n + 20_000n]);
  });

  test('four helpers at once, each with a part of one credit, spend no more than their parts, and all no more than the credit', async () => {
    const { url, books, payer } = await open();
    const sandboxed = await fetch(`${url}/credit/a`);
    const { macaroon, invoice } = (await sandboxed.json()) as { macaroon: string; invoice: string };
    const preimage = await payDirectly(invoice);
    const helpers = ['one', 'two', 'three', 'four'].map((word) =>
      Macaroon.format(Macaroon.attenuate(Macaroon.parse(macaroon), [`part=${word}`, 'max_sats=300'])),
    );
    const calls = helpers.flatMap((token) => Array.from({ length: 8 }, () => token));
    const answers = await Promise.all(
      calls.map(async (token) => {
        const response = await fetch(`${url}/credit/a`, { headers: { authorization: `L402 ${token}:${preimage}` } });
        await response.arrayBuffer();
        return { token, status: response.status };
      }),
    );
    for (const helper of helpers) expect(answers.filter(({ token, status }) => token === helper && status === 200).length).toBeLessThanOrEqual(6);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
    // Used up, narrowed, or for a moment set aside for others.
    for (const { status } of answers) expect([200, 402, 403, 409]).toContain(status);
    const { earned, unspent, held } = await books();
    expect([earned.amountMsat, unspent.amountMsat, held.amountMsat]).toEqual([900_000n, 0n, 0n]);

    async function payDirectly(text: string): Promise<string> {
      const paid = await payer.pay({ invoice: text, maxFeeMsat: 10_000n as never, timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(paid.kind);
      return paid.preimage;
    }
  });
});
