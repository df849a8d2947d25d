/**
 * The books of a sandbox in SQLite: nodes with their channels, invoices and payments. What one `write` does is done whole or not at
 * all, `kill -9` included. One process has the file open (WAL, mode 0600, locked for as long); others reach it over HTTP.
 *
 * Amounts are decimal text, since SQLite's integers reach JavaScript as numbers.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import * as Amount from '../../core/Amount.ts';
import { type Operation, type Reached, unwatched } from '../../core/CrashPoint.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { PaymentHash, Preimage } from '../../core/Preimage.ts';
import type { FailureReason } from '../Lightning.ts';
import type { SandboxFaultKind } from './Sandbox.ts';

type Msat = Amount.Msat;

/** A node and the two sides of its channel to the hub. The hub itself is a row without a channel: all zeros. */
export type NodeRow = {
  readonly name: string;
  readonly secretKey: Uint8Array;
  readonly nodeId: string;
  /** What was put into its own side ever. */
  readonly openedMsat: Msat;
  /** What was put into both sides ever. */
  readonly capacityMsat: Msat;
  /** Its own side. */
  readonly localMsat: Msat;
  /** The hub's side. */
  readonly remoteMsat: Msat;
};

/** An invoice that a node here has made. */
export type InvoiceRow = {
  readonly paymentHash: PaymentHash;
  readonly payee: string;
  readonly preimage: Preimage;
  /** 64 hex digits. */
  readonly paymentSecret: string;
  readonly amountMsat: Msat;
  /** Undefined where it was made before the books kept it. */
  readonly description: string | undefined;
  readonly expiresAt: number;
  /** Set once it is paid, with its place in the order of settlements. */
  readonly paid?: { readonly settledAt: number; readonly place: number };
};

/** An attempt to pay. */
export type PaymentRow = {
  readonly id: number;
  readonly paymentHash: PaymentHash;
  readonly payer: string;
  readonly payee: string | undefined;
  readonly amountMsat: Msat;
  readonly feeMsat: Msat;
  readonly state: 'pending' | 'settled' | 'failed';
  readonly reason: FailureReason | undefined;
  readonly message: string | undefined;
  readonly fault: SandboxFaultKind | undefined;
  /** When a pending payment arrives, in Unix milliseconds; undefined: when it is released. */
  readonly dueMs: number | undefined;
  readonly startedAt: number;
  readonly endedAt: number | undefined;
};

/** See the head of this file. Changes belong inside `write`. */
export type Books = {
  /** Names this network: 16 hex digits, chosen when the file was made. */
  readonly id: string;
  /** Runs `work` as one step: all of it is kept, or, where it throws, none. The operation names its crash points. */
  readonly write: <T>(operation: Operation<'sandbox'>, work: () => T) => T;
  readonly node: (name: string) => NodeRow | undefined;
  readonly nodes: () => readonly NodeRow[];
  readonly addNode: (node: NodeRow) => void;
  /** Writes the four amounts of a node. */
  readonly updateNode: (node: NodeRow) => void;
  readonly invoice: (paymentHash: PaymentHash) => InvoiceRow | undefined;
  readonly addInvoice: (invoice: InvoiceRow) => void;
  /** Marks an invoice paid, next in the order of settlements. */
  readonly markPaid: (paymentHash: PaymentHash, settledAt: number) => void;
  /** Paid invoices of a node behind a place, in order. */
  readonly settlements: (payee: string, after: number, limit: number) => readonly InvoiceRow[];
  /** The place of the newest settlement of all nodes. */
  readonly lastPlace: () => number;
  /** The answer is its id. */
  readonly addPayment: (payment: Omit<PaymentRow, 'id'>) => number;
  readonly endPayment: (payment: Pick<PaymentRow, 'id' | 'state' | 'feeMsat' | 'reason' | 'message' | 'endedAt'>) => void;
  /** A payer's newest attempt at a payment hash. */
  readonly lastAttempt: (payer: string, paymentHash: PaymentHash) => PaymentRow | undefined;
  readonly pending: () => readonly PaymentRow[];
  readonly payments: () => readonly PaymentRow[];
  readonly close: () => void;
};

/**
 * Opens the books, and makes them where there are none.
 *
 * @param path - a file, made with mode 0600 (and its folder with 0700), or `:memory:`
 * @param newId - names the network where the books are new
 * @throws SANDBOX_UNAVAILABLE – another process has the file, it cannot be opened, or it is not a sandbox's
 */
export function openBooks(path: string, newId: string, reached: Reached = unwatched): Books {
  const database = openDatabase(path);
  try {
    return over(database, migrate(database, path, newId, reached), reached);
  } catch (error) {
    database.close();
    throw unavailable(path, error);
  }
}

/** "fbsb" in ASCII: tells a sandbox's file from another's. */
const applicationId = 0x66627362;
const version = 2;

const schema = `
  CREATE TABLE meta (id TEXT NOT NULL) STRICT;
  CREATE TABLE nodes (
    name TEXT PRIMARY KEY, secret_key BLOB NOT NULL, node_id TEXT NOT NULL,
    opened TEXT NOT NULL, capacity TEXT NOT NULL, local TEXT NOT NULL, remote TEXT NOT NULL
  ) STRICT;
  CREATE TABLE invoices (
    payment_hash TEXT PRIMARY KEY, payee TEXT NOT NULL REFERENCES nodes, preimage TEXT NOT NULL, payment_secret TEXT NOT NULL,
    amount TEXT NOT NULL, expires_at INTEGER NOT NULL, settled_at INTEGER, place INTEGER UNIQUE, description TEXT
  ) STRICT;
  CREATE INDEX settlements ON invoices (payee, place) WHERE place IS NOT NULL;
  CREATE TABLE payments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, payment_hash TEXT NOT NULL, payer TEXT NOT NULL REFERENCES nodes, payee TEXT,
    amount TEXT NOT NULL, fee TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('pending', 'settled', 'failed')),
    reason TEXT, message TEXT, fault TEXT, due_ms INTEGER, started_at INTEGER NOT NULL, ended_at INTEGER
  ) STRICT;
  CREATE INDEX attempts ON payments (payer, payment_hash, id);
  CREATE INDEX pending ON payments (id) WHERE state = 'pending';
`;

/** From version 1, whose invoices had no words. */
const upgrade = 'ALTER TABLE invoices ADD COLUMN description TEXT';

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== ':memory:') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      closeSync(openSync(path, 'a', 0o600));
    }
    return new DatabaseSync(path);
  } catch (error) {
    throw unavailable(path, error);
  }
}

/**
 * Recognises the file before anything in it or about it is changed, locks it for this process, and brings it to the schema.
 * `synchronous = NORMAL` outlives the end of the process; only a power cut may cost the last steps.
 */
function migrate(database: DatabaseSync, path: string, newId: string, reached: Reached): string {
  const pragma = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
  const isEmpty = () => database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (!isEmpty() && pragma('application_id') !== applicationId) {
    throw new FareboxError('SANDBOX_UNAVAILABLE', `${path} is not a sandbox's file. Name another one.`);
  }
  if (!isEmpty() && ![1, version].includes(pragma('user_version'))) {
    throw new FareboxError('SANDBOX_UNAVAILABLE', `${path} is a sandbox of version ${pragma('user_version')}, this is ${version}. Name another file.`);
  }
  if (path !== ':memory:') chmodSync(path, 0o600);
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; BEGIN EXCLUSIVE');
  const [isNew, isOld] = [isEmpty(), !isEmpty() && pragma('user_version') === 1];
  if (isNew) {
    database.exec(schema);
    database.prepare('INSERT INTO meta (id) VALUES (?)').run(newId);
  }
  if (isOld) database.exec(upgrade);
  if (isNew || isOld) {
    database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${version}`);
    reached('sandbox.migrate.written');
  }
  database.exec('COMMIT');
  if (isNew || isOld) reached('sandbox.migrate.committed');
  return String(database.prepare('SELECT id FROM meta').get()?.id);
}

function over(database: DatabaseSync, id: string, reached: Reached): Books {
  const statements = prepare(database);
  return {
    id,
    write: (operation, work) => {
      database.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        reached(`sandbox.${operation}.written`);
        database.exec('COMMIT');
        reached(`sandbox.${operation}.committed`);
        return result;
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    },
    ...nodeCalls(statements),
    ...invoiceCalls(statements),
    ...paymentCalls(statements),
    close: () => database.close(),
  };
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: DatabaseSync) {
  const sql = (text: string): StatementSync => database.prepare(text);
  return {
    node: sql('SELECT * FROM nodes WHERE name = ?'),
    nodes: sql('SELECT * FROM nodes ORDER BY rowid'),
    addNode: sql('INSERT INTO nodes (name, secret_key, node_id, opened, capacity, local, remote) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    updateNode: sql('UPDATE nodes SET opened = ?, capacity = ?, local = ?, remote = ? WHERE name = ?'),
    invoice: sql('SELECT * FROM invoices WHERE payment_hash = ?'),
    addInvoice: sql('INSERT INTO invoices (payment_hash, payee, preimage, payment_secret, amount, description, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)'),
    markPaid: sql('UPDATE invoices SET settled_at = ?, place = (SELECT coalesce(max(place), 0) + 1 FROM invoices) WHERE payment_hash = ? AND place IS NULL'),
    settlements: sql('SELECT * FROM invoices WHERE payee = ? AND place > ? ORDER BY place LIMIT ?'),
    lastPlace: sql('SELECT coalesce(max(place), 0) AS place FROM invoices'),
    addPayment: sql(
      'INSERT INTO payments (payment_hash, payer, payee, amount, fee, state, reason, message, fault, due_ms, started_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    endPayment: sql("UPDATE payments SET state = ?, fee = ?, reason = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'pending'"),
    lastAttempt: sql('SELECT * FROM payments WHERE payer = ? AND payment_hash = ? ORDER BY id DESC LIMIT 1'),
    pending: sql("SELECT * FROM payments WHERE state = 'pending' ORDER BY id"),
    payments: sql('SELECT * FROM payments ORDER BY id'),
  };
}

function nodeCalls(sql: Statements): Pick<Books, 'node' | 'nodes' | 'addNode' | 'updateNode'> {
  return {
    node: (name) => optional(sql.node.get(name), toNode),
    nodes: () => sql.nodes.all().map(toNode),
    addNode: (node) => {
      sql.addNode.run(
        node.name,
        node.secretKey,
        node.nodeId,
        String(node.openedMsat),
        String(node.capacityMsat),
        String(node.localMsat),
        String(node.remoteMsat),
      );
    },
    updateNode: (node) => {
      sql.updateNode.run(String(node.openedMsat), String(node.capacityMsat), String(node.localMsat), String(node.remoteMsat), node.name);
    },
  };
}

function invoiceCalls(sql: Statements): Pick<Books, 'invoice' | 'addInvoice' | 'markPaid' | 'settlements' | 'lastPlace'> {
  return {
    invoice: (paymentHash) => optional(sql.invoice.get(paymentHash), toInvoice),
    addInvoice: ({ paymentHash, payee, preimage, paymentSecret, amountMsat, description, expiresAt }) => {
      sql.addInvoice.run(paymentHash, payee, preimage, paymentSecret, String(amountMsat), description ?? null, expiresAt);
    },
    markPaid: (paymentHash, settledAt) => {
      sql.markPaid.run(settledAt, paymentHash);
    },
    settlements: (payee, after, limit) => sql.settlements.all(payee, after, limit).map(toInvoice),
    lastPlace: () => Number(sql.lastPlace.get()?.place),
  };
}

function paymentCalls(sql: Statements): Pick<Books, 'addPayment' | 'endPayment' | 'lastAttempt' | 'pending' | 'payments'> {
  return {
    addPayment: (payment) => {
      const { paymentHash, payer, payee, amountMsat, feeMsat, state, reason, message, fault, dueMs, startedAt, endedAt } = payment;
      const added = sql.addPayment.run(
        paymentHash,
        payer,
        payee ?? null,
        String(amountMsat),
        String(feeMsat),
        state,
        reason ?? null,
        message ?? null,
        fault ?? null,
        dueMs ?? null,
        startedAt,
        endedAt ?? null,
      );
      return Number(added.lastInsertRowid);
    },
    endPayment: ({ id, state, feeMsat, reason, message, endedAt }) => {
      sql.endPayment.run(state, String(feeMsat), reason ?? null, message ?? null, endedAt ?? null, id);
    },
    lastAttempt: (payer, paymentHash) => optional(sql.lastAttempt.get(payer, paymentHash), toPayment),
    pending: () => sql.pending.all().map(toPayment),
    payments: () => sql.payments.all().map(toPayment),
  };
}

type Row = Record<string, unknown>;

function optional<T>(row: Row | undefined, read: (row: Row) => T): T | undefined {
  return row === undefined ? undefined : read(row);
}

function toNode(row: Row): NodeRow {
  return {
    name: String(row.name),
    secretKey: row.secret_key as Uint8Array,
    nodeId: String(row.node_id),
    openedMsat: msat(row.opened),
    capacityMsat: msat(row.capacity),
    localMsat: msat(row.local),
    remoteMsat: msat(row.remote),
  };
}

function toInvoice(row: Row): InvoiceRow {
  const invoice = {
    paymentHash: row.payment_hash as PaymentHash,
    payee: String(row.payee),
    preimage: row.preimage as Preimage,
    paymentSecret: String(row.payment_secret),
    amountMsat: msat(row.amount),
    description: (row.description as string | null) ?? undefined,
    expiresAt: Number(row.expires_at),
  };
  return row.place === null ? invoice : { ...invoice, paid: { settledAt: Number(row.settled_at), place: Number(row.place) } };
}

function toPayment(row: Row): PaymentRow {
  return {
    id: Number(row.id),
    paymentHash: row.payment_hash as PaymentHash,
    payer: String(row.payer),
    payee: (row.payee as string | null) ?? undefined,
    amountMsat: msat(row.amount),
    feeMsat: msat(row.fee),
    state: row.state as PaymentRow['state'],
    reason: (row.reason as FailureReason | null) ?? undefined,
    message: (row.message as string | null) ?? undefined,
    fault: (row.fault as SandboxFaultKind | null) ?? undefined,
    dueMs: (row.due_ms as number | null) ?? undefined,
    startedAt: Number(row.started_at),
    endedAt: (row.ended_at as number | null) ?? undefined,
  };
}

function msat(text: unknown): Msat {
  return Amount.fromMsat(BigInt(String(text)));
}

function unavailable(path: string, cause: unknown): FareboxError {
  if (FareboxError.is(cause)) return cause;
  const locked = cause instanceof Error && /locked|busy/i.test(cause.message);
  const why = locked ? 'another process has it open: connect to that one, or name another file' : cause instanceof Error ? cause.message : String(cause);
  return new FareboxError('SANDBOX_UNAVAILABLE', `The sandbox ${path} cannot be opened: ${why}.`, { cause });
}
