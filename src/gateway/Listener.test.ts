import { once } from 'node:events';
import { Agent, type IncomingMessage, request as send } from 'node:http';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ask,
  type Check,
  type Closing,
  closeAll,
  deferred,
  letThrough,
  openRaw,
  openServer,
  openStage,
  openTcp,
  openUpstream,
  portOf,
  read,
  recordSale,
  sellWith,
  settled,
  valuesOf,
} from '../../test/gateway/harness.ts';
import * as Path from '../http/Path.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const askToPay: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [['Content-Type', 'application/json']], body: '{"pay":"höher"}' } });
const codeOf = (text: string) => (JSON.parse(text) as { code: string }).code;

describe('requests that two servers could read differently', () => {
  const post = (...rest: readonly string[]) => ['POST /a HTTP/1.1', 'Host: a', ...rest].join('\r\n');
  const get = (...rest: readonly string[]) => ['GET /a HTTP/1.1', 'Host: a', ...rest, '', ''].join('\r\n');
  const chunked = (body: string) => `${post('Transfer-Encoding: chunked')}\r\n\r\n${body}`;
  const hidden = 'GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n';

  test.each([
    ['both lengths', `${post('Content-Length: 4', 'Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n${hidden}`],
    ['both lengths, the other way round', `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}\r\n\r\n0\r\n\r\n${hidden}`],
    ['two lengths', `${post('Content-Length: 1', 'Content-Length: 2')}\r\n\r\nab`],
    ['one length twice', `${post('Content-Length: 1', 'Content-Length: 1')}\r\n\r\na`],
    ['a list of lengths', `${post('Content-Length: 1, 1')}\r\n\r\na`],
    ['a length with a sign', `${post('Content-Length: +1')}\r\n\r\na`],
    ['a negative length', `${post('Content-Length: -1')}\r\n\r\n`],
    ['a length in hex', `${post('Content-Length: 0x1')}\r\n\r\na`],
    ['no length', `${post('Content-Length:')}\r\n\r\n`],
    ['a length beyond measure', `${post('Content-Length: 99999999999999999999999')}\r\n\r\n`],
    ['a coding that is nearly chunked', `${post('Transfer-Encoding: xchunked')}\r\n\r\n0\r\n\r\n`],
    ['chunked twice', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')}\r\n\r\n0\r\n\r\n`],
    ['chunked, then identity', `${post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}\r\n\r\n0\r\n\r\n`],
    ['gzip beneath chunked', `${post('Transfer-Encoding: gzip, chunked')}\r\n\r\n0\r\n\r\n`],
    ['a space before the colon', `${post('Transfer-Encoding : chunked')}\r\n\r\n0\r\n\r\n`],
    ['a vertical tab before the coding', `${post('Transfer-Encoding: \x0bchunked')}\r\n\r\n0\r\n\r\n`],
    ['chunks in HTTP/1.0', `POST /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['a folded line', get('X-A: b', ' c')],
    ['a folded coding', `${post('Transfer-Encoding:', ' chunked')}\r\n\r\n0\r\n\r\n`],
    ['a line feed alone', 'GET /a HTTP/1.1\nHost: a\n\n'],
    ['a line feed alone between headers', 'GET /a HTTP/1.1\r\nHost: a\nX-A: b\r\n\r\n'],
    ['a carriage return alone', 'GET /a HTTP/1.1\r\nHost: a\rX-A: b\r\n\r\n'],
    ['a space before the first header', 'GET /a HTTP/1.1\r\n Host: a\r\n\r\n'],
    ['a NUL in a value', get('X-A: a\0b')],
    ['a NUL in the path', 'GET /a\0 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a chunk size that is no number', chunked('zz\r\nab\r\n0\r\n\r\n')],
    ['a chunk size beyond measure', chunked('ffffffffffffffffff\r\nab\r\n0\r\n\r\n')],
    ['a chunk size with a sign', chunked('-2\r\nab\r\n0\r\n\r\n')],
    ['a space behind the chunk size', chunked('2 \r\nab\r\n0\r\n\r\n')],
    ['a line feed behind the chunk size', chunked('2\nab\r\n0\r\n\r\n')],
    ['a line feed in a chunk extension', chunked('2;\nab\r\n0\r\n\r\n')],
    ['no host', 'GET /a HTTP/1.1\r\n\r\n'],
    ['two hosts', get('Host: b')],
    ['a host that is none', 'GET /a HTTP/1.1\r\nHost: a/b@c\r\n\r\n'],
    ['HTTP/2.0 as text', 'GET /a HTTP/2.0\r\nHost: a\r\n\r\n'],
    ['HTTP/0.9', 'GET /a HTTP/0.9\r\nHost: a\r\n\r\n'],
    ['a space in the target', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a method in lower case', 'get /a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no path', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an escaped slash', 'GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['more header lines than there may be', get(...Array.from({ length: 150 }, (_, index) => `X-${index}: 1`))],
  ])('%s: refused, and the upstream sees nothing', async (_, text) => {
    let bytes = '';
    const port = await openTcp(closing, (socket) =>
      socket.on('data', (chunk) => {
        bytes += chunk.toString('latin1');
      }),
    );
    let checks = 0;
    const stage = await openStage(closing, {
      upstream: port,
      check: (...asked) => {
        checks++;
        return letThrough(...asked);
      },
    });
    const client = await openRaw(closing, stage.port);
    client.write(text);
    expect(await client.until(/^HTTP\/1\.1 \d{3} [^\r\n]*\r\n/)).toMatch(/^HTTP\/1\.1 (400|501) /);
    client.socket.end();
    await client.closed;
    await stage.close();
    expect(bytes).toBe('');
    if (!text.includes('chunked')) expect(checks).toBe(0);
  });

  test('a chunk that goes bad in the middle never ends as a whole request', async () => {
    let bytes = '';
    const gone = deferred<void>();
    const port = await openTcp(closing, (socket) => {
      socket
        .on('data', (chunk) => {
          bytes += chunk.toString('latin1');
        })
        .on('close', () => gone.resolve());
    });
    const stage = await openStage(closing, { upstream: port });
    const client = await openRaw(closing, stage.port);
    client.write(`${post('Transfer-Encoding: chunked')}\r\n\r\n2\r\nab\r\n`);
    while (!bytes.includes('ab')) await new Promise((resolve) => setImmediate(resolve));
    client.write(`2\r\nabc\r\n0\r\n\r\n${hidden}`);
    await client.closed;
    await gone.promise;
    expect(bytes).not.toMatch(/\r\n0\r\n|hidden/);
  });

  test('too many header lines never hide a second credential', async () => {
    const lines: (readonly string[])[] = [];
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, {
      upstream: upstream.port,
      top: { limits: { headerLines: 5000, head: '64 KiB' } },
      check: (request) => {
        lines.push(request.headerLines('authorization'));
        return { kind: 'pass', principal: undefined, sale: undefined, headers: [] };
      },
    });
    await ask(stage.port, '/a', {
      headers: [...Array.from({ length: 2500 }, () => ['X', '1']).flat(), 'Authorization', 'Bearer a', 'AUTHORIZATION', 'L402 b:c'],
    });
    expect(lines).toEqual([['Bearer a', 'L402 b:c']]);
  });
});

describe('what is not served', () => {
  test.each([
    ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 501 /],
    ['a WebSocket among other protocols', 'GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c, WebSocket\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a path without a route', 'GET /none HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 404 [\s\S]*ROUTE_UNKNOWN/],
    ['a method without a route', 'POST /a HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 404 [\s\S]*ROUTE_UNKNOWN/],
    ['another host', 'GET /a HTTP/1.1\r\nHost: b\r\n\r\n', /^HTTP\/1\.1 404 [\s\S]*ROUTE_UNKNOWN/],
    ['another host in an absolute target', 'GET http://b/a HTTP/1.1\r\nHost: one\r\n\r\n', /^HTTP\/1\.1 404 [\s\S]*ROUTE_UNKNOWN/],
    ['an expectation that is not known', 'GET /a HTTP/1.1\r\nHost: one\r\nExpect: the-unexpected\r\n\r\n', /^HTTP\/1\.1 417 /],
  ])('%s', async (_, text, expected) => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, service: { host: 'one' }, routes: [{ path: '/a', methods: 'GET', price: '1 sat' }] });
    const client = await openRaw(closing, stage.port);
    client.write(text);
    await client.until(expected);
    expect(upstream.seen).toEqual([]);
  });

  test('hosts are compared without port, case and the root’s dot', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, service: { host: 'one' } });
    const client = await openRaw(closing, stage.port);
    client.write('GET http://ONE.:80/a HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n');
    await client.closed;
    expect(client.received()).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('a browser’s question goes where the request it asks for would go', async () => {
    const upstream = await openUpstream(closing, (request, response) => response.end(request.method));
    const stage = await openStage(closing, { upstream: upstream.port, routes: [{ path: '/a', methods: 'PUT', price: '1 sat' }] });
    const headers = ['Origin', 'https://b', 'Access-Control-Request-Method', 'PUT'];
    expect((await ask(stage.port, '/a', { method: 'OPTIONS', headers })).text).toBe('OPTIONS');
    expect((await ask(stage.port, '/a', { method: 'OPTIONS' })).status).toBe(404);
  });

  test('what throws is answered, and says nothing of itself', async () => {
    const stage = await openStage(closing, {
      upstream: 0,
      check: () => {
        throw new Error('secret 1234');
      },
    });
    const rejecting = await openStage(closing, { upstream: 0, check: () => Promise.reject(new Error('secret 1234')) });
    for (const { port, over } of [stage, rejecting]) {
      const answer = await ask(port, '/a');
      expect(answer.status).toBe(500);
      expect(answer.text).not.toContain('secret');
      expect((await over(1))[0]).toMatchObject({ ended: 'refused', error: new Error('secret 1234') });
    }
  });
});

describe('one path', () => {
  const piece = fc.constantFrom('a', 'A', '.', '..', '', '%2e', '%2E%2e', '%41', '%2f', '%5c', ';x=y', 'b.', '%252f', '~', '%7E', '*', '%2A', ':', '@', '%20');
  const target = fc
    .tuple(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.constantFrom('', '?', '?q=/../x', '?a=%2f'))
    .map(([pieces, query]) => `/${pieces.join('/')}${query}`);

  test('what is routed, priced and forwarded is one and the same, or the request is refused', async () => {
    const upstream = await openUpstream(closing);
    const checked: string[] = [];
    const stage = await openStage(closing, {
      upstream: upstream.port,
      check: (_, { path, query }) => {
        checked.push(path + query);
        return { kind: 'pass', principal: undefined, sale: undefined, headers: [] };
      },
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    closing.push(() => agent.destroy());
    const statusOf = async (path: string) => {
      const request = send({ host: '127.0.0.1', port: stage.port, agent }).on('error', () => {});
      Object.assign(request, { path });
      request.end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      return (await read(response)).status;
    };
    await fc.assert(
      fc.asyncProperty(target, async (text) => {
        const [before, checksBefore] = [upstream.seen.length, checked.length];
        const status = await statusOf(text);
        let normal: Path.Target | undefined;
        try {
          normal = Path.normalize(text);
        } catch {
          // Refused below.
        }
        expect(status).toBe(normal ? 200 : 400);
        const forwarded = upstream.seen.slice(before).map(({ url }) => url);
        expect(forwarded).toEqual(normal ? [normal.path + normal.query] : []);
        expect(checked.slice(checksBefore)).toEqual(forwarded);
      }),
      { numRuns: 150 },
    );
  });
});

describe('early answers', () => {
  test('a body that nobody wants is taken in, and the connection is used again', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    closing.push(() => agent.destroy());
    const ports = new Set<number | undefined>();
    for (let round = 0; round < 3; round++) {
      const request = send({ host: '127.0.0.1', port: stage.port, path: '/a', method: 'POST', agent });
      request.end(Buffer.alloc(1_048_576));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      ports.add(response.socket.localPort);
      expect((await read(response)).text).toBe('{"pay":"höher"}');
    }
    expect(ports.size).toBe(1);
  });

  test('a body without an end is not: the answer comes, and the connection ends', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n');
    const flood = setInterval(() => client.socket.writableNeedDrain || client.socket.write(Buffer.alloc(1_000_000)), 1);
    closing.push(() => clearInterval(flood));
    await client.until(/^HTTP\/1\.1 402 [\s\S]*\{"pay"/);
    await settled(() => client.socket.bytesWritten);
    expect(client.socket.bytesWritten).toBeLessThan(50_000_000);
    stage.clock.advance(5000);
    await client.closed;
  });

  test('a client that waits to be asked is told at once, and never asked', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
    expect(await client.closed).toBe('clean');
    expect(client.received()).toMatch(/^HTTP\/1\.1 402 [\s\S]*\r\nConnection: close\r\n/i);
  });

  test('a client that waits to be asked is asked once it may pass', async () => {
    const upstream = await openUpstream(closing, (_request, response, { body }) => response.end(body));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n');
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    client.write('hello');
    await client.until(/200 OK[\s\S]*hello$/);
    expect(valuesOf(upstream.seen[0]?.lines ?? [], 'expect')).toEqual([]);
    expect(Buffer.concat(sale.bodies).toString()).toBe('hello');
  });

  test('an upstream that answers before it has the body', async () => {
    const port = await openTcp(closing, (socket) => socket.once('data', () => socket.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig')));
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a', { method: 'POST', body: Buffer.alloc(2_000_000) });
    expect([answer.status, answer.text]).toEqual([413, 'big']);
    await stage.over(1);
    expect(sale.told).toEqual(['head 413', 'end delivered']);
  });

  test('and the connection is used again', async () => {
    const upstream = await openServer(closing, (request, response) => {
      if (request.method === 'POST') response.end('no need');
      else response.end('next');
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: portOf(upstream), check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000004\r\n\r\nhalf');
    await client.until(/no need/);
    // More than Node takes in by itself.
    client.write(`${'x'.repeat(1_000_000)}GET /b HTTP/1.1\r\nHost: a\r\n\r\n`);
    await client.until(/next/);
    expect(stage.clock.timers()).toBeLessThan(3);
  });

  test('HEAD is answered with the head alone', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const answer = await ask(stage.port, '/a', { method: 'HEAD' });
    expect([answer.status, answer.text, valuesOf(answer.lines, 'content-length')]).toEqual([402, '', ['16']]);
  });
});

describe('limits', () => {
  test('a body that declares too much is refused before anybody is asked to pay', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay, top: { limits: { body: '1 KB' } } });
    const answer = await ask(stage.port, '/a', { method: 'POST', body: Buffer.alloc(1001) });
    expect([answer.status, codeOf(answer.text)]).toEqual([413, 'REQUEST_BODY_TOO_LARGE']);
    expect((await ask(stage.port, '/a', { method: 'POST', body: Buffer.alloc(1000) })).status).toBe(402);
  });

  test('a chunked body that grows too large is cut off, and never arrives whole', async () => {
    let bytes = '';
    const port = await openTcp(closing, (socket) =>
      socket.on('data', (chunk) => {
        bytes += chunk.toString('latin1');
      }),
    );
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale), top: { limits: { body: '1 KB' } } });
    const answer = await ask(stage.port, '/a', { method: 'POST', headers: ['Transfer-Encoding', 'chunked'], body: Buffer.alloc(5000) });
    expect([answer.status, codeOf(answer.text)]).toEqual([413, 'REQUEST_BODY_TOO_LARGE']);
    expect(sale.told).toEqual(['unanswered client-left']);
    expect(bytes).not.toMatch(/\r\n0\r\n/);
  });

  test('a head that is too large', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    expect((await ask(stage.port, '/a', { headers: ['X-A', 'a'.repeat(17_000)] })).status).toBe(431);
  });
});

describe('repeated answers', () => {
  test.each([
    ['whole: delivered', 'delivered'],
    ['to a client that leaves: left', 'client-left'],
  ])('%s', async (_, how) => {
    const sale = recordSale();
    const answered = deferred<void>();
    const body = Buffer.alloc(how === 'delivered' ? 1000 : 900_000, 'x');
    const stage = await openStage(closing, {
      upstream: 0,
      check: async (request) => {
        if (how === 'client-left') {
          await request.readBody(10);
          await answered.promise;
        }
        return {
          kind: 'repeat',
          principal: undefined as never,
          sale,
          answer: {
            status: 201,
            headers: [
              ['Content-Type', 'text/plain'],
              ['Content-Length', '7'],
              ['Set-Cookie', 'a=1'],
            ],
            body,
          },
        };
      },
    });
    if (how === 'delivered') {
      const answer = await ask(stage.port, '/a', { method: 'POST', body: 'abc' });
      expect([answer.status, answer.body.length, valuesOf(answer.lines, 'set-cookie'), valuesOf(answer.lines, 'content-length')]).toEqual([
        201,
        1000,
        ['a=1'],
        ['1000'],
      ]);
    } else {
      const client = await openRaw(closing, stage.port);
      client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab');
      client.socket.destroy();
      await stage.gone();
      answered.resolve();
    }
    await stage.over(1);
    expect(sale.told).toEqual([`end ${how}`]);
  });
});

describe('connections', () => {
  test('requests sent ahead are handled one after the other', async () => {
    const release = deferred<void>();
    const upstream = await openUpstream(closing, async (_request, response, { url }) => {
      if (url === '/1') await release.promise;
      response.end(url);
    });
    let checks = 0;
    const stage = await openStage(closing, {
      upstream: upstream.port,
      check: (...asked) => {
        checks++;
        return letThrough(...asked);
      },
    });
    const client = await openRaw(closing, stage.port);
    client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    while (upstream.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect([checks, upstream.seen.length]).toEqual([1, 1]);
    release.resolve();
    await client.closed;
    expect(client.received()).toMatch(/\/1[\s\S]*\/2[\s\S]*\/3$/);
    expect(checks).toBe(3);
  });

  test('closing lets what is under way finish, and leaves nothing behind', async () => {
    const release = deferred<void>();
    const upstream = await openUpstream(closing, async (_, response) => {
      await release.promise;
      response.end('done');
    });
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const idle = await openRaw(closing, stage.port);
    const answer = ask(stage.port, '/a', { headers: ['Connection', 'keep-alive'] });
    while (upstream.seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    let closed = false;
    const close = stage.close().then(() => {
      closed = true;
    });
    await idle.closed;
    expect(closed).toBe(false);
    release.resolve();
    expect((await answer).text).toBe('done');
    await close;
    expect(sale.told).toEqual(['head 200', 'end delivered']);
    expect(stage.clock.timers()).toBe(0);
  });

  test('closing waits for so long and no longer', async () => {
    const port = await openTcp(closing, () => {});
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale), top: { timeouts: { shutdown: '3s' } } });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na');
    while (sale.bodies.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const close = stage.close();
    await new Promise((resolve) => setImmediate(resolve));
    stage.clock.advance(3000);
    await client.closed;
    await stage.gone();
    stage.clock.advance(3000);
    await close;
    expect(sale.told).toEqual(['unanswered upstream']);
    expect(stage.clock.timers()).toBe(0);
  });
});
