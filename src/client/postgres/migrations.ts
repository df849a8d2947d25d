/**
 * The tables of a client store in PostgreSQL, in a schema of their own, one migration a version. One that has shipped is never changed; a new one is
 * appended. Columns are named as in SQLite, amounts are decimal text.
 */
import type { Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Client } from '../../store/postgres/client.ts';
import { makeSchema, readVersion, type SchemaKind, type Version } from '../../store/postgres/schema.ts';
import { assertKey } from '../store/engine.ts';

const migrations: readonly string[] = [
  `
  CREATE TABLE payment (
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    payment_hash text COLLATE "C" PRIMARY KEY, state text NOT NULL, resource text COLLATE "C" NOT NULL, origin text COLLATE "C" NOT NULL,
    method text NOT NULL, path text NOT NULL, scheme text NOT NULL, token text NOT NULL, invoice text NOT NULL, invoice_expires_at bigint NOT NULL,
    amount_msat text NOT NULL, payer text NOT NULL, network text NOT NULL, reserved_msat text NOT NULL, spent_msat text NOT NULL, preimage text,
    usable smallint NOT NULL, owner text NOT NULL, lease_ends_at bigint NOT NULL, created_at bigint NOT NULL, dispatched_at bigint,
    updated_at bigint NOT NULL, seen smallint NOT NULL, bound_to text NOT NULL, note text NOT NULL, budgets text NOT NULL, tags text NOT NULL
  );
  CREATE INDEX payment_open ON payment (resource) WHERE state IN ('dispatched', 'unknown');
  CREATE INDEX payment_open_at ON payment (origin) WHERE state IN ('dispatched', 'unknown');
  CREATE INDEX payment_reserved ON payment (number) WHERE state = 'reserved';
  CREATE INDEX payment_usable ON payment (origin) WHERE usable = 1;
  CREATE INDEX payment_created ON payment (created_at);
  CREATE TABLE spending (id integer PRIMARY KEY CHECK (id = 1), held_msat text NOT NULL, spent_msat text NOT NULL, stopped_by text, stop_note text);
  INSERT INTO spending VALUES (1, '0', '0', NULL, NULL);
  CREATE TABLE counter (
    key text COLLATE "C" PRIMARY KEY, budget text NOT NULL, host text, tag text, start_at bigint NOT NULL, end_at bigint,
    held_msat text NOT NULL, spent_msat text NOT NULL
  );
  CREATE TABLE budget (name text COLLATE "C" PRIMARY KEY, text text NOT NULL);
  `,
];

/** Schemas that are a client store of ours. */
const kind: SchemaKind = { program: 'farebox client', latest: migrations.length };

/** What is to be opened. `keyId`: of the key that seals its secrets; undefined: none does. */
export type Opening = { readonly schema: string; readonly create: boolean; readonly keyId: string | undefined; readonly reached: Reached };

/**
 * Brings the schema up to date in one step, whoever else does the same at the same time; makes it where it is not there.
 * @throws STORE_VERSION – made by a newer version, or by another program; STORE_LOCKED – with another key; STORE_UNAVAILABLE – it is not there, and is not to be made
 */
export async function migrate(client: Client, { schema, create, keyId, reached }: Opening): Promise<void> {
  const there = await readVersion<KeyedVersion>(client, schema, kind);
  if (there?.version === migrations.length) return assertKey(there.key_id, keyId === undefined ? {} : { keyId });
  if (there === undefined && !create) throw new FareboxError('STORE_UNAVAILABLE', `There is no client store in the schema "${schema}".`);
  await client.ask('BEGIN');
  try {
    await client.ask({ name: 'lock migration', text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))' }, [`farebox client ${schema}`]);
    const found = await readVersion<KeyedVersion>(client, schema, kind);
    if (found === undefined) {
      await makeSchema(client, schema);
      await client.ask('CREATE TABLE version (program text NOT NULL, version integer NOT NULL, key_id text NOT NULL)');
      await client.ask({ name: 'begin versions', text: 'INSERT INTO version VALUES ($1, 0, $2)' }, [kind.program, keyId ?? '']);
    } else assertKey(found.key_id, keyId === undefined ? {} : { keyId });
    for (const migration of migrations.slice(found?.version ?? 0)) await client.ask(migration);
    await client.ask({ name: 'write version', text: 'UPDATE version SET version = $1' }, [migrations.length]);
    reached('journal.migrate.written');
    await client.ask('COMMIT');
    reached('journal.migrate.committed');
  } catch (error) {
    await client.ask('ROLLBACK').catch(() => {});
    throw error;
  }
}

type KeyedVersion = Version & { readonly key_id: string };
