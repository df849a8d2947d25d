import { expect, test } from 'vitest';
import { createInbox } from './Inbox.ts';

test('what is told in passing is dropped where nobody reads; what is told for certain waits', async () => {
  const stop = new AbortController();
  const inbox = createInbox<number>(stop.signal);
  for (let i = 0; i < 1500; i += 1) inbox.put(i);
  let isIn = false;
  const certain = inbox.putSafely(9999).then(() => {
    isIn = true;
  });
  await Promise.resolve();
  expect(isIn).toBe(false);
  const items = inbox.items();
  expect((await items.next()).value).toBe(0);
  await certain;
  inbox.end();
  const rest: number[] = [];
  for await (const item of items) rest.push(item);
  expect([rest.length, rest.at(-1)]).toEqual([1000, 9999]);
});

test('it ends with its signal, also while somebody waits', async () => {
  const stop = new AbortController();
  const waiting = createInbox<number>(stop.signal).items().next();
  stop.abort();
  expect(await waiting).toEqual({ done: true, value: undefined });
});

test('a failure is the reader’s, behind what was there', async () => {
  const inbox = createInbox<number>(new AbortController().signal);
  inbox.put(1);
  inbox.fail(new Error('gone'));
  const items = inbox.items();
  expect((await items.next()).value).toBe(1);
  await expect(items.next()).rejects.toThrow('gone');
});
