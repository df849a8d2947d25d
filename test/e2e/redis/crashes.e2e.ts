/**
 * What is left when gateways are killed, when the server is, and when the connection is cut in the worst moment: everything that was told of is
 * there, once, and the books balance.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../../../src/core/Errors.ts';
import * as Books from '../../../src/store/Books.ts';
import { createRedisStore, type RedisOptions } from '../../../src/store/redis.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, leaseSeconds, refOf, spendingOf } from '../../../src/testing/storeContract/StoreCase.ts';
import { openAt, type Place } from '../../conformance/stores/Place.ts';
import { type Answer, createWorkers, type Workers } from '../../conformance/stores/Workers.ts';
import { password, type Server, startServer, whyNot } from './Server.ts';
import { layWire, type Wire } from './Wire.ts';

const startAt = 1_800_000_000;

describe.skipIf(whyNot())('redis', () => {
  let server: Server;
  let workers: Workers;
  let wire: Wire;
  let opened: Store[];
  let place: Place & { readonly kind: 'redis' };
  let places = 0;

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  beforeEach(async () => {
    places += 1;
    place = { kind: 'redis', url: server.url, prefix: `place ${places}:` };
    workers = createWorkers();
    wire = await layWire(server.port);
    opened = [];
  });

  afterEach(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await workers.end();
    await wire.close();
  });

  async function open(options: Partial<RedisOptions> = {}): Promise<Store> {
    const store = await createRedisStore({ url: place.url, prefix: place.prefix, clock: FixedClock.create(startAt), ...options });
    opened.push(store);
    return store;
  }

  /** Through the wire. */
  const wired = (options: Partial<RedisOptions> = {}) => open({ url: `redis://:${encodeURIComponent(password)}@127.0.0.1:${wire.port}`, ...options });

  async function isUnavailable(promise: Promise<unknown>): Promise<boolean> {
    return promise.then(
      () => false,
      (error: unknown) => FareboxError.is(error, 'STORE_UNAVAILABLE'),
    );
  }

  /** Sellers that go on whatever happens, and what they have told. */
  async function startSelling(count: number) {
    const told: string[] = [];
    const waiting: { readonly count: number; readonly resolve: () => void }[] = [];
    const troubles: string[] = [];
    const sellers = await Promise.all(Array.from({ length: count }, () => workers.start(place, startAt)));
    await Promise.all(sellers.map((seller) => seller.ask({ kind: 'open' })));
    const sell = (index: number, name: string) => {
      sellers[index]?.process.on('message', ({ answer, error }: Answer) => {
        if (error !== undefined) troubles.push(error);
        told.push(`${answer}`);
        for (const one of waiting) if (told.length >= one.count) one.resolve();
      });
      sellers[index]?.process.send({ kind: 'sell-through', name });
    };
    for (const [index] of sellers.entries()) sell(index, `seller ${index}`);
    /** Until so many more have been told. */
    const more = (count: number) => new Promise<void>((resolve) => waiting.push({ count: told.length + count, resolve }));
    return { told, more, sellers, troubles };
  }

  /** Everything that was told of is there once, and nothing is half there. */
  async function expectWhole(told: readonly string[]): Promise<void> {
    const store = await openAt(place, FixedClock.create(startAt + leaseSeconds));
    opened.push(store);
    const rows = await store.ledger({ after: 0, limit: 1_000_000 });
    const earned = rows.filter(({ kind, nonce }) => kind === 'earned' && nonce === '1').map(({ paymentHash }) => paymentHash);
    expect(new Set(earned).size).toBe(earned.length);
    for (const one of told.filter((each) => each.startsWith('sold '))) expect(earned, one).toContain(entryOf('earned', one.slice(5)).paymentHash);
    const spent = told.filter((each) => each.startsWith('spent '));
    const nonces = rows.filter(({ kind, nonce }) => kind === 'earned' && nonce !== '1').map(({ nonce }) => nonce);
    expect(new Set(nonces).size).toBe(nonces.length);
    for (const one of spent) expect(nonces, one).toContain(spendingOf(one.slice(6)).nonce);
    expect((await store.balance('shared'))?.spent).toBe(BigInt(nonces.length));
    expect((await Books.verify(store.audit())).discrepancies).toEqual([]);
  }

  async function openShared(): Promise<void> {
    const store = await open();
    await store.credit({
      account: 'shared',
      source: 'shared',
      units: 1_000_000n,
      expiresAt,
      entry: entryOf('received', 'shared', { amountMsat: 7_777_777n as never }),
    });
  }

  test('sellers killed while they sell: every sale that was told of is there once, and the books balance', async () => {
    await openShared();
    const { told, more, sellers, troubles } = await startSelling(4);
    for (const seller of sellers) {
      await more(60);
      await seller.kill();
    }
    expect(troubles).toEqual([]);
    await expectWhole(told);
  });

  test('the server killed while four sell, again and again: nothing that was told of is lost, nothing is there twice', async () => {
    await openShared();
    const { told, more, sellers, troubles } = await startSelling(4);
    for (let round = 0; round < 4; round++) {
      await more(80);
      await server.kill();
      await server.start();
    }
    await more(80);
    await Promise.all(sellers.map((seller) => seller.kill()));
    expect(troubles).toEqual([]);
    await expectWhole(told);
  });

  test('a commit whose answer is cut off is not known, was not sent twice, and is one when it is said again', async () => {
    const store = await wired();
    const request = claimOf('a', { entry: entryOf('received', 'a') });
    const outcome = await store.claim(request);
    const commit = { ...refOf(request, outcome as never), entry: entryOf('earned', 'a', { nonce: '1' }) };
    wire.scripts();
    const swallowed = wire.swallowNext();
    expect(await isUnavailable(store.commit(commit))).toBe(true);
    await swallowed;
    const direct = await open();
    expect((await direct.totals()).sales).toBe(1);
    expect(await store.commit(commit)).toBe('committed');
    expect((await direct.totals()).sales).toBe(1);
    expect((await Books.verify(store.audit())).columns.earned.payments).toBe(1);
  });

  test('a connection cut between claim and commit: the claim holds, and the commit goes over the next one', async () => {
    const store = await wired();
    const request = claimOf('a', { entry: entryOf('received', 'a') });
    const outcome = await store.claim(request);
    wire.cut();
    const direct = await open();
    expect((await direct.claim(request)).kind).toBe('busy');
    expect(await store.commit({ ...refOf(request, outcome as never), entry: entryOf('earned', 'a', { nonce: '1' }) })).toBe('committed');
    expect((await direct.claim(claimOf('a', { request: digest('another') }))).kind).toBe('used');
  });

  test('what is counted when the answer is cut off is counted once: nothing is sent again', async () => {
    const store = await wired();
    await store.count({ key: 'uses', by: 1, ceiling: 9, expiresAt });
    wire.scripts();
    const swallowed = wire.swallowNext();
    expect(await isUnavailable(store.count({ key: 'uses', by: 1, ceiling: 9, expiresAt }))).toBe(true);
    await swallowed;
    expect(wire.scripts()).toBe(1);
    expect(await store.count({ key: 'uses', by: 0, ceiling: 9, expiresAt })).toEqual({ counted: true, value: 2 });
  });

  test('a server that does not answer keeps nobody waiting for longer than was said, and goes on where it was', async () => {
    const store = await open({ timeoutMs: 1000 });
    await store.claim(claimOf('a'));
    server.hold(true);
    const begunAt = performance.now();
    const refused = await Promise.all([store.claim(claimOf('b')), store.count({ key: 'c', by: 1, ceiling: 1, expiresAt }), store.totals()].map(isUnavailable));
    expect(refused).toEqual([true, true, true]);
    expect(await isUnavailable(store.totals())).toBe(true);
    expect(performance.now() - begunAt).toBeLessThan(3000);
    server.hold(false);
    await expect
      .poll(
        () =>
          store.claim(claimOf('a')).then(
            ({ kind }) => kind,
            () => 'unavailable',
          ),
        { timeout: 10_000 },
      )
      .toBe('busy');
  });

  test('without a server a call is refused in a second, and at once from then on', async () => {
    const store = await wired();
    wire.block(true);
    const begunAt = performance.now();
    // The first may have gone out on the connection that was lost.
    for (let i = 0; i < 2; i++) expect(await isUnavailable(store.claim(claimOf('a')))).toBe(true);
    expect(performance.now() - begunAt).toBeLessThan(3000);
    const laterAt = performance.now();
    for (let i = 0; i < 20; i++) expect(await isUnavailable(store.claim(claimOf('a')))).toBe(true);
    expect(performance.now() - laterAt).toBeLessThan(500);
    wire.block(false);
    await expect
      .poll(
        () =>
          store.claim(claimOf('a')).then(
            ({ kind }) => kind,
            () => 'unavailable',
          ),
        { timeout: 10_000 },
      )
      .toBe('granted');
  });

  test('a change in one process is heard in another within a second', async () => {
    const store = await open();
    const changes = store.changes({ signal: new AbortController().signal })[Symbol.asyncIterator]();
    const heard = changes.next();
    const other = await workers.start(place, startAt);
    await other.ask({ kind: 'open' });
    await other.ask({ kind: 'claim', keys: ['a'] });
    await other.ask({ kind: 'commit', key: 'a', fence: 1 });
    const committedAt = performance.now();
    const { value } = await heard;
    expect(performance.now() - committedAt).toBeLessThan(1000);
    expect(value?.kind === 'ledger' && value.row.paymentHash).toBe(entryOf('earned', 'a').paymentHash);
    const denied = changes.next();
    const direct = await open();
    await direct.deny({ kind: 'token', value: digest('a'), expiresAt });
    const deniedAt = performance.now();
    expect((await denied).value?.kind).toBe('denial');
    expect(performance.now() - deniedAt).toBeLessThan(1000);
    await changes.return?.();
  });

  test('a feed whose connection was cut goes on, and misses nothing', async () => {
    const [store, direct] = [await wired(), await open()];
    const changes = store.changes({ after: 0, signal: new AbortController().signal })[Symbol.asyncIterator]();
    const take = async (count: number) => {
      const notes: string[] = [];
      while (notes.length < count) {
        const { value } = await changes.next();
        expect(value?.kind).toBe('ledger');
        if (value?.kind === 'ledger') notes.push(value.row.note);
      }
      return notes;
    };
    const first = take(1);
    await direct.append([entryOf('received', 'a', { note: 'before' })]);
    expect(await first).toEqual(['before']);
    const rest = take(4);
    for (const round of ['1', '2', '3', '4']) {
      wire.cut();
      await direct.append([entryOf('received', round, { note: round })]);
    }
    expect(await rest).toEqual(['1', '2', '3', '4']);
    await changes.return?.();
  });

  test('a reader that hears of a longer outage takes the feed up behind what it has read', async () => {
    const store = await open();
    await store.append([entryOf('received', 'a')]);
    const first = store.changes({ after: 0, signal: new AbortController().signal })[Symbol.asyncIterator]();
    const after = (await first.next()).value?.seq ?? 0;
    const lost = first.next();
    await server.kill();
    expect(await isUnavailable(lost)).toBe(true);
    await server.start();
    const direct = await open();
    await direct.append([entryOf('received', 'b')]);
    await expect.poll(() => isUnavailable(store.totals()), { timeout: 10_000 }).toBe(false);
    const again = store.changes({ after, signal: new AbortController().signal })[Symbol.asyncIterator]();
    const { value } = await again.next();
    expect(value?.kind === 'ledger' && value.row.paymentHash).toBe(entryOf('received', 'b').paymentHash);
    await again.return?.();
  });

  test('an audit is of one moment while four sell, keeps nobody from selling, and leaves nothing behind', async () => {
    await openShared();
    const { more, sellers } = await startSelling(4);
    await more(100);
    const auditor = await open({ clock: FixedClock.create(startAt) });
    for (let round = 0; round < 5; round++) {
      const selling = more(20);
      const { discrepancies, columns } = await Books.verify(auditor.audit());
      expect(discrepancies).toEqual([]);
      expect(columns.received.payments).toBeGreaterThan(0);
      await selling;
    }
    await Promise.all(sellers.map((seller) => seller.kill()));
    expect(await server.ask('keys', `${place.prefix}audit*`)).toEqual([]);
  });
});
