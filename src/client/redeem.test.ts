import { afterEach, describe, expect, it } from 'vitest';
import { answer } from '../testing/LyingServer.ts';
import { openShop, perRequest, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { clientOf } from './createClient.ts';
import { createFetch, paymentOf } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  return shop;
}

/** Time moves on by itself, exactly as long as the client waits. */
async function setupWaiting() {
  const waits: number[] = [];
  const made = await setup({
    onEvent: (event) => {
      if (event.kind !== 'waiting') return;
      waits.push(event.ms);
      setImmediate(() => made.clock.advance(event.ms));
    },
  });
  return { ...made, waits };
}

describe('a busy seller', () => {
  it('is waited for on 409 and 503, and never paid again', async () => {
    const { fetch, server, payer, url, clock, waits } = await setupWaiting();
    const busy: (() => [number, Record<string, string>])[] = [
      () => [409, { 'Retry-After': '2' }],
      () => [503, {}],
      () => [503, { 'Retry-After': new Date(clock.nowMs() + 7000).toUTCString() }],
    ];
    server.handle(({ paid }, response) => {
      if (!paid) return server.challenge(response);
      const [status, headers] = busy.shift()?.() ?? [200, {}];
      answer(response, status, headers);
    });
    expect((await fetch(url)).status).toBe(200);
    expect([server.requests.length, payer.paid.length]).toEqual([5, 1]);
    expect(waits).toEqual([2000, 1000, 7000]);
  });

  it('is given up after a few tries, its answer is handed on, and the credential stays good', async () => {
    const { fetch, server, payer, url, waits } = await setupWaiting();
    server.handle(({ paid }, response) => (paid ? answer(response, 503, { 'Retry-After': '1' }) : server.challenge(response)));
    expect((await fetch(url)).status).toBe(503);
    expect([server.requests.length, payer.paid.length, waits.length]).toEqual([7, 1, 5]);
    server.handle((_, response) => answer(response));
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
  });

  it('is waited for a minute in all, not a minute each time', async () => {
    const { fetch, server, url, waits } = await setupWaiting();
    server.handle(({ paid }, response) => (paid ? answer(response, 503, { 'Retry-After': '25' }) : server.challenge(response)));
    expect((await fetch(url)).status).toBe(503);
    expect(waits).toEqual([25_000, 25_000]);
  });

  it('is not waited for longer than a minute, nor for a 409 of the application or a 503 that was charged', async () => {
    const { fetch, server, url, clock } = await setup();
    for (const [status, headers] of [
      [503, { 'Retry-After': '61' }],
      [409, {}],
      [503, { 'Retry-After': '1', 'L402-Payment': 'charged' }],
    ] as const) {
      const before = server.requests.length;
      server.handle(({ paid }, response) => (paid ? answer(response, status, headers) : server.challenge(response)));
      expect((await fetch(`${url}&s=${before}`)).status).toBe(status);
      expect(clock.timers()).toBe(0);
    }
  });
});

describe('a connection that breaks before the head', () => {
  it('is PAYMENT_INTERRUPTED as long as a payment has bought no answer, and the runtime’s own error from then on', async () => {
    const { fetch, server, payer, url } = await setup();
    const caveats = ['services=shop:0', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];
    let breaks = true;
    server.handle(({ paid }, response) => {
      if (!paid) return server.challenge(response, server.offer({ caveats }));
      if (breaks) return void response.socket?.resetAndDestroy();
      answer(response);
    });
    for (let i = 0; i < 2; i++) await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_INTERRUPTED' });
    breaks = false;
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    breaks = true;
    await expect(fetch(url)).rejects.toThrow(TypeError);
    expect(payer.paid.length).toBe(1);
  });
});

describe('redirects', () => {
  it('are followed on the same origin, and what they lead to is paid for there', async () => {
    const { fetch, server, payer } = await setup();
    server.handle(({ url, paid }, response) => {
      if (url === '/old') answer(response, 301, { Location: '/new#part' });
      else if (paid) answer(response);
      else server.challenge(response);
    });
    expect((await fetch(`${server.origin}/old`)).status).toBe(200);
    expect(server.requests.map(({ url, paid }) => [url, paid !== undefined])).toEqual([
      ['/old', false],
      ['/new', false],
      ['/new', true],
    ]);
    expect(payer.paid.length).toBe(1);
  });

  it('to another origin after payment carry no credential, nor the caller’s own secrets', async () => {
    const { fetch, server, startServer, payer } = await setup();
    const thief = await startServer();
    thief.handle((_, response) => answer(response));
    server.handle(({ paid }, response) => (paid ? answer(response, 307, { Location: `${thief.origin}/steal` }) : server.challenge(response)));
    const response = await fetch(`${server.origin}/a`, { method: 'POST', body: 'text', headers: { Cookie: 'own', 'X-Plain': 'yes' } });
    expect(response.status).toBe(200);
    const [stolen] = thief.requests;
    expect([stolen?.headers.authorization, stolen?.headers.cookie, stolen?.headers['x-plain']]).toEqual([undefined, undefined, 'yes']);
    expect([stolen?.method, String(Buffer.from(stolen?.body ?? []))]).toEqual(['POST', 'text']);
    expect(payer.paid.length).toBe(1);
  });

  it('after payment do not lead to a second payment', async () => {
    const { fetch, server, startServer, payer } = await setup();
    const other = await startServer();
    for (const target of [`${other.origin}/b`, '/b']) {
      const before = payer.paid.length;
      server.handle(({ url, paid }, response) => (paid && url.startsWith('/a') ? answer(response, 302, { Location: target }) : server.challenge(response)));
      await expect(fetch(`${server.origin}/a${before}`)).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
      expect(payer.paid.length).toBe(before + 1);
    }
  });

  it('after payment to where nobody answers are told of with what was paid', async () => {
    const { fetch, server, startServer } = await setup();
    const other = await startServer();
    other.handle((_, response) => void response.destroy());
    server.handle(({ paid }, response) => (paid ? answer(response, 302, { Location: other.origin }) : server.challenge(response)));
    await expect(fetch(`${server.origin}/a`)).rejects.toMatchObject({
      code: 'PAYMENT_NOT_HONOURED',
      details: { amount: '50 sat', status: 302 },
      cause: { message: 'fetch failed' },
    });
  });

  it('turn a POST into a GET where HTTP says so', async () => {
    const { fetch, server } = await setup();
    for (const [status, method, becomes] of [
      [301, 'POST', 'GET'],
      [302, 'POST', 'GET'],
      [302, 'PUT', 'PUT'],
      [303, 'PUT', 'GET'],
      [303, 'HEAD', 'HEAD'],
      [307, 'POST', 'POST'],
      [308, 'PUT', 'PUT'],
    ] as const) {
      server.handle(({ url }, response) => (url === '/from' ? answer(response, status, { Location: '/to' }) : answer(response)));
      await fetch(`${server.origin}/from`, { method, ...(method === 'HEAD' ? {} : { body: 'text' }) });
      const last = server.requests.at(-1);
      expect([last?.url, last?.method, last?.body.length]).toEqual(['/to', becomes, becomes === 'GET' || becomes === 'HEAD' ? 0 : 4]);
    }
  });

  it('are the caller’s where the caller says so, and end somewhere', async () => {
    const { fetch, server } = await setup();
    server.handle((_, response) => answer(response, 302, { Location: '/again' }));
    expect((await fetch(`${server.origin}/a`, { redirect: 'manual' })).status).toBe(302);
    await expect(fetch(`${server.origin}/a`, { redirect: 'error' })).rejects.toThrow(TypeError);
    const before = server.requests.length;
    await expect(fetch(`${server.origin}/a`)).rejects.toThrow(/20 redirects/);
    expect(server.requests.length - before).toBe(21);
    server.handle((_, response) => answer(response, 302, { Location: 'file:///etc/passwd' }));
    await expect(fetch(`${server.origin}/a`)).rejects.toThrow(TypeError);
  });
});

it('a payment for a whole service that is answered with what cannot be read is said not to be honoured', async () => {
  const { fetch, server, payer, store, url } = await setup();
  server.handle(({ paid }, response) => {
    if (paid) response.writeHead(402, { 'WWW-Authenticate': 'L402 macaroon="AgEE"' }).end();
    else server.challenge(response, server.offer({ caveats: ['services=shop:0', 'shop_terms=bucket:8'] }));
  });
  await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_NOT_HONOURED' });
  expect([payer.paid.length, (await store.list()).map(({ state }) => state)]).toEqual([1, ['rejected']]);
});

it('what is left of a credential is remembered as long as there is something of it, and of no credential that buys one answer', async () => {
  const { client, fetch, server, url } = await setup();
  const { left } = clientOf(client);
  const sell = (caveats: readonly string[]) =>
    server.handle(({ paid }, response) => (paid ? answer(response, 200, { 'L402-Remaining': '7' }) : server.challenge(response, server.offer({ caveats }))));
  sell(perRequest);
  await (await fetch(url)).text();
  expect(left.size).toBe(0);
  sell(['services=shop:0', 'shop_path=/v1/translate', 'shop_terms=bucket:8']);
  await fetch(url);
  expect([...left.values()]).toEqual(['7']);
  server.handle((_, response) => server.challenge(response));
  await fetch(url).catch(() => undefined);
  expect(left.size).toBe(0);
});

describe('an abort', () => {
  it('before the wallet is called pays nothing', async () => {
    const { server, payer, url, store, clock } = await setup();
    const stop = new AbortController();
    const fetch = createFetch({ payer, maxPerRequest: '60 sat', store, clock, onEvent: ({ kind }) => kind === 'quoted' && stop.abort() });
    await expect(fetch(url, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
    for (const moment of ['reserve', 'dispatch'] as const) {
      const late = new AbortController();
      const aborting = { ...store, [moment]: (request: never) => store[moment](request).finally(() => late.abort()) };
      const held = createFetch({ payer, maxPerRequest: '60 sat', store: aborting, clock });
      await expect(held(url, { signal: late.signal })).rejects.toMatchObject({ name: 'AbortError' });
    }
    expect(payer.paid.length).toBe(0);
    expect(await store.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 0n });
    expect((await store.list()).map(({ state, dispatchedAt }) => [state, dispatchedAt !== undefined])).toEqual([
      ['failed', false],
      ['failed', true],
    ]);
    expect(server.requests.length).toBe(3);
  });

  it('after the wallet was called ends the call; the payment’s end is written down, and the next call uses it', async () => {
    const { fetch, server, payer, url, store } = await setup();
    const stop = new AbortController();
    const open = payer.slow();
    const call = fetch(url, { signal: stop.signal });
    call.catch(() => undefined);
    while (payer.paid.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    open();
    while ((await store.list(['dispatched'])).length > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    expect([server.requests.length, payer.paid.length]).toEqual([2, 1]);
  });

  it('while the wallet is at it keeps the same request from being paid again: it waits, and uses what is bought', async () => {
    const { fetch, server, payer, url, store, clock } = await setup();
    sellOnce(server);
    const stop = new AbortController();
    const open = payer.slow();
    const call = fetch(url, { signal: stop.signal });
    call.catch(() => undefined);
    while (payer.paid.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    const before = clock.timers();
    const again = fetch(url);
    while (clock.timers() === before && payer.paid.length === 1) await new Promise((resolve) => setImmediate(resolve));
    open();
    while ((await store.list(['dispatched'])).length > 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(250);
    expect(paymentOf(await again)).toMatchObject({ reused: true, paymentHash: payer.paid[0]?.paymentHash });
    expect([server.requests.length, payer.paid.length]).toEqual([2, 1]);
  });

  it('while a busy seller is waited for ends the call and leaves the credential good', async () => {
    const { fetch, server, payer, url, clock } = await setup();
    const stop = new AbortController();
    server.handle(({ paid }, response) => (paid ? answer(response, 503, { 'Retry-After': '30' }) : server.challenge(response)));
    const call = fetch(url, { signal: stop.signal });
    call.catch(() => undefined);
    while (server.requests.length < 2 || clock.timers() < 2) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(clock.timers()).toBe(0);
    server.handle((_, response) => answer(response));
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    expect(payer.paid.length).toBe(1);
  });
});
