/**
 * What a store in Redis asks of a server and makes of its answers, on a double of one. What it does with a real one: `npm run e2e:redis`.
 */
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type RespServer, startRespServer } from '../../test/conformance/stores/RespServer.ts';
import { FareboxError } from '../core/Errors.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { claimOf, expiresAt } from '../testing/storeContract/StoreCase.ts';
import { createRedisStore, type RedisOptions } from './redis.ts';
import type { Store } from './Store.ts';

const password = 'hunter2-and-more';
const counting = { key: 'uses', by: 1, ceiling: 9, expiresAt };
let server: RespServer;
let opened: Store[];

beforeEach(async () => {
  server = await startRespServer();
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.map((store) => store.close()));
  await server.close();
});

async function open(options: Partial<RedisOptions> = {}): Promise<Store> {
  const url = `redis://:${password}@127.0.0.1:${server.port}`;
  const store = await createRedisStore({ url, clock: FixedClock.create(), random: (length) => new Uint8Array(length).fill(7), ...options });
  opened.push(store);
  return store;
}

async function errorOf(promise: Promise<unknown>): Promise<FareboxError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!FareboxError.is(error)) throw new Error(`expected an error of Farebox, not ${error}`);
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(password);
  return error;
}

/** The scripts that came behind the store's first look. */
const scripts = () => server.commands().filter(([name, , count]) => /^eval/i.test(name ?? '') && count !== '1');

test('a server is looked at before anything is asked of it, and a new store gets a name', async () => {
  await open();
  expect(server.commands().map((command) => command.map((word) => (/^[0-9a-f]{40}$/.test(word) ? 'a script' : word)).join(' '))).toEqual([
    'evalsha a script 1 farebox:trial',
    'get farebox:store',
    'exists farebox:book',
    'set farebox:store farebox-store 1 0707070707070707 NX',
    'get farebox:store',
  ]);
});

test('a server that may lose what it has acknowledged is refused, and one that does not say so too', async () => {
  server.answer(([name]) =>
    name === 'config' ? ['appendonly', 'yes', 'appendfsync', 'everysec', 'no-appendfsync-on-rewrite', 'no', 'maxmemory-policy', 'noeviction'] : 'as usual',
  );
  expect((await errorOf(open())).code).toBe('CONFIG_INVALID');
  expect((await open({ durability: 'everysec' })).capabilities.flushed).toBe(false);
  server.answer(([name]) =>
    name === 'config' ? { error: `NOPERM User default has no permissions to run the 'config|get' command for ${password}` } : 'as usual',
  );
  expect((await errorOf(open())).message).toContain('could not be found out');
});

test('what cannot be reached is told in a word, and what let one in is not', async () => {
  server.answer(([name, word]) => (name === 'auth' ? { error: `ERR invalid password, with args beginning with: '${word}'` } : 'as usual'));
  expect((await errorOf(open())).message).toBe('The Redis server cannot be reached (ERR).');
  await server.close();
  expect((await errorOf(open())).message).toBe('The Redis server cannot be reached (ECONNREFUSED).');
  server = await startRespServer();
});

test('a change whose reply is lost is not known and never sent again; what only reads is asked again', async () => {
  const store = await open();
  let cuts = 0;
  server.answer(([name], socket) => {
    if (!/^evalsha$/i.test(name ?? '') || scripts().length === 0) return 'as usual';
    if (cuts > 0) return ['done', ['7']];
    cuts += 1;
    socket.destroy();
    return undefined;
  });
  const back = server.nextLook();
  const error = await errorOf(store.count(counting));
  expect([error.code, error.message]).toEqual(['STORE_UNAVAILABLE', expect.stringContaining('It is not known whether')]);
  await back;
  expect(scripts()).toHaveLength(1);
  cuts = 0;
  expect(await store.bookmark('lnd')).toBe('7');
  expect(scripts()).toHaveLength(3);
});

test('a server that does not answer is let go of in time, and the next call goes to a new connection', async () => {
  const store = await open({ timeoutMs: 50 });
  server.answer(([name]) => (name === 'evalsha' ? undefined : 'as usual'));
  const back = server.nextLook();
  const errors = await Promise.all([errorOf(store.count(counting)), errorOf(store.totals()), errorOf(store.claim(claimOf('a')))]);
  expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('STORE_UNAVAILABLE'));
  server.answer(([name, , count]) => (name === 'evalsha' && count !== '1' ? ['done', 1, '1'] : 'as usual'));
  await back;
  expect(await store.count(counting)).toEqual({ counted: true, value: 1 });
});

test('a script that the server does not know is sent whole, once', async () => {
  const store = await open();
  server.answer(([name]) =>
    name === 'evalsha' ? { error: 'NOSCRIPT No matching script. Please use EVAL.' } : name === 'eval' ? ['done', 1, '1'] : 'as usual',
  );
  expect(await store.count(counting)).toEqual({ counted: true, value: 1 });
  expect(scripts().map(([name]) => name)).toEqual(['evalsha', 'eval']);
});

test('what a server refuses is told by its first word', async () => {
  const store = await open();
  server.answer(([name]) => (name === 'evalsha' ? { error: `READONLY You can't write against a read only replica. script: ${password}` } : 'as usual'));
  expect((await errorOf(store.claim(claimOf('a')))).message).toBe('The Redis server refused a step of the store (READONLY).');
});

test('a store that is closed waits for what was asked, and connects no more', async () => {
  const store = await open();
  server.answer(([name]) => (name === 'evalsha' ? ['done', 1, '1'] : 'as usual'));
  const asked = store.count(counting);
  await store.close();
  expect(await asked).toEqual({ counted: true, value: 1 });
  expect((await errorOf(store.count(counting))).message).toBe('The store is closed.');
  await store.close();
});

test('a mistake of the caller’s is told before anybody is asked', async () => {
  await expect(open({ url: 'redis:hunter2' })).rejects.toThrow(TypeError);
  await expect(open({ prefix: '' })).rejects.toThrow(TypeError);
  await expect(open({ durability: 'always' as never })).rejects.toThrow(TypeError);
  await expect(open({ timeoutMs: 0 })).rejects.toThrow(RangeError);
  expect(server.commands()).toEqual([]);
});

test('without the client library it says what to install', async () => {
  vi.resetModules();
  vi.doMock('ioredis', () => {
    throw new Error('there is none');
  });
  try {
    const { createRedisStore: create } = await import('./redis.ts');
    await expect(create({ url: 'redis://127.0.0.1:1' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('npm install ioredis'),
    });
  } finally {
    vi.doUnmock('ioredis');
    vi.resetModules();
  }
});
