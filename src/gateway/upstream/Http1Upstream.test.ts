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
  openStage,
  openTcp,
  recordSale,
  sellWith,
  settled,
} from '../../../test/gateway/harness.ts';
import { openUpstreamClient } from '../../../test/gateway/upstreamClient.ts';
import type { OnwardRequest, UpstreamLimits } from '../Upstream.ts';
import { createHttp1Upstreams } from './Http1Upstream.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const openClient = (port: number, limits: Partial<UpstreamLimits> = {}) =>
  openUpstreamClient(closing, (...parts) => createHttp1Upstreams(...parts), { origin: `http://127.0.0.1:${port}` }, limits);

/** An upstream in a test's hand: each request that comes, with its connection's number. */
async function openServer(onRequest: (socket: Socket, connection: number, count: number, text: string) => void) {
  const sockets: Socket[] = [];
  const seen: string[] = [];
  const watchers = new Set<() => void>();
  const port = await openTcp(closing, (socket) => {
    sockets.push(socket);
    const connection = sockets.length;
    let count = 0;
    socket.on('data', (chunk: Buffer) => {
      const text = chunk.toString('latin1');
      seen.push(`${connection}: ${text}`);
      for (const watcher of watchers) watcher();
      onRequest(socket, connection, ++count, text);
    });
  });
  const requests = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => seen.length >= count && resolve();
      watchers.add(look);
      look();
    });
  return { port, sockets, seen, requests };
}

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const whole = ['head 200', 'ok', 'end'];

describe('connections', () => {
  test('one is kept and used again; two at once need two', async () => {
    const server = await openServer((socket) => socket.write(ok));
    const { send } = openClient(server.port);
    for (let i = 0; i < 3; i++) expect(await send().over).toEqual(whole);
    expect(server.sockets).toHaveLength(1);
    await Promise.all([send().over, send().over]);
    expect(server.sockets).toHaveLength(2);
  });

  test('no more than there may be; requests wait in turn', async () => {
    const held: Socket[] = [];
    const server = await openServer((socket) => held.push(socket));
    const { send } = openClient(server.port, { connections: 1 });
    const calls = ['/1', '/2', '/3'].map((path) => send({ path }));
    for (let i = 1; i <= 3; i++) {
      await server.requests(i);
      held.shift()?.write(ok);
      expect(await calls[i - 1]?.over).toEqual(whole);
    }
    expect(server.seen.map((text) => text.slice(0, 9))).toEqual(['1: GET /1', '1: GET /2', '1: GET /3']);
  });

  test('more that wait than may, and longer than they may, are refused', async () => {
    const server = await openServer(() => {});
    const { clock, send } = openClient(server.port, { connections: 1, queue: 2, queueTimeoutMs: 3000 });
    const first = send();
    await server.requests(1);
    const second = send();
    const third = send();
    expect((await send().over)[0]).toMatch(/^error .* as much to do as it may/);
    clock.advance(2999);
    expect([second.told, third.told]).toEqual([[], []]);
    clock.advance(101);
    expect((await second.over)[0]).toMatch(/^error .* as much to do as it may/);
    await third.over;
    expect(first.told).toEqual([]);
  });

  test('one that is not used is closed in time: ours, or what the upstream says, less a moment', async () => {
    for (const [line, ms] of [
      ['', 4000],
      ['Keep-Alive: timeout=10\r\n', 9000],
      ['Keep-Alive: timeout=1\r\n', 0],
    ] as const) {
      const server = await openServer((socket) => socket.write(`HTTP/1.1 200 OK\r\n${line}Content-Length: 2\r\n\r\nok`));
      const { clock, send } = openClient(server.port);
      await send().over;
      if (ms > 0) {
        clock.advance(ms - 1);
        await send().over;
        expect(server.sockets).toHaveLength(1);
      }
      const closed = new Promise((resolve) => server.sockets[0]?.on('close', resolve));
      clock.advance(ms + 1000);
      await closed;
      expect(await send().over).toEqual(whole);
      expect(server.sockets).toHaveLength(2);
    }
  });

  test('one that nobody accepts fails what it was for, and each that waits has its own try', async () => {
    const { send } = openClient(await closedPort(), { connections: 1 });
    const calls = [send(), send()];
    for (const { over } of calls) expect((await over)[0]).toMatch(/ECONNREFUSED/);
  });

  test('one that is not set up in time is given up', async () => {
    // It accepts, and says nothing to whoever begins with TLS.
    const server = await openServer(() => {});
    const { clock, send } = openClient(server.port);
    const { told, over } = send({ upstream: { origin: `https://127.0.0.1:${server.port}` } });
    await server.requests(1);
    clock.advance(4999);
    expect(told).toEqual([]);
    clock.advance(101);
    expect((await over)[0]).toMatch(/^error no connection within 5000 ms/);
  });

  test.each([
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['something behind the answer', `${ok}x`],
    ['a second answer behind the first', ok + ok],
  ])('%s: not used again', async (_, answer) => {
    const server = await openServer((socket) => socket.write(answer));
    const { send } = openClient(server.port);
    for (let i = 0; i < 2; i++) expect(await send().over).toEqual(whole);
    expect(server.sockets).toHaveLength(2);
  });

  test('bytes that nobody asked for end a connection that is kept', async () => {
    const server = await openServer((socket) => socket.write(ok));
    const { send } = openClient(server.port);
    await send().over;
    const closed = new Promise((resolve) => server.sockets[0]?.on('close', resolve));
    server.sockets[0]?.write(ok);
    await closed;
    expect(await send().over).toEqual(whole);
    expect(server.sockets).toHaveLength(2);
  });

  test('all end with the client, and whatever was under way', async () => {
    const server = await openServer(() => {});
    const { upstreams, send } = openClient(server.port, { connections: 1 });
    const calls = [send(), send()];
    await server.requests(1);
    const closed = new Promise((resolve) => server.sockets[0]?.on('close', resolve));
    await upstreams.close();
    for (const { over } of calls) expect((await over)[0]).toMatch(/^error/);
    await closed;
    expect((await send().over)[0]).toMatch(/^error/);
  });
});

describe('a connection that was closed while nobody used it', () => {
  /** Answers the first request of a connection, and ends at the second. */
  const stale = () => openServer((socket, connection, count) => (connection === 1 && count === 2 ? socket.destroy() : socket.write(ok)));

  test.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('%s is sent once more, on a new one', async (method) => {
    const server = await stale();
    const { send } = openClient(server.port);
    await send().over;
    expect((await send({ method }).over).at(-1)).toBe('end');
    expect(server.seen.map((text) => text.slice(0, 2))).toEqual(['1:', '1:', '2:']);
  });

  test.each(['POST', 'PATCH'])('%s is not: it may have been done', async (method) => {
    const server = await stale();
    const { send } = openClient(server.port);
    await send().over;
    expect((await send({ method }).over)[0]).toMatch(/^error/);
    expect(server.seen).toHaveLength(2);
  });

  test('once, and no more than once; and never on a connection that was new', async () => {
    const server = await openServer((socket, connection, count) => (connection === 1 && count === 1 ? socket.write(ok) : socket.destroy()));
    const { send } = openClient(server.port);
    await send().over;
    expect((await send().over)[0]).toMatch(/^error/);
    expect(server.seen).toHaveLength(3);
    expect((await send().over)[0]).toMatch(/^error/);
    expect(server.seen).toHaveLength(4);
  });

  test('nothing is sent again of which an answer has begun', async () => {
    const server = await openServer((socket, _, count) => (count === 2 ? socket.end('H') : socket.write(ok)));
    const { send } = openClient(server.port);
    await send().over;
    expect((await send().over)[0]).toMatch(/^error/);
    expect(server.seen).toHaveLength(2);
  });

  test('nor what nobody waits for any more', async () => {
    const server = await openServer((socket, _, count) => count === 1 && socket.write(ok));
    const { send } = openClient(server.port);
    await send().over;
    const call = send();
    await server.requests(2);
    call.sending.abort();
    await new Promise((resolve) => server.sockets[0]?.on('close', resolve));
    expect([call.told, server.seen.length]).toEqual([[], 2]);
  });
});

describe('answers', () => {
  test('what comes before the head, chunks and trailers', async () => {
    const server = await openServer((socket) =>
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n'),
    );
    expect(await openClient(server.port).send().over).toEqual(['103 Link </a>', 'head 200', 'ab', 'end X-T 1']);
  });

  test('to the end of the connection, or not to it', async () => {
    const server = await openServer((socket, connection) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nall of it', () => connection === 1 && socket.end());
    });
    const { send } = openClient(server.port);
    expect(await send().over).toEqual(['head 200', 'all of it', 'end']);
    const broken = send();
    // Node 22 takes a reset that comes together with the last bytes for an end.
    await broken.until(/^all of it/);
    server.sockets[1]?.resetAndDestroy();
    expect((await broken.over).at(-1)).toMatch(/^error/);
  });

  test('one that ends before it is whole', async () => {
    const server = await openServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel'));
    expect(await openClient(server.port).send().over).toEqual(['head 200', 'hel', 'error the connection ended before the answer was whole']);
  });

  test('one that is refused ends its connection, and the next gets another', async () => {
    const server = await openServer((socket, connection) => socket.write(connection === 1 ? 'HTTP/1.1 200 OK\nX-A: b\r\n\r\n' : ok));
    const { send } = openClient(server.port);
    expect((await send().over)[0]).toMatch(/^error The server behind this gateway sent a line feed alone/);
    expect(await send().over).toEqual(whole);
  });

  test('no more is read than somebody takes', async () => {
    let sent = 0;
    const chunk = Buffer.alloc(65_536);
    const server = await openServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const more = () => {
        while (socket.write(chunk)) sent += chunk.length;
      };
      socket.on('drain', more);
      more();
    });
    const { told, sending, until } = openClient(server.port).send();
    await until(/^head/);
    sending.pause();
    await settled(() => sent);
    const count = told.length;
    const before = sent;
    sending.resume();
    while (told.length < count + 50) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeGreaterThan(before);
    sending.abort();
  });
});

describe('requests', () => {
  test('a head that would end one of its lines is not sent', async () => {
    const server = await openServer((socket) => socket.write(ok));
    const { send } = openClient(server.port);
    const bad: readonly Partial<OnwardRequest>[] = [
      { path: '/a b' },
      { path: '/a\r\nX-A: b' },
      { path: '/\u010d\u010a' },
      { path: '' },
      { method: 'GET /' },
      { headers: ['X-A', 'b\r\nX-B: c'] },
      { headers: ['X-A', 'b\u010a'] },
      { headers: ['X-A', 'b\0'] },
      { headers: ['X A', 'b'] },
      { headers: ['X-A: b\r\nX-B', 'c'] },
      { headers: ['', 'c'] },
    ];
    for (const request of bad) expect((await send(request).over)[0]).toMatch(/^error .* (?:would end the line|is no token)/);
    expect(server.seen).toEqual([]);
    expect(await send({ path: '/gr\xfc?a=b', headers: ['X-A', 'gr\xfc\t1'] }).over).toEqual(whole);
    expect(server.seen[0]).toContain('GET /gr\xfc?a=b HTTP/1.1\r\n');
  });

  test.each([
    ['GET', 'Connection: keep-alive\r\n\r\n'],
    ['POST', 'Connection: keep-alive\r\nContent-Length: 0\r\n\r\n'],
  ])('%s without a body, with the host of its upstream', async (method, rest) => {
    const server = await openServer((socket) => socket.write(ok));
    await openClient(server.port).send({ method }).over;
    expect(server.seen).toEqual([`1: ${method} / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${rest}`]);
  });

  test('a small body goes out with its head, in one piece', async () => {
    const server = await openServer((socket) => socket.write(ok));
    const stage = await openStage(closing, { upstream: server.port });
    expect((await ask(stage.port, '/a', { method: 'POST', body: 'hello' })).status).toBe(200);
    expect(server.seen).toHaveLength(1);
    expect(server.seen[0]).toMatch(/^1: POST \/a HTTP\/1\.1\r\n[\s\S]*\r\n\r\nhello$/);
  });

  test('a head does not wait for a body that is not there', async () => {
    const server = await openServer(() => {});
    const stage = await openStage(closing, { upstream: server.port });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n');
    await server.requests(1);
    expect(server.seen[0]).toMatch(/\r\nContent-Length: 5\r\n[\s\S]*\r\n\r\n$/);
  });

  test('an answer before the request is whole reaches the client, and its connection is not used again', async () => {
    const server = await openServer((socket, connection) => socket.write(connection === 1 ? 'HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno' : ok));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: server.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegun');
    expect(await client.until(/no$/)).toMatch(/^HTTP\/1\.1 413 /);
    expect(sale.told[0]).toBe('head 413');
    expect((await ask(stage.port, '/b')).text).toBe('ok');
    expect(server.sockets).toHaveLength(2);
  });
});

test('what the gateway says of an upstream that it refuses, and of one that is busy', async () => {
  const server = await openServer((socket, _connection, _count, text) => text.includes('/bad') && socket.write('HTTP/1.1 200 OK\r\nX-A : b\r\n\r\n'));
  const sale = recordSale();
  const asked = deferred<void>();
  const check: Check = (request, ...rest) => {
    if (request.target === '/b') asked.resolve();
    return sellWith(sale)(request, ...rest);
  };
  const stage = await openStage(closing, { upstream: server.port, check, top: { limits: { upstreamConnections: 1 } } });
  const bad = await ask(stage.port, '/bad');
  expect([bad.status, JSON.parse(bad.text)]).toMatchObject([502, { code: 'UPSTREAM_MALFORMED', what: 'a line that is no header' }]);
  const first = await openRaw(closing, stage.port);
  first.write('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n');
  await server.requests(2);
  const second = ask(stage.port, '/b');
  await asked.promise;
  stage.clock.advance(10_000);
  const got = await second;
  expect([got.status, JSON.parse(got.text), got.lines.find(([name]) => name === 'Retry-After')]).toMatchObject([
    503,
    { code: 'UPSTREAM_BUSY' },
    ['Retry-After', '1'],
  ]);
  expect(sale.told.filter((one) => one === 'unanswered upstream')).toHaveLength(2);
});
