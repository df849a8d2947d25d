/**
 * What an import into a real Redis is while it is under way, and when it was cut off.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../../src/store/memory.ts';
import type { Piece } from '../../../src/store/pieces.ts';
import { createRedisStore } from '../../../src/store/redis.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, entryOf, expiresAt } from '../../../src/testing/storeContract/StoreCase.ts';
import { type Server, startServer, whyNot } from './Server.ts';

const ends: (() => unknown)[] = [];

describe.skipIf(whyNot())('an import', () => {
  let server: Server;
  const clock = FixedClock.create();

  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function open(prefix: string, clears = false): Promise<Store> {
    const store = await createRedisStore({ url: server.url, prefix, clock, clears });
    ends.push(store.close);
    return store;
  }

  /** What a store has told that has sold. */
  async function told(): Promise<readonly Piece[]> {
    const store = createMemoryStore({ clock });
    await store.claim(claimOf('a', { entry: entryOf('received', 'a') }));
    await store.credit({ account: 'bucket', source: 'b', units: 7n, expiresAt, entry: entryOf('received', 'b') });
    return piecesOf(store);
  }

  async function piecesOf(store: Store): Promise<readonly Piece[]> {
    const pieces: Piece[] = [];
    for await (const piece of store.export()) pieces.push(piece);
    return pieces;
  }

  test('nobody sells from a store that is being filled, and everybody does when it is', async () => {
    const [filled, seller] = [await open('shop:'), await open('shop:')];
    const pieces = await told();
    const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const importing = filled.import(
      (async function* () {
        yield* pieces.slice(0, -1);
        begun.resolve();
        await goOn.promise;
        yield* pieces.slice(-1);
      })(),
    );
    await begun.promise;
    await expect(seller.claim(claimOf('b'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(open('shop:')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('An import into this store is under way'),
    });
    goOn.resolve();
    await importing;
    expect((await seller.claim(claimOf('a'))).kind).toBe('busy');
    expect(await piecesOf(await open('shop:'))).toEqual(pieces);
  });

  test('what one that was cut off has left is refused, and cleared by the next, without a key of its neighbours', async () => {
    const neighbour = await open('cut:and more:');
    await neighbour.claim(claimOf('a', { entry: entryOf('received', 'a') }));
    const beside = await piecesOf(neighbour);
    const pieces = await told();
    const half = await open('cut:');
    await half.import(
      (async function* () {
        yield* pieces;
      })(),
    );
    // As it is when the process dies before the last step.
    const name = String(await server.ask('get', 'cut:store'));
    await server.ask('set', 'cut:store', name.replace('farebox-store', 'farebox-import'));
    await expect(open('cut:')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const next = await open('cut:', true);
    expect(((await server.ask('keys', 'cut:*')) as string[]).filter((key) => !key.startsWith('cut:and more:'))).toEqual(['cut:store']);
    await next.import(
      (async function* () {
        yield* pieces;
      })(),
    );
    expect(await piecesOf(next)).toEqual(pieces);
    expect(await piecesOf(neighbour)).toEqual(beside);
  });
});
