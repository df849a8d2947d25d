/**
 * The tables of a store in PostgreSQL, in a schema of their own, one migration a version; the table `version` says how many have run.
 *
 * Columns are named as in SQLite; money is `numeric`, which is exact however large, and names are ordered by their bytes. A migration that
 * has shipped is never changed; a new one is appended.
 */
import type { Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Versions } from '../Store.ts';
import type { Client } from './client.ts';
import { makeSchema, readVersion, type SchemaKind } from './schema.ts';

const migrations: readonly string[] = [
  `
  CREATE TABLE claims (
    key text COLLATE "C" PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('open', 'held', 'committed', 'used')),
    fence bigint NOT NULL,
    request text NOT NULL,
    idempotency_key text,
    body_digest text,
    expires_at bigint NOT NULL,
    lease_ends_at bigint,
    lease_seconds double precision NOT NULL,
    repeat_seconds bigint NOT NULL,
    committed_at bigint NOT NULL,
    committed_fence bigint NOT NULL,
    repeats bigint NOT NULL,
    given_back bigint NOT NULL,
    lapses bigint NOT NULL,
    releases text NOT NULL,
    payment_hash text COLLATE "C",
    amount_msat numeric
  );
  CREATE INDEX claims_expires_at ON claims (expires_at);

  CREATE TABLE answers (
    key text COLLATE "C" PRIMARY KEY,
    status integer NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    expires_at bigint NOT NULL
  );
  CREATE INDEX answers_expires_at ON answers (expires_at);

  CREATE TABLE closings (
    payment_hash text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('claim', 'account')),
    amount_msat numeric NOT NULL,
    earned_msat numeric NOT NULL
  );

  CREATE TABLE counters (
    key text COLLATE "C" PRIMARY KEY,
    value bigint NOT NULL,
    expires_at bigint NOT NULL
  );
  CREATE INDEX counters_expires_at ON counters (expires_at);

  CREATE TABLE accounts (
    account text COLLATE "C" PRIMARY KEY,
    units numeric NOT NULL,
    spent numeric NOT NULL,
    forgotten numeric NOT NULL,
    given_back text NOT NULL,
    expires_at bigint NOT NULL
  );
  CREATE INDEX accounts_expires_at ON accounts (expires_at);

  CREATE TABLE lots (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source text COLLATE "C" NOT NULL UNIQUE,
    account text COLLATE "C" NOT NULL,
    units numeric NOT NULL,
    spent numeric NOT NULL,
    paid_msat numeric NOT NULL,
    earned_msat numeric NOT NULL,
    payment_hash text COLLATE "C",
    expires_at bigint NOT NULL
  );
  CREATE INDEX lots_account ON lots (account, number);
  CREATE INDEX lots_expires_at ON lots (expires_at);

  CREATE TABLE reservations (
    reservation text COLLATE "C" PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('held', 'settled', 'cancelled', 'reversed')),
    lease_ends_at bigint NOT NULL,
    units numeric NOT NULL
  );
  CREATE INDEX reservations_lease_ends_at ON reservations (lease_ends_at);

  CREATE TABLE debits (
    reservation text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    account text COLLATE "C" NOT NULL,
    units numeric NOT NULL,
    spent numeric NOT NULL,
    taken text NOT NULL,
    held_until bigint,
    PRIMARY KEY (reservation, number)
  );
  CREATE INDEX debits_account ON debits (account, held_until);

  CREATE TABLE ledger (
    seq bigint PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('settled', 'received', 'earned', 'reversed', 'repeated')),
    payment_hash text COLLATE "C" NOT NULL,
    nonce text COLLATE "C" NOT NULL,
    amount_msat numeric NOT NULL,
    service text NOT NULL,
    route text NOT NULL,
    at bigint NOT NULL,
    note text NOT NULL,
    UNIQUE (payment_hash, kind, nonce)
  );

  CREATE TABLE bookmarks (
    reader text COLLATE "C" PRIMARY KEY,
    place text NOT NULL
  );

  CREATE TABLE denials (
    kind text NOT NULL CHECK (kind IN ('token', 'payment', 'key', 'minted-before')),
    value text NOT NULL,
    expires_at bigint NOT NULL,
    seq bigint NOT NULL UNIQUE,
    PRIMARY KEY (kind, value)
  );

  CREATE TABLE book (
    id integer PRIMARY KEY CHECK (id = 1),
    seq bigint NOT NULL,
    settled_msat numeric NOT NULL,
    received_msat numeric NOT NULL,
    earned_msat numeric NOT NULL,
    reversed_msat numeric NOT NULL,
    settled bigint NOT NULL,
    received bigint NOT NULL,
    earned bigint NOT NULL,
    reversed bigint NOT NULL,
    repeated bigint NOT NULL
  );
  INSERT INTO book VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  `,
  `
  ALTER TABLE accounts ADD COLUMN opened bigint NOT NULL DEFAULT 0;
  `,
  // What a holder handed on can be refused by itself.
  `
  ALTER TABLE denials DROP CONSTRAINT denials_kind_check;
  ALTER TABLE denials ADD CONSTRAINT denials_kind_check CHECK (kind IN ('token', 'part', 'payment', 'key', 'minted-before'));
  `,
];

/**
 * Brings the schema up to date in one step, whoever else does the same at the same time; makes it where it is not there. The answer is what this call did.
 * @throws STORE_VERSION – made by a newer version, or by another program; STORE_UNAVAILABLE – it is not there, and is not to be made
 */
export async function migrate(client: Client, schema: string, { reached, create }: { readonly reached: Reached; readonly create: boolean }): Promise<Versions> {
  const to = migrations.length;
  const there = (await readVersion(client, schema, kind))?.version;
  if (there === to) return { from: to, to };
  if (there === undefined && !create) throw new FareboxError('STORE_UNAVAILABLE', `There is no store in the schema "${schema}".`);
  await client.ask('BEGIN');
  try {
    await client.ask({ name: 'lock migration', text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))' }, [`farebox ${schema}`]);
    const version = (await readVersion(client, schema, kind))?.version;
    if (version === undefined) {
      await makeSchema(client, schema);
      await client.ask('CREATE TABLE version (program text NOT NULL, version integer NOT NULL)');
      await client.ask({ name: 'begin versions', text: 'INSERT INTO version VALUES ($1, 0)' }, [kind.program]);
    }
    for (const migration of migrations.slice(version ?? 0)) await client.ask(migration);
    await client.ask({ name: 'write version', text: 'UPDATE version SET version = $1' }, [migrations.length]);
    reached('store.migrate.written');
    await client.ask('COMMIT');
    reached('store.migrate.committed');
    return { from: version ?? 0, to };
  } catch (error) {
    await client.ask('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** Schemas that are a store of ours. */
const kind: SchemaKind = { program: 'farebox', latest: migrations.length };
