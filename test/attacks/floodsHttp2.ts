/**
 * What a client of HTTP/2 can ask for without end: streams that are taken back, acknowledgements, headers that never end, answers that nobody
 * reads. Each is bounded on its connection, and others are served beside it.
 *
 * @see RFC 9113, section 10.5; CVE-2019-9512 to 9518; CVE-2023-44487; CVE-2024-27983; CVE-2025-8671
 */
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Check, type Closing, closeAll, openRaw, openStage, openTcp, openUpstream, recordSale, sellWith, settled } from '../gateway/harness.ts';
import { askHttp2, block, ends, flags, frame, kinds, openHttp2, openRawHttp2, requestLines } from '../gateway/http2.ts';
import { soon } from './soon.ts';

const calm = 11;
const canceled = 8;
const number = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const get = (stream: number, lines: readonly (readonly [string, string])[] = []) =>
  frame(kinds.headers, flags.endHeaders | flags.endStream, stream, block([...requestLines(), ...lines]));
const post = (stream: number, lines: readonly (readonly [string, string])[] = []) =>
  frame(kinds.headers, flags.endHeaders, stream, block([...requestLines('/a', 'POST'), ...lines]));
const reset = (stream: number) => frame(kinds.reset, 0, stream, number(canceled));
const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Registers the tests. */
export function floodsOverHttp2(): void {
  const closing: Closing = [];
  afterEach(() => closeAll(closing));

  /** A stage whose upstream never answers, and which counts what has been let through. */
  async function openCounting(top: object = {}) {
    let checks = 0;
    const count: Check = () => {
      checks++;
      return { kind: 'pass', principal: undefined, sale: undefined, headers: [] };
    };
    const stage = await openStage(closing, { upstream: await openTcp(closing, (socket) => socket.resume()), check: count, top });
    return { ...stage, checks: () => checks };
  }

  describe('streams that are taken back over HTTP/2', () => {
    test('all at once: none is begun beyond so many, and the connection ends', async () => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port);
      client.write(...Array.from({ length: 500 }, (_, index) => [get(2 * index + 1), reset(2 * index + 1)]).flat());
      expect(await soon(client.until(ends(kinds.goaway, calm)))).not.toBe('nothing happened');
      expect(await soon(client.closed)).not.toBe('nothing happened');
      expect(checks()).toBeLessThanOrEqual(101);
    });

    test('each once it has begun: so many, and the connection ends', async () => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port);
      for (let index = 0; index < 200 && !client.socket.destroyed; index++) {
        client.write(get(2 * index + 1));
        while (checks() <= index && !client.socket.destroyed) await tick();
        client.write(reset(2 * index + 1));
      }
      expect(await soon(client.until(ends(kinds.goaway, calm)))).not.toBe('nothing happened');
      expect(checks()).toBeLessThanOrEqual(102);
    });

    test('by making the server do it: the same', async () => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port);
      for (let index = 0; index < 200 && !client.socket.destroyed; index++) {
        client.write(post(2 * index + 1));
        while (checks() <= index && !client.socket.destroyed) await tick();
        // Trailers that name a path: the stream is malformed.
        client.write(frame(kinds.headers, flags.endHeaders | flags.endStream, 2 * index + 1, block([[':path', '/b']])));
      }
      expect(await soon(client.closed)).not.toBe('nothing happened');
      expect(checks()).toBeLessThanOrEqual(102);
    });

    test('on one connection after the other: for some seconds none is taken from there, and then again', async () => {
      const flood = Array.from({ length: 500 }, (_, index) => [get(2 * index + 1), reset(2 * index + 1)]).flat();
      const { port, checks, clock } = await openCounting();
      for (let times = 0; times < 5; times++) {
        const client = await openRawHttp2(closing, port);
        client.write(...flood);
        expect(await soon(client.closed)).not.toBe('nothing happened');
        expect(client.frames.length).toBeGreaterThan(0);
      }
      const before = checks();
      const refused = await openRaw(closing, port);
      refused.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
      expect(await soon(refused.closed)).not.toBe('nothing happened');
      clock.advance(4000);
      const early = await openRaw(closing, port);
      expect(await soon(early.closed)).not.toBe('nothing happened');
      expect(checks()).toBe(before);
      clock.advance(1000);
      const later = await openRaw(closing, port);
      later.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
      while (checks() === before) await tick();
    });

    test('through a proxy that is trusted: its other clients are let in', async () => {
      const { port, checks } = await openCounting({ trustedProxies: ['127.0.0.1'] });
      for (let times = 0; times < 6; times++) {
        const client = await openRawHttp2(closing, port);
        client.write(...Array.from({ length: 500 }, (_, index) => [get(2 * index + 1), reset(2 * index + 1)]).flat());
        expect(await soon(client.closed)).not.toBe('nothing happened');
        expect(client.frames.length).toBeGreaterThan(0);
      }
      const before = checks();
      const other = await openRaw(closing, port);
      other.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
      while (checks() === before) await tick();
    });

    test('among others that are answered, and with time between them, they are allowed', async () => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port });
      const session = openHttp2(closing, stage.port);
      for (let round = 0; round < 160; round++) {
        const left = session.request({ ':path': '/a', ':method': 'POST' });
        left.on('error', () => {});
        const answered = askHttp2(session, {});
        left.close(canceled);
        expect((await answered).status).toBe(200);
      }
    });
  });

  describe('questions without end over HTTP/2', () => {
    test.each([
      ['pings', () => frame(kinds.ping, 0, 0, Buffer.alloc(8)), 3000],
      ['settings', () => frame(kinds.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 9])), 300],
    ])('%s: the connection ends', async (_, question, count) => {
      const { port } = await openCounting();
      const client = await openRawHttp2(closing, port);
      for (let sent = 0; sent < count && !client.socket.destroyed; sent += 20) {
        client.write(...Array.from({ length: 20 }, question));
        await tick();
      }
      expect(await soon(client.until(({ kind }) => kind === kinds.goaway))).not.toBe('nothing happened');
      expect(await soon(client.closed)).not.toBe('nothing happened');
      expect(client.frames.filter(({ kind, flags: flag }) => kind === kinds.ping && flag === flags.ack).length).toBeLessThan(1500);
    });

    test.each([
      ['headers that never end, in small pieces', () => Buffer.concat(Array.from({ length: 200 }, () => frame(kinds.continuation, 0, 1, block([['x', 'y']]))))],
      ['headers that never end, in empty pieces', () => Buffer.concat(Array.from({ length: 5000 }, () => frame(kinds.continuation, 0, 1)))],
      ['headers that never end, in large pieces', () => Buffer.concat(Array.from({ length: 50 }, () => frame(kinds.continuation, 0, 1, block([['x', 'y'.repeat(16_000)]]))))], // biome-ignore format: one line
    ])('%s: the connection ends, and nothing is begun', async (_, rest) => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port);
      client.write(frame(kinds.headers, flags.endStream, 1, block(requestLines())), rest());
      expect(await soon(client.closed)).not.toBe('nothing happened');
      expect(checks()).toBe(0);
    });

    test('empty pieces of a body: the connection ends', async () => {
      const { port } = await openCounting();
      const client = await openRawHttp2(closing, port);
      client.write(post(1), ...Array.from({ length: 5000 }, () => frame(kinds.data, 0, 1)));
      expect(await soon(client.closed)).not.toBe('nothing happened');
    });
  });

  describe('heads and bodies over HTTP/2', () => {
    test.each([
      ['a line longer than there may be', [['x-a', 'b'.repeat(15_000)], ['x-b', 'b'.repeat(2000)]]], // biome-ignore format: one line
      ['many lines that are longer together', Array.from({ length: 4 }, (_, index) => [`x-${index}`, 'b'.repeat(5000)])],
    ] as [string, [string, string][]][])('%s: the stream is reset', async (_, lines) => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port);
      await client.until(({ kind, flags: flag }) => kind === kinds.settings && flag === flags.ack);
      const head = block([...requestLines(), ...lines]);
      client.write(frame(kinds.headers, flags.endStream, 1, head.subarray(0, 16_000)), frame(kinds.continuation, flags.endHeaders, 1, head.subarray(16_000)));
      expect(await soon(client.until(ends(kinds.reset, calm, 1)))).not.toBe('nothing happened');
      expect(checks()).toBe(0);
    });

    test('a head longer than there may be, from a client that confirms no settings: refused', async () => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port, undefined, false);
      const head = block([...requestLines(), ['x-a', 'b'.repeat(12_000)], ['x-b', 'b'.repeat(6000)]]);
      client.write(frame(kinds.headers, flags.endStream, 1, head.subarray(0, 16_000)), frame(kinds.continuation, flags.endHeaders, 1, head.subarray(16_000)));
      // An answer of a head alone.
      const refused = client.until(({ kind, stream, flags: flag }) => kind === kinds.headers && stream === 1 && (flag & flags.endStream) !== 0);
      expect(await soon(refused)).not.toBe('nothing happened');
      expect(checks()).toBe(0);
    });

    test('more lines than there may be: refused', async () => {
      const { port, checks } = await openCounting();
      const lines = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`x-${index}`, '1']));
      expect(await askHttp2(openHttp2(closing, port), lines)).toMatchObject({ status: 400, text: expect.stringContaining('header lines') });
      expect(checks()).toBe(0);
    });

    test('one line that is said once and pointed at a thousand times: the stream is reset', async () => {
      const { port, checks } = await openCounting();
      const client = await openRawHttp2(closing, port);
      // Kept in the table, then named by its number.
      const kept = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from([0x7f, 0x81, 0x1d]), Buffer.alloc(3840, 'y')]);
      client.write(frame(kinds.headers, flags.endStream | flags.endHeaders, 1, Buffer.concat([block(requestLines()), kept, Buffer.alloc(1000, 0xbe)])));
      expect(await soon(client.until(ends(kinds.reset, calm, 1)))).not.toBe('nothing happened');
      expect(checks()).toBe(0);
    });

    test.each([
      ['that is declared', [['content-length', '1001']]],
      ['that is not', []],
    ] as [string, [string, string][]][])('a body past the limit %s: refused', async (_, lines) => {
      const { port } = await openCounting({ limits: { body: '1 KB' } });
      const client = openHttp2(closing, port);
      expect(await askHttp2(client, { ':method': 'POST', ...Object.fromEntries(lines) }, Buffer.alloc(1001))).toMatchObject({
        status: 413,
        text: expect.stringContaining('REQUEST_BODY_TOO_LARGE'),
      });
    });

    test.each([
      ['a preface that stops half-way', Buffer.from('PRI * HTTP/2.0\r\n'), false],
      ['a preface alone', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), true],
      [
        'a head that never ends',
        Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0), frame(kinds.headers, flags.endStream, 1, block(requestLines()))]),
        true,
      ],
    ])('%s ends the connection when its time is over', async (_, bytes, isHttp2) => {
      const stage = await openStage(closing, { upstream: 0, top: { timeouts: { head: isHttp2 ? '10s' : '50ms' } } });
      const client = await openRaw(closing, stage.port);
      client.write(bytes.toString('latin1'));
      if (isHttp2) {
        // The settings of the server: it knows of the connection.
        await client.until(/./);
        stage.clock.advance(10_000);
        stage.clock.advance(10_000);
        stage.clock.advance(10_000);
      }
      expect(await soon(client.closed)).not.toBe('nothing happened');
    });

    test('a preface that drips in has the same time in all', async () => {
      const stage = await openStage(closing, { upstream: 0, top: { timeouts: { head: '10s' } } });
      const client = await openRaw(closing, stage.port);
      client.write('PRI *');
      stage.clock.advance(10_001);
      await tick();
      client.write(' HTTP');
      expect(await soon(client.closed)).not.toBe('nothing happened');
    });

    test('a body that comes too slowly is given up, and what was paid is given back', async () => {
      const sale = recordSale();
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale), top: { timeouts: { request: '20s', upstream: '5m' } } });
      const client = await openRawHttp2(closing, stage.port);
      client.write(post(1), frame(kinds.data, 0, 1, Buffer.from('half')));
      while (sale.bodies.length === 0) await tick();
      for (let seconds = 0; seconds < 30; seconds += 5) stage.clock.advance(5000);
      expect(await soon(client.until(({ kind, stream }) => kind === kinds.reset && stream === 1))).not.toBe('nothing happened');
      expect(await soon(sale.hears(/^unanswered/))).toBe('unanswered client-left');
      expect(upstream.seen).toEqual([]);
      // The connection is as good as before.
      client.write(get(3));
      expect(await soon(client.until(({ kind, stream }) => kind === kinds.data && stream === 3))).not.toBe('nothing happened');
    });
  });

  describe('an answer over HTTP/2 that the client does not read', () => {
    const noWindow = Buffer.from([0, 4, 0, 0, 0, 0]);

    test('ends when nothing has moved for so long, is charged, and the upstream is let go', async () => {
      let sent = 0;
      const given = { up: false };
      const port = await openTcp(closing, (socket) => {
        socket.once('data', () => {
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
          const chunk = Buffer.from(`10000\r\n${'x'.repeat(65_536)}\r\n`);
          const more = () => {
            while (!socket.destroyed && socket.write(chunk)) sent += chunk.length;
            socket.once('drain', more);
          };
          more();
        });
        socket.on('close', () => {
          given.up = true;
        });
      });
      const sale = recordSale();
      const stage = await openStage(closing, { upstream: port, check: sellWith(sale), top: { timeouts: { upstream: '10s', idle: '10s' } } });
      const client = await openRawHttp2(closing, stage.port, noWindow);
      client.write(get(1));
      await sale.hears(/head 200/);
      await settled(() => sent);
      stage.clock.advance(20_001);
      expect(await soon(sale.hears(/^end /))).toBe('end client-left');
      expect(await soon(client.until(({ kind, stream }) => kind === kinds.reset && stream === 1))).not.toBe('nothing happened');
      while (!given.up) await tick();
      expect(sent).toBeLessThan(64 * 1024 * 1024);
    });

    test('of our own is given up as well, and so is its connection', async () => {
      const check: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [], body: 'pay' } });
      const stage = await openStage(closing, { upstream: 0, check, top: { timeouts: { idle: '10s', keepAlive: '10s', head: '10s' } } });
      const client = await openRawHttp2(closing, stage.port, noWindow);
      client.write(get(1));
      await client.until(({ kind, stream }) => kind === kinds.headers && stream === 1);
      for (let seconds = 0; seconds < 20; seconds += 5) stage.clock.advance(5000);
      expect(await soon(client.until(({ kind, stream }) => kind === kinds.reset && stream === 1))).not.toBe('nothing happened');
      for (let seconds = 0; seconds < 30; seconds += 5) stage.clock.advance(5000);
      expect(await soon(client.until(ends(kinds.goaway, 0)))).not.toBe('nothing happened');
      expect(await soon(client.closed)).not.toBe('nothing happened');
    });
  });

  describe('connections of HTTP/2', () => {
    test('have so many requests under way and no more', async () => {
      const { port, checks } = await openCounting({ limits: { streams: 10 } });
      const client = await openRawHttp2(closing, port);
      await client.until(({ kind, flags: flag }) => kind === kinds.settings && flag === flags.ack);
      client.write(...Array.from({ length: 30 }, (_, index) => get(2 * index + 1)));
      expect(await soon(client.closed)).not.toBe('nothing happened');
      expect(checks()).toBe(10);
    });

    test('that stand idle are told to go when their time is over, and others are served beside them', async () => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port, top: { timeouts: { keepAlive: '10s' } } });
      const idle = await Promise.all(Array.from({ length: 20 }, () => openRawHttp2(closing, stage.port)));
      for (const client of idle) client.write(get(1));
      for (const client of idle) await client.until(({ kind, stream }) => kind === kinds.data && stream === 1);
      stage.clock.advance(9000);
      expect((await ask(stage.port, '/a')).status).toBe(200);
      for (let seconds = 0; seconds < 15; seconds += 5) stage.clock.advance(5000);
      for (const client of idle) {
        expect(await soon(client.until(ends(kinds.goaway, 0)))).not.toBe('nothing happened');
        client.socket.end();
        expect(await soon(client.closed)).not.toBe('nothing happened');
      }
      expect((await ask(stage.port, '/a')).status).toBe(200);
    });

    test('count as connections', async () => {
      const upstream = await openUpstream(closing);
      const stage = await openStage(closing, { upstream: upstream.port, top: { limits: { connections: 2 } } });
      const two = await Promise.all([openRawHttp2(closing, stage.port), openRawHttp2(closing, stage.port)]);
      for (const client of two) await client.until(({ kind }) => kind === kinds.settings);
      const late = await openRaw(closing, stage.port);
      expect(await soon(late.closed)).not.toBe('nothing happened');
      expect(late.received()).toBe('');
    });
  });
}
