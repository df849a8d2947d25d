/**
 * Reads a store's books from its file: over a connection of its own and in one transaction, so that no writer waits and none is seen.
 * Tables are read side by side in the order of payments, accounts and reservations, a few rows at a time, however many there are.
 */
import { resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { FareboxError } from '../../core/Errors.ts';
import * as AccountLife from '../accountLife.ts';
import { type AccountRow, type DebitRow, fromLotRow, type LotRow, type ReservationRow } from '../accountRow.ts';
import type { BookRow, LedgerTableRow } from '../bookRow.ts';
import { grouped, type Keyed } from '../grouped.ts';
import type { AccountStanding, CreditStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import {
  accountOf,
  bookOf,
  type ClaimStandingRow,
  type ClosingRow,
  claimOf,
  closingOf,
  createAmounts,
  entryOf,
  type ReadAmount,
  readOr,
  reservationOf,
} from '../standingRows.ts';

/** Rows between two turns that everything else in the process has. */
const turnRows = 500;

const busyTimeoutMs = 5000;

/**
 * Everything that the file holds about money, of the moment at which the first is asked for.
 * @throws STORE_UNAVAILABLE – the file cannot be read
 */
export async function* audit(path: string, now: () => number): AsyncGenerator<Standing> {
  const { DatabaseSync } = await import('node:sqlite');
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(resolve(path), { readOnly: true, timeout: busyTimeoutMs });
    db.exec('BEGIN');
    let read = 0;
    for (const standing of standings(db, now)) {
      yield standing;
      read += 1;
      if (read % turnRows === 0) await setImmediate();
    }
  } catch (cause) {
    throw FareboxError.is(cause) ? cause : new FareboxError('STORE_UNAVAILABLE', 'The store could not be read.', { cause });
  } finally {
    db?.close();
  }
}

function* standings(db: DatabaseSync, now: () => number): Generator<Standing> {
  const amounts = createAmounts();
  // The first read is the moment; the hour is told after it, so that nothing is younger than the hour.
  const row = db.prepare('SELECT * FROM book').get() as BookRow | undefined;
  if (!row) throw new FareboxError('STORE_UNAVAILABLE', 'The store has lost the sums of its ledger.');
  const at = now();
  yield bookOf(row, at, amounts.read);
  yield* amounts.unreadable();
  for (const read of [payments, accounts, reservations]) {
    for (const standing of read(db, at, amounts.read)) {
      yield standing;
      yield* amounts.unreadable();
    }
  }
}

function* payments(db: DatabaseSync, at: number, msat: ReadAmount): Generator<PaymentStanding> {
  const selectReserved = db.prepare('SELECT units FROM debits WHERE account = ? AND held_until > ?');
  const selectLots = db.prepare('SELECT * FROM lots WHERE account = ? ORDER BY number');
  const tables = grouped<[LedgerTableRow, ClaimStandingRow, CreditRow, ClosingRow]>([
    rows(db, 'SELECT payment_hash AS sorted, * FROM ledger ORDER BY payment_hash, seq'),
    rows(
      db,
      `SELECT payment_hash AS sorted, key, state, amount_msat, lease_ends_at, expires_at, committed_at
       FROM claims WHERE payment_hash IS NOT NULL ORDER BY payment_hash, key`,
    ),
    rows(
      db,
      `SELECT lots.payment_hash AS sorted, lots.source, lots.account, accounts.expires_at AS account_expires_at
       FROM lots LEFT JOIN accounts ON accounts.account = lots.account
       WHERE lots.payment_hash IS NOT NULL ORDER BY lots.payment_hash, lots.number`,
    ),
    rows(db, 'SELECT payment_hash AS sorted, * FROM closings ORDER BY payment_hash'),
  ]);
  for (const { key, rows } of tables) {
    const [entries, claims, credits, closings] = rows;
    const reserved = (account: string) => (selectReserved.all(account, at) as { readonly units: string }[]).reduce((sum, { units }) => sum + readOr(units), 0n);
    const lotsOf = (account: string) => (selectLots.all(account) as LotRow[]).map((row) => fromLotRow(row, readOr));
    const closing = closings.map((row) => closingOf(row, msat))[0];
    yield {
      kind: 'payment',
      paymentHash: key,
      entries: entries.map((row) => entryOf(row, msat)),
      claims: claims.map((row) => claimOf(row, msat)),
      credits: credits.map((row) => creditOf(row, lotsOf(row.account), reserved)),
      ...(closing && { closing }),
    };
  }
}

/** Amounts that cannot be read are told where the accounts themselves are. */
function creditOf(
  { source, account, account_expires_at: expiresAt }: CreditRow,
  lots: readonly AccountLife.Lot[],
  reserved: (account: string) => bigint,
): CreditStanding {
  const lot = lots.find((one) => one.source === source);
  const credit = { account, amountMsat: lot?.paidMsat ?? 0n };
  if (expiresAt === null) return credit;
  const heldMsat = AccountLife.heldMsat(lots, reserved(account)).get(source) ?? 0n;
  return { ...credit, balance: { earnedMsat: lot?.earnedMsat ?? 0n, heldMsat, expiresAt } };
}

function* accounts(db: DatabaseSync, at: number, read: ReadAmount): Generator<AccountStanding> {
  const tables = grouped<[AccountRow, LotRow, DebitRow]>([
    rows(db, 'SELECT account AS sorted, * FROM accounts ORDER BY account'),
    rows(db, 'SELECT account AS sorted, * FROM lots ORDER BY account, number'),
    rows(db, 'SELECT account AS sorted, * FROM debits ORDER BY account'),
  ]);
  for (const { key, rows } of tables) {
    const [[account], lots, debits] = rows;
    if (account || lots.length > 0) yield accountOf(key, { account, lots, debits }, at, read);
  }
}

function* reservations(db: DatabaseSync, _: number, read: ReadAmount): Generator<ReservationStanding> {
  const tables = grouped<[ReservationRow, DebitRow]>([
    rows(db, 'SELECT reservation AS sorted, * FROM reservations ORDER BY reservation'),
    rows(db, 'SELECT reservation AS sorted, * FROM debits ORDER BY reservation, number'),
  ]);
  for (const { key, rows } of tables) {
    const [[life], debits] = rows;
    yield reservationOf(key, { life, debits }, read);
  }
}

/** Rows by their column `sorted`. */
function* rows<Row>(db: DatabaseSync, sql: string): Generator<Keyed<Row>> {
  for (const row of db.prepare(sql).iterate()) yield { key: row.sorted as string, row: row as Row };
}

type CreditRow = { readonly source: string; readonly account: string; readonly account_expires_at: number | null };
