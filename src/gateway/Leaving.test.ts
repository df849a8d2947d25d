/**
 * A server that makes place for another one: nothing that is on its way is lost.
 */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { openRaw } from '../../test/gateway/harness.ts';
import { block, ends as ended, type Frame, flags, frame, kinds, openRawHttp2, requestLines } from '../../test/gateway/http2.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createListener } from './Listener.ts';
import type { Reply } from './Reply.ts';

const limits = {
  headerBytes: 16_384,
  connections: 100,
  streams: 100,
  headTimeoutMs: 15_000,
  requestTimeoutMs: 60_000,
  keepAliveTimeoutMs: 60_000,
  idleTimeoutMs: 60_000,
};
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server whose answers a test gives. */
async function openServer() {
  const clock = FixedClock.create();
  const taken: Reply[] = [];
  const waiting: (() => void)[] = [];
  const listener = createListener(limits, clock, ({ reply }) => {
    taken.push(reply);
    for (const wake of waiting.splice(0)) wake();
  });
  const { port } = await listener.listen('127.0.0.1', 0);
  ends.push(() => listener.close(0));
  const next = async (count: number): Promise<Reply> => {
    while (taken.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
    return taken[count - 1] as Reply;
  };
  const open = async (): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1');
    ends.push(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  return { clock, listener, next, open, port };
}

/** Answers in one piece. */
function finish(reply: Reply): void {
  reply.answer({ status: 200, headers: [], body: 'done' }, false);
}

const request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

/** What has come by the time that the answer is whole, or the connection is over. */
async function answerOn(socket: Socket): Promise<string> {
  let text = '';
  while (!text.endsWith('done')) {
    const [chunk] = (await Promise.race([once(socket, 'data'), once(socket, 'end')])) as unknown as readonly [Buffer | undefined];
    if (chunk === undefined) break;
    text += chunk.toString();
  }
  return text;
}

test('connections that are idle, new or at work are answered once more, and asked to go; then it has left', async () => {
  const { listener, next, open, port } = await openServer();
  const [idle, fresh, busy] = [await open(), await open(), await open()];
  idle.write(request);
  finish(await next(1));
  expect(await answerOn(idle)).toMatch(/Connection: keep-alive/);
  busy.write(request);
  const running = await next(2);

  let hasLeft = false;
  const leaving = listener.leave(60_000, undefined).then(() => {
    hasLeft = true;
  });
  finish(running);
  expect(await answerOn(busy)).toMatch(/Connection: close/);
  idle.write(request);
  finish(await next(3));
  expect(await answerOn(idle)).toMatch(/Connection: close/);
  expect(hasLeft).toBe(false);
  fresh.write(request);
  finish(await next(4));
  expect(await answerOn(fresh)).toMatch(/Connection: close/);
  await leaving;
  await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await listener.close(1000);
});

test('who does not go is left behind after so long, or where there is a hurry', async () => {
  for (const isHurried of [false, true]) {
    const { clock, listener, next, open } = await openServer();
    const idle = await open();
    idle.write(request);
    finish(await next(1));
    await answerOn(idle);
    const hurry = new AbortController();
    const leaving = listener.leave(60_000, hurry.signal);
    if (isHurried) hurry.abort();
    else clock.advance(60_000);
    await leaving;
    const ended = once(idle, 'close');
    await listener.close(1000);
    await ended;
  }
});

describe('over HTTP/2', () => {
  const get = (stream: number) => frame(kinds.headers, flags.endHeaders | flags.endStream, stream, block(requestLines('/')));
  const answered = (stream: number) => (one: Frame) => one.stream === stream && one.kind === kinds.data && (one.flags & flags.endStream) !== 0;

  test('connections are answered once more, and asked to go before that; then it has left', async () => {
    const { listener, next, port } = await openServer();
    const [idle, busy] = await Promise.all([openRawHttp2(ends, port), openRawHttp2(ends, port)]);
    for (const client of [idle, busy]) await client.until(({ kind, flags: flag }) => kind === kinds.settings && flag === flags.ack);
    busy.write(get(1));
    const running = await next(1);
    let hasLeft = false;
    const leaving = listener.leave(60_000, undefined).then(() => {
      hasLeft = true;
    });
    for (const [index, client] of [idle, busy].entries()) {
      client.write(get(3), get(5));
      finish(await next(2 + 2 * index));
      finish(await next(3 + 2 * index));
      await client.until(answered(5));
      const goaway = client.frames.findIndex(ended(kinds.goaway, constants.NGHTTP2_NO_ERROR));
      // All that had come with it is taken, and whoever waits for an answer has heard of it before.
      expect(client.frames[goaway]?.payload.readUInt32BE(0)).toBe(5);
      expect(goaway).toBeLessThan(client.frames.findIndex(answered(3)));
    }
    finish(running);
    await busy.until(answered(1));
    expect(hasLeft).toBe(false);
    for (const client of [idle, busy]) {
      client.socket.end();
      await client.closed;
    }
    await leaving;
    await listener.close(1000);
  });

  test('at its end what runs may finish, and no more is taken; who has nothing under way is let go', async () => {
    const { clock, listener, next, port } = await openServer();
    const [idle, busy, stuck] = await Promise.all([openRawHttp2(ends, port), openRawHttp2(ends, port), openRawHttp2(ends, port)]);
    const half = await openRaw(ends, port);
    half.write('PRI * HT');
    for (const client of [idle, busy, stuck]) await client.until(({ kind, flags: flag }) => kind === kinds.settings && flag === flags.ack);
    busy.write(get(1));
    const running = await next(1);
    stuck.write(get(1));
    await next(2);
    const closing = listener.close(30_000);
    await half.closed;
    for (const client of [idle, busy, stuck]) await client.until(ended(kinds.goaway, constants.NGHTTP2_NO_ERROR));
    finish(running);
    await busy.until(answered(1));
    for (const client of [idle, busy]) client.socket.end();
    await Promise.all([idle.closed, busy.closed]);
    clock.advance(30_000);
    await closing;
    await stuck.closed;
    expect(clock.timers()).toBe(0);
  });
});
