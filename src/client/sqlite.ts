/**
 * A client store in one SQLite file that several processes of one user may share. It holds bearer secrets (tokens with their preimages),
 * so only its owner may read it.
 *
 * Every change is one `BEGIN IMMEDIATE` transaction in WAL mode with `synchronous = FULL`: what was written before a wallet was called
 * is still there after a crash or a power cut.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { Msat } from '../core/Amount.ts';
import { type Operation, type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash, Preimage } from '../core/Preimage.ts';
import type { Network } from '../lightning/Lightning.ts';
import * as Budget from './Budget.ts';
import type { ClientStore } from './ClientStore.ts';
import type { Payment, PaymentState, Spending } from './Journal.ts';
import * as Journal from './Journal.ts';

/**
 * Opens the store in this file; file and folder are made, for their owner alone, where they are not there yet.
 *
 * @param options - `path`: of the file. SQLite keeps two more beside it, `<path>-wal` and `<path>-shm`. `reached`: told of every crash
 *   point that is reached; for tests
 * @throws STORE_UNAVAILABLE – the file cannot be opened or written
 * @throws STORE_VERSION – the file is something else, or was written by a newer version of Farebox
 */
export function createSqliteClientStore(options: { readonly path: string; readonly reached?: Reached }): ClientStore {
  const { path, reached = unwatched } = options;
  if (typeof path !== 'string' || path === '') throw new TypeError('path is the name of a file');
  const database = guarded(path, () => open(path, reached));
  const { get, openFor, openAt, usableAt, reserved, all, spending, save } = guarded(path, () => rowsOf(database));
  const reading = async <T>(work: () => T): Promise<T> => guarded(path, work);
  const changing = async <T>(operation: Operation<'journal'>, work: () => T): Promise<T> =>
    guarded(path, () => transaction(database, work, (how) => reached(`journal.${operation}.${how}`)));

  return {
    name: 'sqlite',
    capabilities: { durable: true, shared: true },
    // In this order: a payment that settles in between is seen twice rather than not at all.
    find: ({ origin }) => reading(() => ({ open: openAt(origin), credentials: usableAt(origin) })),
    get: (paymentHash) => reading(() => get(paymentHash)),
    list: (states) => reading(() => all().filter(({ state }) => states?.includes(state) ?? true)),
    reserve: (request) =>
      changing('reserve', () => {
        for (const payment of reserved()) {
          const given = Journal.abandoned(payment, request.nowAt);
          if (given) save(given);
        }
        const { purchase } = request;
        const outcome = Budget.reserve(request, get(purchase.paymentHash), openFor(purchase.resource), spending());
        if (outcome.kind === 'reserved') save(outcome.payment);
        return outcome;
      }),
    dispatch: ({ paymentHash, nowAt, ...lease }) =>
      changing('dispatch', () => {
        const payment = get(paymentHash);
        const others = payment ? openFor(payment.resource).filter((other) => other.paymentHash !== paymentHash) : [];
        const outcome = Budget.dispatch(payment, others, spending(), lease, nowAt);
        if (outcome.kind === 'dispatched') save(outcome.payment);
        return outcome;
      }),
    step: (paymentHash, step, nowAt) =>
      changing(operationOf(step), () => {
        const payment = get(paymentHash);
        const changed = payment && Journal.apply(payment, step, nowAt);
        return changed && save(changed);
      }),
    spending: () => reading(spending),
    allowSpending: () => changing('allow', () => void database.exec('UPDATE spending SET stopped_by = NULL')),
    close: async () => {
      if (database.isOpen) database.close();
    },
  };
}

/** What a step counts as among the crash points: some are another one with a reason of their own. */
function operationOf({ kind }: Journal.Step): Operation<'journal'> {
  if (kind === 'abandon') return 'fail';
  return kind === 'expire' ? 'reject' : kind;
}

type Row = { readonly [column: string]: unknown };

/** Raised with every change of the tables. */
const version = 2;

/** Marks the file as a client store of ours: `FBX1`. */
const applicationId = 0x46425831;

/** How long a transaction waits for another process's. */
const busyMs = 5000;

const columns = [
  'payment_hash',
  'state',
  'resource',
  'origin',
  'method',
  'path',
  'scheme',
  'token',
  'invoice',
  'invoice_expires_at',
  'amount_msat',
  'payer',
  'network',
  'reserved_msat',
  'spent_msat',
  'preimage',
  'usable',
  'owner',
  'lease_ends_at',
  'created_at',
  'dispatched_at',
  'updated_at',
  'seen',
  'bound_to',
  'note',
] as const;

const tables = `
  CREATE TABLE payment (
    payment_hash TEXT PRIMARY KEY, state TEXT NOT NULL, resource TEXT NOT NULL, origin TEXT NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    scheme TEXT NOT NULL, token TEXT NOT NULL, invoice TEXT NOT NULL, invoice_expires_at INTEGER NOT NULL, amount_msat TEXT NOT NULL,
    payer TEXT NOT NULL, network TEXT NOT NULL, reserved_msat TEXT NOT NULL, spent_msat TEXT NOT NULL, preimage TEXT, usable INTEGER NOT NULL,
    owner TEXT NOT NULL, lease_ends_at INTEGER NOT NULL, created_at INTEGER NOT NULL, dispatched_at INTEGER, updated_at INTEGER NOT NULL,
    note TEXT NOT NULL, seen INTEGER NOT NULL DEFAULT 0, bound_to TEXT NOT NULL DEFAULT ''
  );
  CREATE INDEX payment_open ON payment (resource) WHERE state IN ('dispatched', 'unknown');
  CREATE INDEX payment_reserved ON payment (state) WHERE state = 'reserved';
  CREATE INDEX payment_usable ON payment (origin) WHERE usable = 1;
  CREATE TABLE spending (held_msat TEXT NOT NULL, spent_msat TEXT NOT NULL, stopped_by TEXT);
  INSERT INTO spending VALUES ('0', '0', NULL);
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${version};
`;

/** What a file of version 1 lacks. */
const fromVersion1 = `
  ALTER TABLE payment ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE payment ADD COLUMN bound_to TEXT NOT NULL DEFAULT '';
  UPDATE payment SET seen = 1 WHERE note = 'The wallet says that it is under way.';
  PRAGMA user_version = ${version};
`;

/** Rows in and out, inside whatever transaction is open. */
function rowsOf(database: DatabaseSync) {
  const select = (where: string) => database.prepare(`SELECT * FROM payment ${where}`);
  const byHash = select('WHERE payment_hash = ?');
  const openByResource = select("WHERE resource = ? AND state IN ('dispatched', 'unknown') ORDER BY rowid");
  const openByOrigin = select("WHERE origin = ? AND state IN ('dispatched', 'unknown') ORDER BY rowid");
  const usableByOrigin = select('WHERE origin = ? AND usable = 1 ORDER BY rowid');
  const reservedRows = select("WHERE state = 'reserved'");
  const everything = select('ORDER BY rowid');
  const sums = database.prepare('SELECT held_msat, spent_msat, stopped_by FROM spending');
  const writeSums = database.prepare('UPDATE spending SET held_msat = ?, spent_msat = ?, stopped_by = ?');
  const insert = database.prepare(`INSERT INTO payment (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`);
  const update = database.prepare(`UPDATE payment SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE payment_hash = ?`);
  const get = (paymentHash: PaymentHash) => {
    const row = byHash.get(paymentHash);
    return row && toPayment(row);
  };
  const spending = () => toSpending(sums.get() as Row);
  return {
    get,
    spending,
    openFor: (resource: string) => openByResource.all(resource).map(toPayment),
    openAt: (origin: string) => openByOrigin.all(origin).map(toPayment),
    usableAt: (origin: string) => usableByOrigin.all(origin).map(toPayment),
    reserved: () => reservedRows.all().map(toPayment),
    all: () => everything.all().map(toPayment),
    save: (payment: Payment): Payment => {
      const before = get(payment.paymentHash);
      const { heldMsat, spentMsat, stoppedBy } = Journal.account(spending(), before, payment);
      writeSums.run(heldMsat.toString(), spentMsat.toString(), stoppedBy ?? null);
      if (before) update.run(...toRow(payment), payment.paymentHash);
      else insert.run(...toRow(payment));
      return payment;
    },
  };
}

function open(path: string, reached: Reached): DatabaseSync {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  const database = new DatabaseSync(path);
  try {
    database.exec(`PRAGMA busy_timeout = ${busyMs}`);
    transaction(
      database,
      () => migrate(database, path),
      (how) => reached(`journal.migrate.${how}`),
    );
    // SQLite gives the two files beside it the mode of the first.
    chmodSync(path, 0o600);
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function migrate(database: DatabaseSync, path: string): void {
  const pragma = (name: string) => Number(Object.values(database.prepare(`PRAGMA ${name}`).get() as Row)[0]);
  const found = pragma('user_version');
  const marked = pragma('application_id') === applicationId;
  if (marked && found === version) return;
  if (marked && found > version) {
    throw new FareboxError('STORE_VERSION', `The client store ${path} was written by a newer version of Farebox (${found}; this one reads ${version}).`);
  }
  if (marked && found === 1) return void database.exec(fromVersion1);
  if (found !== 0 || database.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get()) {
    throw new FareboxError('STORE_VERSION', `The file ${path} is a database, but not a client store. Name another file.`);
  }
  database.exec(tables);
}

function transaction<T>(database: DatabaseSync, work: () => T, reached: (how: 'written' | 'committed') => void): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    reached('written');
    database.exec('COMMIT');
    reached('committed');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (FareboxError.is(error)) throw error;
    throw new FareboxError('STORE_UNAVAILABLE', `The client store ${path} did not answer: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function toRow(payment: Payment): SQLInputValue[] {
  return [
    payment.paymentHash,
    payment.state,
    payment.resource,
    payment.origin,
    payment.method,
    payment.path,
    payment.scheme,
    payment.token,
    payment.invoice,
    payment.invoiceExpiresAt,
    payment.amountMsat.toString(),
    payment.payer,
    payment.network,
    payment.reservedMsat.toString(),
    payment.spentMsat.toString(),
    payment.preimage ?? null,
    payment.usable ? 1 : 0,
    payment.owner,
    payment.leaseEndsAt,
    payment.createdAt,
    payment.dispatchedAt ?? null,
    payment.updatedAt,
    payment.seen ? 1 : 0,
    payment.boundTo,
    payment.note,
  ];
}

function toPayment(row: Row): Payment {
  const text = (column: string) => row[column] as string;
  const number = (column: string) => row[column] as number;
  const msat = (column: string) => BigInt(row[column] as string) as Msat;
  return {
    paymentHash: text('payment_hash') as PaymentHash,
    state: text('state') as PaymentState,
    resource: text('resource'),
    origin: text('origin'),
    method: text('method'),
    path: text('path'),
    scheme: text('scheme') as Payment['scheme'],
    token: text('token'),
    invoice: text('invoice'),
    invoiceExpiresAt: number('invoice_expires_at'),
    amountMsat: msat('amount_msat'),
    payer: text('payer'),
    network: text('network') as Network,
    reservedMsat: msat('reserved_msat'),
    spentMsat: msat('spent_msat'),
    preimage: (row.preimage ?? undefined) as Preimage | undefined,
    usable: row.usable === 1,
    owner: text('owner'),
    leaseEndsAt: number('lease_ends_at'),
    createdAt: number('created_at'),
    dispatchedAt: (row.dispatched_at ?? undefined) as number | undefined,
    updatedAt: number('updated_at'),
    seen: row.seen === 1,
    boundTo: text('bound_to'),
    note: text('note'),
  };
}

function toSpending(row: Row): Spending {
  return {
    heldMsat: BigInt(row.held_msat as string) as Msat,
    spentMsat: BigInt(row.spent_msat as string) as Msat,
    stoppedBy: (row.stopped_by ?? undefined) as PaymentHash | undefined,
  };
}
