import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import * as FixedClock from '../../testing/FixedClock.ts';
import { createWire, headerLines, headerOf, maxRequests, Silence, type WireOptions } from './Wire.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function open(answer: RequestListener, options: Partial<WireOptions> = {}) {
  const server = createServer(answer);
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const clock = FixedClock.create();
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/a?b=c`);
  return {
    clock,
    wire: createWire({ url, method: 'GET', headers: [['X-All', '1']], clock, signal: new AbortController().signal, onReply: () => {}, ...options }),
  };
}

test('targets and repeated headers go out as they are written, and lines come back as they came', async () => {
  const seen: unknown[] = [];
  const { wire } = await open((request, response) => {
    seen.push([request.method, request.url, request.rawHeaders.filter((_, i, all) => /^x-/i.test(all[i - (i % 2)] ?? ''))]);
    response.setHeader('X-Two', ['1', '2']);
    response.end('whole');
  });
  const reply = await wire.ask({
    method: 'POST',
    target: '//a/./%2e%2e;x\\y',
    headers: [
      ['X-Twice', 'a'],
      ['X-Twice', 'b'],
    ],
  });
  await wire.ask();
  expect(seen).toEqual([
    ['POST', '//a/./%2e%2e;x\\y', ['X-All', '1', 'X-Twice', 'a', 'X-Twice', 'b']],
    ['GET', '/a?b=c', ['X-All', '1']],
  ]);
  expect([reply.status, reply.body.toString(), headerLines(reply, 'x-two'), headerOf(reply, 'x-two'), headerOf(reply, 'x-none')]).toEqual([
    200,
    'whole',
    ['1', '2'],
    '1, 2',
    undefined,
  ]);
});

test('of a body without end 256 KB are read', async () => {
  const { wire } = await open((_, response) => {
    const more = () => {
      while (response.writable && response.write(Buffer.alloc(65_536)));
    };
    response.on('drain', more).on('error', () => {});
    more();
  });
  expect((await wire.ask()).body.length).toBe(262_144);
});

test('a redirect is an answer, and is not followed', async () => {
  let asked = 0;
  const { wire } = await open((_, response) => {
    asked++;
    response.writeHead(302, { Location: '/elsewhere' }).end();
  });
  expect([(await wire.ask()).status, asked]).toEqual([302, 1]);
});

test('a body that breaks off, and an answer that is none, are no answers', async () => {
  const { wire } = await open((request, response) => {
    if (request.url === '/none') return void request.socket.end('what?\r\n\r\n');
    response.writeHead(200, { 'Content-Length': 10 });
    response.write('12345');
    setImmediate(() => request.socket.destroy());
  });
  await expect(wire.ask()).rejects.toThrow(Silence);
  await expect(wire.ask({ target: '/none' })).rejects.toThrow(Silence);
});

test(`more than ${maxRequests} requests are not sent`, async () => {
  let asked = 0;
  const { wire } = await open((_, response) => {
    asked++;
    response.end();
  });
  for (let i = 0; i < maxRequests; i++) await wire.ask();
  await expect(wire.ask()).rejects.toThrow(`an audit sends ${maxRequests} requests at most`);
  expect([asked, wire.asked()]).toEqual([maxRequests, maxRequests]);
});

test('a server that says when to ask again is waited for, where that is soon', async () => {
  const clock = FixedClock.create();
  const after: typeof clock.after = (ms, then) => {
    if (ms === 3000) setImmediate(() => clock.advance(3000));
    return clock.after(ms, then);
  };
  let asked = 0;
  const { wire } = await open((_, response) => response.writeHead(++asked === 1 ? 429 : 200, { 'Retry-After': '3' }).end(), { clock: { ...clock, after } });
  expect([(await wire.ask()).status, asked, clock.timers()]).toEqual([200, 2, 0]);
});

test('one that wants to be asked tomorrow is not', async () => {
  const { wire } = await open((_, response) => response.writeHead(429, { 'Retry-After': '86400' }).end());
  expect([(await wire.ask()).status, wire.asked()]).toEqual([429, 1]);
});

test('Ctrl-C ends a request that is under way', async () => {
  const stop = new AbortController();
  const { wire, clock } = await open(() => stop.abort(), { signal: stop.signal });
  await expect(wire.ask()).rejects.toHaveProperty('name', 'AbortError');
  expect(clock.timers()).toBe(0);
});
