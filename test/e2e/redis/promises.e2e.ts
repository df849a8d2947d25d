/**
 * What a server has to be set to, who may use it, and what a store makes of a server that has lost it, or that a newer Farebox has taken over.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { FareboxError } from '../../../src/core/Errors.ts';
import * as Books from '../../../src/store/Books.ts';
import { createRedisStore, type RedisOptions } from '../../../src/store/redis.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, entryOf, expiresAt, leaseSeconds } from '../../../src/testing/storeContract/StoreCase.ts';
import { freePort } from '../lnd/Nodes.ts';
import { type Options, password, type Server, startServer, whyNot } from './Server.ts';

describe.skipIf(whyNot())('redis', () => {
  let servers: Server[];
  let opened: Store[];
  let clock: FixedClock.FixedClock;

  beforeEach(() => {
    servers = [];
    opened = [];
    clock = FixedClock.create();
  });

  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await Promise.all(servers.map((server) => server.remove()));
  });

  async function start(options: Options = {}): Promise<Server> {
    const server = await startServer(options);
    servers.push(server);
    return server;
  }

  async function open(server: Server, options: Partial<RedisOptions> = {}): Promise<Store> {
    const store = await createRedisStore({ url: server.url, clock, ...options });
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
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(encodeURIComponent(password));
    return error;
  }

  test.each<[string, Options, RegExp, readonly RedisOptions['durability'][]]>([
    ['no append-only file', { appendonly: 'no' }, /appendonly no/, ['unflushed']],
    ['a flush a second', { appendfsync: 'everysec' }, /appendfsync everysec/, ['everysec', 'unflushed']],
    ['a flush now and then', { appendfsync: 'no' }, /appendfsync no/, ['unflushed']],
    ['no flush while it rewrites', { 'no-appendfsync-on-rewrite': 'yes' }, /no-appendfsync-on-rewrite/, ['unflushed']],
    ['eviction of any key', { 'maxmemory-policy': 'allkeys-lru' }, /maxmemory-policy allkeys-lru/, []],
    ['eviction of keys that expire', { 'maxmemory-policy': 'volatile-ttl' }, /maxmemory-policy volatile-ttl/, []],
  ])('%s is refused, unless chosen by name', async (_, options, words, allowed) => {
    const server = await start(options);
    for (const durability of ['flushed', 'everysec', 'unflushed'] as const) {
      if (allowed.includes(durability)) {
        const store = await open(server, { durability });
        expect(store.capabilities).toEqual({ durable: true, shared: true, flushed: false });
        expect((await store.claim(claimOf(durability))).kind).toBe('granted');
      } else {
        const error = await errorOf(open(server, { durability }));
        expect([error.code, words.test(error.message)]).toEqual(['CONFIG_INVALID', true]);
      }
    }
  });

  test('a user who may not ask for the settings is refused, since nobody knows, unless that is borne by name', async () => {
    const server = await start();
    await server.ask('acl', 'setuser', 'clerk', 'on', `>${password}`, '~*', '&*', '+@all', '-config');
    const url = server.url.replace('redis://:', 'redis://clerk:');
    for (const durability of ['flushed', 'everysec'] as const) {
      const error = await errorOf(open(server, { url, durability }));
      expect([error.code, error.message]).toEqual(['CONFIG_INVALID', expect.stringContaining('could not be found out')]);
    }
    const store = await open(server, { url, durability: 'unflushed' });
    expect((await store.claim(claimOf('a'))).kind).toBe('granted');
  });

  test('what a user may not do is found out before anything is left half done', async () => {
    const server = await start();
    await server.ask('acl', 'setuser', 'clerk', 'on', `>${password}`, '~farebox:*', '&*', '+@all', '-zadd');
    const url = server.url.replace('redis://:', 'redis://clerk:');
    expect((await errorOf(open(server, { url }))).code).toBe('STORE_UNAVAILABLE');
    await server.ask('acl', 'setuser', 'clerk', '+zadd');
    expect((await errorOf(open(server, { url, prefix: 'theirs:' }))).code).toBe('STORE_UNAVAILABLE');
    const store = await open(server, { url });
    expect((await store.claim(claimOf('a'))).kind).toBe('granted');
  });

  test('the user of the guide may do all that a store does, and nothing beside it', async () => {
    const server = await start();
    await server.ask(
      'acl',
      'setuser',
      'farebox',
      'on',
      `>${password}`,
      '~farebox:*',
      '+@read',
      '+@write',
      '+@connection',
      '+@scripting',
      '+info',
      '+config|get',
    );
    const store = await open(server, { url: server.url.replace('redis://:', 'redis://farebox:') });
    const heard = store.changes({ after: 0, signal: new AbortController().signal })[Symbol.asyncIterator]();
    await store.append([entryOf('received', 'a'), entryOf('earned', 'a')]);
    expect((await heard.next()).value?.kind).toBe('ledger');
    await heard.return?.();
    expect((await Books.verify(store.audit())).balanced).toBe(true);
    expect(await store.prune()).toBe(0);
  });

  test('a replica is refused, also one that was none when it was opened', async () => {
    const [primary, replica] = [await start(), await start()];
    const store = await open(replica);
    await store.claim(claimOf('a'));
    await replica.ask('replicaof', '127.0.0.1', `${primary.port}`);
    const error = await errorOf(open(replica));
    expect([error.code, error.message]).toEqual(['STORE_UNAVAILABLE', expect.stringMatching(/replica|loading/)]);
    for (const call of [
      () => store.claim(claimOf('b')),
      () => store.denials(),
      () => store.totals(),
      () => store.count({ key: 'a', by: 0, ceiling: 1, expiresAt }),
    ]) {
      expect((await errorOf(call())).code).toBe('STORE_UNAVAILABLE');
    }
  });

  test('a server without memory refuses a step as a whole', async () => {
    const server = await start();
    const store = await open(server);
    await store.claim(claimOf('a'));
    await server.ask('config', 'set', 'maxmemory', '1');
    expect((await errorOf(store.claim(claimOf('b', { entry: entryOf('received', 'b') })))).message).toContain('OOM');
    await server.ask('config', 'set', 'maxmemory', '0');
    expect((await store.claim(claimOf('b', { entry: entryOf('received', 'b') }))).kind).toBe('granted');
    expect((await Books.verify(store.audit())).columns.held.payments).toBe(1);
  });

  test('in a cluster a prefix without a hash tag is refused; with one the store is whole', async () => {
    const server = await start({ 'cluster-enabled': 'yes' });
    expect((await errorOf(open(server))).message).toContain('hash tag');
    await server.ask('cluster', 'addslotsrange', '0', '16383');
    await expect.poll(async () => /cluster_state:ok/.test(String(await server.ask('cluster', 'info'))), { timeout: 10_000 }).toBe(true);
    const store = await open(server, { prefix: '{farebox}:' });
    await store.claim(claimOf('a', { entry: entryOf('received', 'a') }));
    await store.credit({ account: 'a', source: 'a', units: 5n, expiresAt, entry: entryOf('received', 'b') });
    await store.reserve({ reservation: 'r', leaseSeconds, debits: [{ account: 'a', units: 1n }] });
    await store.deny({ kind: 'key', value: '01020304', expiresAt });
    expect((await Books.verify(store.audit())).balanced).toBe(true);
    clock.advance(expiresAt * 1000 - clock.nowMs() + 86_400_000);
    expect(await store.prune()).toBe(5);
  });

  test('a wrong password is no secret told, and neither is a server that is not there', async () => {
    const server = await start();
    const wrong = await errorOf(open(server, { url: server.url.replace('redis://:', 'redis://:another-') }));
    expect([wrong.code, wrong.message]).toEqual(['STORE_UNAVAILABLE', 'The Redis server cannot be reached (WRONGPASS).']);
    await server.kill();
    const away = await errorOf(open(server));
    expect([away.code, away.message]).toEqual(['STORE_UNAVAILABLE', 'The Redis server cannot be reached (ECONNREFUSED).']);
    const { url } = server;
    const store = await (async () => {
      await server.start();
      return open(server);
    })();
    expect(inspect(store, { depth: 9, showHidden: true })).not.toContain(encodeURIComponent(password));
    expect(inspect(store, { depth: 9, showHidden: true })).not.toContain(url);
  });

  test('over TLS a server is known by its certificate, whatever the environment says', async () => {
    const certificates = JSON.parse(readFileSync(new URL('../../vectors/tls.json', import.meta.url), 'utf8')) as Readonly<Record<string, string>>;
    const folder = mkdtempSync(join(tmpdir(), 'farebox-redis-'));
    const tlsPort = await freePort();
    const startWith = async (certificate: string) => {
      for (const name of [certificate, 'serverKey', 'authority']) writeFileSync(join(folder, name), certificates[name] ?? '');
      const files = { 'tls-cert-file': join(folder, certificate), 'tls-key-file': join(folder, 'serverKey'), 'tls-ca-cert-file': join(folder, 'authority') };
      return start({ 'tls-port': `${tlsPort}`, 'tls-auth-clients': 'no', ...files });
    };
    const url = `rediss://:${encodeURIComponent(password)}@127.0.0.1:${tlsPort}`;
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    try {
      const good = await startWith('good');
      const store = await open(good, { url, ca: certificates.authority ?? '' });
      expect((await store.claim(claimOf('a'))).kind).toBe('granted');
      expect((await errorOf(open(good, { url }))).message).toMatch(/cannot be reached \(\w*(CERT|SIGNATURE)\w*\)/);
      await good.kill();
      const other = await startWith('otherHost');
      expect((await errorOf(open(other, { url, ca: certificates.authority ?? '' }))).message).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    } finally {
      vi.unstubAllEnvs();
      vi.restoreAllMocks();
      rmSync(folder, { recursive: true });
    }
  });

  test('a store of a newer Farebox is refused, and a gateway that had it open before is too, from that step on', async () => {
    const server = await start();
    const store = await open(server);
    await store.claim(claimOf('a'));
    const name = String(await server.ask('get', 'farebox:store'));
    await server.ask('set', 'farebox:store', name.replace(' 1 ', ' 2 '));
    expect((await errorOf(open(server))).code).toBe('STORE_VERSION');
    for (const call of [() => store.claim(claimOf('b')), () => store.totals(), () => store.prune()])
      expect(await errorOf(call())).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('Use the newer Farebox') });
    expect(await server.ask('exists', 'farebox:claim:b')).toBe(0);
    await server.ask('set', 'farebox:store', name);
    expect((await store.claim(claimOf('a'))).kind).toBe('busy');
  });

  test('another program’s keys are refused, and left as they are', async () => {
    const server = await start();
    await server.ask('set', 'farebox:store', 'shelves');
    expect((await errorOf(open(server))).code).toBe('STORE_VERSION');
    expect(await server.ask('get', 'farebox:store')).toBe('shelves');
    await server.ask('del', 'farebox:store');
    await server.ask('hset', 'farebox:book', 'seq', '7');
    expect((await errorOf(open(server))).code).toBe('STORE_VERSION');
  });

  test('a server that has lost the store is no empty store: what was used stays refused', async () => {
    const server = await start();
    const store = await open(server);
    await store.claim(claimOf('a'));
    await server.ask('flushall');
    expect((await errorOf(store.claim(claimOf('a')))).message).toContain('has lost the store');
    const other = await open(server);
    expect((await other.claim(claimOf('a'))).kind).toBe('granted');
    expect((await errorOf(store.claim(claimOf('b')))).message).toContain('has lost the store');
  });

  test('a server that has forgotten the scripts is told them again', async () => {
    const server = await start();
    const store = await open(server);
    await server.ask('script', 'flush');
    expect(await Promise.all(['a', 'b', 'c'].map((key) => store.claim(claimOf(key)).then(({ kind }) => kind)))).toEqual(['granted', 'granted', 'granted']);
  });

  test('two stores under two prefixes have nothing in common, nor those in two databases', async () => {
    const server = await start();
    const stores = [await open(server), await open(server, { prefix: 'other:' }), await open(server, { url: `${server.url}/3` })];
    for (const store of stores) expect((await store.claim(claimOf('a'))).kind).toBe('granted');
  });

  test('nothing is forgotten while an audit is under way; one that was given up does not say that it was whole', async () => {
    const server = await start();
    const store = await open(server);
    for (const name of ['a', 'b']) await store.claim(claimOf(name, { entry: entryOf('received', name) }));
    clock.advance(expiresAt * 1000 - clock.nowMs() + 86_400_000);
    const audit = store.audit()[Symbol.asyncIterator]();
    await audit.next();
    expect(await store.prune()).toBe(0);
    await audit.return?.(undefined);
    const given = store.audit()[Symbol.asyncIterator]();
    await given.next();
    for (const mark of (await server.ask('smembers', 'farebox:audits')) as string[]) await server.ask('del', mark);
    expect((await errorOf(given.next())).message).toContain('left for too long');
    expect(await store.prune()).toBe(2);
    expect((await Books.verify(store.audit())).columns.expired.payments).toBe(2);
  });

  test('sums of any size are exact', async () => {
    const server = await start();
    const store = await open(server);
    const amounts = Array.from({ length: 200 }, (_, i) => (BigInt(i + 1) ** 13n * 10n ** BigInt(i % 40)) / 7n);
    amounts.push(0n, 10n ** 15n - 1n, 1n, 10n ** 30n - 1n, 999_999_999_999_999n, 2n ** 63n, 2n ** 53n + 1n);
    let sum = 0n;
    for (const [i, amountMsat] of amounts.entries()) {
      await store.append([entryOf('received', 'a', { nonce: `${i}`, amountMsat: amountMsat as never })]);
      sum += amountMsat;
      expect((await store.totals()).receivedMsat).toBe(sum);
    }
  });
});
