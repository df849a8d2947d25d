import { type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { auditSandbox, type RunningSandbox, startSandbox } from '../sandbox.ts';
import { isLoopbackAddress, isLoopbackHost } from './Loopback.ts';

let sandbox: RunningSandbox;
beforeEach(async () => {
  sandbox = await startSandbox({ path: ':memory:' });
});
afterEach(() => sandbox.close());

type Sent = { readonly path?: string; readonly method?: string; readonly headers?: Record<string, string | undefined>; readonly body?: string };

/** Sends as a stranger would, header for header. */
function send({ path = '/v1/balance', method = 'POST', headers = {}, body = '{"node":{"name":"shop"}}' }: Sent = {}): Promise<{
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}> {
  const all = { authorization: `Bearer ${sandbox.token}`, 'content-type': 'application/json', ...headers };
  const set = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return new Promise((resolve, reject) => {
    const request: ClientRequest = httpRequest(sandbox.url, { path, method, headers: Object.fromEntries(set), agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('lets in', () => {
  it('who has the token', async () => {
    const { status, headers, body } = await send();
    expect({ status, body }).toEqual({ status: 200, body: '{"spendableMsat":"1000000000"}' });
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-store' });
  });

  it('whatever name loopback has', async () => {
    const port = new URL(sandbox.url).port;
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'LOCALHOST', '127.3.4.5'])
      expect((await send({ headers: { host } })).status).toBe(200);
  });
});

describe('refuses, with nothing done', () => {
  it('a token that is wrong, short, long, missing, or in another scheme', async () => {
    const { token } = sandbox;
    for (const authorization of [undefined, '', 'Bearer', 'Bearer ', `Bearer ${token}x`, `Bearer ${token.slice(0, -1)}`, `Basic ${token}`, token]) {
      const { status, body } = await send({ headers: { authorization } });
      expect({ authorization, status }).toEqual({ authorization, status: 401 });
      expect(body).not.toContain(token);
    }
    expect((await sandbox.network.audit()).nodes.map(({ name }) => name)).toEqual(['hub']);
  });

  it('a page in a browser on this machine: by Origin, by Host, by content type', async () => {
    for (const origin of ['null', 'https://example.com', sandbox.url]) expect((await send({ headers: { origin } })).status).toBe(403);
    for (const host of ['example.com', 'localhost.example.com', '127.0.0.1.example.com', '10.0.0.1', '127.0.0.1:80:80', '[::2]', '0.0.0.0']) {
      expect({ host, status: (await send({ headers: { host } })).status }).toEqual({ host, status: 403 });
    }
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx', undefined]) {
      expect({ type, status: (await send({ headers: { 'content-type': type } })).status }).toEqual({ type, status: 415 });
    }
    expect((await sandbox.network.audit()).nodes.map(({ name }) => name)).toEqual(['hub']);
  });

  it('calls that there are not', async () => {
    for (const path of ['/', '/v1/', '/v1/close', '/v1/constructor', '/v1/__proto__', '/v1/balance/', '/v1/balance?x', '/v2/balance']) {
      expect({ path, status: (await send({ path })).status }).toEqual({ path, status: 404 });
    }
    for (const method of ['GET', 'PUT', 'OPTIONS']) expect((await send({ method })).status).toBe(405);
  });

  it('bodies that do not fit', async () => {
    const node = { name: 'shop' };
    const bad = [
      ['balance', ''],
      ['balance', '{'],
      ['balance', 'null'],
      ['balance', '{"node":{"name":"hub"}}'],
      ['balance', '{"node":{"name":"../x"}}'],
      ['openNode', JSON.stringify({ node: { ...node, openingMsat: 5 } })],
      ['openNode', JSON.stringify({ node: { ...node, openingMsat: '-5' } })],
      ['openNode', JSON.stringify({ node: { ...node, openingMsat: '2100000000000000001' } })],
      ['openNode', JSON.stringify({ node: { ...node, openingMsat: '2100000000000000000', inboundMsat: '1' } })],
      ['createInvoice', JSON.stringify({ node, amountMsat: '0', description: 'x', expirySeconds: 0 })],
      ['createInvoice', JSON.stringify({ node, amountMsat: '0', description: 'x', expirySeconds: 60 })],
      ['createInvoice', JSON.stringify({ node, amountMsat: '1', description: 'x'.repeat(640), expirySeconds: 60 })],
      ['pay', JSON.stringify({ node, invoice: 5, maxFeeMsat: '0', timeoutSeconds: 5 })],
      ['lookupInvoice', JSON.stringify({ node, paymentHash: 'zz' })],
    ] as const;
    for (const [call, body] of bad) {
      const answer = await send({ path: `/v1/${call}`, body });
      expect({ call, body, status: answer.status }).toEqual({ call, body, status: 400 });
      expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'REQUEST_MALFORMED' } });
    }
    expect((await send({ body: ' '.repeat(65_537) })).status).toBe(413);
  });

  it('hosts that are not loopback, and tokens that can be guessed', async () => {
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'localhost.example.com', '127.0.0.1.example.com', '']) {
      await expect(startSandbox({ path: ':memory:', host })).rejects.toThrow(RangeError);
    }
    for (const token of ['', 'short', 'x'.repeat(15), `${'x'.repeat(20)} `, `${'x'.repeat(20)}é`]) {
      await expect(startSandbox({ path: ':memory:', token })).rejects.toThrow(RangeError);
    }
  });

  it('a port that is taken', async () => {
    const port = Number(new URL(sandbox.url).port);
    await expect(startSandbox({ path: ':memory:', port })).rejects.toMatchObject({ code: 'SANDBOX_UNAVAILABLE' });
  });
});

describe('listens', () => {
  const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === '::1'));

  it.skipIf(!hasIpv6)('on IPv6 loopback too, with the token it was given', async () => {
    const six = await startSandbox({ path: ':memory:', host: '::1', token: 'a-token-of-ones-own' });
    expect(six.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect(six.token).toBe('a-token-of-ones-own');
    expect((await auditSandbox(six)).balanced).toBe(true);
    await expect(auditSandbox({ ...six, token: 'a-token-of-someone-else' })).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
    await six.close();
  });
});

describe('closing', () => {
  it('breaks connections that hang', async () => {
    const { hostname, port } = new URL(sandbox.url);
    const idle = connect(Number(port), hostname);
    await new Promise((resolve) => idle.once('connect', resolve));
    const gone = new Promise((resolve) => idle.once('close', resolve));
    idle.on('error', () => {});
    idle.resume();
    const waiting = send({ path: '/v1/settlements', body: '{"node":{"name":"shop"},"after":""}' }).then(
      ({ status }) => status,
      () => 503,
    );
    await send();
    await sandbox.close();
    await gone;
    expect(await waiting).toBe(503);
  });
});

describe('loopback', () => {
  it('is an address of this machine alone', () => {
    for (const address of ['127.0.0.1', '127.255.255.255', '127.1.2.3', '::1']) expect(isLoopbackAddress(address)).toBe(true);
    for (const address of ['127.0.0.256', '127.0.0', '127.0.0.1.1', '128.0.0.1', '0127.0.0.1', '::', '::ffff:127.0.0.1', 'localhost', '']) {
      expect(isLoopbackAddress(address)).toBe(false);
    }
    for (const host of ['localhost', 'localhost:1', '[::1]', '[::1]:65535', '127.0.0.1:80']) expect(isLoopbackHost(host)).toBe(true);
    for (const host of ['', ':80', '::1', '[::1', '[127.0.0.1', 'localhost:', 'localhost:123456', 'a.localhost', 'localhost.']) {
      expect({ host, is: isLoopbackHost(host) }).toEqual({ host, is: false });
    }
  });
});
