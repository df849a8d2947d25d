/**
 * A redirect that takes the credential elsewhere; a token kept for one host, sent to another. A credential goes to the origin that sold it,
 * and nowhere else, whatever a server answers.
 */

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { Agent, request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { createFetch, paymentOf } from '../../src/client/index.ts';
import { createUndiciInterceptor } from '../../src/client/undici.ts';
import { answer, type LyingServer, type SeenRequest } from '../../src/testing/LyingServer.ts';
import { type Closing, closeAll, portOf } from '../gateway/harness.ts';
import { outcomeOf, sendBuyer } from './buyer.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const statuses = [301, 302, 303, 307, 308];
const authority = ({ origin }: LyingServer) => origin.replace('http://', '');

/** Whatever lets its reader spend: the values of all headers that carry credentials, or look as if. */
function shownTo({ requests }: LyingServer): readonly string[] {
  const names = ['authorization', 'proxy-authorization', 'l402-authorization', 'macaroon', 'grpc-metadata-macaroon', 'cookie'];
  return requests.flatMap(({ headers }) => names.flatMap((name) => headers[name] ?? []));
}

/** Everything of a request that a server could read a credential from. */
const textOf = ({ url, headers, body }: SeenRequest) => JSON.stringify([url, headers, Buffer.from(body).toString('latin1')]);

/** Two sellers; the first takes the payment and redirects to the second. */
async function trap(location: (thief: LyingServer) => string, status = 302) {
  const shop = await sendBuyer();
  const thief = await shop.startServer();
  const { server } = shop;
  server.handle(({ paid }, response) => (paid ? answer(response, status, { Location: location(thief) }) : server.challenge(response)));
  thief.handle((_, response) => answer(response));
  return { ...shop, thief };
}

/** What nobody but the seller may see of what was bought. */
function secretsOf({ server, payer }: { server: LyingServer; payer: { readonly paid: readonly { readonly paymentHash: string }[] } }): readonly string[] {
  const token = server.requests.map(({ headers }) => /^\w+ ([^:]+):/.exec(headers.authorization ?? '')?.[1] ?? '').filter(Boolean);
  const preimages = payer.paid.map(({ paymentHash }) => server.preimageOf(paymentHash as never) ?? '');
  return [...token, ...preimages];
}

describe('a redirect after the payment', () => {
  test.each(statuses)('%i to another port takes nothing along', async (status) => {
    for (const method of ['GET', 'POST']) {
      const shop = await trap(({ origin }) => `${origin}/v1/translate?text=hello`, status);
      expect(await outcomeOf(shop.fetch(shop.url, { method, ...(method === 'POST' && { body: 'a body' }) }))).toBe(200);
      expect([shop.payer.paid.length, shop.thief.requests.length]).toEqual([1, 1]);
      expect(shownTo(shop.thief)).toEqual([]);
      expect(secretsOf(shop).length).toBe(2);
      for (const secret of secretsOf(shop)) expect(shop.thief.requests.map(textOf).join()).not.toContain(secret);
    }
  });

  test.each([
    ['without a scheme', (thief: LyingServer) => `//${authority(thief)}/v1/translate`],
    ['with backslashes', (thief: LyingServer) => `\\\\${authority(thief)}/v1/translate`],
    ['with a slash and a backslash', (thief: LyingServer) => `/\\${authority(thief)}/v1/translate`],
    ['with one slash', (thief: LyingServer) => `http:////${authority(thief)}/v1/translate`],
    ['with a scheme in capitals', (thief: LyingServer) => `HTTP://${authority(thief)}/v1/translate`],
    ['to the same machine by its name', (thief: LyingServer) => `http://localhost:${new URL(thief.origin).port}/v1/translate`],
    ['with dots that climb', (thief: LyingServer) => `//${authority(thief)}/a/../v1/translate`],
    ['with a fragment', (thief: LyingServer) => `${thief.origin}/v1/translate#token`],
  ])('%s takes nothing along', async (_, location) => {
    const shop = await trap(location);
    expect(await outcomeOf(shop.fetch(shop.url))).toBe(200);
    expect(shop.thief.requests.length).toBe(1);
    expect(shownTo(shop.thief)).toEqual([]);
  });

  test.each([
    ['with a user', ({ origin }: LyingServer) => origin.replace('http://', 'http://127.0.0.1@')],
    ['with a user and a password', ({ origin }: LyingServer) => origin.replace('http://', 'http://a:b@')],
    ['to a file', () => 'file:///etc/hostname'],
    ['to data', () => 'data:text/plain,hello'],
    ['to a script', () => 'javascript:alert(1)'],
    ['to another protocol', ({ origin }: LyingServer) => origin.replace('http', 'ftp')],
    ['to no address', () => 'http://'],
  ])('%s leads nowhere', async (_, location) => {
    const shop = await trap(location);
    expect(await outcomeOf(shop.fetch(shop.url))).toBe('PAYMENT_NOT_HONOURED');
    expect(shop.thief.requests).toEqual([]);
    // The answer was given: the payment is not made again for it.
    expect(shop.payer.paid.length).toBe(1);
  });

  test('to a place that asks for money as well: a call pays once', async () => {
    const shop = await trap(({ origin }) => `${origin}/v1/translate`);
    shop.thief.handle((_, response) => shop.thief.challenge(response));
    expect(await outcomeOf(shop.fetch(shop.url))).toBe('CHALLENGE_REFUSED');
    expect(shop.payer.paid.length).toBe(1);
    expect(shownTo(shop.thief)).toEqual([]);
  });

  test('round in a circle ends, and pays once', async () => {
    const shop = await trap(({ origin }) => origin);
    shop.thief.handle((_, response) => answer(response, 302, { Location: shop.url }));
    expect(await outcomeOf(shop.fetch(shop.url))).toMatch(/^(?:TypeError|PAYMENT_NOT_HONOURED|CHALLENGE_REFUSED|PAYMENT_INTERRUPTED)$/);
    expect(shop.payer.paid.length).toBe(1);
    expect(shop.server.requests.length + shop.thief.requests.length).toBeLessThan(60);
    expect(shownTo(shop.thief)).toEqual([]);
  });

  test('what the caller wants done with redirects is not handed to the runtime, which would follow them by itself', async () => {
    const given: unknown[] = [];
    const { server, payer, clock, startServer, url } = await sendBuyer();
    const thief = await startServer();
    const fetch = createFetch({
      payer,
      clock,
      maxPerRequest: '60 sat',
      fetch: (where, init) => {
        given.push(init?.redirect);
        return globalThis.fetch(where, init);
      },
    });
    server.handle(({ paid }, response) => (paid ? answer(response, 302, { Location: `${thief.origin}/x` }) : server.challenge(response)));
    thief.handle((_, response) => answer(response));
    await fetch(url, { redirect: 'follow' });
    expect(given).toEqual(['manual', 'manual', 'manual']);
    expect(await outcomeOf(fetch(`${server.origin}/other`, { redirect: 'manual' }))).toBe(302);
    expect(await outcomeOf(fetch(`${server.origin}/third`, { redirect: 'error' }))).toBe('TypeError');
    expect(thief.requests.length).toBe(1);
    expect(shownTo(thief)).toEqual([]);
  });
});

describe('what the caller shows by itself', () => {
  const own = { Authorization: 'Bearer own', Cookie: 'session=own', 'L402-Authorization': 'L402 own', Macaroon: '00', 'Proxy-Authorization': 'Basic own' };

  test.each(['headers as an object', 'headers as Headers', 'a Request'])('goes to the place that he asked and no further: %s', async (how) => {
    const { server, startServer, fetch } = await sendBuyer();
    const thief = await startServer();
    server.handle((_, response) => answer(response, 307, { Location: `${thief.origin}/x` }));
    thief.handle((_, response) => answer(response));
    const where = `${server.origin}/a`;
    const call =
      how === 'a Request' ? fetch(new Request(where, { headers: own })) : fetch(where, { headers: how === 'headers as Headers' ? new Headers(own) : own });
    expect(await outcomeOf(call)).toBe(200);
    expect(shownTo(server)).toContain('Bearer own');
    expect(shownTo(thief)).toEqual([]);
  });
});

describe('a credential that is kept', () => {
  test('for one origin is shown to no other, however alike they are', async () => {
    const { server, startServer, fetch, payer, url } = await sendBuyer();
    const thief = await startServer();
    // Good for everything, for ever, and says nothing of where.
    const caveats = ['services=shop:0', 'shop_path=/*', 'shop_valid_until=1900000000', 'shop_terms=pass'];
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    expect(await outcomeOf(fetch(url))).toBe(200);
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    thief.handle((_, response) => answer(response, 418));
    const { port } = new URL(server.origin);
    const thiefs = authority(thief);
    for (const where of [
      `${thief.origin}/v1/translate?text=hello`,
      `http://localhost:${new URL(thief.origin).port}/v1/translate`,
      `http://127.1:${new URL(thief.origin).port}/v1/translate`,
    ])
      expect(await outcomeOf(fetch(where, { headers: { 'X-Forwarded-Host': authority(server) } }))).toBe(418);
    expect(thiefs).not.toBe(authority(server));
    expect(thief.requests.length).toBe(3);
    expect(shownTo(thief)).toEqual([]);
    // The same machine by another name is another origin: it is asked as a stranger, and sells anew.
    const before = server.requests.length;
    await fetch(`http://localhost:${port}/v1/translate`);
    expect(server.requests[before]?.headers.authorization).toBeUndefined();
    expect(payer.paid.length).toBe(2);
  });

  test('by a place that was redirected to belongs to that place, and not to the one that sent there', async () => {
    const { server, startServer, fetch, payer, store } = await sendBuyer();
    const shop = await startServer();
    const caveats = ['services=shop:0', 'shop_path=/*', 'shop_valid_until=1900000000', 'shop_terms=pass'];
    server.handle((_, response) => answer(response, 302, { Location: `${shop.origin}/paid` }));
    shop.handle(({ paid }, response) => (paid ? answer(response) : shop.challenge(response, shop.offer({ caveats }))));
    expect(await outcomeOf(fetch(`${server.origin}/a`))).toBe(200);
    expect((await store.list()).map(({ origin }) => origin)).toEqual([shop.origin]);
    await fetch(`${server.origin}/a`);
    expect(payer.paid.length).toBe(1);
    expect(shownTo(server)).toEqual([]);
  });

  test('is not shown where another scheme or port stands in the way: over plain http to another machine nothing is bought or shown at all', async () => {
    const { server, payer, clock, store } = await sendBuyer();
    const asked: (readonly [string, string | null])[] = [];
    const fetch = createFetch({
      payer,
      clock,
      store,
      maxPerRequest: '60 sat',
      // Names that lead to the one seller here; what is asked, and with what, is as it would go out.
      fetch: (where, init) => {
        asked.push([where, new Headers(init?.headers).get('Authorization')]);
        return globalThis.fetch(`${server.origin}${new URL(where).pathname}`, init);
      },
    });
    const caveats = ['services=shop:0', 'shop_path=/*', 'shop_valid_until=1900000000', 'shop_terms=pass'];
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    expect(await outcomeOf(fetch('https://api.example/a'))).toBe(200);
    expect(asked.at(-1)?.[1]).toMatch(/^L402 /);
    for (const where of [
      'http://api.example/a',
      'http://api.example:443/a',
      'http://127.0.0.1.api.example/a',
      'http://localhost.api.example/a',
      'http://127.0.0.1@api.example/a',
    ]) {
      expect([where, await outcomeOf(fetch(where))]).toEqual([where, where.includes('@') ? 'TypeError' : 'CHALLENGE_REFUSED']);
    }
    for (const where of ['https://api.example:8443/a', 'https://www.api.example/a', 'https://api.example./a']) await outcomeOf(fetch(where));
    const shown = new Map(asked.filter(([, value]) => value !== null).map(([where, value]) => [value, new URL(where).origin]));
    // Each of the four origins that sold has seen its own, and no other's.
    expect([...shown.values()]).toEqual(['https://api.example', 'https://api.example:8443', 'https://www.api.example', 'https://api.example.']);
    expect(asked.filter(([where]) => where.startsWith('http://')).every(([, value]) => value === null)).toBe(true);
  });
});

describe('over TLS', () => {
  const certificates = JSON.parse(readFileSync(new URL('../vectors/tls.json', import.meta.url), 'utf8')) as {
    authority: string;
    serverKey: string;
    good: string;
  };

  test('a redirect to the same machine without TLS takes nothing along', async () => {
    const authorities = getCACertificates('default');
    setDefaultCACertificates([...authorities, certificates.authority]);
    closing.push(() => setDefaultCACertificates(authorities));
    const { server: thief, fetch, payer } = await sendBuyer();
    thief.handle((_, response) => answer(response));
    const shown: (string | undefined)[] = [];
    const server = createServer({ key: certificates.serverKey, cert: certificates.good }, ({ headers }, response) => {
      shown.push(headers.authorization);
      if (headers.authorization === undefined) thief.challenge(response);
      else answer(response, 307, { Location: `http://localhost:${new URL(thief.origin).port}/a` });
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    expect(await outcomeOf(fetch(`https://localhost:${portOf(server)}/a`))).toBe(200);
    expect([shown.length, payer.paid.length]).toEqual([2, 1]);
    expect(shown[1]).toMatch(/^L402 /);
    expect(thief.requests.length).toBe(1);
    expect(shownTo(thief)).toEqual([]);
  });
});

test('a path that begins like another host’s address takes nothing of that host along: undici’s interceptor', async () => {
  const shop = await sendBuyer();
  const thief = await shop.startServer();
  shop.server.handle(({ paid }, response) => (paid ? answer(response) : shop.server.challenge(response, shop.server.offer({ caveats: anyPath }))));
  thief.handle(({ headers }, response) =>
    headers.authorization ? answer(response) : thief.challenge(response, thief.offer({ amountMsat: 1_000_000n as never })),
  );
  const agent = new Agent();
  closing.push(() => agent.destroy());
  const dispatcher = agent.compose(createUndiciInterceptor(shop.client));
  expect((await request(shop.url, { dispatcher })).statusCode).toBe(200);
  await expect(request(`${thief.origin}//${authority(shop.server)}/v1/translate?text=hello`, { dispatcher })).rejects.toMatchObject({
    code: 'BUDGET_EXCEEDED',
  });
  expect(shownTo(thief)).toEqual([]);
  expect(shop.payer.paid.length).toBe(1);
});

const anyPath = ['services=shop:0', 'shop_method=GET', 'shop_path=/v1/*', 'shop_valid_until=1800086400', 'shop_terms=pass'];
