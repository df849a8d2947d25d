/**
 * What one payment buys, over sockets: the gateway, and a client that keeps what it has bought, on each store.
 */
import { afterEach, expect, test } from 'vitest';
import { createFetch, paymentOf } from '../../../src/client/index.ts';
import * as Macaroon from '../../../src/core/Macaroon.ts';
import { createConfig, type GatewayConfig } from '../../../src/gateway/Config.ts';
import * as Books from '../../../src/store/Books.ts';
import { exampleConfig, type OpenStore, openGateway } from './Example.ts';

/** Everything that a service can sell at once, and another service. */
const everything = (upstream: string) => [
  {
    name: 'api',
    upstream,
    bucket: { units: 5, price: '100 sat' },
    credit: { amount: '1000 sat', price: '900 sat' },
    routes: [
      { path: '/single', price: '10 sat' },
      { path: '/pass', price: '100 sat', terms: 'pass: 1h' },
      { path: '/bucket', price: '100 sat', terms: 'bucket: 3' },
      { path: '/light', terms: 'bucket' },
      { path: '/heavy', terms: 'bucket', weight: 3 },
      { path: '/credit/*', price: '50 sat', terms: 'credit' },
    ],
  },
  { name: 'other', upstream, routes: [{ path: '/other', price: '20 sat' }] },
];

/** Services side by side, each with a credit of its own. */
const manyServices = (upstream: string) =>
  ['a', 'b', 'c', 'd', 'e'].map((name) => ({
    name,
    upstream,
    credit: { amount: '100 sat', price: '90 sat' },
    routes: [{ path: `/${name}/*`, price: '10 sat', terms: 'credit' }],
  }));

const other = '  - { name: other, upstream: UPSTREAM, routes: [{ path: /other, price: 20 sat }] }\n';

/** What the guide shows, and a second service behind it where a test asks for one. */
function configOf(example: string, upstream: string, withOther: boolean): GatewayConfig {
  const made = { everything, manyServices }[example];
  if (made) return createConfig({ listen: '127.0.0.1:0', services: made(upstream) });
  return exampleConfig(`selling/${example}`, upstream, withOther ? other.replace('UPSTREAM', upstream) : '');
}

/** Tests one kind of store, each time a new one. */
export function testBulk(openStore: OpenStore): void {
  const closing: (() => Promise<void>)[] = [];

  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function open(example: string, withOther = false) {
    const { url, store, sandbox, close } = await openGateway((upstream) => configOf(example, upstream, withOther), openStore);
    closing.push(close);
    const network = sandbox.network;
    const pay = createFetch({ payer: network.payer('buyer'), maxPerRequest: '10000 sat', maxTotal: '50000 sat' });
    let payments = 0;
    /** Gets a path, and says what is left and whether it was paid for just now. */
    const get = async (path: string) => {
      const response = await pay(url + path);
      await response.arrayBuffer();
      const payment = paymentOf(response);
      if (payment && !payment.reused) payments += 1;
      const free = response.headers.get('L402-Free');
      if (free !== null) return `${response.status} free ${free}`;
      return `${response.status} ${response.headers.get('L402-Remaining') ?? response.headers.get('L402-Payment') ?? 'pass'} ${payment?.reused ? 'kept' : 'paid'}`;
    };
    const books = async () => {
      const { columns, discrepancies } = await Books.verify(store.audit());
      expect(discrepancies).toEqual([]);
      return columns;
    };
    return { url, get, books, payments: () => payments, payer: network.payer('buyer') };
  }

  const translate = '/api/v1/translate';

  test('per-request: one payment, one request', async () => {
    const { get, payments } = await open('per-request');
    expect([await get(translate), await get(translate)]).toEqual(['200 charged paid', '200 charged paid']);
    expect(payments()).toBe(2);
  });

  test('pass: one payment, any number of requests', async () => {
    const { get, payments } = await open('pass');
    expect([await get('/api/v1/batch/a'), await get('/api/v1/batch/b'), await get('/api/v1/batch/a')]).toEqual([
      '200 pass paid',
      '200 pass kept',
      '200 pass kept',
    ]);
    expect(payments()).toBe(1);
  });

  test('bucket: so many requests of its route, and then another payment', async () => {
    const { get, books, payments } = await open('bucket');
    expect(await get(translate)).toBe('200 1499 paid');
    for (let call = 0; call < 50; call++) await Promise.all(Array.from({ length: 29 }, () => get(translate)));
    const last = [];
    for (let call = 0; call < 50; call++) last.push(await get(translate));
    expect(last.at(-2)).toBe('200 0 kept');
    expect(last.at(-1)).toBe('200 1499 paid');
    expect(payments()).toBe(2);
    const { received, earned, unspent } = await books();
    expect([received.amountMsat, earned.amountMsat, unspent.amountMsat]).toEqual([2_000_000n, 1_000_666n, 999_334n]);
  }, 60_000);

  test('bucket of a service: spent on its routes by their weight', async () => {
    const { get, payments } = await open('service-bucket');
    const document = '/api/v1/document';
    expect([await get(translate), await get(document), await get(translate)]).toEqual(['200 1499 paid', '200 1479 kept', '200 1478 kept']);
    for (let call = 0; call < 73; call++) await get(document);
    expect([await get(translate), await get(document)]).toEqual(['200 17 kept', '200 1480 paid']);
    expect(payments()).toBe(2);
  });

  test('credit: spent across a service at its own prices, and nothing of it at another', async () => {
    const { get, books, payments } = await open('credit', true);
    expect(await get(translate)).toBe('200 9993 sat paid');
    expect(await get('/api/v1/document')).toBe('200 9853 sat kept');
    expect(await get('/other')).toBe('200 charged paid');
    expect(await get(translate)).toBe('200 9846 sat kept');
    expect(payments()).toBe(2);
    const { received, earned } = await books();
    expect([received.amountMsat, earned.amountMsat]).toEqual([9_020_000n, 138_600n + 20_000n]);
  });

  test('free quota: so many requests for nothing, and then a price', async () => {
    const { get, payments } = await open('free-quota');
    const got = [];
    for (let call = 0; call < 6; call++) got.push(await get(translate));
    expect(got).toEqual([4, 3, 2, 1, 0].map((left) => `200 free ${left}`).concat('200 charged paid'));
    expect(payments()).toBe(1);
  });

  test('what one service sells in several ways is bought once each, and none of it is given up where another is asked for', async () => {
    const { get, payments } = await open('everything');
    expect(await get('/credit/a')).toBe('200 950 sat paid');
    expect(await get('/light')).toBe('200 4 paid');
    expect(await get('/pass')).toMatch(/^200 .* paid$/);
    expect(await get('/bucket')).toBe('200 2 paid');
    expect(await get('/other')).toBe('200 charged paid');
    expect(payments()).toBe(5);
    expect([await get('/heavy'), await get('/credit/b'), await get('/bucket')]).toEqual(['200 1 kept', '200 900 sat kept', '200 1 kept']);
    expect([await get('/light'), await get('/single'), await get('/pass')]).toEqual(['200 0 kept', '200 890 sat kept', expect.stringMatching(/kept$/)]);
    expect(payments()).toBe(5);
  });

  test('what is kept for many services of one origin is found, whichever is asked for', async () => {
    const { get, payments } = await open('manyServices');
    for (const left of ['90 sat paid', '80 sat kept', '70 sat kept'])
      for (const service of ['a', 'b', 'c', 'd', 'e']) expect(await get(`/${service}/${left.slice(0, 2)}`), service).toBe(`200 ${left}`);
    expect(payments()).toBe(5);
  });

  test('four helpers at once, each with a part of one credit, spend no more than their parts, and all no more than the credit', async () => {
    const { url, books, payer } = await open('credit');
    const sandboxed = await fetch(`${url}/api/v1/document`);
    const { macaroon, invoice } = (await sandboxed.json()) as { macaroon: string; invoice: string };
    const preimage = await payDirectly(invoice);
    const helpers = ['one', 'two', 'three', 'four'].map((word) =>
      Macaroon.format(Macaroon.attenuate(Macaroon.parse(macaroon), [`part=${word}`, 'max_sats=3000'])),
    );
    const calls = helpers.flatMap((token) => Array.from({ length: 25 }, () => token));
    const answers = await Promise.all(
      calls.map(async (token) => {
        const response = await fetch(`${url}/api/v1/document`, { headers: { authorization: `L402 ${token}:${preimage}` } });
        await response.arrayBuffer();
        return { token, status: response.status };
      }),
    );
    for (const helper of helpers) expect(answers.filter(({ token, status }) => token === helper && status === 200).length).toBeLessThanOrEqual(21);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(71);
    // Used up, narrowed, or for a moment set aside for others.
    for (const { status } of answers) expect([200, 402, 403, 409]).toContain(status);
    const { earned, unspent, held } = await books();
    expect([earned.amountMsat, unspent.amountMsat, held.amountMsat]).toEqual([8_946_000n, 54_000n, 0n]);

    async function payDirectly(text: string): Promise<string> {
      const paid = await payer.pay({ invoice: text, maxFeeMsat: 10_000n as never, timeoutSeconds: 10 });
      if (paid.kind !== 'settled') throw new Error(paid.kind);
      return paid.preimage;
    }
  });
}
