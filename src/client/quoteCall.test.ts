import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { answer } from '../testing/LyingServer.ts';
import { openShop, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { createClient, paymentOf } from './index.ts';
import type { PricedQuote } from './quoteCall.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  const priced = async (init?: RequestInit): Promise<PricedQuote> => {
    const quote = await shop.client.quote(shop.url, init);
    if (quote.kind !== 'priced') throw new Error(`it is ${quote.kind}`);
    return quote;
  };
  return { ...shop, priced };
}

const pass = ['services=shop:0', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];

describe('a quote', () => {
  it('says what a call would cost, asks with the same method, headers and body, pays nothing and writes nothing down', async () => {
    const { server, payer, store, priced } = await setup();
    server.handle((_, response) => {
      const offer = server.offer({ caveats: pass });
      server.challenge(response, offer, { body: { message: 'Payment required', amount: 50, unit: 'satoshis', buys: { terms: 'pass', for: '1h' } } });
    });
    const quote = await priced({ method: 'PUT', headers: { 'X-Own': 'yes' }, body: 'text' });
    expect(quote).toMatchObject({
      kind: 'priced',
      url: `${server.origin}/v1/translate`,
      method: 'PUT',
      amountMsat: 50_000n,
      maxFeeMsat: 10_000n,
      terms: 'pass',
      buys: { terms: 'pass', for: '1h' },
      expiresAt: expect.any(Number),
      allowed: true,
    });
    expect(server.requests.map(({ method, headers, body }) => [method, headers['x-own'], String(Buffer.from(body))])).toEqual([['PUT', 'yes', 'text']]);
    expect(payer.paid).toEqual([]);
    expect(await store.list()).toEqual([]);
  });

  it('of what is free is its answer, and so is a 402 in another scheme', async () => {
    const { client, server, url } = await setup();
    server.handle((_, response) => answer(response, 200, {}, { free: true }));
    const free = await client.quote(url);
    expect(free.kind === 'free' && (await free.response.json())).toEqual({ free: true });
    server.handle((_, response) => answer(response, 402, { 'WWW-Authenticate': 'Payment id="x", method="card"' }, { card: true }));
    const other = await client.quote(url);
    expect(other.kind === 'free' && [other.response.status, await other.response.json()]).toEqual([402, { card: true }]);
  });

  it('of what a kept credential covers sends nothing, and says what is left of it as far as the server has said', async () => {
    const { client, fetch, server, payer, url } = await setup();
    const bucket = ['services=shop:0', 'shop_method=GET', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=bucket:1500'];
    server.handle(({ paid }, response) =>
      paid ? answer(response, 200, { 'L402-Remaining': '1499' }) : server.challenge(response, server.offer({ caveats: bucket })),
    );
    await fetch(url);
    const [payment] = payer.paid;
    expect(await client.quote(url)).toEqual({
      kind: 'covered',
      send: expect.any(Function),
      paymentHash: payment?.paymentHash,
      amountMsat: 50_000n,
      terms: 'bucket',
      left: '1499',
      validUntil: 1_800_086_400,
    });
    expect(server.requests.length).toBe(2);
  });

  it('of what is dearer than a limit says which, and costs nothing when it is paid all the same', async () => {
    const { server, payer, priced } = await setup({ maxTotal: '80 sat' });
    server.handle((_, response) => server.challenge(response, server.offer({ amountMsat: Amount.fromSat(70) })));
    const dear = await priced();
    expect(dear).toMatchObject({ maxFeeMsat: 0n, allowed: { by: 'maxPerRequest', message: expect.stringContaining('70 sat') } });
    await expect(dear.pay()).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response)));
    const first = await priced();
    expect(first).toMatchObject({ maxFeeMsat: 10_000n, allowed: true });
    await first.pay();
    expect(await priced({ method: 'POST' })).toMatchObject({ allowed: { by: 'maxTotal' } });
    expect(payer.paid.length).toBe(1);
  });

  it.each([
    ['CHALLENGE_MALFORMED', 'L402 macaroon="AgEE"'],
    ['INVOICE_MALFORMED', 'L402 macaroon="AgEE", invoice="lnbcrt1nonsense"'],
  ])('of an offer that is not paid is refused with %s', async (code, header) => {
    const { client, server, url } = await setup();
    server.handle((_, response) => answer(response, 402, { 'WWW-Authenticate': header }));
    expect(await client.quote(url)).toMatchObject({ kind: 'refused', code, message: expect.any(String) });
  });

  it('of a request that has an Authorization of its own is refused where it is answered by a price', async () => {
    const { client, url } = await setup();
    expect(await client.quote(url, { headers: { Authorization: 'Bearer own' } })).toMatchObject({ kind: 'refused', code: 'CHALLENGE_REFUSED' });
  });

  it('follows redirects to where the price is said', async () => {
    const { client, server, startServer, url } = await setup();
    const other = await startServer();
    server.handle((_, response) => answer(response, 307, { Location: `${other.origin}/sold?key=secret` }));
    const quote = await client.quote(url);
    expect(quote).toMatchObject({ kind: 'priced', url: `${other.origin}/sold` });
    const response = quote.kind === 'priced' ? await quote.pay() : undefined;
    expect(response?.status).toBe(200);
    expect([server.requests.length, other.requests.length]).toEqual([1, 2]);
  });
});

describe('what a kept credential covers', () => {
  it('is sent for without paying, also where the seller refuses the credential', async () => {
    const { client, fetch, server, payer, url } = await setup();
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats: pass }))));
    await fetch(url);
    const covered = async () => {
      const quote = await client.quote(url);
      return quote.kind === 'covered' ? quote : expect.fail(`it is ${quote.kind}`);
    };
    expect(paymentOf(await (await covered()).send())).toMatchObject({ reused: true });
    const quote = await covered();
    server.handle((_, response) => server.challenge(response));
    await expect(quote.send()).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
    expect([payer.paid.length, (await client.quote(url)).kind]).toEqual([1, 'priced']);
  });
});

describe('paying a quote', () => {
  it('pays that challenge, and takes one request more', async () => {
    const { server, payer, priced } = await setup();
    sellOnce(server);
    const [first, second] = [await priced(), await priced()];
    const response = await first.pay();
    expect(await response.json()).toEqual({ ok: true });
    expect(paymentOf(response)).toMatchObject({ paymentHash: first.paymentHash, amountMsat: 50_000n, reused: false });
    expect(payer.paid.map(({ paymentHash }) => paymentHash)).toEqual([first.paymentHash]);
    expect(second.paymentHash).not.toBe(first.paymentHash);
    expect(server.requests.map(({ paid }) => paid)).toEqual([undefined, undefined, first.paymentHash]);
  });

  it('is possible once', async () => {
    const { server, payer, priced } = await setup();
    sellOnce(server);
    const quote = await priced();
    const [one, other] = await Promise.allSettled([quote.pay(), quote.pay()]);
    expect([one.status, other.status].sort()).toEqual(['fulfilled', 'rejected']);
    await expect(quote.pay()).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
    expect(payer.paid.length).toBe(1);
  });

  it('is possible again where it came to nothing before the wallet was called', async () => {
    const { payer, priced } = await setup();
    const quote = await priced();
    await expect(quote.pay({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(payer.paid.length).toBe(0);
    expect((await quote.pay()).status).toBe(200);
  });

  it('is over when its invoice is', async () => {
    const { clock, payer, priced, store } = await setup();
    const quote = await priced();
    clock.advance((quote.expiresAt - Math.floor(clock.nowMs() / 1000) - 9) * 1000);
    await expect(quote.pay()).rejects.toMatchObject({ code: 'INVOICE_EXPIRED' });
    expect([payer.paid, await store.list()]).toEqual([[], []]);
  });

  it('shows what has been bought meanwhile instead, where that serves', async () => {
    const { fetch, server, payer, url, priced } = await setup();
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats: pass }))));
    const quote = await priced();
    await fetch(url);
    expect(paymentOf(await quote.pay())).toMatchObject({ reused: true });
    expect(payer.paid.length).toBe(1);
  });

  it('pays nothing else: not where what was bought meanwhile is sent on to', async () => {
    const { client, fetch, server, startServer, payer, url, priced } = await setup();
    const other = await startServer();
    server.handle(({ paid }, response) =>
      paid ? answer(response, 302, { Location: `${other.origin}/dear` }) : server.challenge(response, server.offer({ caveats: pass })),
    );
    const quote = await priced();
    await fetch(url, { redirect: 'manual' });
    await expect(quote.pay()).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED', message: expect.stringContaining(new URL(other.origin).host) });
    expect(payer.paid.length).toBe(1);
    expect((await client.fetch(url)).status).toBe(200);
    expect(payer.paid.length).toBe(2);
  });

  it('waits for nothing that is unknown: another payment for the same call must end first', async () => {
    const { fetch, payer, url, priced } = await setup();
    const quote = await priced();
    payer.script({ kind: 'unknown', became: 'pending' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(await priced()).toMatchObject({ allowed: { by: 'PAYMENT_UNKNOWN' } });
    await expect(quote.pay()).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(payer.paid.length).toBe(1);
  });
});

describe('a client', () => {
  it('that is closed has written down how its payments ended', async () => {
    const { payer, store, client, url } = await setup();
    const release = payer.slow();
    const stop = new AbortController();
    const call = client.fetch(url, { signal: stop.signal });
    await until(() => payer.paid.length === 1);
    stop.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    const closed = client.close();
    release();
    await closed;
    expect((await store.list()).map(({ state }) => state)).toEqual(['settled']);
    // A store that was handed in stays open.
    expect((await store.spending()).spentMsat).toBe(50_000n);
  });

  it('looks up what is unknown when it is told to, all of it or one payment', async () => {
    const { payer, client, url } = await setup();
    payer.script({ kind: 'unknown', became: 'settled' });
    await expect(client.fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(await client.resume({ paymentHash: '00'.repeat(32) as never })).toEqual([]);
    expect(await client.resume()).toMatchObject([{ paymentHash: payer.paid[0]?.paymentHash, state: 'settled' }]);
  });

  it('that was given no store closes its own', async () => {
    const { payer, url } = await setup();
    const client = createClient({ payer, maxPerRequest: '60 sat' });
    await client.close();
    await expect(client.fetch(url)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
}
