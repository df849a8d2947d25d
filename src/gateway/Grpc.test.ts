import type { ClientHttp2Session } from 'node:http2';
import { createServer, type ServerHttp2Stream } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from 'vitest';
import { askOne, collect, follow, openStub, openTranslator } from '../../test/gateway/grpc.ts';
import { type Check, type Closing, closeAll, closedPort, letThrough, openStage, portOf, recordSale, sellWith } from '../../test/gateway/harness.ts';
import { askHttp2, openHttp2 } from '../../test/gateway/http2.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const via = (port: number, check: Check = letThrough, more: object = {}) =>
  openStage(closing, { upstream: 0, check, service: { upstream: { url: `http://127.0.0.1:${port}`, protocol: 'h2' } }, ...more });

/** A server of gRPC, the gateway before it, and a client before that. */
async function open(check?: Check, more: object = {}) {
  const server = await openTranslator(closing);
  const stage = await via(server.port, check, more);
  return { server, stage, stub: openStub(closing, stage.port), direct: openStub(closing, server.port) };
}

/** An upstream that answers a call as it likes. */
async function openOdd(answer: (stream: ServerHttp2Stream) => void) {
  const sessions = new Set<{ destroy: () => void }>();
  const server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const session of sessions) session.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return portOf(server as never);
}

const plain = ({ code, details, messages, metadata, trailers }: Awaited<ReturnType<typeof askOne>>) => {
  // Ours, and what is of the moment.
  for (const name of ['date', 'via', 'l402-payment']) for (const lines of [metadata, trailers]) lines.remove(name);
  return { code, details, messages, metadata: metadata.getMap(), trailers: trailers.getMap() };
};

describe('calls go through as they are', () => {
  test('unary, with metadata and trailers', async () => {
    const { server, stub, direct } = await open();
    const got = await askOne(stub, 'hello', { 'x-a': '1', 'x-b-bin': '2' });
    expect(plain(got)).toEqual(plain(await askOne(direct, 'hello', { 'x-a': '1', 'x-b-bin': '2' })));
    expect([got.code, got.messages]).toEqual([status.OK, ['hello!']]);
    expect(got.trailers.get('x-spent-bin').map(String)).toEqual(['3 µs']);
    expect([server.seen[0]?.metadata.get('x-a'), String(server.seen[0]?.metadata.get('x-b-bin')[0])]).toEqual([['1'], '2']);
  });

  test('an answer of trailers alone, with its status, its text and its metadata', async () => {
    const { stub, direct } = await open();
    const got = await askOne(stub, 'fail 5');
    expect([got.code, got.details]).toEqual([status.NOT_FOUND, 'failed: 5 – as asked']);
    expect(plain(got)).toEqual(plain(await askOne(direct, 'fail 5')));
  });

  test('it ends the stream with its head, as it came', async () => {
    const port = await openOdd((stream) =>
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'no' }, { endStream: true }),
    );
    for (const check of [letThrough, sellWith(recordSale())]) {
      const stage = await via(port, check);
      const { flags, lines } = await firstHead(openHttp2(closing, stage.port));
      expect([flags & 1, lines]).toEqual([1, expect.arrayContaining(['grpc-status', '5', 'grpc-message', 'no'])]);
    }
  });

  test('streams from the server, from the client and in both directions', async () => {
    const { stub } = await open();
    expect(await follow(stub.many({ text: 'meta,a,b,c' }))).toMatchObject({ code: status.OK, messages: ['a!', 'b!', 'c!'] });
    expect(await collect(stub, ['a', 'b', 'c'])).toMatchObject({ code: status.OK, messages: ['a+b+c'] });
    const talk = stub.talk();
    const outcome = follow(talk);
    for (const text of ['a', 'b']) {
      talk.write({ text });
      await new Promise<void>((resolve) => talk.once('data', () => resolve()));
    }
    talk.end();
    expect(await outcome).toMatchObject({ code: status.OK, messages: ['a!', 'b!'] });
  });

  test('a stream that ends with a status, after what it brought', async () => {
    const { stub, direct } = await open();
    const got = plain(await follow(stub.many({ text: 'a,fail 9' })));
    expect(got).toMatchObject({ code: status.FAILED_PRECONDITION, messages: ['a!'] });
    expect(got).toEqual(plain(await follow(direct.many({ text: 'a,fail 9' }))));
  });

  test('a large message, whole', async () => {
    const { stub } = await open();
    const data = Buffer.alloc(3_000_000, 'x');
    expect(await askOne(stub, { text: 'large', data })).toMatchObject({ code: status.OK, messages: ['large!'] });
  });

  test('a deadline is passed on', async () => {
    const { server, stub } = await open();
    const call = askOne(stub, 'wait', {}, { deadline: Date.now() + 200 });
    const seen = await server.call(1);
    expect(Number(seen.deadline)).toBeLessThanOrEqual(Date.now() + 200);
    expect((await call).code).toBe(status.DEADLINE_EXCEEDED);
    await seen.cancelled;
  });

  test.each([
    ['counted', () => sellWith(recordSale())],
    ['not counted', () => letThrough],
  ])('who cancels has it cancelled at the server: %s', async (_, check) => {
    const { server, stub, stage } = await open(check());
    const call = stub.many({ text: 'a,wait' });
    call.on('error', () => {});
    await new Promise<void>((resolve) => call.once('data', () => resolve()));
    call.cancel();
    await (await server.call(1)).cancelled;
    expect((await stage.over(1))[0]).toMatchObject({ ended: 'client-left' });
  });

  test('a reset by the server is a status for the client', async () => {
    const port = await openOdd((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.write(Buffer.from([0, 0, 0, 0, 0]), () => stream.destroy(new Error('broken')));
    });
    const stage = await via(port);
    const got = await follow(openStub(closing, stage.port).many({ text: 'a' }));
    expect([got.code, got.messages]).toEqual([status.UNAVAILABLE, ['']]);
  });
});

/** The first head that comes back for a call. */
function firstHead(session: ClientHttp2Session): Promise<{ flags: number; lines: readonly string[] }> {
  const stream = session.request({ ':method': 'POST', ':path': '/farebox.test.Translator/One', 'content-type': 'application/grpc', te: 'trailers' });
  stream.on('error', () => {});
  stream.end(Buffer.from([0, 0, 0, 0, 0]));
  return new Promise((resolve) => stream.once('response', (_head, flags, lines) => resolve({ flags, lines: lines as unknown as string[] })));
}

describe('what a call is charged for', () => {
  const cases: readonly (readonly [words: string, head: string, end: string])[] = [
    ['a', 'head 200', 'end delivered'],
    ['a,fail 5', 'head 200', 'end delivered'],
    ['a,fail 4', 'head 200', 'end delivered'],
    ['a,fail 8', 'head 200', 'end delivered'],
    ['a,fail 13', 'head 200', 'end upstream-broke'],
    ['a,fail 14', 'head 200', 'end upstream-broke'],
    ['meta,fail 14', 'head 503', 'end delivered'],
    ['meta,fail 5', 'head 200', 'end delivered'],
    ...[1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 15, 16].map((code) => [`fail ${code}`, 'head 200', 'end delivered'] as const),
    ['fail 4', 'head 504', 'end delivered'],
    ['fail 8', 'head 429', 'end delivered'],
    ['fail 13', 'head 502', 'end delivered'],
    ['fail 14', 'head 503', 'end delivered'],
  ];

  test.each(cases)('%s: %s, %s', async (text, head, end) => {
    const sale = recordSale();
    const { stub, direct, stage } = await open(sellWith(sale));
    const got = await follow(stub.many({ text }));
    await stage.over(1);
    expect(sale.told).toEqual([head, end]);
    expect(got.metadata.get('l402-payment').concat(got.trailers.get('l402-payment'))).toEqual(['charged']);
    const own = await follow(direct.many({ text }));
    expect([got.code, got.details, got.messages]).toEqual([own.code, own.details, own.messages]);
  });

  test('a deadline of the caller’s own that passes at the server', async () => {
    const sale = recordSale();
    const port = await openOdd((stream) => stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '4' }, { endStream: true }));
    const stage = await via(port, sellWith(sale));
    await askHttp2(openHttp2(closing, stage.port), callHeaders({ 'grpc-timeout': '1m' }), Buffer.alloc(5));
    await stage.over(1);
    expect(sale.told[0]).toBe('head 499');
  });

  test('nothing of an answer goes out while it is not known whether it brings anything', async () => {
    const sale = recordSale();
    const { server, stub, stage } = await open(sellWith(sale));
    const talk = stub.talk();
    const outcome = follow(talk);
    let hasMetadata = false;
    talk.on('metadata', () => {
      hasMetadata = true;
    });
    talk.write({ text: 'meta' });
    await server.call(1);
    talk.write({ text: 'meta' });
    expect([hasMetadata, sale.told]).toEqual([false, []]);
    talk.write({ text: 'a' });
    talk.end();
    expect(await outcome).toMatchObject({ code: status.OK, messages: ['a!'] });
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end delivered']);
  });

  test('who cancels before anything came gets it back, as with a safe request', async () => {
    const sale = recordSale();
    const { server, stub, stage } = await open(sellWith(sale));
    const call = stub.many({ text: 'wait' });
    call.on('error', () => {});
    const seen = await server.call(1);
    call.cancel();
    await seen.cancelled;
    await stage.over(1);
    expect(sale.told).toEqual(['unanswered client-left']);
  });

  test.each([
    ['a page', { ':status': 200, 'content-type': 'text/html' }, 'head 502'],
    ['a redirect', { ':status': 302 }, 'head 502'],
    ['an error of HTTP', { ':status': 503 }, 'head 503'],
    ['a head that says nothing', { ':status': 200, 'content-type': 'application/grpc' }, 'head 502'],
    ['a status that is no number', { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': 'ok' }, 'head 502'],
  ])('what is no answer of gRPC is not charged: %s', async (_, head, told) => {
    const sale = recordSale();
    const stage = await via(await openOdd((stream) => stream.respond(head, { endStream: true })), sellWith(sale));
    await askHttp2(openHttp2(closing, stage.port), callHeaders(), Buffer.alloc(5));
    await stage.over(1);
    expect(sale.told[0]).toBe(told);
  });

  test('what is spent when a request is let through goes on at once', async () => {
    const sale = recordSale(undefined, 'on-request');
    const { stub, stage } = await open(sellWith(sale));
    const call = stub.many({ text: 'meta,wait' });
    call.on('error', () => {});
    const metadata = await new Promise<{ get: (name: string) => unknown[] }>((resolve) => call.once('metadata', resolve));
    expect(metadata.get('x-early')).toEqual(['1']);
    call.cancel();
    await stage.over(1);
    expect(sale.told).toEqual(['head 200', 'end client-left']);
  });
});

const callHeaders = (more: Record<string, string> = {}) => ({
  ':method': 'POST',
  ':path': '/farebox.test.Translator/One',
  'content-type': 'application/grpc+proto',
  te: 'trailers',
  ...more,
});

describe('what is ours to say is said in gRPC’s words', () => {
  test('no upstream: 14, and not charged', async () => {
    const sale = recordSale();
    const stage = await via(await closedPort(), sellWith(sale));
    const got = await askOne(openStub(closing, stage.port), 'a');
    expect([got.code, got.details]).toEqual([status.UNAVAILABLE, expect.stringMatching(/^The server behind this gateway did not answer\./)]);
    expect([got.trailers.get('l402-payment'), got.trailers.get('farebox-error')]).toEqual([['not-charged'], ['UPSTREAM_UNREACHABLE']]);
    expect(sale.told).toEqual(['unanswered upstream']);
  });

  test('no answer in time: 4', async () => {
    const sale = recordSale();
    const { server, stub, stage } = await open(sellWith(sale));
    const call = askOne(stub, 'wait');
    const seen = await server.call(1);
    stage.clock.advance(60_100);
    expect((await call).code).toBe(status.DEADLINE_EXCEEDED);
    expect(sale.told).toEqual(['unanswered upstream']);
    await seen.cancelled;
  });

  test('no route: 12; a body that is too large: 8', async () => {
    const { stub } = await open(undefined, { routes: [{ path: '/other', price: '1 sat' }] });
    expect((await askOne(stub, 'a')).code).toBe(status.UNIMPLEMENTED);
    const small = await open(undefined, { top: { limits: { body: '1 KB' } } });
    expect((await askOne(small.stub, { text: 'a', data: Buffer.alloc(5000) })).code).toBe(status.RESOURCE_EXHAUSTED);
  });

  test('one head, which ends the stream, without a body and its length', async () => {
    const stage = await via(await closedPort());
    const { flags, lines } = await firstHead(openHttp2(closing, stage.port));
    expect(flags & 1).toBe(1);
    expect(lines).not.toContain('content-length');
    expect(lines.slice(0, 4)).toEqual([':status', '200', 'content-type', 'application/grpc']);
  });

  test('but to nobody who does not speak it', async () => {
    const stage = await via(await closedPort());
    const session = openHttp2(closing, stage.port);
    for (const type of ['application/grpc-web', 'application/json', 'application/grpcx']) {
      expect((await askHttp2(session, callHeaders({ 'content-type': type }), 'x')).status).toBe(502);
    }
    expect((await askHttp2(session, { ':method': 'GET', ':path': '/', 'content-type': 'application/grpc' })).status).toBe(502);
  });
});

test('metadata is no way around: a macaroon called token is read as one and goes no further, and other tokens are the server’s', async () => {
  const seen: (readonly string[])[] = [];
  const { server, stub } = await open((request) => {
    seen.push([...request.headerLines('macaroon')]);
    return { kind: 'pass', principal: undefined, sale: undefined, headers: [] };
  });
  const macaroon = '0201046c736174';
  await askOne(stub, 'a', { token: macaroon });
  await askOne(stub, 'a', { token: 'a token of theirs' });
  expect(seen).toEqual([[macaroon], []]);
  expect(server.seen.map(({ metadata }) => [metadata.get('token'), metadata.get('macaroon')])).toEqual([
    [[], []],
    [['a token of theirs'], []],
  ]);
});
