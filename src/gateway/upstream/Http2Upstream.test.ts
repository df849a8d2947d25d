import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { PassThrough } from 'node:stream';
import { createSecureContext } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { answer, type Frame, type FrameConnection, flags, frames, goAway, ok, openFrames, reset } from '../../../test/gateway/frames.ts';
import { type Closing, closeAll, closedPort, openTcp, portOf, settled } from '../../../test/gateway/harness.ts';
import { openSecureServer } from '../../../test/gateway/secure.ts';
import { openUpstreamClient } from '../../../test/gateway/upstreamClient.ts';
import { RequestBody } from '../RequestBody.ts';
import type { OnwardRequest, UpstreamLimits, UpstreamTarget } from '../Upstream.ts';
import { createUpstreams } from './createUpstreams.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

function openClient(port: number, limits: Partial<UpstreamLimits> = {}, target: Partial<UpstreamTarget> = {}) {
  return openUpstreamClient(
    closing,
    (...parts) => createUpstreams('farebox', ...parts),
    { origin: `http://127.0.0.1:${port}`, protocol: 'h2', ...target },
    limits,
  );
}

type Asked = { readonly stream: ServerHttp2Stream; readonly head: readonly string[]; readonly session: number };

/** An upstream by Node, and what it was asked. */
async function openServer(onStream: (stream: ServerHttp2Stream, asked: Asked) => void, settings: Settings = {}) {
  const sessions: ServerHttp2Session[] = [];
  const asked: Asked[] = [];
  const watchers = new Set<() => void>();
  const server: Http2Server = createServer({ settings });
  server.on('session', (session) => sessions.push(session));
  server.on('stream', (stream: ServerHttp2Stream, _head: object, _flags: number, head: string[]) => {
    stream.on('error', () => {});
    const one = { stream, head, session: sessions.indexOf(stream.session as ServerHttp2Session) + 1 };
    asked.push(one);
    for (const watcher of watchers) watcher();
    onStream(stream, one);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  closing.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const streams = (count: number) =>
    new Promise<void>((resolve) => {
      const look = () => asked.length >= count && resolve();
      watchers.add(look);
      look();
    });
  return { port: portOf(server as never), sessions, asked, streams };
}

function say(stream: ServerHttp2Stream, text = 'ok'): void {
  stream.respond({ ':status': 200 });
  stream.end(text);
}

function bodyOf(...chunks: readonly string[]): RequestBody {
  const source = new PassThrough();
  for (const chunk of chunks) source.write(chunk);
  source.end();
  return new RequestBody(source, 1e9, undefined);
}

const whole = ['head 200', 'ok', 'end'];
const refusedStream = 7;
const mostRefusals = 3;

describe('sessions', () => {
  test('one for many requests at once', async () => {
    const held: ServerHttp2Stream[] = [];
    const server = await openServer((stream) => held.push(stream));
    const { send } = openClient(server.port);
    const calls = Array.from({ length: 50 }, () => send());
    await server.streams(50);
    for (const stream of held) say(stream);
    for (const { over } of calls) expect(await over).toEqual(whole);
    expect(server.sessions).toHaveLength(1);
  });

  test('as many streams as the upstream takes, then another session, then requests wait in turn', async () => {
    const server = await openServer(() => {}, { maxConcurrentStreams: 2 });
    const { send } = openClient(server.port, { connections: 2 });
    const calls = ['/1', '/2', '/3', '/4', '/5'].map((path) => send({ path }));
    await server.streams(4);
    expect(server.asked.map(({ session }) => session).sort()).toEqual([1, 1, 2, 2]);
    await settled(() => server.asked.length);
    expect(server.asked).toHaveLength(4);
    say((server.asked[0] as Asked).stream);
    await server.streams(5);
    for (const { stream } of server.asked.slice(1)) say(stream);
    for (const { over } of calls) expect(await over).toEqual(whole);
    expect(server.sessions).toHaveLength(2);
  });

  test('more that wait than may, and longer than they may, are refused', async () => {
    const server = await openServer(() => {}, { maxConcurrentStreams: 1 });
    const { clock, send } = openClient(server.port, { connections: 1, queue: 1, queueTimeoutMs: 3000 });
    const first = send();
    await server.streams(1);
    const second = send();
    expect((await send().over)[0]).toMatch(/^error .* as much to do as it may/);
    clock.advance(3001);
    expect((await second.over)[0]).toMatch(/^error .* as much to do as it may/);
    expect(first.told).toEqual([]);
  });

  test('one that is not used is closed in time', async () => {
    const server = await openServer((stream) => say(stream));
    const { clock, send } = openClient(server.port);
    await send().over;
    clock.advance(3999);
    await send().over;
    expect(server.sessions).toHaveLength(1);
    const closed = once(server.sessions[0] as ServerHttp2Session, 'close');
    clock.advance(5001);
    await closed;
    expect(await send().over).toEqual(whole);
    expect(server.sessions).toHaveLength(2);
  });

  test('one that is closed with streams open ends them, also where another was answered before its body was whole', async () => {
    const server = await openServer((stream, { head }) => {
      if (head.includes('/early')) say(stream);
    });
    const { upstreams, send } = openClient(server.port);
    const open = send();
    await server.streams(1);
    for (let count = 0; count < 3; count++) {
      const early = send({ path: '/early', method: 'POST', body: new RequestBody(new PassThrough(), 1e9, undefined) });
      expect((await early.over)[0]).toBe('head 200');
    }
    const { session } = (server.asked[0] as Asked).stream;
    const closed = once(session as ServerHttp2Session, 'close');
    await upstreams.close();
    await closed;
    expect((await open.over)[0]).toMatch(/^error /);
  });

  test('one that nobody accepts fails what waits for it', async () => {
    const { send } = openClient(await closedPort(), { connections: 1 });
    for (const { over } of [send(), send()]) expect((await over)[0]).toMatch(/ECONNREFUSED/);
  });

  test('one that does not say its settings in time is given up', async () => {
    const connected = Promise.withResolvers<void>();
    const port = await openTcp(closing, () => connected.resolve());
    const { clock, send } = openClient(port);
    const { told, over } = send();
    await connected.promise;
    clock.advance(4999);
    expect(told).toEqual([]);
    clock.advance(101);
    expect(await over).toEqual(['error no connection within 5000 ms']);
  });

  test('a server of HTTP/1.1 is told from one of HTTP/2', async () => {
    const port = await openTcp(closing, (socket) => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')));
    expect((await openClient(port).send().over)[0]).toMatch(/^error/);
  });

  test('all end with the client, and whatever was under way', async () => {
    const server = await openServer(() => {}, { maxConcurrentStreams: 1 });
    const { upstreams, send } = openClient(server.port, { connections: 1 });
    const calls = [send(), send()];
    await server.streams(1);
    await upstreams.close();
    for (const { over } of calls) expect((await over)[0]).toMatch(/^error/);
    expect((await send().over)[0]).toMatch(/^error/);
  });
});

describe('what an upstream says that it did nothing with', () => {
  const bodies: readonly (readonly [string, () => Partial<OnwardRequest>])[] = [
    ['GET', () => ({})],
    ['POST with a small body', () => ({ method: 'POST', body: bodyOf('hel', 'lo') })],
  ];
  /** Tells the bodies of requests by their connection. */
  function collect(act: (connection: FrameConnection, frame: Frame, body: string) => void) {
    const bodiesOf = new Map<string, string>();
    return (connection: FrameConnection, frame: Frame) => {
      if (frame.type !== frames.headers && frame.type !== frames.data) return;
      const key = `${connection.number}/${frame.stream}`;
      bodiesOf.set(key, (bodiesOf.get(key) ?? '') + (frame.type === frames.data ? frame.payload.toString() : ''));
      if (frame.flags & flags.endStream) act(connection, frame, bodiesOf.get(key) as string);
    };
  }

  test.each(bodies)('%s, reset as refused: sent again', async (_, request) => {
    let count = 0;
    const seen: string[] = [];
    const server = await openFrames(
      closing,
      collect((connection, { stream }, body) => {
        seen.push(body);
        if (++count < 3) reset(connection, stream, refusedStream);
        else answer(connection, stream);
      }),
    );
    expect(await openClient(server.port).send(request()).over).toEqual(whole);
    expect(new Set(seen).size).toBe(1);
    expect(seen).toHaveLength(3);
  });

  test.each(bodies)('%s, beyond the last stream of a GOAWAY: sent again, on another connection', async (_, request) => {
    const seen: string[] = [];
    const server = await openFrames(
      closing,
      collect((connection, { stream }, body) => {
        seen.push(`${connection.number} ${stream} ${body}`.trim());
        if (connection.number === 1) goAway(connection, 0);
        else answer(connection, stream);
      }),
    );
    const { told, over } = openClient(server.port).send(request());
    expect(await over).toEqual(whole);
    expect(seen.map((one) => one.slice(0, 3))).toEqual(['1 1', '2 1']);
    expect(told).toEqual(whole);
  });

  test('what it took before it goes away ends well, and the next goes elsewhere', async () => {
    const server = await openFrames(
      closing,
      collect((connection, { stream }) => {
        if (connection.number === 1) goAway(connection, stream);
        answer(connection, stream);
      }),
    );
    const { send } = openClient(server.port);
    expect(await send().over).toEqual(whole);
    expect(await send().over).toEqual(whole);
    expect(server.connections).toHaveLength(2);
  });

  test('a connection that ends with an error: what it may have done something with is not sent again', async () => {
    const seen: number[] = [];
    const server = await openFrames(
      closing,
      collect((connection, { stream }) => {
        seen.push(stream);
        if (seen.length === 2) goAway(connection, 1, 2);
      }),
    );
    const { send } = openClient(server.port);
    const [first, second] = [send({ method: 'POST', body: bodyOf('a') }), send({ method: 'POST', body: bodyOf('b') })];
    expect((await first.over)[0]).toMatch(/^error/);
    await new Promise<void>((resolve) => {
      const look = () => (seen.length > 2 ? resolve() : setImmediate(look));
      look();
    });
    expect(second.told).toEqual([]);
  });

  test('refused again and again, it is refused in the end', async () => {
    let count = 0;
    const server = await openFrames(
      closing,
      collect((connection, { stream }) => {
        count++;
        reset(connection, stream, refusedStream);
      }),
    );
    expect((await openClient(server.port).send().over)[0]).toMatch(/^error .*REFUSED/);
    expect(count).toBe(1 + mostRefusals);
  });

  test('a body of which too much has gone out is not sent again', async () => {
    let isRefused = false;
    const server = await openFrames(closing, (connection, frame) => {
      if (frame.type !== frames.data || isRefused) return;
      isRefused = true;
      reset(connection, frame.stream, refusedStream);
    });
    const body = bodyOf('x'.repeat(70_000));
    expect((await openClient(server.port).send({ method: 'POST', body }).over)[0]).toMatch(/^error/);
  });

  test('nor is anything that was reset for another reason', async () => {
    let count = 0;
    const server = await openFrames(
      closing,
      collect((connection, { stream }) => {
        count++;
        reset(connection, stream, 2);
      }),
    );
    expect((await openClient(server.port).send().over)[0]).toMatch(/^error .*INTERNAL/);
    expect(count).toBe(1);
  });
});

describe('a connection that broke', () => {
  /** Answers the first request of a connection, and ends at the second. */
  const stale = () => {
    let count = 0;
    return openFrames(closing, (connection, { type, stream }) => {
      if (type !== frames.headers) return;
      if (++count === 2) connection.socket.destroy();
      else answer(connection, stream);
    });
  };

  test.each(['GET', 'PUT', 'DELETE'])('%s is sent once more, on a new one', async (method) => {
    const server = await stale();
    const { send } = openClient(server.port);
    await send().over;
    expect(await send({ method }).over).toEqual(whole);
    expect(server.connections).toHaveLength(2);
  });

  test.each(['POST', 'PATCH'])('%s is not: it may have been done', async (method) => {
    const server = await stale();
    const { send } = openClient(server.port);
    await send().over;
    expect((await send({ method }).over)[0]).toMatch(/^error/);
    expect(server.connections).toHaveLength(1);
  });

  test('nothing is sent again of which an answer has begun', async () => {
    let count = 0;
    const server = await openFrames(closing, (connection, { type, stream }) => {
      if (type !== frames.headers) return;
      if (++count === 1) return answer(connection, stream);
      connection.send(frames.headers, flags.endHeaders, stream, ok);
      setImmediate(() => connection.socket.destroy());
    });
    const { send } = openClient(server.port);
    await send().over;
    expect((await send().over).at(-1)).toMatch(/^error/);
    expect(server.connections).toHaveLength(1);
  });
});

describe('answers', () => {
  test('what comes before the head, chunks and trailers', async () => {
    const server = await openServer((stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a>' });
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': '1' }));
      stream.end('ab');
    });
    expect(await openClient(server.port).send().over).toEqual(['103 link </a>', 'head 200', 'ab', 'end x-t 1']);
  });

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('%s, %i: a head alone', async (method, status) => {
    const server = await openServer((stream) => stream.respond({ ':status': status }, { endStream: true }));
    expect(await openClient(server.port).send({ method }).over).toEqual([`head ${status}`, 'end']);
  });

  test('one that is whole before its request is, and reset without an error', async () => {
    const server = await openFrames(closing, (connection, { type, stream }) => {
      if (type !== frames.headers) return;
      answer(connection, stream);
      reset(connection, stream, 0);
    });
    const source = new PassThrough();
    const { over } = openClient(server.port).send({ method: 'POST', body: new RequestBody(source, 1000, undefined) });
    expect(await over).toEqual(whole);
  });

  test('a reset without an error is no end of what is not whole', async () => {
    const server = await openFrames(closing, (connection, { type, stream }) => {
      if (type !== frames.headers) return;
      connection.send(frames.headers, flags.endHeaders, stream, ok);
      connection.send(frames.data, 0, stream, Buffer.from('hel'));
      reset(connection, stream, 0);
    });
    const told = await openClient(server.port).send().over;
    expect(told.slice(0, 2)).toEqual(['head 200', 'hel']);
    expect(told.at(-1)).toMatch(/^error .* before the answer was whole/);
  });

  test('one that is shorter than it said', async () => {
    const server = await openServer((stream) => {
      stream.respond({ ':status': 200, 'content-length': 5 });
      stream.end('hel');
    });
    expect((await openClient(server.port).send().over).at(-1)).toMatch(/^error/);
  });

  test('no more is read than somebody takes, and other streams go on', async () => {
    let sent = 0;
    const chunk = Buffer.alloc(65_536);
    const server = await openServer((stream, { head }) => {
      if (head.includes('/other')) return say(stream);
      stream.respond({ ':status': 200 });
      const more = () => {
        while (stream.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      stream.on('drain', more);
      more();
    });
    const { send } = openClient(server.port);
    const { told, sending, until } = send();
    await until(/^head/);
    sending.pause();
    await settled(() => sent);
    expect(sent).toBeLessThan(2 * 1024 * 1024);
    expect(await send({ path: '/other' }).over).toEqual(whole);
    const [before, count] = [sent, told.length];
    sending.resume();
    while (told.length < count + 50) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeGreaterThan(before);
    sending.abort();
  });

  test('who gives one up says so to the upstream, and its session goes on', async () => {
    const server = await openServer((stream, { head }) => (head.includes('/other') ? say(stream) : stream.respond({ ':status': 200 })));
    const { send } = openClient(server.port);
    const { sending, until } = send();
    await until(/^head/);
    const { stream } = server.asked[0] as Asked;
    const closed = once(stream, 'close');
    sending.abort();
    await closed;
    expect(stream.rstCode).toBe(8);
    expect(await send({ path: '/other' }).over).toEqual(whole);
    expect(server.sessions).toHaveLength(1);
  });
});

describe('requests', () => {
  test('without what belongs to a connection, with the authority that they name or that of their upstream', async () => {
    const server = await openServer((stream) => say(stream));
    const { send } = openClient(server.port);
    const headers = ['X-A', '1', 'x-a', '2', 'Connection', 'close', 'Keep-Alive', '5', 'Transfer-Encoding', 'chunked', 'Upgrade', 'x', 'TE', 'trailers'];
    await send({ path: '/a?b', headers }).over;
    await send({ headers: ['Host', 'example.com', 'TE', 'gzip'] }).over;
    const pseudo = (authority: string, path: string) => [':method', 'GET', ':scheme', 'http', ':authority', authority, ':path', path];
    expect(server.asked.map(({ head }) => head)).toEqual([
      [...pseudo(`127.0.0.1:${server.port}`, '/a?b'), 'x-a', '1', 'x-a', '2', 'te', 'trailers'],
      pseudo('example.com', '/'),
    ]);
  });

  test('a head that would end one of its lines is not sent', async () => {
    const server = await openServer((stream) => say(stream));
    const { send } = openClient(server.port);
    const bad: readonly Partial<OnwardRequest>[] = [
      { path: '/a b' },
      { path: '/a\r\nX-A: b' },
      { path: '' },
      { method: 'GET /' },
      { headers: ['X-A', 'b\r\nX-B: c'] },
      { headers: ['X-A', 'b\0'] },
      { headers: ['X A', 'b'] },
      { headers: [':path', '/other'] },
      { headers: ['', 'c'] },
    ];
    for (const request of bad) expect((await send(request).over)[0]).toMatch(/^error .* (?:would end the line|would end its line|is no token)/);
    expect(server.asked).toEqual([]);
  });

  test('a body at the pace of its upstream, whole', async () => {
    let received = 0;
    const server = await openServer((stream) => {
      stream.pause();
      stream.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      stream.pause();
      stream.on('end', () => say(stream));
    });
    const source = new PassThrough();
    let written = 0;
    const more = () => {
      while (written < 8_000_000 && source.write(Buffer.alloc(65_536))) written += 65_536;
      if (written >= 8_000_000) source.end();
      else written += 65_536;
    };
    source.on('drain', more);
    const { over } = openClient(server.port).send({ method: 'POST', body: new RequestBody(source, 1e9, undefined) });
    more();
    await server.streams(1);
    await settled(() => written);
    expect(written).toBeLessThan(4_000_000);
    (server.asked[0] as Asked).stream.resume();
    expect(await over).toEqual(whole);
    expect(received).toBeGreaterThan(8_000_000);
  });

  test('one whose body breaks off is given up', async () => {
    const server = await openServer(() => {});
    const source = new PassThrough();
    const body = new RequestBody(source, 1000, undefined);
    const { over } = openClient(server.port).send({ method: 'POST', body });
    await server.streams(1);
    const { stream } = server.asked[0] as Asked;
    const closed = once(stream, 'close');
    source.destroy();
    expect(await over).toEqual(['error the client left before its body had come']);
    await closed;
    expect(stream.rstCode).toBe(8);
  });
});

test.each([
  ['whose body breaks off', (source: PassThrough) => source.destroy()],
  ['that is given up', (_: PassThrough, sending: { abort: () => void }) => sending.abort()],
  ['whose answer came before its end', (_source: PassThrough, _sending: object, connection: FrameConnection) => answer(connection, 1)],
])('a request %s never ends as if it were whole', async (_, act) => {
  const seen: Frame[] = [];
  const has = Promise.withResolvers<FrameConnection>();
  const over = Promise.withResolvers<void>();
  const server = await openFrames(closing, (connection, frame) => {
    seen.push(frame);
    if (frame.type === frames.data) has.resolve(connection);
    if (frame.type === frames.reset) over.resolve();
  });
  const source = new PassThrough();
  const { sending } = openClient(server.port).send({ method: 'POST', body: new RequestBody(source, 1000, undefined) });
  source.write('half of');
  act(source, sending, await has.promise);
  await over.promise;
  expect(seen.filter(({ type }) => type === frames.reset).map(({ payload }) => payload.readUInt32BE())).toEqual([8]);
  expect(seen.filter((frame) => frame.type !== frames.reset && (frame.flags & flags.endStream) !== 0)).toEqual([]);
});

describe('over TLS', () => {
  const certificates = JSON.parse(readFileSync(new URL('../../../test/vectors/tls.json', import.meta.url), 'utf8')) as Readonly<Record<string, string>>;
  const own = { key: certificates.serverKey, cert: certificates.good };
  const secure = (port: number, protocol: 'h2' | 'auto') => ({
    origin: `https://localhost:${port}`,
    protocol,
    secureContext: createSecureContext({ ca: certificates.authority }),
  });

  test.each(['h2', 'auto'] as const)('%s: HTTP/2, where the upstream speaks it', async (protocol) => {
    const versions: string[] = [];
    const port = await openSecureServer(closing, own, (request, response) => {
      versions.push(request.httpVersion);
      response.end('ok');
    });
    const { send } = openClient(port, {}, secure(port, protocol));
    for (const { over } of [send(), send()]) expect(await over).toEqual(whole);
    expect(versions).toEqual(['2.0', '2.0']);
  });

  test('where it speaks HTTP/1.1 alone: that, if either will do', async () => {
    const connections = new Set<unknown>();
    const server = createHttpsServer(own, (request, response) => {
      connections.add(request.socket);
      response.end(request.url === '/' ? 'ok' : 'no');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    closing.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    const port = portOf(server);
    const either = openClient(port, {}, secure(port, 'auto'));
    for (const { over } of [either.send(), either.send()]) expect(await over).toEqual(whole);
    expect(await either.send().over).toEqual(whole);
    // The first may be free again before the second is open.
    expect(connections.size).toBeLessThanOrEqual(2);
    expect(await openClient(port, {}, secure(port, 'h2')).send().over).toEqual([expect.stringMatching(/^error/)]);
  });
});
