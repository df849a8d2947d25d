/**
 * The tables of a store's file, one migration a version; `PRAGMA user_version` says how many have run.
 *
 * Columns are named as the types of Store.ts are: points in time are Unix seconds, money is text in decimal msat.
 * A migration that has shipped is never changed; a new one is appended.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Reached } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { Versions } from '../Store.ts';

/** Marks a file as a store of ours, in SQLite's own header: `FBXS`. */
const applicationId = 0x46425853;

const migrations: readonly string[] = [
  `
  CREATE TABLE claims (
    key TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('open', 'held', 'committed', 'used')),
    fence INTEGER NOT NULL,
    request TEXT NOT NULL,
    idempotency_key TEXT,
    body_digest TEXT,
    expires_at INTEGER NOT NULL,
    lease_ends_at INTEGER,
    lease_seconds REAL NOT NULL,
    repeat_seconds INTEGER NOT NULL,
    committed_at INTEGER NOT NULL,
    committed_fence INTEGER NOT NULL,
    repeats INTEGER NOT NULL,
    given_back INTEGER NOT NULL,
    lapses INTEGER NOT NULL,
    releases TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX claims_expires_at ON claims (expires_at);

  CREATE TABLE answers (
    key TEXT PRIMARY KEY,
    status INTEGER NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX answers_expires_at ON answers (expires_at);

  CREATE TABLE counters (
    key TEXT PRIMARY KEY,
    value INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX counters_expires_at ON counters (expires_at);

  CREATE TABLE accounts (
    account TEXT PRIMARY KEY,
    credited_msat TEXT NOT NULL,
    spent_msat TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX accounts_expires_at ON accounts (expires_at);

  CREATE TABLE sources (
    source TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    expires_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sources_expires_at ON sources (expires_at);

  CREATE TABLE reservations (
    reservation TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('held', 'settled', 'cancelled')),
    lease_ends_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX reservations_lease_ends_at ON reservations (lease_ends_at);

  CREATE TABLE debits (
    reservation TEXT NOT NULL,
    account TEXT NOT NULL,
    amount_msat TEXT NOT NULL,
    spent_msat TEXT NOT NULL,
    held_until INTEGER,
    PRIMARY KEY (reservation, account)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX debits_held_until ON debits (account, held_until) WHERE held_until IS NOT NULL;

  CREATE TABLE ledger (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('received', 'earned', 'reversed', 'repeated')),
    payment_hash TEXT NOT NULL,
    nonce TEXT NOT NULL,
    amount_msat TEXT NOT NULL,
    service TEXT NOT NULL,
    route TEXT NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL,
    UNIQUE (payment_hash, kind, nonce)
  ) STRICT;

  CREATE TABLE denials (
    kind TEXT NOT NULL CHECK (kind IN ('token', 'payment', 'key', 'minted-before')),
    value TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    seq INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (kind, value)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE book (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    received_msat TEXT NOT NULL,
    earned_msat TEXT NOT NULL,
    reversed_msat TEXT NOT NULL,
    received INTEGER NOT NULL,
    earned INTEGER NOT NULL,
    reversed INTEGER NOT NULL
  ) STRICT;
  INSERT INTO book VALUES (1, 0, '0', '0', '0', 0, 0, 0);
  `,
  // Ties what holds money to the payment whose it is, and writes every amount twice, so that the books can be verified.
  `
  ALTER TABLE claims ADD COLUMN payment_hash TEXT;
  ALTER TABLE claims ADD COLUMN amount_msat TEXT;

  CREATE TABLE closings (
    payment_hash TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('claim', 'account')),
    amount_msat TEXT NOT NULL,
    earned_msat TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  ALTER TABLE sources ADD COLUMN payment_hash TEXT;
  ALTER TABLE sources ADD COLUMN amount_msat TEXT NOT NULL DEFAULT '0';
  CREATE INDEX sources_account ON sources (account);
  -- What each source had credited is not known: the first stands for all.
  UPDATE sources SET amount_msat = coalesce((SELECT credited_msat FROM accounts WHERE accounts.account = sources.account), '0')
  WHERE source = (SELECT min(other.source) FROM sources AS other WHERE other.account = sources.account);

  ALTER TABLE accounts ADD COLUMN forgotten_msat TEXT NOT NULL DEFAULT '0';
  UPDATE accounts SET forgotten_msat = CAST(CAST(spent_msat AS INTEGER) - coalesce(
    (SELECT sum(CAST(debits.spent_msat AS INTEGER)) FROM debits WHERE debits.account = accounts.account), 0) AS TEXT);

  ALTER TABLE reservations ADD COLUMN amount_msat TEXT NOT NULL DEFAULT '0';
  UPDATE reservations SET amount_msat = coalesce(
    (SELECT CAST(sum(CAST(debits.amount_msat AS INTEGER)) AS TEXT) FROM debits WHERE debits.reservation = reservations.reservation), '0');
  DROP INDEX debits_held_until;
  CREATE INDEX debits_account ON debits (account, held_until);

  ALTER TABLE book ADD COLUMN repeated INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE book ADD COLUMN untied_seq INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE book ADD COLUMN untied_until INTEGER NOT NULL DEFAULT 0;
  UPDATE book SET
    repeated = (SELECT count(*) FROM ledger WHERE kind = 'repeated'),
    untied_seq = seq,
    untied_until = (SELECT coalesce(max(expires_at), 0) FROM claims);
  `,
  // What wallets say has arrived, and how far their word was read. A check of a column cannot be changed: the ledger is written anew.
  `
  CREATE TABLE ledger_3 (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('settled', 'received', 'earned', 'reversed', 'repeated')),
    payment_hash TEXT NOT NULL,
    nonce TEXT NOT NULL,
    amount_msat TEXT NOT NULL,
    service TEXT NOT NULL,
    route TEXT NOT NULL,
    at INTEGER NOT NULL,
    note TEXT NOT NULL,
    UNIQUE (payment_hash, kind, nonce)
  ) STRICT;
  INSERT INTO ledger_3 SELECT seq, kind, payment_hash, nonce, amount_msat, service, route, at, note FROM ledger;
  DROP TABLE ledger;
  ALTER TABLE ledger_3 RENAME TO ledger;

  ALTER TABLE book ADD COLUMN settled_msat TEXT NOT NULL DEFAULT '0';
  ALTER TABLE book ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;

  CREATE TABLE bookmarks (
    reader TEXT PRIMARY KEY,
    place TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;

  -- Accounts count units of their own, and each credit is a lot that earns its payment as it is spent. Until now a unit was a millisatoshi, and
  -- what was credited first was spent first as well.
  CREATE TABLE lots (
    number INTEGER PRIMARY KEY,
    source TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    units TEXT NOT NULL,
    spent TEXT NOT NULL,
    paid_msat TEXT NOT NULL,
    earned_msat TEXT NOT NULL,
    payment_hash TEXT,
    expires_at INTEGER NOT NULL
  ) STRICT;
  INSERT INTO lots (source, account, units, spent, paid_msat, earned_msat, payment_hash, expires_at)
  SELECT source, account, CAST(units AS TEXT), CAST(spent AS TEXT), CAST(iif(payment_hash IS NULL, 0, units) AS TEXT),
    CAST(iif(payment_hash IS NULL, 0, spent) AS TEXT), payment_hash, expires_at
  FROM (
    SELECT *, min(units, max(0, account_spent - before)) AS spent FROM (
      SELECT sources.*, CAST(sources.amount_msat AS INTEGER) AS units, CAST(coalesce(accounts.spent_msat, '0') AS INTEGER) AS account_spent,
        sum(CAST(sources.amount_msat AS INTEGER)) OVER (PARTITION BY sources.account ORDER BY source) - CAST(sources.amount_msat AS INTEGER) AS before
      FROM sources LEFT JOIN accounts ON accounts.account = sources.account
    )
  ) ORDER BY account, source;
  CREATE INDEX lots_account ON lots (account, number);
  CREATE INDEX lots_expires_at ON lots (expires_at);
  CREATE INDEX lots_payment_hash ON lots (payment_hash) WHERE payment_hash IS NOT NULL;
  DROP TABLE sources;

  ALTER TABLE accounts RENAME COLUMN credited_msat TO units;
  ALTER TABLE accounts RENAME COLUMN spent_msat TO spent;
  ALTER TABLE accounts RENAME COLUMN forgotten_msat TO forgotten;
  ALTER TABLE accounts ADD COLUMN given_back TEXT NOT NULL DEFAULT '{}';

  CREATE TABLE reservations_3 (
    reservation TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('held', 'settled', 'cancelled', 'reversed')),
    lease_ends_at INTEGER NOT NULL,
    units TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO reservations_3 SELECT reservation, state, lease_ends_at, amount_msat FROM reservations;
  DROP TABLE reservations;
  ALTER TABLE reservations_3 RENAME TO reservations;
  CREATE INDEX reservations_lease_ends_at ON reservations (lease_ends_at);

  ALTER TABLE debits RENAME COLUMN amount_msat TO units;
  ALTER TABLE debits RENAME COLUMN spent_msat TO spent;
  ALTER TABLE debits ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE debits ADD COLUMN taken TEXT NOT NULL DEFAULT '[]';
  `,
  `
  ALTER TABLE accounts ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;
  `,
  // What a holder handed on can be refused by itself. A check of a column cannot be changed: the denials are written anew.
  `
  CREATE TABLE denials_4 (
    kind TEXT NOT NULL CHECK (kind IN ('token', 'part', 'payment', 'key', 'minted-before')),
    value TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    seq INTEGER NOT NULL UNIQUE,
    PRIMARY KEY (kind, value)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO denials_4 SELECT kind, value, expires_at, seq FROM denials;
  DROP TABLE denials;
  ALTER TABLE denials_4 RENAME TO denials;
  `,
];

/**
 * Refuses a file that is not ours to read. Changes nothing.
 * @throws STORE_VERSION – made by a newer version, or by another program
 */
export function assertReadable(db: DatabaseSync): void {
  const version = versionOf(db);
  const ours = numberOf(db, 'PRAGMA application_id') === applicationId;
  const empty = version === 0 && numberOf(db, 'SELECT count(*) FROM sqlite_schema') === 0;
  if (!ours && !empty) throw new FareboxError('STORE_VERSION', 'The file is a database of another program. Name another file.');
  if (version > migrations.length) {
    throw new FareboxError('STORE_VERSION', `The file has version ${version}; this Farebox reads up to ${migrations.length}. Use the newer Farebox.`);
  }
}

/** Brings the file up to date in one step, whoever else opens it at the same time. The answer is what this call did. */
export function migrate(db: DatabaseSync, reached: Reached): Versions {
  const to = migrations.length;
  if (versionOf(db) === to) return { from: to, to };
  db.exec('BEGIN IMMEDIATE');
  try {
    assertReadable(db);
    const from = versionOf(db);
    for (const migration of migrations.slice(from)) db.exec(migration);
    db.exec(`PRAGMA application_id = ${applicationId}`);
    db.exec(`PRAGMA user_version = ${migrations.length}`);
    reached('store.migrate.written');
    db.exec('COMMIT');
    reached('store.migrate.committed');
    return { from, to };
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function versionOf(db: DatabaseSync): number {
  return numberOf(db, 'PRAGMA user_version');
}

function numberOf(db: DatabaseSync, sql: string): number {
  return Number(Object.values(db.prepare(sql).get() ?? {})[0]);
}
