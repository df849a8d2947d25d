/**
 * What the PostgreSQL store promises beyond the contract: which servers it takes, its tables and their versions, and that its address stays
 * a secret.
 */
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FareboxError } from '../../../src/core/Errors.ts';
import { createPostgresStore, type PostgresOptions } from '../../../src/store/postgres.ts';
import type { Store } from '../../../src/store/Store.ts';
import * as FixedClock from '../../../src/testing/FixedClock.ts';
import { claimOf, digest, entryOf, expiresAt } from '../../../src/testing/storeContract/StoreCase.ts';
import { password, type Server, type Settings, startServer, whyNot } from './Server.ts';

let server: Server;
let schema: string;
let schemas = 0;
let opened: Store[];

async function open(options: Partial<PostgresOptions> = {}): Promise<Store> {
  const store = await createPostgresStore({ url: server.url, schema, clock: FixedClock.create(), ...options });
  opened.push(store);
  return store;
}

/** What is thrown; fails where nothing is. */
async function thrown(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => {
      throw new Error('expected an error');
    },
    (error: unknown) => error as Error,
  );
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await thrown(promise);
  return error instanceof FareboxError ? error.code : `${error}`;
}

describe.skipIf(whyNot())('promises', () => {
  beforeAll(async () => {
    server = await startServer();
  });

  afterAll(() => server?.remove());

  beforeEach(() => {
    schemas += 1;
    schema = `promises_${schemas}`;
    opened = [];
  });

  afterEach(() => Promise.all(opened.map((store) => store.close())));

  /** Starts the server anew with these settings, for as long as the work takes. */
  async function under(settings: Settings, work: () => Promise<void>): Promise<void> {
    const restart = async (next: Settings) => {
      await server.stop();
      server.set(next);
      await server.start();
    };
    await restart(settings);
    try {
      await work();
    } finally {
      await Promise.all(opened.splice(0).map((store) => store.close()));
      await restart({});
    }
  }

  test('a server that may lose commits is refused by name, and taken where that is chosen by name', async () => {
    for (const setting of ['synchronous_commit', 'fsync', 'full_page_writes']) {
      await under({ [setting]: 'off' }, async () => {
        const error = await thrown(open());
        expect([FareboxError.is(error, 'CONFIG_INVALID'), error.message.includes(`${setting} is off`)], setting).toEqual([true, true]);
        const store = await open({ durability: 'unflushed' });
        expect(store.capabilities).toEqual({ durable: true, shared: true, flushed: false });
        expect((await store.claim(claimOf(setting))).kind).toBe('granted');
      });
    }
    expect((await open()).capabilities).toEqual({ durable: true, shared: true, flushed: true });
  });

  test('a commit that need not wait for the standby is refused where there is one to wait for', async () => {
    await (await open()).close();
    await server.ask("ALTER ROLE farebox SET synchronous_commit = 'local'");
    try {
      await (await open()).close();
      // A standby that is not there would be waited for without end.
      await under({ synchronous_standby_names: 'absent' }, async () => expect((await thrown(open())).message).toContain('synchronous_commit is local'));
    } finally {
      await server.ask('ALTER ROLE farebox RESET synchronous_commit');
    }
  });

  test('a table that would be empty after a crash is refused', async () => {
    await (await open()).close();
    await server.ask(`ALTER TABLE ${schema}.ledger SET UNLOGGED`);
    expect((await thrown(open())).message).toContain('1 of its tables is unlogged');
    await open({ durability: 'unflushed' });
  });

  test('a server that only reads is refused, whether it is told to or is a standby', async () => {
    await (await open()).close();
    await under({ default_transaction_read_only: 'on' }, async () => expect(await codeOf(open())).toBe('STORE_UNAVAILABLE'));
    server.standBy(true);
    await under({}, async () => {
      server.standBy(false);
      expect((await thrown(open())).message).toContain('is a standby');
    });
    await open();
  });

  test('settings that the operator changes under an open store do not weaken its commits', async () => {
    const store = await open();
    await server.ask("ALTER SYSTEM SET synchronous_commit = 'off'");
    try {
      await server.ask('SELECT pg_reload_conf()');
      await store.claim(claimOf('a'));
      // The line that has been open all the while is pinned; one that is opened now is not.
      await server.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'farebox'");
      expect(await codeOf(store.claim(claimOf('b')))).toBe('STORE_UNAVAILABLE');
    } finally {
      await server.ask('ALTER SYSTEM RESET synchronous_commit');
      await server.ask('SELECT pg_reload_conf()');
    }
    expect((await store.claim(claimOf('b'))).kind).toBe('granted');
  });

  test('what was written is there when it is opened again, and by many at once when it is new', async () => {
    const eight = await Promise.all(Array.from({ length: 8 }, () => open()));
    const outcomes = await Promise.all(eight.map((store) => store.claim(claimOf('a'))));
    expect(outcomes.filter(({ kind }) => kind === 'granted').length).toBe(1);
    await eight[0]?.commit({ key: digest('a'), fence: 1, answer: { status: 201, headers: [['A', 'é']], body: Uint8Array.of(0, 1, 255) } });
    await eight[0]?.undelivered({ key: digest('a'), fence: 1 });
    await Promise.all(opened.splice(0).map((store) => store.close()));
    const again = await (await open()).claim(claimOf('a'));
    expect(again).toEqual({
      kind: 'granted',
      fence: 2,
      repeat: 1,
      record: { request: claimOf('a').request },
      answer: { status: 201, headers: [['A', 'é']], body: Uint8Array.of(0, 1, 255) },
    });
  });

  test('a store of a newer version, and a schema of another program, are refused and left as they are', async () => {
    await (await open()).close();
    await server.ask(`UPDATE ${schema}.version SET version = 99`);
    expect(await codeOf(open())).toBe('STORE_VERSION');
    await server.ask('CREATE SCHEMA theirs; CREATE TABLE theirs.orders (a int)');
    expect(await codeOf(open({ schema: 'theirs' }))).toBe('STORE_VERSION');
    await server.ask("CREATE TABLE theirs.version (program text, version int); INSERT INTO theirs.version VALUES ('theirs', 1)");
    expect(await codeOf(open({ schema: 'theirs' }))).toBe('STORE_VERSION');
    expect(await server.ask("SELECT count(*)::int AS tables FROM pg_tables WHERE schemaname = 'theirs'")).toEqual([{ tables: 2 }]);
  });

  test('tables are made in one step: a process that fails in the middle leaves nothing', async () => {
    const failing = open({
      reached: (point) => {
        if (point === 'store.migrate.written') throw new Error('cut');
      },
    });
    expect(await codeOf(failing)).toBe('STORE_UNAVAILABLE');
    expect(await server.ask(`SELECT to_regnamespace('${schema}') AS there`)).toEqual([{ there: null }]);
    expect((await (await open()).claim(claimOf('a'))).kind).toBe('granted');
  });

  test('a database whose text cannot hold every character is refused', async () => {
    await server.ask("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    const url = new URL(server.url);
    url.pathname = '/latin';
    expect((await thrown(open({ url: url.href }))).message).toContain('UTF8');
  });

  test('whoever logs in needs a schema of his own, and no more', async () => {
    await server.ask(`CREATE ROLE poor LOGIN PASSWORD 'poor'`);
    const url = new URL(server.url);
    [url.username, url.password] = ['poor', 'poor'];
    expect((await thrown(open({ url: url.href }))).message).toContain('permission denied');
    await server.ask(`CREATE SCHEMA ${schema} AUTHORIZATION poor`);
    const store = await open({ url: url.href });
    expect((await store.claim(claimOf('a', { entry: entryOf('received', 'a') }))).kind).toBe('granted');
    expect((await store.totals()).payments).toBe(1);
  });

  test('the server is spoken to over TLS, by the certificate that is named and no other', async () => {
    const certificate = server.certify();
    await under({ ssl: 'on' }, async () => {
      const url = new URL(server.url);
      url.search = `?sslmode=verify-full&sslrootcert=${encodeURIComponent(certificate)}`;
      const store = await open({ url: url.href });
      expect((await store.claim(claimOf('a'))).kind).toBe('granted');
      await store.totals();
      const lines = await server.ask("SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'farebox'");
      expect(lines).toEqual([{ ssl: true }, { ssl: true }]);
      url.search = '?sslmode=verify-full';
      expect(await codeOf(open({ url: url.href }))).toBe('STORE_UNAVAILABLE');
    });
  });

  test('a server with room for few locks is asked for fewer at a time', async () => {
    await under({ max_locks_per_transaction: '10', max_connections: '20' }, async () => {
      const store = await open();
      const reservations = Array.from({ length: 64 }, async (_, i) => {
        const accounts = Array.from({ length: 20 }, (_, j) => `account ${i} ${j}`);
        const debits = accounts.map((account) => ({ account, units: 1n, opens: { source: account, units: 5n, expiresAt } }));
        return (await store.reserve({ reservation: `${i}`, leaseSeconds: 30, debits })).kind;
      });
      expect(new Set(await Promise.all(reservations))).toEqual(new Set(['reserved']));
    });
  });

  test('two stores in one database know nothing of each other', async () => {
    const [one, other] = [await open(), await open({ schema: `${schema}_other` })];
    await one.append([entryOf('received', 'a')]);
    expect((await one.claim(claimOf('a'))).kind).toBe('granted');
    expect((await other.claim(claimOf('a'))).kind).toBe('granted');
    expect((await other.totals()).payments).toBe(0);
  });

  test('the address is in no error and in nothing that is printed', async () => {
    const store = await open();
    const wrong = new URL(server.url);
    wrong.password = 'not this secret';
    const elsewhere = new URL(server.url);
    elsewhere.port = '1';
    const errors = await Promise.all([
      thrown(open({ url: wrong.href })),
      thrown(open({ url: elsewhere.href })),
      thrown(open({ url: `postgres://farebox:${encodeURIComponent(password)}@[nowhere/x` })),
      thrown(open({ url: `postgres://farebox:${encodeURIComponent(password)}@127.0.0.1/x?sslrootcert=/absent&sslmode=verify-full` })),
    ]);
    for (const text of [...errors, store].map((one) => inspect(one, { depth: 20, showHidden: true }))) {
      expect(text).not.toContain('secret');
    }
    expect(errors.slice(0, 2).map((error) => FareboxError.is(error, 'STORE_UNAVAILABLE'))).toEqual([true, true]);
    expect(errors[1]?.message).toContain('at 127.0.0.1:1/postgres');
    expect(errors[2]).toBeInstanceOf(TypeError);
  });

  test('options that make no sense are the caller’s mistake', async () => {
    await expect(open({ url: '' })).rejects.toThrow(TypeError);
    await expect(open({ schema: 'Ours; DROP TABLE x' })).rejects.toThrow(TypeError);
    await expect(open({ durability: 'weak' as 'flushed' })).rejects.toThrow(TypeError);
    await expect(open({ timeoutMs: 0 })).rejects.toThrow(RangeError);
  });

  test('an answer whose time is over is forgotten before its claim, and one that arrived is not kept', async () => {
    const clock = FixedClock.create();
    const store = await open({ clock });
    const answer = { status: 200, headers: [], body: new Uint8Array(10) };
    for (const name of ['a', 'b']) {
      await store.claim(claimOf(name));
      await store.commit({ key: digest(name), fence: 1, answer });
    }
    const kept = () => server.ask(`SELECT count(*)::int AS answers FROM ${schema}.answers`);
    expect(await kept()).toEqual([{ answers: 2 }]);
    await store.deliver({ key: digest('a'), fence: 1 });
    expect(await kept()).toEqual([{ answers: 1 }]);
    await store.undelivered({ key: digest('b'), fence: 1 });
    clock.advance(600_000);
    expect(await store.prune()).toBe(0);
    clock.advance(1000);
    expect(await store.prune()).toBe(1);
    expect((await store.claim(claimOf('b'))).kind).toBe('used');
  });

  test('half a character is kept as the mark for one that cannot be read', async () => {
    const store = await open();
    await store.append([entryOf('received', 'a', { note: 'a\ud83d', route: '\\ud83d "\u{1f600}"' })]);
    const [row] = await store.ledger({ after: 0, limit: 1 });
    expect([row?.note, row?.route]).toEqual(['a\ufffd', '\\ud83d "\u{1f600}"']);
    expect(await store.count({ key: 'uses', by: 2 ** 52, ceiling: Number.MAX_SAFE_INTEGER, expiresAt })).toEqual({ counted: true, value: 2 ** 52 });
    expect((await store.count({ key: 'uses', by: 0, ceiling: Number.MAX_SAFE_INTEGER, expiresAt })).value).toBe(2 ** 52);
  });
});
