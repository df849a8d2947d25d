/**
 * A server that makes place for another one: nothing that is on its way is lost.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
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
