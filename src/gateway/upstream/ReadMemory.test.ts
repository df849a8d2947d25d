/**
 * Bytes of long answers are handed on where they were read: nobody may read into them again before they are given back.
 */
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, deferred, openStage, openTcp } from '../../../test/gateway/harness.ts';
import { TimerWheel } from '../../core/TimerWheel.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Chunk } from '../Upstream.ts';
import { createHttp1Upstreams } from './Http1Upstream.ts';
import { takePiece } from './ReadMemory.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const length = 3_000_000;
/** Another byte at every place, and others for every answer. */
const bodyOf = (number: number) => Buffer.from(Uint32Array.from({ length: length / 4 }, (_, at) => Math.imul(at + 1, 2_654_435_761 + number)).buffer);
const digest = (bytes: Uint8Array | readonly Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of Array.isArray(bytes) ? bytes : [bytes]) hash.update(part);
  return hash.digest('hex');
};

/** Answers `/<number>` with its body, with its length or in chunks. */
async function openServer(inChunks: boolean): Promise<number> {
  return openTcp(closing, (socket) => {
    socket.on('data', (request: Buffer) => {
      const body = bodyOf(Number(/^GET \/(\d+)/.exec(request.toString('latin1'))?.[1]));
      socket.write(`HTTP/1.1 200 OK\r\n${inChunks ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n`);
      if (!inChunks) return void socket.write(body);
      for (let at = 0; at < length; at += 500_000) {
        socket.write(`${(500_000).toString(16)}\r\n`);
        socket.write(body.subarray(at, at + 500_000));
        socket.write('\r\n');
      }
      socket.write('0\r\n\r\n');
    });
  });
}

describe.each([
  ['with a length', false],
  ['in chunks', true],
])('a long answer %s', (_, inChunks) => {
  test.each(['at once', 'late', 'never'])('is whole where its bytes are given back %s, whatever else is read meanwhile', async (when) => {
    const port = await openServer(inChunks);
    const clock = FixedClock.create();
    const timers = new TimerWheel(clock);
    const upstreams = createHttp1Upstreams({ connections: 8, connectTimeoutMs: 5000, keepAliveMs: 4000, queue: 100, queueTimeoutMs: 10_000 }, clock, timers);
    closing.push(async () => {
      await upstreams.close();
      timers.close();
    });
    const upstream = { origin: `http://127.0.0.1:${port}` };
    let lent = 0;
    const fetch = (number: number) => {
      const over = deferred<string>();
      const chunks: Buffer[] = [];
      const waiting: { readonly bytes: Buffer; readonly seen: string; readonly release: () => void }[] = [];
      upstreams.send(
        { method: 'GET', upstream, path: `/${number}`, headers: [], body: null },
        {
          onInformational: () => {},
          onHead: () => {},
          onSwitch: () => {},
          onChunk: (chunk: Chunk, release) => {
            const bytes = typeof chunk === 'string' ? Buffer.from(chunk, 'latin1') : chunk;
            chunks.push(Buffer.from(bytes));
            if (release === undefined) return;
            lent++;
            if (when === 'at once') return release();
            if (when === 'never') return;
            waiting.push({ bytes, seen: digest(bytes), release });
            for (const { bytes: kept, seen, release: free } of waiting.length > 3 ? waiting.splice(0, 2) : []) {
              expect(digest(kept)).toBe(seen);
              free();
            }
          },
          onEnd: () => over.resolve(digest(chunks)),
          onError: (error) => over.reject(error),
        },
      );
      return over.promise;
    };
    const numbers = [1, 2, 3, 4];
    expect(await Promise.all(numbers.map(fetch))).toEqual(numbers.map((number) => digest(bodyOf(number))));
    expect(lent).toBeGreaterThan(10);
  });

  test('goes through the gateway to a client that takes its time, several at once', async () => {
    const stage = await openStage(closing, { upstream: await openServer(inChunks) });
    const answers = await Promise.all([5, 6, 7].map((number) => ask(stage.port, `/${number}`)));
    expect(answers.map(({ body }) => digest(body))).toEqual([5, 6, 7].map((number) => digest(bodyOf(number))));
  });
});

test('a piece is given out again when it was left and every part of it given back, and not before', () => {
  const piece = takePiece();
  const [one, other] = [piece.lend(), piece.lend()];
  one();
  piece.leave();
  expect(takePiece().bytes).not.toBe(piece.bytes);
  expect(piece.isLent).toBe(true);
  other();
  expect(takePiece().bytes).toBe(piece.bytes);
});
