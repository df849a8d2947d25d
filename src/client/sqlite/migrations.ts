/**
 * The tables of a client store in SQLite, one migration a version; `user_version` says how many have run. A migration that has shipped is never
 * changed; a new one is appended.
 */
import type { DatabaseSync } from 'node:sqlite';
import { FareboxError } from '../../core/Errors.ts';

/** Marks the file as a client store of ours: `FBX1`. */
const applicationId = 0x46425831;

const migrations: readonly string[] = [
  `
  CREATE TABLE payment (
    payment_hash TEXT PRIMARY KEY, state TEXT NOT NULL, resource TEXT NOT NULL, origin TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    scheme TEXT NOT NULL, token TEXT NOT NULL, invoice TEXT NOT NULL, invoice_expires_at INTEGER NOT NULL, amount_msat TEXT NOT NULL,
    payer TEXT NOT NULL, network TEXT NOT NULL, reserved_msat TEXT NOT NULL, spent_msat TEXT NOT NULL, preimage TEXT, usable INTEGER NOT NULL,
    owner TEXT NOT NULL, lease_ends_at INTEGER NOT NULL, created_at INTEGER NOT NULL, dispatched_at INTEGER, updated_at INTEGER NOT NULL,
    note TEXT NOT NULL
  );
  CREATE INDEX payment_open ON payment (resource) WHERE state IN ('dispatched', 'unknown');
  CREATE INDEX payment_reserved ON payment (state) WHERE state = 'reserved';
  CREATE INDEX payment_usable ON payment (origin) WHERE usable = 1;
  CREATE TABLE spending (held_msat TEXT NOT NULL, spent_msat TEXT NOT NULL, stopped_by TEXT);
  INSERT INTO spending VALUES ('0', '0', NULL);
  `,
  `
  ALTER TABLE payment ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE payment ADD COLUMN bound_to TEXT NOT NULL DEFAULT '';
  UPDATE payment SET seen = 1 WHERE note = 'The wallet says that it is under way.';
  `,
  // What was paid before counts to everything, and to no budget with a name. Sums of other windows are made from the rows when they are asked for.
  `
  ALTER TABLE payment ADD COLUMN budgets TEXT NOT NULL DEFAULT '[]';
  ALTER TABLE payment ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
  CREATE INDEX payment_created ON payment (created_at);
  ALTER TABLE spending ADD COLUMN stop_note TEXT;
  CREATE TABLE counter (
    key TEXT PRIMARY KEY, budget TEXT NOT NULL, host TEXT, tag TEXT, start_at INTEGER NOT NULL, end_at INTEGER,
    held_msat TEXT NOT NULL, spent_msat TEXT NOT NULL
  );
  INSERT INTO counter SELECT '/total///0', '', NULL, NULL, 0, NULL, held_msat, spent_msat FROM spending;
  CREATE TABLE budget (name TEXT PRIMARY KEY, text TEXT NOT NULL);
  `,
  // Which key seals tokens and preimages. Without a row, they lie open, as they did before.
  `
  CREATE TABLE seal (key_id TEXT NOT NULL);
  `,
];

/**
 * Brings a file up to date, inside the transaction that is open; makes the tables where it is empty.
 * @throws STORE_VERSION – it is something else, or was written by a newer version
 */
export function migrate(database: DatabaseSync, path: string): void {
  const pragma = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  const found = pragma('user_version');
  const marked = pragma('application_id') === applicationId;
  const version = migrations.length;
  if (marked && found === version) return;
  if (marked && found > version) {
    throw new FareboxError('STORE_VERSION', `The client store ${path} was written by a newer version of Farebox (${found}; this one reads ${version}).`);
  }
  if (!marked && (found !== 0 || database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get())) {
    throw new FareboxError('STORE_VERSION', `The file ${path} is a database, but not a client store. Name another file.`);
  }
  for (const migration of migrations.slice(found)) database.exec(migration);
  database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`);
}
