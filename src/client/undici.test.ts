import { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { answer } from '../testing/LyingServer.ts';
import { openShop, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { createClient } from './index.ts';
import { createUndiciFetch, createUndiciInterceptor } from './undici.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  // Nobody is told of events: what is told of them takes another way.
  const client = createClient({ payer: shop.payer, clock: shop.clock, store: shop.store, maxPerRequest: '60 sat', ...options });
  const agent = new Agent();
  closing.push(() => agent.destroy());
  const dispatcher = agent.compose(createUndiciInterceptor(client));
  const ask = async (url: string, init: Omit<NonNullable<Parameters<typeof request>[1]>, 'dispatcher'> = {}) => {
    const { statusCode, body, headers } = await request(url, { ...init, dispatcher });
    return { status: statusCode, text: await body.text(), headers };
  };
  return { ...shop, client, dispatcher, ask };
}

const pass = ['services=shop:0', 'shop_method=GET', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];

describe.each([
  ['straight', {}],
  ['watched', { onEvent: () => {} }],
] as const)('the interceptor, %s', (_, options) => {
  it('buys what asks for money, with two requests', async () => {
    const { ask, server, payer, url } = await setup(options);
    expect(await ask(url)).toMatchObject({ status: 200, text: '{"ok":true}' });
    expect(server.requests.map(({ paid }) => paid)).toEqual([undefined, payer.paid[0]?.paymentHash]);
  });

  it('leaves what is free as it is, with its headers', async () => {
    const { ask, server, payer, url } = await setup(options);
    server.handle((_request, response) => answer(response, 404, { 'X-Own': 'yes', 'Set-Cookie': 'a=1' }, { no: true }));
    expect(await ask(url)).toMatchObject({ status: 404, text: '{"no":true}', headers: { 'x-own': 'yes', 'set-cookie': expect.anything() } });
    expect([server.requests.length, payer.paid.length]).toEqual([1, 0]);
  });

  it('shows a pass at once, and buys another when it is refused', async () => {
    const { ask, server, payer, url } = await setup(options);
    const refused = new Set<string>();
    server.handle(({ paid }, response) => (paid && !refused.has(paid) ? answer(response) : server.challenge(response, server.offer({ caveats: pass }))));
    await ask(url);
    await ask(url);
    expect(server.requests.map(({ paid }) => paid !== undefined)).toEqual([false, true, true]);
    refused.add(payer.paid[0]?.paymentHash ?? '');
    expect((await ask(url)).status).toBe(200);
    expect([server.requests.length, payer.paid.length]).toEqual([5, 2]);
  });

  it('shows nothing that was bought at one host to another whose path begins like that host’s address', async () => {
    const { ask, server, startServer, payer, url } = await setup(options);
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats: pass }))));
    await ask(url);
    const thief = await startServer();
    thief.handle(({ headers }, response) =>
      headers.authorization ? answer(response) : thief.challenge(response, thief.offer({ amountMsat: 70_000n as never })),
    );
    const path = url.slice('http:'.length);
    await expect(ask(`${thief.origin}${path}`)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { host: new URL(thief.origin).host } });
    expect(thief.requests.map(({ url: asked, headers }) => [asked, headers.authorization])).toEqual([[path, undefined]]);
    expect(payer.paid.length).toBe(1);
  });

  it('buys one answer each where each call needs its own', async () => {
    const { ask, server, payer, url } = await setup(options);
    sellOnce(server);
    expect((await Promise.all([ask(url), ask(url), ask(url)])).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(payer.paid.length).toBe(3);
  });

  it.each([
    ['text', () => 'hello'],
    ['bytes', () => Buffer.from('hello')],
    ['a stream', () => Readable.from(['hel', 'lo'])],
  ])('sends a body again: %s', async (_name, body) => {
    const { ask, server, url } = await setup(options);
    expect((await ask(url, { method: 'POST', body: body(), headers: { 'x-own': 'yes' } })).status).toBe(200);
    expect(server.requests.map(({ method, body: sent, headers }) => [method, String(Buffer.from(sent)), headers['x-own']])).toEqual([
      ['POST', 'hello', 'yes'],
      ['POST', 'hello', 'yes'],
    ]);
  });

  it('throws what the client throws', async () => {
    const { ask, server, payer, url } = await setup({ ...options, maxPerRequest: '10 sat' });
    await expect(ask(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
    await expect(ask(url, { headers: { Authorization: 'Bearer own' } })).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
    await server.close();
    await expect(ask(url)).rejects.toMatchObject({ code: expect.stringMatching(/ECONN|SOCKET/) });
    expect(payer.paid.length).toBe(0);
  });

  it('lets go when the caller aborts, and pays nothing then', async () => {
    const { ask, server, payer, url } = await setup(options);
    const stop = new AbortController();
    server.handle((_request, response) => {
      stop.abort();
      setImmediate(() => server.challenge(response));
    });
    await expect(ask(url, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(payer.paid.length).toBe(0);
  });

  it('hands a long answer on whole', async () => {
    const { ask, server, url } = await setup(options);
    const long = 'x'.repeat(3_000_000);
    server.handle(({ paid }, response) => (paid ? void response.end(long) : server.challenge(response)));
    expect((await ask(url)).text.length).toBe(long.length);
  });
});

it('refuses a body that is too long, before anything is sent', async () => {
  const { ask, server, url } = await setup({ maxBodyBytes: 10 });
  await expect(ask(url, { method: 'POST', body: Readable.from(['x'.repeat(11)]) })).rejects.toMatchObject({ code: 'REQUEST_UNREPEATABLE' });
  expect(server.requests.length).toBe(0);
});

it('a fetch over undici buys, and says when no connection comes about', async () => {
  const shop = await setup();
  const client = createClient({ payer: shop.payer, clock: shop.clock, maxPerRequest: '60 sat', fetch: createUndiciFetch(), timeouts: { connectMs: 5000 } });
  expect(await (await client.fetch(shop.url)).json()).toEqual({ ok: true });
});
