import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openRaw, openStage, openUpstream, recordSale, sellWith, valuesOf } from '../../test/gateway/harness.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

describe('onward', () => {
  test('what belongs to the connection stays behind, and what Connection names with it', async () => {
    const upstream = await openUpstream(closing);
    const { port } = await openStage(closing, { upstream: upstream.port });
    await ask(port, '/a', {
      headers: [
        'Connection',
        'close, X-Mine',
        'X-Mine',
        '1',
        'Keep-Alive',
        'timeout=5',
        'Proxy-Authorization',
        'Basic x',
        'Proxy-Connection',
        'close',
        'TE',
        'trailers, deflate',
        'Upgrade',
        'h2c',
        'HTTP2-Settings',
        'x',
        'X-Kept',
        'yes',
      ],
    });
    const lines = upstream.seen[0]?.lines ?? [];
    for (const name of ['x-mine', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'upgrade', 'http2-settings', 'transfer-encoding'])
      expect(valuesOf(lines, name)).toEqual([]);
    expect(valuesOf(lines, 'x-kept')).toEqual(['yes']);
    expect(valuesOf(lines, 'te')).toEqual(['trailers']);
  });

  test('no credential reaches the upstream, in whatever spelling; an Authorization of its own does', async () => {
    const upstream = await openUpstream(closing);
    const { port } = await openStage(closing, { upstream: upstream.port });
    const secret = 'c2VjcmV0:00ff';
    await ask(port, '/a', {
      headers: [
        ...['Authorization', `L402 ${secret}`, 'authorization', 'Bearer mine', 'AUTHORIZATION', `lsat ${secret}`, 'Authorization', `Basic abc, L402 ${secret}`],
        ...[
          'Authorization',
          `L402\t${secret}`,
          'L402-Authorization',
          `L402 ${secret}`,
          'l402_authorization',
          secret,
          'Macaroon',
          secret,
          'Grpc-Metadata-Macaroon',
          secret,
        ],
        ...['grpc_metadata_macaroon', secret, 'X-L402-Anything', secret, 'L402-Payment', 'charged', 'x_l402_payment', 'charged'],
      ],
    });
    const lines = upstream.seen[0]?.lines ?? [];
    expect(JSON.stringify(lines)).not.toContain(secret);
    expect(JSON.stringify(lines)).not.toMatch(/l402/i);
    expect(valuesOf(lines, 'authorization')).toEqual(['Bearer mine']);
  });

  test('also on a route that is free', async () => {
    const upstream = await openUpstream(closing);
    const { port } = await openStage(closing, { upstream: upstream.port, routes: [{ path: '/*', free: true }] });
    expect((await ask(port, '/a', { headers: ['Authorization', 'L402 a:b'] })).status).toBe(200);
    expect(valuesOf(upstream.seen[0]?.lines ?? [], 'authorization')).toEqual([]);
  });

  test('who the client is, is said anew', async () => {
    const upstream = await openUpstream(closing);
    const { port } = await openStage(closing, { upstream: upstream.port });
    await ask(port, '/a', {
      headers: [
        'X-Forwarded-For',
        '1.1.1.1',
        'X_Forwarded_For',
        '1.1.1.1',
        'X-Forwarded-Proto',
        'https',
        'X-Forwarded-Port',
        '1',
        'X-Real-IP',
        '1.1.1.1',
        'Forwarded',
        'for=1.1.1.1',
        'CF-Connecting-IP',
        '1.1.1.1',
        'Via',
        '1.0 a',
        'Via',
        '1.1 b',
      ],
    });
    const lines = upstream.seen[0]?.lines ?? [];
    expect(JSON.stringify(lines)).not.toContain('1.1.1.1');
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['127.0.0.1']);
    expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['http']);
    expect(valuesOf(lines, 'x-forwarded-host')).toEqual(['127.0.0.1']);
    expect(valuesOf(lines, 'x-forwarded-port')).toEqual([]);
    expect(valuesOf(lines, 'via')).toEqual(['1.0 a, 1.1 b, 1.1 farebox']);
  });

  test('from a trusted proxy it is taken over and added to', async () => {
    const upstream = await openUpstream(closing);
    const addresses: string[] = [];
    const { port } = await openStage(closing, {
      upstream: upstream.port,
      top: { trustedProxies: ['127.0.0.0/8'] },
      check: (request) => {
        addresses.push(request.clientAddress);
        return { kind: 'pass', principal: undefined, sale: undefined, headers: [] };
      },
    });
    await ask(port, '/a', {
      headers: [
        'X-Forwarded-For',
        '9.9.9.9, 1.1.1.1',
        'X-Forwarded-Proto',
        'https',
        'X-Forwarded-Host',
        'api.example',
        'X-Real-IP',
        '1.1.1.1',
        'X_Forwarded_For',
        '8.8.8.8',
      ],
    });
    await ask(port, '/b', { headers: ['Forwarded', 'for=1.1.1.1', 'X-Forwarded-Proto', 'gopher'] });
    expect(addresses).toEqual(['1.1.1.1', '1.1.1.1']);
    const [first, second] = upstream.seen.map(({ lines }) => lines);
    expect(valuesOf(first ?? [], 'x-forwarded-for')).toEqual(['9.9.9.9, 1.1.1.1, 127.0.0.1']);
    expect(valuesOf(first ?? [], 'x-forwarded-proto')).toEqual(['https']);
    expect(valuesOf(first ?? [], 'x-forwarded-host')).toEqual(['api.example']);
    expect(valuesOf(first ?? [], 'x_forwarded_for')).toEqual([]);
    expect(valuesOf(second ?? [], 'x-forwarded-for')).toEqual(['1.1.1.1, 127.0.0.1']);
    expect(valuesOf(second ?? [], 'x-forwarded-proto')).toEqual(['http']);
    expect(valuesOf(second ?? [], 'forwarded')).toEqual([]);
  });

  test('the host is the upstream’s, or the client’s where that is wanted', async () => {
    const upstream = await openUpstream(closing);
    const plain = await openStage(closing, { upstream: upstream.port });
    const preserving = await openStage(closing, { upstream: upstream.port, service: { preserveHost: true } });
    await ask(plain.port, '/a');
    await ask(preserving.port, '/a');
    const raw = await openRaw(closing, preserving.port);
    raw.write('GET http://API.example:81/x HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n');
    await raw.closed;
    expect(upstream.seen.map(({ lines }) => valuesOf(lines, 'host'))).toEqual([[`127.0.0.1:${upstream.port}`], ['127.0.0.1'], ['API.example:81']]);
    expect(upstream.seen.map(({ lines }) => valuesOf(lines, 'x-forwarded-host'))).toEqual([['127.0.0.1'], ['127.0.0.1'], ['API.example:81']]);
  });

  test('a sale’s idempotency key replaces the client’s; without a sale the client’s goes on', async () => {
    const upstream = await openUpstream(closing);
    const selling = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()) });
    const passing = await openStage(closing, { upstream: upstream.port });
    for (const { port } of [selling, passing]) await ask(port, '/a', { method: 'POST', headers: ['Idempotency-Key', 'mine'] });
    expect(upstream.seen.map(({ lines }) => valuesOf(lines, 'idempotency-key'))).toEqual([['key-of-the-sale'], ['mine']]);
  });

  test('bytes beyond ASCII in a value arrive as they were', async () => {
    const upstream = await openUpstream(closing, (_, response) => response.setHeader('X-Back', 'gr\u00fc\u00df').end());
    const { port } = await openStage(closing, { upstream: upstream.port });
    const answer = await ask(port, '/a', { headers: ['X-Name', 'J\u00f6rg'] });
    expect(valuesOf(upstream.seen[0]?.lines ?? [], 'x-name')).toEqual(['J\u00f6rg']);
    expect(valuesOf(answer.lines, 'x-back')).toEqual(['gr\u00fc\u00df']);
  });
});

describe('back', () => {
  test('nothing of the connection, and nothing that only the paywall may say', async () => {
    const upstream = await openUpstream(closing, (_, response) => {
      response.writeHead(401, [
        ...['Connection', 'X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=99', 'Proxy-Authenticate', 'Basic', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
        ...[
          'WWW-Authenticate',
          'L402 macaroon="x", invoice="lnbc1"',
          'WWW-Authenticate',
          'Basic realm="a"',
          'www-authenticate',
          'Digest x="y", LSAT macaroon="x"',
        ],
        ...['L402-Payment', 'charged', 'L402-Price', '0 sat', 'X-L402-Thing', '1', 'Payment-Receipt', 'forged'],
      ]);
      response.end('no');
    });
    const { port } = await openStage(closing, { upstream: upstream.port });
    const { lines, status, text } = await ask(port, '/a');
    expect([status, text]).toEqual([401, 'no']);
    for (const name of ['x-hop', 'proxy-authenticate', 'l402-payment', 'l402-price', 'x-l402-thing', 'payment-receipt'])
      expect(valuesOf(lines, name)).toEqual([]);
    expect(valuesOf(lines, 'keep-alive')).not.toContain('timeout=99');
    expect(valuesOf(lines, 'set-cookie')).toEqual(['a=1', 'b=2']);
    expect(valuesOf(lines, 'www-authenticate')).toEqual(['Basic realm="a"']);
  });

  test.each([
    [200, ['ours']],
    [404, []],
  ])('what the paywall says is added to a success: %i', async (status, said) => {
    const upstream = await openUpstream(closing, (_, response) => response.writeHead(status).end('x'));
    const headers = [['Payment-Receipt', 'ours']] as const;
    const { port } = await openStage(closing, { upstream: upstream.port, check: () => ({ kind: 'pass', principal: undefined, sale: undefined, headers }) });
    expect(valuesOf((await ask(port, '/a')).lines, 'payment-receipt')).toEqual(said);
  });

  test('what the sale says takes the place of what the upstream said', async () => {
    const upstream = await openUpstream(closing, (_, response) => response.setHeader('L402-Payment', 'not-charged').end('x'));
    const { port } = await openStage(closing, {
      upstream: upstream.port,
      check: () => ({ kind: 'pass', principal: undefined, sale: recordSale(), headers: [] }),
    });
    const { lines } = await ask(port, '/a');
    expect(valuesOf(lines, 'l402-payment')).toEqual(['charged']);
  });

  test('trailers come through, without those that would change the message', async () => {
    const upstream = await openUpstream(closing, (_, response) => {
      response.writeHead(200, { Trailer: 'X-Sum' });
      response.write('body');
      response.addTrailers({ 'X-Sum': '42', 'L402-Payment': 'not-charged', 'Set-Cookie': 'a=1' });
      response.end();
    });
    const { port } = await openStage(closing, { upstream: upstream.port });
    const answer = await ask(port, '/a');
    expect([answer.text, answer.trailers]).toEqual(['body', [['X-Sum', '42']]]);
  });
});
