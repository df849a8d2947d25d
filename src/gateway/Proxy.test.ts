import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type IncomingMessage, request as send } from 'node:http';
import type { Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ask,
  type Check,
  type Closing,
  closeAll,
  closedPort,
  deferred,
  openRaw,
  openServer,
  openStage,
  openTcp,
  openUpstream,
  portOf,
  read,
  recordSale,
  sellWith,
  valuesOf,
} from '../../test/gateway/harness.ts';
import { FareboxError } from '../core/Errors.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const codeOf = (text: string) => (JSON.parse(text) as { code: string }).code;

describe('whole exchanges', () => {
  test('a small one: charged at the head, delivered at the end', async () => {
    const upstream = await openUpstream(closing, (_, response) => response.setHeader('Content-Type', 'text/plain').end('hola'));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a?b=c');
    expect([answer.status, answer.text, valuesOf(answer.lines, 'l402-payment')]).toEqual([200, 'hola', ['charged']]);
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end delivered']);
    expect(upstream.seen[0]?.url).toBe('/a?b=c');
    expect(stage.outcomes).toMatchObject([{ method: 'GET', path: '/a', route: '/*', status: 200, ended: 'delivered', error: undefined }]);
  });

  test.each([
    ['with a length', ['Content-Length', String(1_048_576)]],
    ['in chunks', ['Transfer-Encoding', 'chunked']],
  ])('a POST of 1 MB %s arrives whole, and the sale sees every byte', async (_, headers) => {
    const upstream = await openUpstream(closing, (_request, response, { body }) => response.end(body));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const body = Buffer.alloc(1_048_576, 'farebox ');
    const answer = await ask(stage.port, '/a', { method: 'POST', headers, body });
    expect(answer.body.equals(body)).toBe(true);
    expect(upstream.seen[0]?.body.equals(body)).toBe(true);
    expect(Buffer.concat(sale.bodies).equals(body)).toBe(true);
    expect(valuesOf(upstream.seen[0]?.lines ?? [], headers[0]?.toLowerCase() ?? '')).toEqual([headers[1]]);
  });

  test('a body that the paywall has looked into is forwarded all the same', async () => {
    const upstream = await openUpstream(closing, (_request, response, { body }) => response.end(body));
    for (const [limit, found] of [
      [1_000_000, 300_000],
      [300_000, 300_000],
      [299_999, undefined],
      [10, undefined],
    ] as const) {
      const sale = recordSale();
      let length: number | undefined;
      const stage = await openStage(closing, {
        upstream: upstream.port,
        check: async (request) => {
          length = (await request.readBody(limit))?.length;
          return { kind: 'pass', principal: undefined, sale, headers: [] };
        },
      });
      const body = Buffer.alloc(300_000, limit % 251);
      const answer = await ask(stage.port, '/a', { method: 'POST', body });
      expect(length).toBe(found);
      expect(answer.body.equals(body)).toBe(true);
      expect(Buffer.concat(sale.bodies).equals(body)).toBe(true);
    }
  });

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
    ['GET', 418],
    ['DELETE', 200],
  ])('%s with %i', async (method, status) => {
    const upstream = await openUpstream(closing, (_, response) =>
      response.writeHead(status, status === 200 ? { 'Content-Length': '5' } : {}).end(status === 200 || status === 418 ? 'hello' : undefined),
    );
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a', { method });
    expect([answer.status, answer.text]).toEqual([status, method === 'HEAD' || status < 400 !== (status === 200) ? '' : 'hello']);
    if (status === 200) expect(valuesOf(answer.lines, 'content-length')).toEqual(['5']);
    await stage.over(1);
    expect(sale.told).toEqual([`head ${status}`, 'end delivered']);
  });

  test('an answer without an end is sent as it comes', async () => {
    const next = deferred<void>();
    const upstream = await openUpstream(closing, async (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
      await next.promise;
      response.end('data: 1\n\n');
    });
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()) });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await client.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    next.resolve();
    await client.until(/data: 1/);
    expect(await client.closed).toBe('clean');
  });

  test('early hints go on where nothing is counted, to whoever can read them', async () => {
    const hints = 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nLink: none\r\nL402-Payment: charged\r\n\r\n';
    const port = await openTcp(closing, (socket) => {
      socket.on('data', () => socket.write(`${hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`));
    });
    const askFor = async (version: string, check?: Check) => {
      const stage = await openStage(closing, { upstream: port, ...(check && { check }) });
      const client = await openRaw(closing, stage.port);
      client.write(`GET /a HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`);
      await client.closed;
      return client.received();
    };
    expect(await askFor('1.1')).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nLink: <\/a>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
    expect(await askFor('1.0')).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
    const sale = recordSale();
    expect(await askFor('1.1', sellWith(sale))).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nok$/);
    expect(sale.told[0]).toBe('head 200');
  });

  test('an upstream below a path', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, service: { upstream: `http://127.0.0.1:${upstream.port}/v2/x/` } });
    await ask(stage.port, '/a/../b//c?d');
    expect(upstream.seen[0]?.url).toBe('/v2/x/b/c?d');
  });
});

describe('the head waits for the sale', () => {
  test('nothing goes out before it has decided', async () => {
    const upstream = await openUpstream(closing, (_, response) => response.end('body'));
    const decided = deferred<void>();
    const sale = recordSale(async () => {
      await decided.promise;
      return { kind: 'not-charged', headers: [['L402-Payment', 'not-charged']] };
    });
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await sale.hears(/^head/);
    await new Promise((resolve) => setImmediate(resolve));
    expect(client.received()).toBe('');
    decided.resolve();
    expect(await client.until(/body$/)).toContain('L402-Payment: not-charged');
  });

  test('a claim that was lost: 409, and the upstream is broken off', async () => {
    const gone = deferred<void>();
    const port = portOf(
      await openServer(closing, (_, response) => {
        response.on('close', () => gone.resolve());
        response.write('never to be seen');
      }),
    );
    const sale = recordSale(async () => ({ kind: 'lost' }));
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a');
    expect([answer.status, codeOf(answer.text), valuesOf(answer.lines, 'retry-after')]).toEqual([409, 'CREDENTIAL_IN_USE', ['1']]);
    expect(answer.text).not.toContain('never');
    await gone.promise;
    await stage.over(1);
    expect(sale.told).toEqual(['head 200']);
  });

  test('a store that cannot say: 503, and nothing of the answer', async () => {
    const gone = deferred<void>();
    const port = portOf(
      await openServer(closing, (_, response) => {
        response.on('close', () => gone.resolve());
        response.write('never to be seen');
      }),
    );
    const sale = recordSale(async () => {
      throw new FareboxError('STORE_UNAVAILABLE', 'The disk is full.');
    });
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a');
    expect([answer.status, codeOf(answer.text), valuesOf(answer.lines, 'retry-after')]).toEqual([503, 'STORE_UNAVAILABLE', ['5']]);
    expect(valuesOf(answer.lines, 'l402-payment')).toEqual([]);
    expect(answer.text).not.toContain('never');
    await gone.promise;
    const [outcome] = await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'unanswered upstream']);
    expect(outcome?.error).toBeInstanceOf(FareboxError);
  });

  test('the upstream breaks while it decides: given back, and 502', async () => {
    let socket: Socket | undefined;
    const port = await openTcp(closing, (one) => {
      socket = one;
      one.once('data', () => one.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'));
    });
    const sale = recordSale(async () => {
      socket?.resetAndDestroy();
      await broke.promise;
      return { kind: 'charged', headers: [['L402-Payment', 'charged']] };
    });
    const broke = deferred<void>();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const onSocket = (message: unknown) => {
      const { socket: ours } = message as { readonly socket: Socket };
      // Behind everybody else who listens for the same.
      ours.on('connect', () => ours.remotePort === port && ours.on('close', () => setImmediate(broke.resolve)));
    };
    subscribe('net.client.socket', onSocket);
    closing.push(() => unsubscribe('net.client.socket', onSocket));
    expect((await ask(stage.port, '/a')).status).toBe(502);
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end upstream-broke']);
  });
});

describe('how long an upstream takes to begin its answer', () => {
  test('is told with the head, once, whatever comes behind it', async () => {
    const upstream = await openUpstream(closing, (_, response) => {
      stage.clock.advance(40);
      response.write('begun');
      response.end();
    });
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()) });
    await ask(stage.port, '/a');
    stage.clock.advance(1000);
    await ask(stage.port, '/a');
    expect(stage.waits).toEqual([
      ['ok', 0.04],
      ['ok', 0.04],
    ]);
  });

  test('is told of one that fails before it, and not of a client that sends too little or leaves', async () => {
    const stage = await openStage(closing, { upstream: await closedPort(), check: sellWith(recordSale()) });
    await ask(stage.port, '/a');
    expect(stage.waits).toEqual([['failed', 0]]);
    const seen = deferred<void>();
    const patient = await openTcp(closing, () => seen.resolve());
    const left = await openStage(closing, { upstream: patient });
    const client = await openRaw(closing, left.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf');
    await seen.promise;
    client.socket.destroy();
    await left.over(1);
    expect(left.waits).toEqual([]);
  });
});

describe('no head', () => {
  const paymentIn = (answer: { lines: readonly (readonly [string, string])[] }) => valuesOf(answer.lines, 'l402-payment');

  test('nobody listens: 502, given back before the answer', async () => {
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: await closedPort(), check: sellWith(sale) });
    const answer = await ask(stage.port, '/a', { method: 'POST', body: 'abc' });
    expect([answer.status, codeOf(answer.text), paymentIn(answer)]).toEqual([502, 'UPSTREAM_UNREACHABLE', ['not-charged']]);
    expect(sale.told).toEqual(['unanswered upstream']);
    expect(answer.text).not.toContain('127.0.0.1');
  });

  test('what was charged on request stays so, and the answer says it', async () => {
    const sale = recordSale(undefined, 'on-request');
    const stage = await openStage(closing, { upstream: await closedPort(), check: sellWith(sale) });
    const answer = await ask(stage.port, '/a');
    expect([answer.status, paymentIn(answer)]).toEqual([502, ['charged']]);
    expect(answer.text).toContain('This request was charged when it was let through');
    expect(answer.text).not.toContain('Send the same request again');
  });

  test('without a sale nothing is said of a payment', async () => {
    const stage = await openStage(closing, { upstream: await closedPort() });
    const answer = await ask(stage.port, '/a');
    expect([answer.status, paymentIn(answer)]).toEqual([502, []]);
  });

  test.each([
    ['a reset', (socket: Socket) => socket.resetAndDestroy()],
    ['an end', (socket: Socket) => socket.end()],
    ['half a head', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-')],
    ['no HTTP', (socket: Socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
    ['both lengths', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')],
    ['another transfer coding', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n')],
    ['a folded line', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 0\r\n\r\n')],
    ['an upgrade nobody asked for', (socket: Socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')],
  ])('%s: 502', async (_, breakOff) => {
    const port = await openTcp(closing, (socket) => socket.once('data', () => breakOff(socket)));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a');
    expect([answer.status, paymentIn(answer)]).toEqual([502, ['not-charged']]);
    expect(sale.told).toEqual(['unanswered upstream']);
  });

  test('no head in time: 504, and the upstream is broken off', async () => {
    const arrived = deferred<void>();
    const gone = deferred<void>();
    const port = await openTcp(closing, (socket) => {
      socket.on('data', () => arrived.resolve()).on('close', () => gone.resolve());
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale), service: { timeout: '2s' } });
    const answer = ask(stage.port, '/a');
    await arrived.promise;
    stage.clock.advance(1999);
    expect(sale.told).toEqual([]);
    stage.clock.advance(1);
    expect([(await answer).status, codeOf((await answer).text), paymentIn(await answer)]).toEqual([504, 'UPSTREAM_TIMEOUT', ['not-charged']]);
    expect(sale.told).toEqual(['unanswered upstream']);
    await gone.promise;
  });

  test('a certificate that nobody vouches for: 502, and the request is never sent', async () => {
    const { createServer } = await import('node:tls');
    let bytes = 0;
    const server = createServer({ key: untrusted.key, cert: untrusted.cert }, (socket) =>
      socket
        .on('data', (chunk) => {
          bytes += chunk.length;
        })
        .on('error', () => {}),
    );
    server.on('tlsClientError', () => {});
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: 0, service: { upstream: `https://localhost:${portOf(server)}` }, check: sellWith(sale) });
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      expect((await ask(stage.port, '/a')).status).toBe(502);
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before;
    }
    expect([bytes, sale.told]).toEqual([0, ['unanswered upstream']]);
  });
});

describe('the upstream breaks after the head', () => {
  const broken: readonly (readonly [string, string, string])[] = [
    ['with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', ''],
    ['in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', ''],
    ['with a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'zz\r\n'],
  ];
  test.each(broken)('%s: the client never sees a clean end', async (_, text, last) => {
    let socket: Socket | undefined;
    const port = await openTcp(closing, (one) => {
      socket = one;
      one.once('data', () => one.write(text, 'latin1'));
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const request = send({ host: '127.0.0.1', port: stage.port, path: '/a', agent: false }).end();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const whole = read(response);
    if (last === '') socket?.destroy();
    else socket?.write(last);
    await expect(whole).rejects.toThrow();
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end upstream-broke']);
    expect(stage.outcomes[0]).toMatchObject({ ended: 'upstream-failed', status: 200 });
  });

  test('to a client that knows the end by the connection’s end alone it is a reset', async () => {
    let socket: Socket | undefined;
    const port = await openTcp(closing, (one) => {
      socket = one;
      one.once('data', () => one.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'));
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.0\r\n\r\n');
    await client.until(/half/);
    socket?.destroy();
    expect(await client.closed).toBe('reset');
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end upstream-broke']);
  });

  test('silence for longer than the idle time', async () => {
    const port = await openTcp(closing, (one) => one.once('data', () => one.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale), top: { timeouts: { idle: '10s', upstream: '1s' } } });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/half/);
    stage.clock.advance(9999);
    expect(sale.told).toEqual(['head 200']);
    stage.clock.advance(1001);
    await client.closed;
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end upstream-broke']);
  });
});

/** Made for this test, for localhost, signed by itself; it opens nothing. */
const untrusted = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkA+60yK9znvU12Zg
r25Iih66zwi3e+KkMvsUqekkekGhRANCAAQGm//NB2Vzo/JOwl18u/aQModYwu1h
bLHNcha5AoyxkPHLi7sblFyjdN7abMBrgp07E+zp6tK9go7GJ+2TaqLK
-----END PRIVATE KEY-----
`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUFOZj9uKbzGum7GYIGzdvF5mse9UwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEyMzkzNFoYDzIxMjYxMDI4
MTIzOTM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQGm//NB2Vzo/JOwl18u/aQModYwu1hbLHNcha5AoyxkPHLi7sblFyj
dN7abMBrgp07E+zp6tK9go7GJ+2TaqLKo2kwZzAdBgNVHQ4EFgQUioRUJEyBCDAt
2r5faPsTzxBAaVEwHwYDVR0jBBgwFoAUioRUJEyBCDAt2r5faPsTzxBAaVEwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SQAwRgIhAOHpzN09eLCDOpwONDVSwVYh7j6TlxG1LY+cXMtdpcOkAiEA0xQdfiz4
LDn7Z4+KILxGjV9yMXtw87yFYub4nwEJi7Y=
-----END CERTIFICATE-----
`,
};
