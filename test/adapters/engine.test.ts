import { once } from 'node:events';
import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, expect, test } from 'vitest';
import { paywall } from '../../src/adapters/express.ts';
import * as Amount from '../../src/core/Amount.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { assemble } from '../../src/gateway/Gateway.ts';
import * as Path from '../../src/http/Path.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { followDenials } from '../../src/server/Denials.ts';
import { createPaywall } from '../../src/server/Paywall.ts';
import * as Caveats from '../../src/server/policies/Caveats.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { get, openStall, paid, raw, rest, type Stall } from './stall.ts';

let stall: Stall | undefined;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  await stall?.close();
  stall = undefined;
});
const open = async (...given: Parameters<typeof openStall>) => {
  stall = await openStall(...given);
  return stall;
};

async function gateway(s: Stall, routes: readonly object[]) {
  const seen: { method?: string | undefined; url?: string | undefined; headers: object }[] = [];
  const upstream = await s.open((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    response.end('the goods');
  });
  const config = createConfig({ listen: '127.0.0.1:0', store: 'memory', services: [{ name: 'api', upstream, routes }] });
  const made = assemble({ config, paywall: { check: s.paywall.check, close: async () => {} }, clock: s.clock, events: s.paywall.events, log: () => {} });
  const { url } = await made.listen();
  closing.push(made.close);
  return { url, seen };
}

test('gateway: a preflight brings no goods', async () => {
  const s = await open();
  const { url } = await gateway(s, [{ path: '/x', price: '50 sat' }]);
  const got = await get(`${url}/x`, { method: 'OPTIONS', headers: { origin: 'http://a', 'access-control-request-method': 'GET' } });
  expect(got.body).not.toContain('the goods');
});

test.each(['/cheap/..;/premium', '/cheap/..;x=y/premium', '/cheap/%2e%2e;/premium', '/cheap/.;/x', '/cheap/..%3b/premium'])(
  '%s is read differently by servers that drop path parameters: refused',
  (path) => {
    expect(() => Path.normalize(path)).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
  },
);

test.each(['/premium/', '/Premium', '/premium;a=b', '/premium.'])('gateway: %s does not get the goods of /premium at the price of /*', async (path) => {
  const s = await open();
  const { url, seen } = await gateway(s, [
    { path: '/premium', price: '200 sat' },
    { path: '/*', price: '1 sat' },
  ]);
  const got = await get(url + path);
  expect(got.headers['l402-price']).not.toBe('1 sat');
  expect(seen).toEqual([]);
});

test('gateway: headers that change method or path behind the paywall do not go on', async () => {
  const s = await open();
  const { url, seen } = await gateway(s, [{ path: '/x', price: '1 sat' }]);
  const tricks = {
    'x-http-method-override': 'DELETE',
    'x-method-override': 'DELETE',
    'x-http-method': 'DELETE',
    'x-original-url': '/premium',
    'x-rewrite-url': '/premium',
  };
  const bought = await s.buy(`${url}/x`);
  await get(`${url}/x`, paid(bought.authorization, { headers: tricks }));
  expect(Object.keys(seen[0]?.headers ?? {}).filter((name) => name in tricks)).toEqual([]);
});

test('a price whose inputs are there only sometimes: bought without them is not good with them', async () => {
  const s = await open();
  const app = express();
  const price = {
    of: ({ target }: { target: string }) => {
      const model = new URL(target, 'http://a').searchParams.get('model');
      return { amountMsat: Amount.fromSat(model === 'large' ? 1000 : 1), inputs: model === null ? [] : [model] };
    },
  };
  app.get('/x', paywall(s.paywall, { price, clock: s.clock }), (request, response) => void response.end(String(request.query.model)));
  const url = await s.open(app);
  const bought = await s.buy(`${url}/x`);
  expect((await get(`${url}/x?model=large`, paid(bought.authorization))).status).toBe(402);
});

test('a demanded capability must be named: a token without any has none', () => {
  const caveats = Caveats.write({
    service: 'api',
    tier: 0,
    capabilities: [],
    method: 'GET',
    pattern: '/a/*',
    priced: '',
    validUntil: 2000,
    amountMsat: Amount.fromSat(1),
    terms: 'pass',
  });
  const context = {
    service: 'api',
    tier: 0,
    method: 'GET',
    path: '/a/x',
    pattern: '/a/*',
    priced: '',
    nowAt: 1000,
    capabilities: ['admin'],
    preimage: 'ab'.repeat(32),
  };
  expect(Caveats.check(caveats, context).kind).toBe('fails');
});

test('a feed of denials that ends without an error does not spin', async () => {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  let asked = 0;
  const memory = createMemoryStore({ clock });
  const store = {
    ...memory,
    changes: () => {
      if (++asked > 1000) throw new Error('spins');
      return { [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }) };
    },
  };
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox' as const, realm: 'test' });
  const made = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store: store as never, clock });
  await rest();
  expect(asked).toBe(1);
  await made.close();
  await sandbox.close();
});

test('a mistake in the options leaves nothing running', async () => {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const memory = createMemoryStore({ clock });
  let following = 0;
  const store = {
    ...memory,
    changes: (...given: Parameters<typeof memory.changes>) => {
      following++;
      return memory.changes(...given);
    },
  };
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox' as const, realm: 'test' });
  await expect(createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, mintLimits: { perMinute: 0 } })).rejects.toThrow(RangeError);
  expect(following).toBe(0);
  await memory.close();
  await sandbox.close();
});

test('an invoice for something else is not sold', async () => {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const real = sandbox.receiver('seller');
  const receiver = {
    ...real,
    createInvoice: (request: Parameters<typeof real.createInvoice>[0], signal: never) =>
      real.createInvoice({ ...request, amountMsat: Amount.fromSat(1) }, signal),
  };
  const s = await open({ receiver: receiver as never });
  const app = express();
  app.get('/x', paywall(s.paywall, { price: '1000 sat', clock: s.clock }), (_, response) => void response.end('x'));
  const url = await s.open(app);
  expect((await get(`${url}/x`)).status).toBe(503);
  await sandbox.close();
});

test('invoice that lives longer than asked for: what was sold is counted from its end', async () => {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const real = sandbox.receiver('seller');
  const receiver = {
    ...real,
    createInvoice: (request: Parameters<typeof real.createInvoice>[0], signal: never) => real.createInvoice({ ...request, expirySeconds: 86_400 }, signal),
  };
  const s = await open({ receiver: receiver as never });
  const app = express();
  const { pass } = await import('../../src/server/terms/Pass.ts');
  app.get('/x', paywall(s.paywall, { price: '1 sat', terms: pass({ seconds: 60 }), clock: s.clock }), (_, response) => void response.end('x'));
  const url = await s.open(app);
  const got = await get(`${url}/x`);
  const { Macaroon } = await import('../../src/core/Macaroon.ts').then((module) => ({ Macaroon: module }));
  const body = JSON.parse(got.body) as { macaroon: string; expiresAt: string };
  const until = Macaroon.parse(body.macaroon).caveats.find((caveat) => caveat.startsWith('api_valid_until='));
  expect(Number(until?.split('=')[1])).toBeGreaterThanOrEqual(Date.parse(body.expiresAt) / 1000 + 60);
  await sandbox.close();
});

test('a server that ends a slow connection itself did not break the answer off: the use stays charged', async () => {
  const s = await open();
  const app = express();
  app.post('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.write('all that was paid for'));
  const server = createServer({ requestTimeout: 100, headersTimeout: 50, connectionsCheckingInterval: 20 }, app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bought = await s.buy(`${url}/x`, { method: 'POST' });
  const sent = send(`${url}/x`, { method: 'POST', headers: { authorization: bought.authorization, 'content-length': '10' }, agent: false });
  sent.on('error', () => {});
  sent.write('half');
  await s.ended('charged');
  await new Promise((resolve) => setTimeout(resolve, 400));
  sent.destroy();
  await rest();
  expect(s.told.filter((one) => one === 'left' || one.startsWith('released'))).toEqual(['left']);
});

test('a client that stops reading until the server hangs up has left: the use stays charged', async () => {
  const s = await open();
  const app = express();
  app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), async (_, response) => {
    for (let i = 0; i < 64 && !response.destroyed; i++)
      if (!response.write(Buffer.alloc(1 << 20))) await new Promise((resolve) => response.once('drain', resolve).once('close', resolve));
    response.end();
  });
  const server = createServer(app).listen(0, '127.0.0.1');
  server.setTimeout(100);
  await once(server, 'listening');
  closing.push(async () => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const bought = await s.buy(`${url}/x`);
  const socket = await raw(url, `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${bought.authorization}\r\n\r\n`);
  await s.ended('charged');
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(s.told.filter((one) => one === 'left' || one.startsWith('released'))).toEqual(['left']);
  socket.destroy();
});

test.each(['P', ' P', 'P = x', '"P'])('what stands where a condition should is not said again: it may be a preimage (%s)', async (form) => {
  const s = await open();
  const app = express();
  app.get('/x', paywall(s.paywall, { price: '1 sat', clock: s.clock }), (_, response) => void response.end('x'));
  const url = await s.open(app);
  const bought = await s.buy(`${url}/x`);
  const Macaroon = await import('../../src/core/Macaroon.ts');
  const narrowed = Macaroon.format(Macaroon.attenuate(Macaroon.parse(bought.token), [form.replace('P', bought.preimage)]));
  const got = await get(`${url}/x`, paid(`L402 ${narrowed}:${bought.preimage}`));
  expect([got.status, got.body.includes(bought.preimage.slice(0, 9))]).toEqual([403, false]);
});

test('a lease of nothing is a mistake, and not a heartbeat without a pause', async () => {
  await expect(openStall({ leaseSeconds: 0 })).rejects.toThrow(RangeError);
});

test('a time of revocation that cannot be read frees nobody', async () => {
  const clock = FixedClock.create();
  const store = createMemoryStore({ clock });
  const unreadable = { kind: 'minted-before', value: '2026-01-01', expiresAt: 2_000_000_000 } as const;
  await expect(store.deny(unreadable)).rejects.toThrow(TypeError);
  const careless = { ...store, denials: async () => ({ denials: [unreadable], seq: 0 }) };
  const denials = await followDenials({ store: careless, clock, staleMs: 60_000, onTrouble: () => {} });
  expect(denials.judge({ paymentHash: '', tokenId: '', fingerprint: '', mintedAt: 1_800_000_000, branches: [] })).toBe('denied');
  await denials.close();
  await store.close();
});
