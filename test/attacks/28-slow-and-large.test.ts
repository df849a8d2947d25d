/**
 * Clients that send too much, too slowly or nothing at all, and connections that only stand there: each is bounded, ends by itself, and is
 * paid for by nobody.
 *
 * Behind an adapter, connections and bodies belong to the seller's own server.
 */
import { afterEach, describe, expect, test } from 'vitest';
import type { Shop } from '../conformance/shop/shop.ts';
import {
  ask,
  type Check,
  type Closing,
  closeAll,
  openRaw,
  openStage,
  openTcp,
  openUpstream,
  type RawClient,
  recordSale,
  sellWith,
  settled,
} from '../gateway/harness.ts';
import { floodsOverHttp2 } from './floodsHttp2.ts';
import { soon } from './soon.ts';
import { codeOf, enter, path, standing } from './thief.ts';
import { close, ends, enterLive, live, livePass, statusOf } from './webSockets.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const askToPay: Check = () => ({ kind: 'challenge', answer: { status: 402, headers: [], body: 'pay' } });
const portOf = ({ url }: Shop) => Number(new URL(url).port);

/** How a connection ends: cleanly or with a reset, in time. */
const ended = ({ closed }: RawClient) => soon(closed);

describe('a body past the limit', () => {
  const limits = { limits: { body: '1 KB' } };
  const chunk = (size: number) => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;

  test('that is declared is refused before anybody is asked to pay', async () => {
    const shop = await enter('gateway', {}, { gateway: limits });
    const got = await shop.get(path, { method: 'POST', body: 'x'.repeat(1001) });
    expect([got.status, codeOf(got), shop.invoices()]).toEqual([413, 'REQUEST_BODY_TOO_LARGE', 0]);
    expect((await shop.get(path, { method: 'POST', body: 'x'.repeat(1000) })).status).toBe(402);
  });

  test.each([
    ['in one chunk', [chunk(1001)]],
    ['in small ones', Array<string>(101).fill(chunk(10))],
    ['by one byte, at the very end', [chunk(999), chunk(1), chunk(1)]],
    ['in a chunk that never ends', [`3fffffff\r\n${'x'.repeat(5000)}`]],
  ])('in chunks, %s: cut off, never whole, not charged', async (_, chunks) => {
    const shop = await enter('gateway', {}, { gateway: limits });
    const { authorization } = await shop.buy(path, { method: 'POST' });
    const client = await openRaw(closing, portOf(shop));
    client.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.join('')}`);
    expect(await soon(client.until(/^HTTP\/1\.1 \d{3} [\s\S]*\}\n?$/))).toMatch(/^HTTP\/1\.1 413 [\s\S]*REQUEST_BODY_TOO_LARGE/);
    await shop.ended('released client-left');
    expect((await standing(shop)).charged).toBe(0);
    expect(shop.upstream.seen).toEqual([]);
    // Whoever goes on sending is cut off.
    shop.clock.advance(5000);
    expect(await ended(client)).not.toBe('nothing happened');
    // The same credential is as good as before.
    expect((await shop.get(path, { method: 'POST', headers: { authorization }, body: 'x'.repeat(1000) })).status).toBe(200);
  });

  test('in chunks up to the last byte that is allowed: served', async () => {
    const shop = await enter('gateway', {}, { gateway: limits });
    const { authorization } = await shop.buy(path, { method: 'POST' });
    const headers = { authorization, 'transfer-encoding': 'chunked' };
    expect((await shop.get(path, { method: 'POST', headers, body: 'x'.repeat(1000) })).status).toBe(200);
  });

  test('that nobody has paid for is taken in so far and no further, and the connection ends', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3fffffff\r\n');
    const flood = setInterval(() => client.socket.writableNeedDrain || client.socket.write(Buffer.alloc(1_000_000)), 1);
    closing.push(() => clearInterval(flood));
    expect(await soon(client.until(/pay$/))).toMatch(/^HTTP\/1\.1 402 /);
    await settled(() => Math.min(client.socket.bytesWritten, 50_000_000));
    expect(client.socket.bytesWritten).toBeLessThan(50_000_000);
    stage.clock.advance(5000);
    expect(await ended(client)).not.toBe('nothing happened');
  });
});

describe('a head', () => {
  test.each([
    ['with more lines than there may be', `GET /a HTTP/1.1\r\nHost: a\r\n${'X-A: b\r\n'.repeat(200)}\r\n`, /^HTTP\/1\.1 400 /],
    ['with a line longer than there may be', `GET /a HTTP/1.1\r\nHost: a\r\nX-A: ${'b'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['with a target longer than there may be', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ['with a target longer than a path may be', `GET /${'a'.repeat(9000)} HTTP/1.1\r\nHost: a\r\n\r\n`, /^HTTP\/1\.1 400 /],
    ['that never ends', `GET /a HTTP/1.1\r\nHost: a\r\n${'X-A: b\r\n'.repeat(5000)}`, /^HTTP\/1\.1 431 /],
  ])('%s', async (_, bytes, expected) => {
    let checks = 0;
    const stage = await openStage(closing, {
      upstream: 0,
      check: (...asked) => {
        checks++;
        return askToPay(...asked);
      },
    });
    const client = await openRaw(closing, stage.port);
    client.write(bytes);
    expect(await soon(client.until(/^HTTP\/1\.1 \d{3} /))).toMatch(expected);
    expect(checks).toBe(0);
  });

  test.each([
    ['that does not come', ''],
    ['that stops half-way', 'GET /a HTTP/1.1\r\nHost: a\r\nX-A: '],
    ['that stops before its last line', 'GET /a HTTP/1.1\r\nHost: a\r\n'],
  ])('%s ends the connection when its time is over', async (_, bytes) => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay, top: { timeouts: { head: '50ms' } } });
    const client = await openRaw(closing, stage.port);
    if (bytes !== '') client.write(bytes);
    expect(await ended(client)).not.toBe('nothing happened');
    expect(client.received()).toMatch(/^(?:HTTP\/1\.1 408 |$)/);
  });

  test('that drips in ends the connection as well: every byte does not begin the time anew', async () => {
    const stage = await openStage(closing, { upstream: 0, check: askToPay, top: { timeouts: { head: '60ms' } } });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nX-A: ');
    const drip = setInterval(() => client.write('b'), 5);
    closing.push(() => clearInterval(drip));
    expect(await ended(client)).not.toBe('nothing happened');
  });

  test('of a second request that does not come ends the connection too', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { timeouts: { keepAlive: '50ms' } } });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/ok$/);
    expect(await ended(client)).not.toBe('nothing happened');
  });
});

describe('a body that comes too slowly', () => {
  test('ends the connection, and what was paid is given back', async () => {
    const shop = await enter('gateway', {}, { gateway: { timeouts: { request: '80ms', upstream: '5s' } } });
    const { authorization } = await shop.buy(path, { method: 'POST' });
    const client = await openRaw(closing, portOf(shop));
    client.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${authorization}\r\nContent-Length: 1000000\r\n\r\nhalf`);
    const drip = setInterval(() => client.write('x'), 20);
    closing.push(() => clearInterval(drip));
    expect(await ended(client)).not.toBe('nothing happened');
    await shop.ended('released client-left');
    expect((await standing(shop)).charged).toBe(0);
    expect((await shop.get(path, { method: 'POST', headers: { authorization }, body: 'whole' })).status).toBe(200);
  });

  test('is not held against the upstream: its own time begins when it has the request', async () => {
    const upstream = await openUpstream(closing);
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale), top: { timeouts: { upstream: '1s' } } });
    const client = await openRaw(closing, stage.port);
    client.write('POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nha');
    while (sale.bodies.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stage.clock.advance(30_000);
    expect(sale.told).toEqual([]);
    client.write('lf');
    expect(await soon(client.until(/ok$/))).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('an answer that the client does not read', () => {
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
    const client = await openRaw(closing, stage.port);
    client.socket.pause();
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await sale.hears(/head 200/);
    await settled(() => sent);
    stage.clock.advance(20_001);
    // Whoever stops reading has had what he paid for.
    expect(await soon(sale.hears(/^end /))).toBe('end client-left');
    expect((await stage.over(1))[0]?.ended).toBe('client-left');
    client.socket.resume();
    expect(await ended(client)).not.toBe('nothing happened');
    while (!given.up) await new Promise((resolve) => setImmediate(resolve));
    // The gateway has held no more of it than fits into a few buffers.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('connections', () => {
  test('that stand idle are so many and no more; when one goes, the next may come', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { limits: { connections: 200 } } });
    const idle = await Promise.all(Array.from({ length: 200 }, () => openRaw(closing, stage.port)));
    const late = await openRaw(closing, stage.port);
    late.write('GET /late HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(await ended(late)).not.toBe('nothing happened');
    expect(late.received()).toBe('');
    // Those that are in are served, however many stand beside them.
    idle[0]?.write('GET /in HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await soon(idle[0]?.closed ?? Promise.reject(new Error('none')))).toBe('clean');
    expect(idle[0]?.received()).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok/);
    expect((await ask(stage.port, '/next')).status).toBe(200);
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/in', '/next']);
  });

  test('that stand idle are gone when their time is over, all of them, and others are served', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { limits: { connections: 200 }, timeouts: { head: '100ms' } } });
    const idle = await Promise.all(Array.from({ length: 200 }, () => openRaw(closing, stage.port)));
    expect(await soon(Promise.all(idle.map(({ closed }) => closed)))).toHaveLength(200);
    expect((await ask(stage.port, '/a')).status).toBe(200);
  });

  test('on which 32 requests are sent ahead cost one at a time; one more ends the connection', async () => {
    let checks = 0;
    const upstream = await openTcp(closing, () => {});
    const stage = await openStage(closing, {
      upstream,
      check: () => {
        checks++;
        return { kind: 'pass', principal: undefined, sale: undefined, headers: [] };
      },
    });
    const client = await openRaw(closing, stage.port);
    const requests = (count: number) => 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(count);
    client.write(requests(33));
    while (checks === 0) await new Promise((resolve) => setImmediate(resolve));
    await settled(() => checks);
    expect(checks).toBe(1);
    client.write(requests(1));
    expect(await ended(client)).not.toBe('nothing happened');
    const greedy = await openRaw(closing, stage.port);
    greedy.write(requests(10_000));
    expect(await ended(greedy)).not.toBe('nothing happened');
    expect(checks).toBe(2);
  });
});

describe('what is not served', () => {
  test.each([['a tunnel', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 501 /]])(
    '%s: one answer, then the connection ends',
    async (_, bytes, expected) => {
      let connections = 0;
      const upstream = await openTcp(closing, () => {
        connections++;
      });
      const stage = await openStage(closing, { upstream });
      const client = await openRaw(closing, stage.port);
      client.write(bytes);
      expect(await ended(client)).not.toBe('nothing happened');
      expect(client.received()).toMatch(expected);
      expect(client.received().match(/HTTP\/1\.1 /g)).toHaveLength(1);
      expect(connections).toBe(0);
    },
  );

  test('HTTP/2 by upgrade is answered in HTTP/1.1', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n');
    expect(await soon(client.until(/ok$/))).toMatch(/^HTTP\/1\.1 200 /);
    expect(client.received()).not.toMatch(/101 Switching/);
  });
});

floodsOverHttp2();
describe('a WebSocket that never ends', () => {
  /** The clock leaps: what is known of revocations does not grow old by it. */
  const steady = { revocationStaleMs: 100_000_000 };
  const ping = '\x89\x80\0\0\0\0';
  const moments = async () => {
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  };

  test('ends when its time is over, however busy it is', async () => {
    const { shop, dial, received } = await enterLive(closing, steady, { gateway: { timeouts: { webSocket: '5m', idle: '10m' } } });
    const client = await dial(live, (await shop.buy(live)).authorization);
    expect(await statusOf(client)).toBe(101);
    for (let minute = 1; minute <= 5; minute++) {
      client.write(ping);
      while (received().split(ping).length <= minute) await new Promise((resolve) => setImmediate(resolve));
      shop.clock.advance(61_000);
      await moments();
    }
    expect(await soon(client.until(ends.withPolicy))).not.toBe('nothing happened');
    await shop.ended('delivered');
  });

  test('ends with the pass that bought it', async () => {
    const { shop, dial, received } = await enterLive(closing, steady, { gateway: { timeouts: { idle: '10h' } } });
    const client = await dial(livePass, (await shop.buy(livePass)).authorization);
    expect(await statusOf(client)).toBe(101);
    // An hour, from the end of the invoice on.
    shop.clock.advance(3_600_000);
    client.write(ping);
    while (!received().endsWith(ping)) await new Promise((resolve) => setImmediate(resolve));
    expect(client.received()).not.toContain('\x88\x02');
    shop.clock.advance(601_000);
    expect(await soon(client.until(ends.withPolicy))).not.toBe('nothing happened');
  });

  test('ends when nothing moves on it', async () => {
    const { shop, dial, sockets } = await enterLive(closing, steady, { gateway: { timeouts: { idle: '5m' } } });
    const client = await dial(live, (await shop.buy(live)).authorization);
    expect(await statusOf(client)).toBe(101);
    shop.clock.advance(300_100);
    expect(await soon(client.until(ends.goingAway))).not.toBe('nothing happened');
    // Neither side says another word: it is over all the same.
    shop.clock.advance(1100);
    expect(await soon(client.closed)).not.toBe('nothing happened');
    expect(await soon(new Promise((resolve) => (sockets[0]?.destroyed ? resolve('over') : sockets[0]?.once('close', resolve))))).not.toBe('nothing happened');
  });

  test('whose client takes nothing, and says a word now and then', async () => {
    const { shop, dial, sockets } = await enterLive(closing, steady, { gateway: { timeouts: { idle: '5m' } } });
    const client = await dial(live, (await shop.buy(live)).authorization);
    expect(await statusOf(client)).toBe(101);
    client.socket.pause();
    let sent = 0;
    const chunk = Buffer.alloc(65_536);
    const more = () => {
      while (sent < 256 * 1024 * 1024 && sockets[0]?.write(chunk)) sent += chunk.length;
      sockets[0]?.once('drain', more);
    };
    more();
    await settled(() => sent);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    for (let minutes = 0; minutes < 12; minutes += 2) {
      client.write(ping);
      await settled(() => sent);
      shop.clock.advance(120_000);
    }
    expect(await soon(shop.ended('left'))).not.toBe('nothing happened');
  });

  test('beside so many others is refused before anybody pays', async () => {
    const { shop, dial } = await enterLive(closing, steady, { gateway: { limits: { webSockets: 2 } } });
    const { authorization } = await shop.buy(livePass);
    const first = await dial(livePass, authorization);
    expect([await statusOf(first), await statusOf(await dial(livePass, authorization))]).toEqual([101, 101]);
    const invoices = shop.invoices();
    expect([await statusOf(await dial(livePass, authorization)), await statusOf(await dial(live)), shop.invoices()]).toEqual([503, 503, invoices]);
    first.write(close.client);
    first.socket.end();
    await first.closed;
    expect(await statusOf(await dial(livePass, authorization))).toBe(101);
  });

  test('and is still waiting: what its client says ahead takes so much memory and no more', async () => {
    const { shop, dial, answer, reached } = await enterLive(closing);
    answer(() => {});
    const client = await dial(live, (await shop.buy(live)).authorization);
    await reached(1);
    let taken = 0;
    const chunk = Buffer.alloc(65_536);
    const more = () => {
      while (taken < 256 * 1024 * 1024 && client.socket.write(chunk)) taken += chunk.length;
      client.socket.once('drain', more);
    };
    more();
    await settled(() => taken);
    expect(taken).toBeLessThan(64 * 1024 * 1024);
  });
});
