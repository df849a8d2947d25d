/**
 * Reads a store's books from PostgreSQL: over a connection of its own and in one transaction that reads, so that no writer waits and none is
 * seen. Tables are read side by side through cursors, a few rows at a time, however many there are.
 */
import { FareboxError } from '../../core/Errors.ts';
import * as AccountLife from '../accountLife.ts';
import { type AccountRow, type DebitRow, fromLotRow, type LotRow, type ReservationRow } from '../accountRow.ts';
import type { BookRow, LedgerTableRow } from '../bookRow.ts';
import { groupedLater, type Keyed } from '../grouped.ts';
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
import type { Client } from './client.ts';
import { cursor, forAll } from './cursor.ts';

/** How long a part of it may take, in milliseconds. */
export const auditTimeoutMs = 600_000;

/**
 * Everything that the store holds about money, of the moment at which the first is asked for.
 * @throws STORE_UNAVAILABLE – the server does not answer
 */
export async function* audit(open: () => Promise<Client>, now: () => number): AsyncGenerator<Standing> {
  let client: Client | undefined;
  try {
    client = await open();
    await client.ask('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await client.ask(forAll);
    yield* standings(client, now);
  } catch (cause) {
    throw FareboxError.is(cause, 'STORE_UNAVAILABLE') ? cause : new FareboxError('STORE_UNAVAILABLE', 'The store could not be read.', { cause });
  } finally {
    await client?.end();
  }
}

async function* standings(client: Client, now: () => number): AsyncGenerator<Standing> {
  const amounts = createAmounts();
  // The first read is the moment; the hour is told after it, so that nothing is younger than the hour.
  const [row] = (await client.ask<BookRow>('SELECT *, 0 AS untied_seq, 0 AS untied_until FROM book')).rows;
  if (!row) throw new FareboxError('STORE_UNAVAILABLE', 'The store has lost the sums of its ledger.');
  const at = now();
  yield bookOf(row, at, amounts.read);
  yield* amounts.unreadable();
  for (const read of [payments, accounts, reservations]) {
    for await (const standing of read(client, at, amounts.read)) {
      yield standing;
      yield* amounts.unreadable();
    }
  }
}

async function* payments(client: Client, at: number, msat: ReadAmount): AsyncGenerator<PaymentStanding> {
  const tables = groupedLater<[LedgerTableRow, ClaimStandingRow, CreditRow, ClosingRow]>([
    rows(client, 'SELECT payment_hash AS sorted, * FROM ledger ORDER BY payment_hash, seq'),
    rows(
      client,
      `SELECT payment_hash AS sorted, key, state, amount_msat, lease_ends_at, expires_at, committed_at
       FROM claims WHERE payment_hash IS NOT NULL ORDER BY payment_hash, key`,
    ),
    rows(
      client,
      `SELECT lots.payment_hash AS sorted, lots.*, accounts.expires_at AS account_expires_at,
         (SELECT coalesce(sum(debits.units), 0) FROM debits WHERE debits.account = lots.account AND held_until > ${at}) AS reserved
       FROM lots LEFT JOIN accounts ON accounts.account = lots.account
       WHERE lots.payment_hash IS NOT NULL ORDER BY lots.payment_hash, lots.number`,
    ),
    rows(client, 'SELECT payment_hash AS sorted, * FROM closings ORDER BY payment_hash'),
  ]);
  for await (const { key, rows } of tables) {
    const [entries, claims, lots, closings] = rows;
    const closing = closings.map((row) => closingOf(row, msat))[0];
    const credits: CreditStanding[] = [];
    for (const row of lots) credits.push(await creditOf(client, row));
    yield {
      kind: 'payment',
      paymentHash: key,
      entries: entries.map((row) => entryOf(row, msat)),
      claims: claims.map((row) => claimOf(row, msat)),
      credits,
      ...(closing && { closing }),
    };
  }
}

/** What units that are held would earn depends on all of the account's lots. Amounts that cannot be read are told where the accounts themselves are. */
async function creditOf(client: Client, row: CreditRow): Promise<CreditStanding> {
  const { account, source, account_expires_at: expiresAt } = row;
  const { paidMsat, earnedMsat } = fromLotRow(row, readOr);
  if (expiresAt === null) return { account, amountMsat: paidMsat };
  const reserved = readOr(row.reserved);
  const lots = reserved === 0n ? [] : (await client.ask<LotRow>(selectLots, [account])).rows.map((one) => fromLotRow(one, readOr));
  return { account, amountMsat: paidMsat, balance: { earnedMsat, heldMsat: AccountLife.heldMsat(lots, reserved).get(source) ?? 0n, expiresAt } };
}

async function* accounts(client: Client, at: number, read: ReadAmount): AsyncGenerator<AccountStanding> {
  const tables = groupedLater<[AccountRow, LotRow, DebitRow]>([
    rows(client, 'SELECT account AS sorted, * FROM accounts ORDER BY account'),
    rows(client, 'SELECT account AS sorted, * FROM lots ORDER BY account, number'),
    rows(client, 'SELECT account AS sorted, * FROM debits ORDER BY account'),
  ]);
  for await (const { key, rows } of tables) {
    const [[account], lots, debits] = rows;
    if (account || lots.length > 0) yield accountOf(key, { account, lots, debits }, at, read);
  }
}

async function* reservations(client: Client, _: number, read: ReadAmount): AsyncGenerator<ReservationStanding> {
  const tables = groupedLater<[ReservationRow, DebitRow]>([
    rows(client, 'SELECT reservation AS sorted, * FROM reservations ORDER BY reservation'),
    rows(client, 'SELECT reservation AS sorted, * FROM debits ORDER BY reservation, number'),
  ]);
  for await (const { key, rows } of tables) {
    const [[life], debits] = rows;
    yield reservationOf(key, { life, debits }, read);
  }
}

const selectLots = { name: 'read lots of account', text: 'SELECT * FROM lots WHERE account = $1 ORDER BY number' };

type CreditRow = LotRow & { readonly account_expires_at: number | null; readonly reserved: string };

/** Rows by their column `sorted`. */
async function* rows<Row>(client: Client, sql: string): AsyncGenerator<Keyed<Row>> {
  for await (const row of cursor<Row & { readonly sorted: string }>(client, sql)) yield { key: row.sorted, row };
}
