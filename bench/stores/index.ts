/**
 * What a request takes that is counted in PostgreSQL or in Redis, beside one bare round trip to that server: what it takes longer than a request
 * with a pass, which asks no store. Wall time, one request after the other, the gateway in this process.
 *
 *     npm run bench -- stores [postgres] [redis]
 */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { createConfig, createGateway } from '../../src/gateway/index.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createPostgresStore } from '../../src/store/postgres.ts';
import { createRedisStore } from '../../src/store/redis.ts';
import type { Store } from '../../src/store/Store.ts';
import * as postgres from '../../test/e2e/postgres/Server.ts';
import * as redis from '../../test/e2e/redis/Server.ts';
import { keysOf, mintCredentials, paths, requestFor } from '../gateway/Tokens.ts';
import type { Run } from '../harness/Bench.ts';
import { quantile } from '../harness/Comparison.ts';
import { openLine } from '../harness/Line.ts';
import { start } from '../harness/Program.ts';
import { printRows } from '../harness/Table.ts';

export const summary = 'a request that is counted in PostgreSQL or Redis, beside one bare round trip to that server (installs them where it can)';

/** A server, a store on it, and a round trip past the store: one that asks for nothing, and one that writes as durably as the store does. */
type Place = { readonly store: Store; readonly trip: () => Promise<unknown>; readonly write: () => Promise<unknown>; readonly close: () => Promise<void> };

const places: { readonly [name: string]: () => Promise<Place> } = {
  postgres: async () => {
    if (postgres.whyNot()) throw new Error('not measured');
    const server = await postgres.startServer();
    const store = await createPostgresStore({ url: server.url });
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query('CREATE TABLE bare (at bigserial PRIMARY KEY)');
    const write = () => client.query({ name: 'write', text: 'INSERT INTO bare DEFAULT VALUES' });
    const close = () => client.end().then(store.close).then(server.remove);
    return { store, trip: () => client.query({ name: 'one', text: 'SELECT 1' }), write, close };
  },
  redis: async () => {
    if (redis.whyNot()) throw new Error('not measured');
    const server = await redis.startServer();
    const store = await createRedisStore({ url: server.url });
    const client = new Redis(server.url);
    const close = async () => {
      client.disconnect();
      await store.close();
      await server.remove();
    };
    return { store, trip: () => client.ping(), write: () => client.incr('bare'), close };
  },
};

/** How many of one kind come one after the other. */
const burst = 20;

const bound = 1.3;

export const run: Run = async ({ isQuick, args }) => {
  const rows: string[][] = [];
  for (const name of Object.keys(places).filter((one) => args.length === 0 || args.includes(one))) rows.push(...(await measure(name, isQuick ? 5 : 50)));
  printRows([['', 'p50', 'p95', 'over a pass', 'of a round trip', 'of a write', `a round trip: at most ${bound}`], ...rows]);
};

async function measure(name: string, rounds: number): Promise<string[][]> {
  const upstream = await start<{ readonly port: number }>(new URL('../gateway/upstreamProgram.ts', import.meta.url), undefined);
  const place = await (places[name] as () => Promise<Place>)();
  const sandbox = createSandboxNetwork();
  const keys = keysOf(new Uint8Array(randomBytes(32)));
  const gateway = await createGateway({ config: configFor(upstream.ready.port), receiver: sandbox.receiver('seller'), keys, store: place.store });
  const line = await openLine((await gateway.listen()).url);
  const times = new Map<string, number[]>();
  const kept = (terms: 'pass' | 'bucket' | 'leased') => requestFor(paths[terms], mintCredentials(keys, terms, 1)[0]);
  const [pass, bucket, leased] = [kept('pass'), kept('bucket'), kept('leased')];
  const once = mintCredentials(keys, 'once', burst * rounds * 2).map((one) => requestFor(paths.once, one));
  const kinds: readonly (readonly [name: string, ask: () => Promise<unknown>])[] = [
    [`${name}: a bare round trip`, place.trip],
    ['a bare write', place.write],
    ['a pass', () => line.ask(pass, 200)],
    ['a single use', () => line.ask(once.pop() as string, 200)],
    ['a bucket, counted exactly', () => line.ask(bucket, 200)],
    ['a bucket, counted ahead', () => line.ask(leased, 200)],
  ];
  try {
    // The first third warms.
    for (let round = -Math.ceil(rounds / 2); round < rounds; round++) {
      for (const [kind, ask] of kinds) {
        const list = times.get(kind) ?? [];
        times.set(kind, list);
        for (let i = 0; i < burst; i++) {
          const from = performance.now();
          await ask();
          if (round >= 0) list.push(performance.now() - from);
        }
      }
    }
  } finally {
    line.close();
    await gateway.close();
    await sandbox.close();
    await place.close();
    await upstream.stop();
  }
  const at = (kind: string, share: number) => quantile(times.get(kind) ?? [], share);
  const [trip, write, free] = [at(kinds[0]?.[0] ?? '', 0.5), at('a bare write', 0.5), at('a pass', 0.5)];
  return kinds.map(([kind], index) => {
    const [p50, over] = [at(kind, 0.5), at(kind, 0.5) - free];
    const isCounted = index > 2;
    return [
      kind,
      `${p50.toFixed(2)} ms`,
      `${at(kind, 0.95).toFixed(2)} ms`,
      isCounted ? `${over.toFixed(2)} ms` : '',
      isCounted ? (over / trip).toFixed(2) : '',
      isCounted ? (over / write).toFixed(2) : '',
      isCounted ? (over / trip <= bound ? 'met' : 'missed') : '',
    ];
  });
}

function configFor(upstreamPort: number) {
  const sold = { bucket: 1_000_000_000 };
  return createConfig({
    listen: '127.0.0.1:0',
    lightning: 'sandbox',
    realm: 'bench',
    services: [
      {
        name: 'bench',
        upstream: `http://127.0.0.1:${upstreamPort}`,
        routes: [
          { path: paths.pass, methods: 'GET', price: '10 sat', terms: 'pass 1h' },
          { path: paths.once, methods: 'GET', price: '10 sat' },
          { path: paths.bucket, methods: 'GET', price: '10 sat', terms: sold },
          { path: paths.leased, methods: 'GET', price: '10 sat', terms: sold, leased: 100 },
        ],
      },
    ],
  });
}
