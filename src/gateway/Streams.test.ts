/**
 * Answers and bodies that are not one short piece: events, ranges, bodies that are asked for, and more than anybody would hold in memory.
 *
 * @see RFC 9110, sections 10.1.1, 14 and 15.2
 */
import { once } from 'node:events';
import { type IncomingMessage, request as send } from 'node:http';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { afterEach, describe, expect, test } from 'vitest';
import {
  ask,
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
import type { Principal } from '../server/Offer.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const pause = () => new Promise((resolve) => setImmediate(resolve));

describe('a stream of events', () => {
  test('goes on event by event, and where it was left is said to the upstream', async () => {
    const lines: string[][] = [];
    const turns = [deferred<void>(), deferred<void>()];
    const port = portOf(
      await openServer(closing, async (request, response) => {
        lines.push(request.rawHeaders);
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
        await turns[0]?.promise;
        response.write('id: 8\ndata: one\n\n');
        await turns[1]?.promise;
        response.write('id: 9\ndata: two\n\n');
      }),
    );
    const stage = await openStage(closing, { upstream: port, check: sellWith(recordSale()) });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\nLast-Event-ID: 7\r\n\r\n');
    await client.until(/\r\n\r\n$/);
    turns[0]?.resolve();
    expect(await client.until(/data: one\n\n\r\n$/)).not.toContain('two');
    turns[1]?.resolve();
    await client.until(/data: two\n\n\r\n$/);
    expect(lines[0]).toEqual(expect.arrayContaining(['Last-Event-ID', '7']));
  });

  test('ends at the upstream when its client leaves, and stays charged', async () => {
    const gone = deferred<void>();
    const port = portOf(
      await openServer(closing, (_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: one\n\n');
        response.on('close', () => gone.resolve());
      }),
    );
    const sale = recordSale();
    const stage = await openStage(closing, { upstream: port, check: sellWith(sale) });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until(/one/);
    client.socket.destroy();
    await gone.promise;
    expect(await sale.hears(/^end/)).toBe('end client-left');
  });

  /** A pass that is good for a minute, and events that never end. */
  async function openEvents(type: string) {
    const gone = deferred<void>();
    const port = portOf(
      await openServer(closing, (_, response) => {
        response.writeHead(200, { 'Content-Type': type }).write('data: one\n\n');
        response.on('close', () => gone.resolve());
      }),
    );
    const principal = { validUntil: 1_800_000_060, tokenId: 'ab'.repeat(32) } as Principal;
    const check: Check = () => ({ kind: 'pass', principal, sale: undefined, headers: [] });
    const stage = await openStage(closing, { upstream: port, check });
    const client = await openRaw(closing, stage.port);
    client.write('GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await client.until(/one/);
    return { stage, client, gone: gone.promise };
  }

  test('ends in order when the pass that bought it does', async () => {
    const { stage, client, gone } = await openEvents('text/event-stream; charset=utf-8');
    stage.clock.advance(59_000);
    await pause();
    expect(stage.outcomes).toEqual([]);
    stage.clock.advance(1200);
    await client.until(/\r\n0\r\n\r\n$/);
    await gone;
    expect((await stage.over(1))[0]?.ended).toBe('delivered');
  });

  test('any other answer that was begun is finished, be it later', async () => {
    const { stage } = await openEvents('application/octet-stream');
    stage.clock.advance(70_000);
    await pause();
    expect(stage.outcomes).toEqual([]);
  });
});

describe('ranges', () => {
  const parts = '--b\r\nContent-Range: bytes 0-1/9\r\n\r\nab\r\n--b\r\nContent-Range: bytes 4-5/9\r\n\r\nef\r\n--b--\r\n';

  test.each([
    ['one', 206, { 'Content-Range': 'bytes 2-4/9', 'Content-Length': '3', ETag: '"v1"', 'Accept-Ranges': 'bytes' }, 'cde'],
    ['several', 206, { 'Content-Type': 'multipart/byteranges; boundary=b', 'Content-Length': String(parts.length) }, parts],
    ['none that there is', 416, { 'Content-Range': 'bytes */9', 'Content-Length': '0' }, ''],
    ['one that is no longer what it was', 200, { 'Content-Length': '9' }, 'abcdefghi'],
  ])('%s: asked for, answered and charged as it is', async (_, status, headers, body) => {
    const sale = recordSale();
    const upstream = await openUpstream(closing, (_request, response) => response.writeHead(status, headers).end(body));
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(sale) });
    const answer = await ask(stage.port, '/a', { headers: ['Range', 'bytes=2-4', 'If-Range', '"v1"'] });
    expect([answer.status, answer.text]).toEqual([status, body]);
    for (const [name, value] of Object.entries(headers)) expect(valuesOf(answer.lines, name.toLowerCase())).toEqual([value]);
    const seen = upstream.seen[0]?.lines ?? [];
    expect([valuesOf(seen, 'range'), valuesOf(seen, 'if-range')]).toEqual([['bytes=2-4'], ['"v1"']]);
    expect(sale.told[0]).toBe(`head ${status}`);
  });
});

describe('a body that waits to be asked for', () => {
  /** Sends one as Node does, and tells what came in which order. */
  async function upload(port: number): Promise<{ readonly told: readonly string[]; readonly status: number }> {
    const told: string[] = [];
    const request = send({ host: '127.0.0.1', port, path: '/a', method: 'POST', headers: { Expect: '100-continue', 'Content-Length': 5 }, agent: false });
    request.on('continue', () => {
      told.push('100');
      request.end('hello');
    });
    request.flushHeaders();
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    told.push(String(response.statusCode));
    response.resume();
    request.destroy();
    return { told, status: response.statusCode ?? 0 };
  }

  test('is asked for by the gateway once it may pass; the upstream is not told to ask', async () => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()) });
    expect(await upload(stage.port)).toEqual({ told: ['100', '200'], status: 200 });
    expect([upstream.seen[0]?.body.toString(), valuesOf(upstream.seen[0]?.lines ?? [], 'expect')]).toEqual(['hello', []]);
  });

  test.each([402, 401, 429, 503])('is never asked for where the answer is %i', async (status) => {
    const upstream = await openUpstream(closing);
    const check: Check = () => ({ kind: 'refuse', answer: { status, headers: [], body: 'no' } });
    const stage = await openStage(closing, { upstream: upstream.port, check });
    expect((await upload(stage.port)).told).toEqual([String(status)]);
    expect(upstream.seen).toEqual([]);
  });

  test('an upstream that asks by itself is heard and not passed on', async () => {
    const port = await openTcp(closing, (socket) => {
      socket.once('data', () => socket.write('HTTP/1.1 100 Continue\r\n\r\n'));
      socket.on('data', (bytes: Buffer) => {
        if (bytes.includes('hello')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      });
    });
    const stage = await openStage(closing, { upstream: port });
    expect((await upload(stage.port)).told).toEqual(['100', '200']);
  });
});

describe('more than anybody holds', () => {
  const chunk = Buffer.alloc(65_536, 1);
  const most = 64 * 1024 * 1024;

  /** Writes as much as is taken, and more than may be. */
  function pour(to: Writable, onSent: (bytes: number) => void): void {
    let left = 4 * most;
    const more = () => {
      for (let isOpen = true; isOpen && left > 0; left -= chunk.length) {
        isOpen = to.write(chunk);
        onSent(chunk.length);
      }
      to.once('drain', more);
    };
    more();
  }

  test('an answer waits for its client', async () => {
    let sent = 0;
    const port = portOf(
      await openServer(closing, (_, response) => {
        pour(response, (bytes) => {
          sent += bytes;
        });
      }),
    );
    const stage = await openStage(closing, { upstream: port });
    const client = await openRaw(closing, stage.port);
    client.socket.pause();
    client.write('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    while (sent === 0) await pause();
    await settled(() => sent);
    expect(sent).toBeLessThan(most);
  });

  test('a body waits for its upstream', async () => {
    const sockets: Socket[] = [];
    const port = await openTcp(closing, (socket) => sockets.push(socket.pause()));
    const stage = await openStage(closing, { upstream: port, top: { limits: { body: '1 GB' } } });
    const client = await openRaw(closing, stage.port);
    client.write(`POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 900000000\r\n\r\n`);
    let sent = 0;
    pour(client.socket, (bytes) => {
      sent += bytes;
    });
    await settled(() => sent);
    expect(sent).toBeLessThan(most);
    expect(sent).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
    await client.until(/ 502 /);
    // What the client still sends is taken in for so long and no longer.
    stage.clock.advance(5100);
    await client.closed;
  });
});
