/**
 * A thief who may write to the server: whatever one key of a store is made to say of money, the books no longer balance.
 */
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as Books from '../../../src/store/Books.ts';
import { createRedisStore } from '../../../src/store/redis.ts';
import type { ClaimRef, Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt, grant, leaseSeconds, refOf, spendingOf } from '../../../src/testing/storeContract/StoreCase.ts';
import { type Server, startServer, whyNot } from './Server.ts';

const clock = FixedClock.create();

describe.skipIf(whyNot())('redis', () => {
  let server: Server;
  let thief: Redis;
  let store: Store;
  let copy: Store;
  let keys: readonly string[];

  /** A store with something of every kind, in every state; and another one that is made like it each time. */
  beforeAll(async () => {
    server = await startServer();
    thief = new Redis(server.url);
    store = await createRedisStore({ url: server.url, prefix: 'a:', clock });
    const soon = 1_800_000_100;
    await earn(await claimed('closed used', soon), 'closed used');
    await claimed('closed unused', soon);
    await credit('closed account', soon);
    await spend('closed', 'closed account', 2n);
    await credit('account', expiresAt);
    await spend('gone', 'account', 1n);
    clock.advance(8_000_000);
    await store.prune();

    await store.deliver(await earn(await claimed('used'), 'used'));
    await earn(await claimed('owed'), 'owed');
    await store.release({ ...(await claimed('open')), reason: 'upstream' });
    await claimed('held');
    await store.append([entryOf('received', 'pass'), entryOf('earned', 'pass')]);
    await store.credit({ account: 'limit', source: 'limit', units: 9n, expiresAt });
    await spend('settled', 'account', 2n);
    await store.reserve({
      reservation: 'holding',
      leaseSeconds,
      debits: [
        { account: 'account', units: 1n },
        { account: 'limit', units: 1n },
      ],
    });
    await spend('reversed', 'account', 1n);
    await store.cancel({ reservation: 'reversed', reason: 'any', entry: spendingOf('reversed') });
    await store.reserve({ reservation: 'cancelled', leaseSeconds, debits: [{ account: 'account', units: 1n }] });
    await store.cancel({ reservation: 'cancelled', reason: 'any' });
    keys = (await thief.keys('a:*')).sort();
    await restore();
    copy = await createRedisStore({ url: server.url, prefix: 'b:', clock });
  });

  afterAll(async () => {
    await Promise.all([store?.close(), copy?.close()]);
    thief?.disconnect();
    await server?.remove();
  });

  async function claimed(name: string, until = expiresAt): Promise<ClaimRef> {
    const request = claimOf(name, { entry: entryOf('received', name), expiresAt: until });
    return refOf(request, await grant(store, request));
  }

  async function earn(ref: ClaimRef, name: string): Promise<ClaimRef> {
    await store.commit({ ...ref, entry: entryOf('earned', name, { nonce: `${ref.fence}` }) });
    return ref;
  }

  function credit(name: string, until: number): Promise<unknown> {
    return store.credit({ account: name, units: 7n, source: name, expiresAt: until, entry: entryOf('received', name) });
  }

  async function spend(reservation: string, account: string, units: bigint): Promise<void> {
    await store.reserve({ reservation, leaseSeconds, debits: [{ account, units }] });
    await store.settle({ reservation, entry: spendingOf(reservation) });
  }

  const there = (key: string) => `b:${key.slice(2)}`;

  /** Makes the copy like the store again. */
  async function restore(): Promise<void> {
    const left = await thief.keys('b:*');
    if (left.length > 0) await thief.del(...left);
    await Promise.all(keys.map((key) => thief.copy(key, there(key))));
  }

  /** What is found when this was done to the copy. */
  async function found(tamper: () => Promise<unknown>): Promise<readonly Books.Discrepancy[]> {
    await restore();
    await tamper();
    return (await Books.verify(copy.audit())).discrepancies;
  }

  const cellsOf = (kind: string) => keys.filter((key) => key.startsWith(`a:${kind}:`));

  /** Every amount in a cell, by its path; what was taken of which lot is no sum. */
  function amountsOf(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
    if (typeof value === 'string') return /^\d+$/.test(value) && !['request', 'paymentHash', 'bodyDigest'].includes(path.at(-1) ?? '') ? [path] : [];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([name, inner]) => (name === 'taken' ? [] : amountsOf(inner, [...path, name])));
  }

  function changed(text: string, path: readonly string[], change: (amount: string) => string): string {
    const cell = JSON.parse(text) as Record<string, unknown>;
    const last = path.at(-1) ?? '';
    const holder = path.slice(0, -1).reduce<Record<string, unknown>>((at, name) => at[name] as Record<string, unknown>, cell);
    holder[last] = change(String(holder[last]));
    return JSON.stringify(cell);
  }

  test('as it was written, the copy balances, and has something of every kind', async () => {
    expect(await found(async () => {})).toEqual([]);
    for (const kind of ['claim', 'payment', 'account', 'source', 'reservation', 'entries', 'debits']) expect(cellsOf(kind).length, kind).toBeGreaterThan(0);
  });

  test.each(['claim', 'payment', 'account', 'reservation'])('any other amount in any cell of a %s is found', async (kind) => {
    let tried = 0;
    for (const key of cellsOf(kind)) {
      const text = (await thief.get(key)) ?? '';
      for (const path of amountsOf(JSON.parse(text))) {
        for (const change of [
          (one: string) => `${BigInt(one) + 1n}`,
          (one: string) => `${BigInt(one) * 2n + 3n}`,
          (one: string) => `-${BigInt(one) + 1n}`,
          () => 'nonsense',
          () => '',
        ]) {
          tried += 1;
          expect(await found(() => thief.set(there(key), changed(text, path, change))), `${key} ${path.join('.')}`).not.toEqual([]);
        }
      }
    }
    expect(tried).toBeGreaterThan(5);
  });

  test.each(['claim', 'payment', 'account', 'reservation', 'entries'])('any %s that is gone is found', async (kind) => {
    for (const key of cellsOf(kind)) expect(await found(() => thief.del(there(key))), key).not.toEqual([]);
  });

  test('any claim made out to be used, or not to be, or another payment’s', async () => {
    for (const key of cellsOf('claim')) {
      const text = (await thief.get(key)) ?? '';
      const life = JSON.parse(text) as { readonly state: string; readonly leaseEndsAt?: number; readonly payment: object };
      for (const state of ['open', 'held', 'committed', 'used']) {
        // Whether a used answer may be asked for again is no question of money: the books do not know of it.
        const isNoMoney = life.leaseEndsAt === undefined && [state, life.state].every((one) => one === 'committed' || one === 'used');
        if (state === life.state || isNoMoney) continue;
        expect(await found(() => thief.set(there(key), JSON.stringify({ ...life, state }))), `${key} ${state}`).not.toEqual([]);
      }
      const theirs = { ...life, payment: { ...life.payment, paymentHash: digest('another') } };
      expect(await found(() => thief.set(there(key), JSON.stringify(theirs))), key).not.toEqual([]);
    }
  });

  test('any entry of the ledger that is gone, changed or another payment’s, and any sum beside it', async () => {
    const rows = await thief.xrange('a:ledger', '-', '+');
    const write = async (change: (fields: readonly string[], id: string) => readonly string[]) => {
      await thief.del('b:ledger');
      for (const [id, fields] of rows) await thief.xadd('b:ledger', id, ...change(fields, id));
    };
    expect(await found(() => write((fields) => fields))).toEqual([]);
    for (const [id] of rows) {
      expect(await found(() => thief.xdel('b:ledger', id)), id).not.toEqual([]);
      for (const [name, value] of [
        ['amountMsat', '1'],
        ['amountMsat', 'nonsense'],
        ['kind', 'repeated'],
        ['paymentHash', digest('another')],
      ] as const) {
        const changedTo = (fields: readonly string[], of: string) =>
          of === id ? fields.map((text, i) => (fields[i - 1] === name && i % 2 === 1 ? value : text)) : fields;
        expect(await found(() => write(changedTo)), `${id} ${name}`).not.toEqual([]);
      }
    }
    for (const [name, value] of Object.entries(await thief.hgetall('a:book'))) {
      if (name !== 'seq') expect(await found(() => thief.hset('b:book', name, `${BigInt(value) + 1n}`)), name).not.toEqual([]);
    }
    expect(await found(() => thief.hset('b:book', 'receivedMsat', 'nonsense'))).not.toEqual([]);
    expect(await found(() => thief.hset('b:book', 'seq', `${rows.length - 1}`))).not.toEqual([]);
    expect(await found(() => thief.del('b:payments'))).not.toEqual([]);
  });
});
