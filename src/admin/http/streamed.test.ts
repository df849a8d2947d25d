import { expect, test } from 'vitest';
import { z } from 'zod';
import { systemClock } from '../../core/Clock.ts';
import { streamed } from './streamed.ts';

const schema = z.object({ n: z.int() });

test('a reader who leaves while nothing comes is no fault', async () => {
  const stop = new AbortController();
  const faults: unknown[] = [];
  const waits = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  async function* items() {
    yield { n: 1 };
    waits.resolve();
    await new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()));
    ended.resolve();
  }
  const { body } = streamed(items(), 'events', schema, { clock: systemClock, stop, onFault: (error) => faults.push(error) });
  const reader = body.getReader();
  const heard = [await reader.read(), await reader.read()].map(({ value }) => new TextDecoder().decode(value));
  expect(heard).toEqual([':\n\n', 'data: {"n":1}\n\n']);
  await waits.promise;
  await reader.cancel();
  await ended.promise;
  await new Promise((resolve) => setImmediate(resolve));
  expect(faults).toEqual([]);
});

test('a teller who fails is one, and the reader hears of it', async () => {
  const faults: unknown[] = [];
  // biome-ignore lint/correctness/useYield: it fails before it tells anything
  async function* items(): AsyncGenerator<unknown> {
    throw new Error('gone');
  }
  const { body } = streamed(items(), 'rows', schema, { clock: systemClock, stop: new AbortController(), onFault: (error) => faults.push(error) });
  await expect(body.getReader().read()).rejects.toThrow('gone');
  expect(faults).toHaveLength(1);
});
