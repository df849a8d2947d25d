/**
 * HTTP/2 in the clear, in front of an upstream over HTTP/1.1: the same requests, answers and sales as over HTTP/1.1.
 */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type Check,
  type Closing,
  closeAll,
  deferred,
  openRaw,
  openServer,
  openStage,
  openTcp,
  openUpstream,
  portOf,
  recordSale,
  sellWith,
  settled,
  valuesOf,
} from '../../test/gateway/harness.ts';
import { askHttp2, block, ends, flags, frame, kinds, openHttp2, openRawHttp2, readAnswer, requestLines } from '../../test/gateway/http2.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const askToPay: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [['Content-Type', 'application/json']], body: '{"pay":"höher"}' } });

/** A request without a body, whole, on that stream. */
const get = (stream: number, lines: readonly (readonly [string, string])[] = []) =>
  frame(kinds.headers, flags.endHeaders | flags.endStream, stream, block([...requestLines(), ...lines]));
/** A request whose body follows. */
const post = (stream: number, lines: readonly (readonly [string, string])[] = []) =>
  frame(kinds.headers, flags.endHeaders, stream, block([...requestLines('/a', 'POST'), ...lines]));

describe('requests and answers', () => {
  test('headers, body and trailers go through, both protocols on one port', async () => {
    const upstream = await openUpstream(closing, (_request, response, { body }) => {
      response.writeHead(201, ['X-A', '1', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Connection', 'X-Hop', 'X-Hop', 'no', 'Trailer', 'X-Sum']);
      response.addTrailers({ 'X-Sum': 'abc' });
      response.end(body);
    });
    const stage = await openStage(closing, { upstream: upstream.port });
    const session = openHttp2(closing, stage.port);
    const answer = await askHttp2(session, { ':method': 'POST', ':path': '/a?b=c', 'x-b': '2', cookie: ['c=1', 'd=2'], te: 'trailers' }, 'hello');
    expect(answer).toMatchObject({ status: 201, text: 'hello', reset: 0, trailers: { 'x-sum': 'abc' } });
    expect(answer.headers).toMatchObject({ 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] });
    expect(Object.keys(answer.headers)).not.toContain('x-hop');
    const [seen] = upstream.seen;
    expect([seen?.method, seen?.url, seen?.body.toString()]).toEqual(['POST', '/a?b=c', 'hello']);
    const lines = seen?.lines ?? [];
    expect(valuesOf(lines, 'x-b')).toEqual(['2']);
    expect(valuesOf(lines, 'cookie')).toEqual(['c=1; d=2']);
    expect(valuesOf(lines, 'x-forwarded-host')).toEqual([`127.0.0.1:${stage.port}`]);
    expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['http']);
    expect(valuesOf(lines, 'via')).toEqual(['2 farebox']);
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await client.until(/201 Created/)).toMatch(/^HTTP\/1\.1 201/);
  });

  test('every line of a credential is read', async () => {
    const lines: (readonly string[])[] = [];
    const stage = await openStage(closing, {
      upstream: 0,
      check: (...asked) => {
        lines.push(asked[0].headerLines('authorization'));
        return askToPay(...asked);
      },
    });
    const client = await openRawHttp2(closing, stage.port);
    client.write(get(1, [['authorization', 'Bearer a'], ['authorization', 'L402 b:c']])); // biome-ignore format: one line
    await client.until(({ kind, stream }) => kind === kinds.headers && stream === 1);
    expect(lines).toEqual([['Bearer a', 'L402 b:c']]);
  });

  test('many at once on one connection, each its own', async () => {
    const upstream = await openUpstream(closing, (request, response) => response.end(request.url));
    const stage = await openStage(closing, { upstream: upstream.port });
    const session = openHttp2(closing, stage.port);
    const answers = await Promise.all(Array.from({ length: 90 }, (_, index) => askHttp2(session, { ':path': `/${index}` })));
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 90 }, (_, index) => `/${index}`));
    expect((await stage.over(90)).every(({ ended }) => ended === 'delivered')).toBe(true);
  });

  test.each([
    ['HEAD', 'HEAD', 200, ['Content-Length', '5']],
    ['204', 'GET', 204, []],
    ['205', 'GET', 205, ['Content-Length', '0']],
    ['304', 'GET', 304, ['ETag', '"a"']],
  ])('%s: a head alone, and delivered', async (_, method, status, headers) => {
    const upstream = await openUpstream(closing, (_request, response) => response.writeHead(status, headers).end());
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const answer = await askHttp2(openHttp2(closing, stage.port), { ':method': method });
    expect(answer).toMatchObject({ status, text: '', reset: 0 });
    expect(answer.headers['l402-payment']).toBe('charged');
    expect((await stage.over(1))[0]).toMatchObject({ status, ended: 'delivered' });
    expect(sale.told).toEqual([`head ${status}`, 'end delivered']);
  });

  test('an answer of our own, with its text as it is; to HEAD its head', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const session = openHttp2(closing, stage.port);
    expect(await askHttp2(session, {})).toMatchObject({ status: 402, text: '{"pay":"höher"}', headers: { 'content-length': '16' } });
    expect(await askHttp2(session, { ':method': 'HEAD' })).toMatchObject({ status: 402, text: '', headers: { 'content-length': '16' } });
  });

  test('early hints come before the answer', async () => {
    const upstream = await openUpstream(closing, (_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.end('ok');
    });
    const stage = await openStage(closing, { upstream: upstream.port });
    const answer = await askHttp2(openHttp2(closing, stage.port), {});
    expect(answer.hints).toMatchObject([{ ':status': 103, link: '</a.css>; rel=preload' }]);
    expect(answer.text).toBe('ok');
  });

  test('a client that waits to be asked for its body is asked once it may pass, and told at once where it may not', async () => {
    const upstream = await openUpstream(closing, (_request, response, { body }) => response.end(body));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const stream = openHttp2(closing, stage.port).request({ ':method': 'POST', ':path': '/a', expect: '100-continue' });
    const answer = readAnswer(stream);
    await once(stream, 'continue');
    stream.end('hello');
    expect(await answer).toMatchObject({ status: 200, text: 'hello' });
    expect(valuesOf(upstream.seen[0]?.lines ?? [], 'expect')).toEqual([]);

    const closed = await openStage(closing, { upstream: 0, check: askToPay });
    const waiting = openHttp2(closing, closed.port).request({ ':method': 'POST', ':path': '/a', expect: '100-continue' });
    let asked = false;
    waiting.on('continue', () => {
      asked = true;
    });
    expect(await readAnswer(waiting)).toMatchObject({ status: 402, reset: constants.NGHTTP2_NO_ERROR });
    expect(asked).toBe(false);
  });

  test('an answer before the body has ended: whole, then the client is told to stop', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const client = await openRawHttp2(closing, stage.port);
    client.write(post(1), frame(kinds.data, 0, 1, Buffer.alloc(1000)));
    await client.until(ends(kinds.reset, constants.NGHTTP2_NO_ERROR, 1));
    const ofStream = client.frames.filter(({ stream, kind }) => stream === 1 && kind !== kinds.window);
    expect(ofStream.map(({ kind }) => kind)).toEqual([kinds.headers, kinds.data, kinds.reset]);
    expect((ofStream[1]?.flags ?? 0) & flags.endStream).toBe(flags.endStream);
    client.write(get(3));
    await client.until(({ stream, kind }) => stream === 3 && kind === kinds.data);
  });
});

describe('what breaks', () => {
  test.each([
    ['whose length is known', 'Content-Length: 10\r\n\r\nhalf'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'],
  ])('an upstream that breaks off an answer %s: the client sees a reset, and no end', async (_, rest) => {
    const port = await openTcp(closing, (socket) => socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${rest}`, () => socket.destroy())));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const answer = await askHttp2(openHttp2(closing, stage.port), {});
    expect(answer).toMatchObject({ status: 200, reset: constants.NGHTTP2_INTERNAL_ERROR });
    expect((await stage.over(1))[0]?.ended).toBe('upstream-failed');
    expect(sale.told).toEqual(['head 200', 'end upstream-broke']);
  });

  test.each([
    ['that takes its request back', constants.NGHTTP2_CANCEL],
    ['that takes it back without an error', constants.NGHTTP2_NO_ERROR],
  ])('a client %s before the head: the upstream is let go', async (_, code) => {
    let isGone = false;
    const asked = deferred<void>();
    const upstream = await openTcp(closing, (socket) => {
      socket
        .on('data', () => asked.resolve())
        .on('close', () => {
          isGone = true;
        });
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream, check: sellWith(sale) });
    const stream = openHttp2(closing, stage.port).request({ ':path': '/a' });
    stream.on('error', () => {});
    await asked.promise;
    stream.close(code);
    expect((await stage.over(1))[0]).toMatchObject({ ended: 'client-left', status: 0 });
    expect(sale.told).toEqual(['unanswered client-left']);
    while (!isGone) await new Promise((resolve) => setImmediate(resolve));
  });

  test.each([
    ['an error', constants.NGHTTP2_CANCEL],
    ['no error', constants.NGHTTP2_NO_ERROR],
  ])('a body that is taken back half-way with %s never ends as a whole request', async (_, code) => {
    let bytes = '';
    let isGone = false;
    const port = await openTcp(closing, (socket) => {
      socket
        .on('data', (chunk) => {
          bytes += chunk.toString('latin1');
        })
        .on('close', () => {
          isGone = true;
        });
    });
    const stage = await openStage(closing, { upstream: port });
    const client = await openRawHttp2(closing, stage.port);
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(code);
    client.write(post(1), frame(kinds.data, 0, 1, Buffer.from('half')));
    while (!bytes.includes('half')) await new Promise((resolve) => setImmediate(resolve));
    client.write(frame(kinds.reset, 0, 1, payload));
    while (!isGone) await new Promise((resolve) => setImmediate(resolve));
    expect(bytes).not.toMatch(/\r\n0\r\n/);
    expect((await stage.over(1))[0]?.ended).toBe('client-left');
  });

  test('a client that leaves altogether ends all that it asked for', async () => {
    const upstream = await openTcp(closing, (socket) => socket.resume());
    const stage = await openStage(closing, { upstream });
    const client = await openRawHttp2(closing, stage.port);
    client.write(get(1), get(3));
    await client.until(({ kind, flags: flag }) => kind === kinds.settings && (flag & flags.ack) !== 0);
    client.socket.end();
    expect((await stage.over(2)).map(({ ended }) => ended)).toEqual(['client-left', 'client-left']);
    await client.closed;
  });
});

describe('back-pressure', () => {
  test('an answer goes out at the pace of its reader, and a body comes in at that of the upstream', async () => {
    const size = 8 * 1024 * 1024;
    const upstream = await openUpstream(closing, (_request, response, { body }) => response.end(body));
    const stage = await openStage(closing, { upstream: upstream.port });
    const body = Buffer.alloc(size, 'abcdefg');
    const answer = await askHttp2(openHttp2(closing, stage.port), { ':method': 'POST' }, body);
    expect(answer.body.equals(body)).toBe(true);
  });

  test('a body that the upstream does not take is not read any further', async () => {
    let bytes = 0;
    const upstream = await openTcp(closing, (socket) => {
      socket.once('data', (chunk) => {
        bytes += chunk.length;
        socket.pause();
      });
    });
    const stage = await openStage(closing, { upstream });
    const stream = openHttp2(closing, stage.port).request({ ':method': 'POST', ':path': '/a' });
    stream.on('error', () => {});
    let taken = 0;
    const chunk = Buffer.alloc(65_536);
    const more = (): unknown =>
      stream.write(chunk, (error) => {
        if (error || stream.destroyed || stream.closed) return;
        taken += chunk.length;
        more();
      });
    more();
    await settled(() => taken);
    expect(bytes).toBeGreaterThan(0);
    expect(taken).toBeLessThan(32 * 1024 * 1024);
    stream.close(constants.NGHTTP2_CANCEL);
    expect((await stage.over(1))[0]?.ended).toBe('client-left');
  });

  test('a client that takes its time over its body is not held against the upstream', async () => {
    const upstream = await openUpstream(closing);
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale), top: { timeouts: { upstream: '1s' } } });
    const client = await openRawHttp2(closing, stage.port);
    client.write(post(1), frame(kinds.data, 0, 1, Buffer.from('ha')));
    while (sale.bodies.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stage.clock.advance(30_000);
    expect(sale.told).toEqual([]);
    client.write(frame(kinds.data, flags.endStream, 1, Buffer.from('lf')));
    await client.until(({ kind, stream }) => kind === kinds.data && stream === 1);
    expect(upstream.seen[0]?.body.toString()).toBe('half');
  });

  test('a conversation goes on for as long as both speak, beyond the time for a request', async () => {
    const upstream = await openServer(closing, (request, response) => {
      response.flushHeaders();
      request.on('data', (chunk) => response.write(chunk)).on('end', () => response.end());
    });
    const stage = await openStage(closing, { upstream: portOf(upstream), top: { timeouts: { request: '20s' } } });
    const stream = openHttp2(closing, stage.port).request({ ':method': 'POST', ':path': '/a' });
    const answer = readAnswer(stream);
    for (const word of ['one', 'two', 'three']) {
      stream.write(word);
      await once(stream, 'data');
      for (let seconds = 0; seconds < 20; seconds += 5) stage.clock.advance(5000);
    }
    stream.end();
    expect(await answer).toMatchObject({ status: 200, text: 'onetwothree', reset: 0 });
  });
});
