/**
 * Headers that a client can set and that the gateway or the upstream would use for metering, identity or pricing: stripped on the way in,
 * or without any effect.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { Shop } from '../conformance/shop/shop.ts';
import type { StandRoute } from '../conformance/shop/stands.ts';
import { ask, type Closing, closeAll, openStage, openUpstream, recordSale, type Seen, sellWith, valuesOf } from '../gateway/harness.ts';
import { testHeadersOnEveryWire } from './everyWireRows.ts';
import { auth, enter, path, wires } from './thief.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** What looks like the paywall's own word on a payment, to an upstream that would believe it. */
const words: readonly (readonly [name: string, value: string])[] = [
  ['L402-Payment', 'charged'],
  ['L402-Price', '1 sat'],
  ['L402-Amount', '1000000'],
  ['L402-Tier', '9'],
  ['L402-Token-Id', 'ff'],
  ['L402-Anything-New', 'yes'],
  ['X-L402-Tier', '9'],
  ['X-L402-Caveat-Admin', 'true'],
  ['l402_payment', 'charged'],
  ['L402_Tier', '9'],
  ['x_l402_tier', '9'],
  ['X-L402_Tier', '9'],
  ['Payment-Receipt', 'eyJzdGF0dXMiOiJzdWNjZXNzIn0'],
  ['payment_receipt', 'eyJzdGF0dXMiOiJzdWNjZXNzIn0'],
];

/** What makes a server take the request for another one than was sold. */
const otherRequests: readonly (readonly [name: string, value: string])[] = [
  ['X-HTTP-Method-Override', 'DELETE'],
  ['X-HTTP-Method', 'DELETE'],
  ['X-Method-Override', 'DELETE'],
  ['x_http_method_override', 'DELETE'],
  ['X-Original-URL', '/vault'],
  ['X_Original_URL', '/vault'],
  ['X-Original-URI', '/vault'],
  ['X-Original-Method', 'DELETE'],
  ['X-Original-Host', 'dear.example'],
  ['X-Rewrite-URL', '/vault'],
  ['X-Override-URL', '/vault'],
  ['X-Envoy-Original-Path', '/vault'],
  ['X-Forwarded-Uri', '/vault'],
  ['X-Forwarded-Method', 'DELETE'],
  ['X-Forwarded-Path', '/vault'],
  ['X-Host', 'dear.example'],
  ['X-HTTP-Host-Override', 'dear.example'],
  ['X-Forwarded-Host', 'dear.example'],
];

const claims: readonly (readonly [name: string, value: string])[] = [
  ['X-Forwarded-For', '10.0.0.1'],
  ['X-Real-IP', '10.0.0.1'],
  ['Forwarded', 'for=10.0.0.1;host=dear.example;proto=https'],
  ['X-Forwarded-Proto', 'https'],
];

const all = [...words, ...otherRequests, ...claims];

describe('what the upstream behind the gateway hears of a paid request', () => {
  /** A gateway with the real paywall, in front of an upstream that writes down every line. */
  async function openShop(): Promise<{ shop: Shop; seen: readonly Seen[] }> {
    const upstream = await openUpstream(closing);
    const url = `http://127.0.0.1:${upstream.port}`;
    const routes = (): readonly StandRoute[] => [{ methods: ['GET', 'POST'], path: '/api/v1/translate', upstream: url, options: { price: '50 sat' } }];
    return { shop: await enter('gateway', {}, { routes }), seen: upstream.seen };
  }

  test('is the same, whatever the client adds', async () => {
    const { shop, seen } = await openShop();
    const [plain, hostile] = [await shop.buy(path), await shop.buy(path)];
    await shop.get(path, auth(plain.authorization));
    const headers = ['Authorization', hostile.authorization, ...all.flat()];
    expect((await ask(Number(new URL(shop.url).port), path, { headers })).status).toBe(200);
    const [first, second] = seen.map(({ method, url, lines }) => ({
      method,
      url,
      lines: lines.filter(([name]) => !/^(?:idempotency-key|host|x-forwarded-host)$/i.test(name)),
    }));
    expect(second).toEqual(first);
    const [, { lines } = { lines: [] }] = seen;
    expect(valuesOf(lines, 'host')).toEqual([expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
    expect(valuesOf(lines, 'x-forwarded-host')).toEqual(['127.0.0.1']);
    // What it is told is not empty: the key under which a use is counted is among it.
    expect(valuesOf(lines, 'idempotency-key')).toHaveLength(1);
  });

  test('an Idempotency-Key is the paywall’s own: one, bound to the payment, whatever the client says', async () => {
    const { shop, seen } = await openShop();
    const [first, second] = [await shop.buy(path), await shop.buy(path)];
    const port = Number(new URL(shop.url).port);
    for (const [bought, key] of [
      [first, ['Idempotency-Key', 'same']],
      [second, ['Idempotency-Key', 'same', 'idempotency-key', 'twice', 'IDEMPOTENCY_KEY', 'thrice']],
    ] as const) {
      await ask(port, path, { headers: ['Authorization', bought.authorization, ...key] });
    }
    const keys = seen.map(({ lines }) => valuesOf(lines, 'idempotency-key'));
    expect(keys.map((values) => values.length)).toEqual([1, 1]);
    expect(keys[0]).not.toEqual(keys[1]);
    expect(keys.flat()).not.toContain('same');
  });

  test('naming our headers in Connection takes none of them out', async () => {
    const { shop, seen } = await openShop();
    const { authorization } = await shop.buy(path);
    const connection = 'close, Idempotency-Key, X-Forwarded-For, X-Forwarded-Proto, Host, Via, Content-Length, Content-Type, Authorization';
    const headers = ['Authorization', authorization, 'Connection', connection, 'X-Forwarded-For', '6.6.6.6'];
    expect((await ask(Number(new URL(shop.url).port), path, { headers })).status).toBe(200);
    const lines = seen[0]?.lines ?? [];
    for (const name of ['idempotency-key', 'host', 'via']) expect([name, valuesOf(lines, name).length]).toEqual([name, 1]);
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['http']);
  });

  test('also where the client comes through a proxy that is trusted: that one speaks for addresses, not for payments', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()), top: { trustedProxies: ['127.0.0.1'] } });
    await ask(stage.port, '/a', { headers: [...words, ...otherRequests].flat() });
    const told = (upstream.seen[0]?.lines ?? []).map(([name]) => name.toLowerCase().replaceAll('_', '-'));
    expect(told.filter((name) => [...words, ...otherRequests].some(([header]) => header.toLowerCase().replaceAll('_', '-') === name)).sort()).toEqual([
      'x-forwarded-host',
      'x-forwarded-method',
      'x-forwarded-path',
      'x-forwarded-uri',
    ]);
  });

  test('what an upstream says back as if it were the paywall does not reach the client', async () => {
    const upstream = await openUpstream(closing, (_, response) => {
      response.writeHead(200, {
        'L402-Payment': 'not-charged',
        'X-L402-Tier': '9',
        'Payment-Receipt': 'forged',
        'WWW-Authenticate': 'L402 macaroon="a", invoice="lnbc1"',
      });
      response.end('ok');
    });
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()) });
    const answer = await ask(stage.port, '/a');
    expect(valuesOf(answer.lines, 'l402-payment')).toEqual(['charged']);
    for (const name of ['x-l402-tier', 'payment-receipt', 'www-authenticate']) expect([name, valuesOf(answer.lines, name)]).toEqual([name, []]);
  });
});

describe.each(wires)('behind %s', (name) => {
  const headers = Object.fromEntries(all);

  test('no header talks the price down', async () => {
    const shop = await enter(name);
    const talk = { 'x-price': '1', 'x-amount': '1', 'l402-max': '1 sat', 'l402-service': 'other', 'accept-payment': 'L402;amount=1', 'x-discount': '100%' };
    const got = await shop.get(path, { headers: { ...headers, ...talk } });
    expect([got.status, got.headers['l402-price']]).toEqual([402, '50 sat']);
    expect(JSON.parse(got.body)).toMatchObject({ amount: 50, amountMsat: '50000', description: 'Translation API - 1 request' });
    expect(got.lines.every((line) => /invoice="lnbcrt500n1/.test(line))).toBe(true);
  });

  test('no header makes a cheap token good for a dear route, or another method out of the one that was sold', async () => {
    const shop = await enter(name);
    const { authorization } = await shop.buy(path);
    const dear = await shop.get('/vault', { headers: { ...headers, 'x-original-url': path, 'x-rewrite-url': path, authorization } });
    expect(dear.status).toBe(402);
    expect((await shop.get(path, { headers: { ...headers, authorization } })).status).toBe(200);
    expect(shop.upstream.seen.map(({ method, url }) => [method, url])).toEqual([['GET', path]]);
  });

  test('the handler counts on the payment’s key, not on the client’s', async () => {
    const shop = await enter(name);
    const [first, second] = [await shop.buy(path), await shop.buy(path)];
    for (const { authorization } of [first, second]) await shop.get(path, { headers: { authorization, 'idempotency-key': 'mine' } });
    const keys = shop.upstream.seen.map(({ headers: told }) => String(told['idempotency-key']));
    expect(new Set(keys).size).toBe(2);
    for (const key of keys) expect(key).toMatch(/^[^,]{8,}$/);
    expect(keys).not.toContain('mine');
  });
});

test('the host that was asked decides between a cheap service and a dear one, not a header about it', async () => {
  const upstream = await openUpstream(closing);
  const services = [
    { name: 'cheap', host: 'cheap.example', upstream: `http://127.0.0.1:${upstream.port}`, routes: [{ path: '/*', free: true }] },
    { name: 'dear', host: 'dear.example', upstream: `http://127.0.0.1:${upstream.port}`, routes: [{ path: '/*', price: '900 sat' }] },
  ];
  const asked: string[] = [];
  const stage = await openStage(closing, {
    upstream: upstream.port,
    top: { services, trustedProxies: ['127.0.0.1'] },
    check: (_, __, { service }) => {
      asked.push(service);
      return { kind: 'challenge', answer: { status: 402, headers: [], body: '' } };
    },
  });
  const hosts = ['X-Forwarded-Host', 'X-Host', 'X-Original-Host', 'X-HTTP-Host-Override', 'X-Forwarded-Server'].flatMap((header) => [header, 'cheap.example']);
  const raw = (target: string, host: string) => ask(stage.port, target, { headers: [...hosts, 'Forwarded', 'host=cheap.example', 'X-Real-Host', host] });
  // The harness names 127.0.0.1 in `Host`: the absolute form overrides it, and nothing else does.
  expect((await raw('http://dear.example/a', 'cheap.example')).status).toBe(402);
  expect((await raw('http://DEAR.example.:80/a', 'cheap.example')).status).toBe(402);
  expect((await raw('/a', 'cheap.example')).status).toBe(404);
  expect((await raw('http://cheap.example/a', 'dear.example')).status).toBe(200);
  expect(asked).toEqual(['dear', 'dear']);
});

test('an id that a stranger gives his request is nobody’s: what is logged and told is ours, and there is one', async () => {
  const upstream = await openUpstream(closing, (_, response) => response.writeHead(200, { 'X-Request-Id': 'of-somebody-else' }).end('ok'));
  const stage = await openStage(closing, { upstream: upstream.port, top: { logs: {} } });
  const strange = ['X-Request-Id', 'of-somebody-else', 'X_Request_Id', 'of-somebody-else', 'x-request_id', 'of-somebody-else'];
  const answer = await ask(stage.port, '/a', { headers: strange });
  const [{ requestId } = { requestId: '' }] = await stage.over(1);
  expect(requestId).toMatch(/^[0-9a-f]{16}-1$/);
  expect(upstream.seen[0]?.lines.filter(([name]) => /^x[-_]request[-_]id$/i.test(name))).toEqual([['X-Request-Id', requestId]]);
  expect(valuesOf(answer.lines, 'x-request-id')).toEqual([requestId]);
});

describe('on every protocol', testHeadersOnEveryWire);
