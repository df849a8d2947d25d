/**
 * Rows of attacks on every protocol that a request can come over: HTTP/1.1 and HTTP/2, in the clear and over TLS, calls of gRPC, and WebSockets over
 * either. Each is called by its row's test. What a row tries beyond this stands there.
 *
 * Methods are tried there alone: a call of gRPC is always a POST, and a WebSocket a GET.
 */
import type { Http2ServerRequest } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import { type Closing, closeAll, openStage, recordSale, sellWith } from '../gateway/harness.ts';
import { certificates, writeCertificates } from '../gateway/matrix.ts';
import { openSecureServer } from '../gateway/secure.ts';
import { askerOf, everyWire, openWireShop } from './everyWire.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

/** Row 4. */
export function testRoutesOnEveryWire(): void {
  test.each(everyWire)('%s: what was bought cheaply opens nothing dear, on another route or another host', async (wire) => {
    const routes = [
      { path: '/cheap/*', price: '1 sat', terms: { pass: '1h' } },
      { path: '/dear', price: '900 sat' },
      { path: '/each/*', price: '2 sat' },
    ];
    const services = [
      { name: 'api', routes },
      { name: 'tenant', host: 'dear.test', routes: [{ path: '/*', price: '900 sat' }] },
    ];
    const shop = await openWireShop(closing, wire, { services });
    const authorization = await shop.buy('/cheap/x');
    expect((await shop.ask('/cheap/y', { headers: { authorization } })).status).toBe(200);
    expect((await shop.ask('/dear', { headers: { authorization } })).status).toBe(402);
    for (const host of ['dear.test', 'DEAR.test', 'dear.test.', 'dear.test:80'])
      expect([host, (await shop.ask('/cheap/x', { host, headers: { authorization } })).status]).toEqual([host, 402]);
    // Bought by the request, one path is not another one, though both are sold alike.
    const one = await shop.buy('/each/x');
    expect((await shop.ask('/each/y', { headers: { authorization: one } })).status).toBe(402);
    expect(shop.upstream.seen.map(({ path }) => path)).toEqual(['/cheap/y']);
  });
}

/** Something dear below something cheap, of another service: a pass within one would open both, and is refused. */
const shelves = [
  { name: 'cheap', routes: [{ path: '/deep/*', price: '1 sat', terms: { pass: '1h' } }] },
  { name: 'dear', routes: [{ path: '/deep/dear', price: '900 sat' }] },
];

/** Spellings of `/deep/dear`; all others are tried where the row is. */
const spellings = [
  '/deep//dear',
  '/deep/./dear',
  '/deep/x/../dear',
  '/deep/d%65ar',
  '/deep/x/%2e%2e/dear',
  '/deep/x/..;/dear',
  '/deep%2fdear',
  '/deep/dear%00',
];

/** Row 5. */
export function testPathsOnEveryWire(): void {
  test.each(everyWire)('%s: a spelling of something dear is not served as something cheap', async (wire) => {
    const shop = await openWireShop(closing, wire, { services: shelves });
    const authorization = await shop.buy('/deep/x');
    for (const path of spellings) {
      const { status } = await shop.ask(path, { headers: { authorization } });
      expect([path, status === 402 || status === 400]).toEqual([path, true]);
    }
    expect(shop.upstream.seen).toEqual([]);
  });
}

/** Row 22. */
export function testGarbageOnEveryWire(): void {
  test.each(everyWire)('%s: garbage costs neither an invoice nor a look into the books', async (wire) => {
    const shop = await openWireShop(closing, wire);
    const [, token = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(await shop.buy('/a')) ?? [];
    const before = shop.invoices();
    await shop.store.close();
    for (const authorization of [`L402 ${token}:${'00'.repeat(32)}`, `L402 ${token}`, `LSAT x:${preimage}`, `L402 ${token.slice(0, -8)}:${preimage}`]) {
      const got = await shop.ask('/a', { headers: { authorization } });
      expect([authorization, got.status, got.challenges.length]).toEqual([authorization, 401, 1]);
    }
    expect([shop.invoices(), shop.upstream.seen]).toEqual([before, []]);
  });
}

/** Rows 23 and 24. */
export function testStrangersOnEveryWire(): void {
  test.each(everyWire)('%s: a stranger gets so many invoices and no more, whatever address he makes up', async (wire) => {
    const shop = await openWireShop(closing, wire, { mintLimits: { perClientPerMinute: 3 } });
    for (let at = 1; at <= 8; at++) {
      const made = {
        'x-forwarded-for': `203.0.113.${at}`,
        forwarded: `for=203.0.113.${at}`,
        'x-real-ip': `203.0.113.${at}`,
        'cf-connecting-ip': `203.0.113.${at}`,
      };
      const { status } = await shop.ask('/a', { headers: made });
      expect([at, status]).toEqual([at, at <= 3 ? 402 : 429]);
    }
    expect([shop.invoices(), shop.upstream.seen]).toEqual([3, []]);
  });
}

/** Rows 24, 25 and 26: what goes on to the upstream. */
export function testHeadersOnEveryWire(): void {
  const claims = {
    'x-forwarded-for': '203.0.113.9',
    'x-real-ip': '203.0.113.9',
    forwarded: 'for=203.0.113.9',
    'x-l402-service': 'dear',
    x_l402_service: 'dear',
    'l402-payment': 'charged',
    'payment-receipt': 'mine',
    'idempotency-key': 'mine',
    'x-http-method-override': 'DELETE',
  };

  test.each(everyWire)('%s: the upstream hears nothing that the client says for the gateway', async (wire) => {
    const shop = await openWireShop(closing, wire);
    const authorization = await shop.buy('/a');
    expect((await shop.ask('/a', { headers: { ...claims, authorization, 'x-own': '1' } })).status).toBe(200);
    const headers = shop.upstream.seen[0]?.headers ?? {};
    expect(headers).toMatchObject({ 'x-own': '1', 'x-forwarded-for': '127.0.0.1' });
    expect(headers['x-forwarded-proto']).toBe(wire.endsWith('over TLS') ? 'https' : 'http');
    expect(headers['idempotency-key']).toMatch(/^(?!mine$).{16,}$/);
    expect(JSON.stringify(headers)).not.toMatch(/203\.0\.113\.9|dear|mine|DELETE/);
  });

  test.each(everyWire)('%s: the upstream does not see the credential, wherever it stands', async (wire) => {
    for (const name of ['authorization', 'l402-authorization']) {
      const shop = await openWireShop(closing, wire);
      const authorization = await shop.buy('/a');
      expect((await shop.ask('/a', { headers: { [name]: authorization } })).status).toBe(200);
      const said = JSON.stringify(shop.upstream.seen);
      const [, token = '', preimage = ''] = /^L402 (.*):(.*)$/.exec(authorization) ?? [];
      for (const secret of [token, preimage]) expect(said).not.toContain(secret);
      expect(said).not.toMatch(/l402|lsat|macaroon/i);
    }
  });
}

/** Row 30. Over TLS a request comes in like any other, and goes out the same way. */
export function testCertificatesOnEveryWire(): void {
  const clear = everyWire.filter((wire) => !wire.endsWith('over TLS'));

  describe.each(['h1', 'h2', 'auto'])('to an upstream over %s', (protocol) => {
    // A call of gRPC goes nowhere over HTTP/1.1.
    test.each(clear.filter((wire) => protocol !== 'h1' || wire !== 'gRPC'))('%s: goes to nobody whose certificate is not good', async (wire) => {
      const ca = `${writeCertificates(closing)}/ca.pem`;
      for (const certificate of ['selfSigned', 'otherHost', 'expired'] as const) {
        let asked = 0;
        const answer = (_: unknown, response: { end: () => unknown }) => {
          asked++;
          response.end();
        };
        const letIn = ({ stream }: Http2ServerRequest) => {
          asked++;
          stream.respond({ ':status': 200 });
        };
        const options = { key: certificates.serverKey, cert: certificates[certificate], settings: { enableConnectProtocol: true } };
        const port = await openSecureServer(closing, options, answer, letIn);
        const sale = recordSale();
        const stage = await openStage(closing, {
          upstream: 0,
          check: sellWith(sale),
          service: { upstream: { url: `https://127.0.0.1:${port}`, protocol, ca } },
        });
        const { status } = await askerOf(closing, wire, stage.port)('/a');
        expect([certificate, status, asked, sale.told]).toEqual([certificate, wire === 'gRPC' ? 503 : 502, 0, ['unanswered upstream']]);
      }
    });
  });
}
