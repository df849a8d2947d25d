/** Every case of RFC 9112, and how one is tried. */
import { expect } from 'vitest';
import { type Closing, openRaw, type RawClient, type Seen } from '../harness.ts';
import type { Case } from './Case.ts';
import { section2 } from './section2.ts';
import { section3 } from './section3.ts';
import { section5 } from './section5.ts';
import { section6 } from './section6.ts';
import { section7 } from './section7.ts';
import { section8and9 } from './section8and9.ts';

/** In the order of the document. */
export const cases: readonly Case[] = [...section2, ...section3, ...section5, ...section6, ...section7, ...section8and9];

/** An upstream that says what it has read; each request is there before its answer. */
export type Recorder = {
  readonly seen: () => readonly Pick<Seen, 'method' | 'url' | 'lines' | 'body'>[];
  /** A header that this server drops by itself, or changes. */
  readonly hides?: (name: string) => boolean;
};

/** Writes the bytes, waits for what is to come of them, and holds what the upstream has read against it; then asks once more, in order. */
export async function tryCase(closing: Closing, port: number, recorder: Recorder, { bytes, answers, understood, ends = false }: Case): Promise<void> {
  const before = recorder.seen().length;
  const client = await openRaw(closing, port);
  for (const piece of typeof bytes === 'string' ? [bytes] : bytes) {
    client.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (ends) client.socket.end();
  const got = await statuses(client, answers.length);
  // A message that broke off may be answered or not; it must not be served.
  if (ends) expect(got).not.toContain(200);
  else expect(got).toEqual(answers);
  client.socket.destroy();
  const after = await openRaw(closing, port);
  after.write('GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  expect(await statuses(after, 1)).toEqual([200]);
  await after.closed;
  const seen = recorder.seen().slice(before);
  expect(seen.map(({ method, url, body }) => ({ method, url, body: body.toString('latin1') }))).toEqual([
    ...understood.map(({ method, url, body }) => ({ method, url, body })),
    { method: 'GET', url: '/after', body: '' },
  ]);
  for (const [index, { headers = {} }] of understood.entries()) {
    for (const [name, value] of Object.entries(headers)) {
      if (recorder.hides?.(name)) continue;
      const lines = seen[index]?.lines ?? [];
      expect([name, lines.find(([key]) => key.toLowerCase() === name)?.[1] ?? null]).toEqual([name, value]);
    }
  }
}

/** The statuses that have come once there are so many, or the connection has ended. */
async function statuses(client: RawClient, count: number): Promise<readonly (number | 'refused')[]> {
  const found = () => [...client.received().matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  const whole = /HTTP\/1\.1 \d{3} [\s\S]*\r\n\r\n/;
  if (count === 0) await Promise.race([client.closed, client.until(whole).catch(() => {})]);
  else await client.until(new RegExp(`^(?:[\\s\\S]*?HTTP/1\\.1 \\d{3} [\\s\\S]*?\\r\\n\\r\\n){${count}}`)).catch(() => {});
  // One that is not to come would come now.
  await new Promise((resolve) => setImmediate(resolve));
  return found().map((status) => (refusals.has(status) ? 'refused' : status));
}

const refusals: ReadonlySet<number> = new Set([400, 408, 413, 414, 417, 431, 501, 505]);
