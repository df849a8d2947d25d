/**
 * What a client store in a server promises beyond the contract: it outlives its process and its server, says that it does not know where it does not,
 * keeps its secrets sealed where it has a key, and is no other program's.
 */
import { expect, test } from 'vitest';
import type { ClientStore } from '../../../src/client/ClientStore.ts';
import { createPostgresClientStore } from '../../../src/client/postgres.ts';
import { createRedisClientStore } from '../../../src/client/redis.ts';
import { purchaseOf, requestOf } from '../../../src/testing/clientStoreContract.ts';
import { type ClientPlace, openClientAt } from './Place.ts';

/** A server that can be ended and started. */
type Served = { readonly start: () => Promise<void>; readonly kill: () => Promise<void> };

/** See the head of this file. */
export function testClientPromises(newPlace: () => ClientPlace, server: () => Served): void {
  test('everything is there when it is opened again, and when its server was killed', async () => {
    const place = newPlace();
    const before = await openClientAt(place);
    await before.reserve(requestOf(purchaseOf('a')));
    const kept = await before.get(purchaseOf('a').paymentHash);
    await before.budgets.put({ name: 'house', limits: [{ per: 'day', max: '500 sat' }] });
    await server().kill();
    await expect(before.reserve(requestOf(purchaseOf('b')))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await server().start();
    const after = await openClientAt(place);
    expect(await after.get(purchaseOf('a').paymentHash)).toEqual(kept);
    expect((await after.budgets.list()).map(({ name }) => name)).toEqual(['house']);
    await after.close();
    // Whoever had it open finds back.
    await expect.poll(() => before.get(purchaseOf('a').paymentHash).catch(() => undefined), { timeout: 5000 }).toEqual(kept);
    await before.close();
  });

  test('secrets are sealed with a key, and nobody opens it with another one or without', async () => {
    const place = newPlace();
    const key = new Uint8Array(32).fill(7);
    const sealed = await withKey(place, key);
    await sealed.reserve(requestOf(purchaseOf('a')));
    expect((await sealed.get(purchaseOf('a').paymentHash))?.token).toBe('token-a');
    await sealed.close();
    await expect(withKey(place, new Uint8Array(32).fill(8))).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    await expect(openClientAt(place)).rejects.toMatchObject({ code: 'STORE_LOCKED' });
    const again = await withKey(place, key);
    expect((await again.list())[0]?.token).toBe('token-a');
    await again.close();
  });

  test('nothing is made where nothing is to be made', async () => {
    const place = newPlace();
    await expect(withKey(place, undefined, false)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(withKey(place, undefined, false)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
}

function withKey(place: ClientPlace, key: Uint8Array | undefined, create = true): Promise<ClientStore> {
  const options = { create, ...(key && { key }) };
  if (place.kind === 'postgres') return createPostgresClientStore({ url: place.url, schema: place.schema, ...options });
  if (place.kind === 'redis') return createRedisClientStore({ url: place.url, prefix: place.prefix, ...options });
  throw new TypeError('place: it is in no server');
}
