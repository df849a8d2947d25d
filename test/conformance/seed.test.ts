/**
 * The exchange as the first articles on L402 print it, over real sockets: request, 402, payment, retry, 200, between our own client and
 * each stand; and the long body that must be sent twice.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { createFetch, paymentOf } from '../../src/client/index.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import * as Receipt from '../../src/core/Receipt.ts';
import { openShop, type Shop, type StandName, stands } from './shop/shop.ts';

const names = Object.keys(stands) as StandName[];

let shop: Shop | undefined;
afterEach(async () => {
  await shop?.close();
  shop = undefined;
});

describe.each(names)('%s', (name) => {
  const openOne = async () => {
    shop = await openShop(name);
    return shop;
  };

  test('the 402: two header lines, and a body that begins with four keys in their order and values', async () => {
    const open = await openOne();
    const got = await open.get('/api/v1/translate?text=hello&target=es');
    expect(got.status).toBe(402);
    expect(got.lines.length).toBe(2);
    expect(got.lines[0]).toMatch(/^LSAT macaroon="[A-Za-z0-9+/]+=*", invoice="lnbcrt500n1[02-9ac-hj-np-z]+"$/);
    expect(got.lines[1]).toMatch(/^L402 macaroon="[A-Za-z0-9+/]+=*", invoice="lnbcrt500n1[02-9ac-hj-np-z]+", version="0", token="[A-Za-z0-9+/]+=*"$/);
    const body = JSON.parse(got.body) as { [key: string]: unknown };
    expect(Object.entries(body).slice(0, 4)).toEqual([
      ['message', 'Payment required'],
      ['amount', 50],
      ['unit', 'satoshis'],
      ['description', 'Translation API - 1 request'],
    ]);
    const [first] = Challenge.parse(got.lines);
    expect(body).toMatchObject({ status: 402, code: 'PAYMENT_REQUIRED', amountMsat: '50000', macaroon: first?.token, invoice: first?.invoice });
    expect(body.buys).toEqual({ terms: 'per-request', requests: 1 });
    expect([got.headers['cache-control'], got.headers['l402-price'], got.headers['content-type']]).toEqual(['no-store', '50 sat', 'application/json']);
    expect(headLength(got.headers)).toBeLessThan(4096);
  });

  test('a pass opens all that its route covers, and nothing else', async () => {
    const open = await openOne();
    const bought = await open.buy('/library/a');
    const statusOf = async (path: string) => (await open.get(path, { headers: { authorization: bought.authorization } })).status;
    expect(await Promise.all(['/library/a', '/library/b/c', '/library/a', '/vault', '/pass'].map(statusOf))).toEqual([200, 200, 200, 402, 402]);
  });

  test('a receipt is given for a success only', async () => {
    const open = await openOne();
    const bought = await open.buy('/library/a');
    const receiptOf = async (path: string) => typeof (await open.get(path, { headers: { authorization: bought.authorization } })).headers['payment-receipt'];
    expect([await receiptOf('/library/a'), await receiptOf('/library/a?do=status-404'), await receiptOf('/library/a?do=status-500')]).toEqual([
      'string',
      'undefined',
      'undefined',
    ]);
  });

  test('a path of 2,000 characters is bound too, and the head stays under 4 KB', async () => {
    const open = await openOne();
    const long = `/deep/${'abcdefgh/'.repeat(222)}end`;
    expect(headLength((await open.get(long)).headers)).toBeLessThan(4096);
    const bought = await open.buy(long);
    const auth = { headers: { authorization: bought.authorization } };
    expect((await open.get(`${long}x`, auth)).status).toBe(402);
    expect((await open.get(long, auth)).status).toBe(200);
  });

  test('HEAD is answered like GET, without a body; an empty POST gets its 402', async () => {
    const open = await openOne();
    const head = await open.get('/api/v1/translate', { method: 'HEAD' });
    expect([head.status, head.body, head.lines.length, head.headers['l402-price']]).toEqual([402, '', 2, '50 sat']);
    const post = await open.get('/api/v1/translate', { method: 'POST' });
    expect([post.status, post.lines.length]).toEqual([402, 2]);
    const problem = await open.get('/api/v1/translate', { headers: { accept: 'application/problem+json' } });
    expect(problem.headers['content-type']).toBe('application/problem+json');
  });

  test('request, 402, payment, retry, 200: two requests, and the answer as the API gave it', async () => {
    const open = await openOne();
    const sent: string[] = [];
    const fetch = createFetch({
      payer: open.sandbox.payer('buyer'),
      maxPerRequest: '60 sat',
      clock: open.clock,
      fetch: (url, init) => {
        sent.push(`${init?.method} ${url}`);
        return globalThis.fetch(url, init);
      },
    });
    const url = `${open.url}/api/v1/translate?text=hello&target=es`;
    const response = await fetch(url);
    expect([response.status, await response.json()]).toEqual([200, { translation: 'hola', source: 'en', target: 'es' }]);
    expect(sent).toEqual([`GET ${url}`, `GET ${url}`]);
    const payment = paymentOf(response);
    expect(payment).toMatchObject({ amountMsat: 50_000n, reused: false });
    const receipt = Receipt.parse(response.headers.get('payment-receipt') ?? '');
    expect([receipt.status, receipt.method, receipt.reference]).toEqual(['success', 'lightning', payment?.paymentHash]);
    expect(response.headers.get('l402-payment')).toBe('charged');
    expect(open.upstream.seen.map(({ method, url: path }) => `${method} ${path}`)).toEqual(['GET /api/v1/translate?text=hello&target=es']);
    expect(await open.ledger()).toEqual(['received', 'earned']);
    const { payments } = await open.sandbox.audit();
    expect(payments.map(({ state, amountMsat }) => [state, amountMsat])).toEqual([['settled', 50_000n]]);
  });

  test('a POST with a body of 1 MB is sent again whole', async () => {
    const open = await openOne();
    const fetch = createFetch({ payer: open.sandbox.payer('buyer'), maxPerRequest: '60 sat', clock: open.clock });
    const body = Array.from({ length: 1 << 17 }, (_, i) => String(i % 1e8).padStart(8, '0')).join('');
    expect(body.length).toBe(1 << 20);
    const response = await fetch(`${open.url}/api/v1/translate?do=echo`, { method: 'POST', body, headers: { 'content-type': 'text/plain' } });
    expect(response.status).toBe(200);
    expect((await response.text()) === body).toBe(true);
    expect(open.upstream.seen.map((one) => one.body.length)).toEqual([1 << 20]);
  });

  test('a pass is used again and again without paying again', async () => {
    const open = await openOne();
    const fetch = createFetch({ payer: open.sandbox.payer('buyer'), maxPerRequest: '600 sat', clock: open.clock });
    for (let i = 0; i < 3; i++) expect((await fetch(`${open.url}/pass`)).status).toBe(200);
    expect((await open.sandbox.audit()).payments.length).toBe(1);
    expect(open.invoices()).toBe(1);
  });
});

function headLength(headers: { [name: string]: string | string[] | undefined }): number {
  return Object.entries(headers).reduce((length, [name, value]) => length + name.length + String(value).length + 4, 20);
}
