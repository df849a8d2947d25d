/**
 * The feed of changes over a real PostgreSQL, by the clock on the wall: who follows in one process hears of another's within a second, in
 * the order of the numbers and without a gap, whatever happens to connections.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createPostgresStore } from '../../../src/store/postgres.ts';
import type { Change, Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { digest, entryOf, expiresAt } from '../../../src/testing/storeContract/StoreCase.ts';
import { until } from '../lnd/Nodes.ts';
import { type Server, startServer, whyNot } from './Server.ts';

let server: Server;
let schema: string;
let schemas = 0;
let opened: Store[];

async function open(clock?: FixedClock.FixedClock): Promise<Store> {
  const store = await createPostgresStore({ url: server.url, schema, ...(clock && { clock }) });
  opened.push(store);
  return store;
}

/** Follows a store until it is closed, or its feed breaks. */
function follow(store: Store, query: { readonly after?: number; readonly kind?: Change['kind'] } = {}) {
  const heard: Change[] = [];
  const changes = store.changes({ ...query, signal: new AbortController().signal });
  const ended = (async () => {
    for await (const change of changes) heard.push(change);
  })();
  return { heard, ended };
}

describe.skipIf(whyNot())('feed', () => {
  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  beforeEach(() => {
    schemas += 1;
    schema = `feed_${schemas}`;
    opened = [];
  });

  afterEach(() => Promise.all(opened.map((store) => store.close())));

  test('whoever waits in another process is told at once, without its clock moving', async () => {
    const [one, other] = [await open(FixedClock.create()), await open()];
    const { heard } = follow(one);
    await one.totals();
    await until('it listens', async () => (await listeners()) === 1);
    await other.append([entryOf('received', 'a')]);
    await until('it is heard', async () => heard.length === 1, 1000);
    await other.deny({ kind: 'token', value: digest('token'), expiresAt });
    await until('it is heard', async () => heard.length === 2, 1000);
    expect(heard.map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, 'ledger'],
      [2, 'denial'],
    ]);
  });

  test('a connection that listened and is gone is made anew, and nothing is missed', async () => {
    const [one, other] = [await open(), await open()];
    const { heard } = follow(one);
    await until('it listens', async () => (await listeners()) === 1);
    for (let round = 1; round <= 3; round++) {
      await server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
      await other.append([entryOf('received', `round ${round}`)]);
      await until('it is heard', async () => heard.length === round, 1000);
      await until('it listens again', async () => (await listeners()) === 1, 5000);
    }
  });

  test('where nobody can listen, changes are found by looking', async () => {
    const clock = FixedClock.create();
    const [one, other] = [await open(clock), await open()];
    const { heard } = follow(one);
    await until('it listens', async () => (await listeners()) === 1);
    await server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
    await until('nobody listens', async () => (await listeners()) === 0);
    await other.append([entryOf('received', 'a')]);
    await until('it is heard', async () => {
      clock.advance(500);
      return heard.length === 1;
    });
  });

  test('numbers are told in their order and without a gap, however many write at once', async () => {
    const writers = await Promise.all([open(), open(), open()]);
    const reader = await open();
    const { heard } = follow(reader, { after: 0 });
    const denials = follow(reader, { after: 0, kind: 'denial' });
    await Promise.all(
      writers.flatMap((store, writer) =>
        Array.from({ length: 10 }, async (_, lane) => {
          for (let i = 0; i < 30; i++) {
            await store.append([entryOf('received', `${writer} ${lane} ${i}`), entryOf('earned', `${writer} ${lane} ${i}`)]);
            if (i % 10 === 0) await store.deny({ kind: 'payment', value: digest(`${writer} ${lane} ${i}`), expiresAt });
          }
        }),
      ),
    );
    const all = 3 * 10 * (2 * 30 + 3);
    await until('all is heard', async () => heard.length >= all, 5000);
    expect(heard.map(({ seq }) => seq)).toEqual(Array.from({ length: all }, (_, i) => i + 1));
    await until('every denial is heard', async () => denials.heard.length >= 90, 5000);
    expect(denials.heard.every(({ kind }) => kind === 'denial')).toBe(true);
  });

  test('a server that is gone is the reader’s error, and behind its number the reader goes on', async () => {
    const [one, other] = [await open(), await open()];
    const first = follow(one);
    await one.totals();
    await other.append([entryOf('received', 'a')]);
    await until('it is heard', async () => first.heard.length === 1);
    const broken = expect(first.ended).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await server.kill();
    await broken;
    await server.start();
    await other.append([entryOf('received', 'b')]);
    const second = follow(one, { after: first.heard[0]?.seq ?? 0 });
    await until('it is heard', async () => second.heard.length === 1);
    expect(second.heard[0]?.seq).toBe(2);
  });
});

/** How many connections listen. */
async function listeners(): Promise<number> {
  const rows = await server.ask("SELECT count(*)::int AS listeners FROM pg_stat_activity WHERE query LIKE 'LISTEN%'");
  return Number(rows[0]?.listeners);
}
