/**
 * Reads a store's books from its file: over a connection of its own and in one transaction, so that no writer waits and none is seen.
 * Tables are read side by side in the order of payments, accounts and reservations, a few rows at a time, however many there are.
 */
import { resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import { FareboxError } from '../../core/Errors.ts';
import type { AccountStanding, BookStanding, ClaimStanding, Closing, CreditStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import type { LedgerRow } from '../Store.ts';
import { type BookRow, fromBookRow, fromLedgerRow, type LedgerTableRow } from './book.ts';
import { grouped, type Keyed } from './grouped.ts';

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

/** An amount as it stands in a row; one that is no whole number counts as nothing and is told. */
type ReadAmount = (text: string | null, table: string, row: string | number) => bigint;

function createAmounts() {
  let waiting: Standing[] = [];
  const read: ReadAmount = (text, table, row) => {
    if (text !== null && /^-?\d+$/.test(text)) return BigInt(text);
    waiting.push({ kind: 'unreadable', table, row: `${row}` });
    return 0n;
  };
  return {
    read,
    unreadable: (): readonly Standing[] => {
      const told = waiting;
      if (told.length === 0) return told;
      waiting = [];
      return told;
    },
  };
}

function bookOf(row: BookRow, at: number, msat: ReadAmount): BookStanding {
  const sum = (text: string) => `${msat(text, 'book', 'the only one')}`;
  const { settled_msat, received_msat, earned_msat, reversed_msat } = row;
  const readable = {
    ...row,
    settled_msat: sum(settled_msat),
    received_msat: sum(received_msat),
    earned_msat: sum(earned_msat),
    reversed_msat: sum(reversed_msat),
  };
  return { kind: 'book', at, ...fromBookRow(readable), untiedSeq: row.untied_seq, untiedUntil: row.untied_until };
}

function* payments(db: DatabaseSync, at: number, msat: ReadAmount): Generator<PaymentStanding> {
  const selectReserved = db.prepare('SELECT amount_msat FROM debits WHERE account = ? AND held_until > ?');
  const tables = grouped<[LedgerTableRow, ClaimRow, CreditRow, ClosingRow]>([
    rows(db, 'SELECT payment_hash AS sorted, * FROM ledger ORDER BY payment_hash, seq'),
    rows(
      db,
      `SELECT payment_hash AS sorted, key, state, amount_msat, lease_ends_at, expires_at, committed_at
       FROM claims WHERE payment_hash IS NOT NULL ORDER BY payment_hash, key`,
    ),
    rows(
      db,
      `SELECT sources.payment_hash AS sorted, sources.source, sources.account, sources.amount_msat, credited_msat, spent_msat, accounts.expires_at
       FROM sources LEFT JOIN accounts ON accounts.account = sources.account
       WHERE sources.payment_hash IS NOT NULL ORDER BY sources.payment_hash, sources.source`,
    ),
    rows(db, 'SELECT payment_hash AS sorted, * FROM closings ORDER BY payment_hash'),
  ]);
  for (const { key, rows } of tables) {
    const [entries, claims, credits, closings] = rows;
    const reserved = (account: string) => (selectReserved.all(account, at) as { readonly amount_msat: string }[]).map((row) => row.amount_msat);
    const closing = closings.map((row) => closingOf(row, msat))[0];
    yield {
      kind: 'payment',
      paymentHash: key,
      entries: entries.map((row) => entryOf(row, msat)),
      claims: claims.map((row) => claimOf(row, msat)),
      credits: credits.map((row) => creditOf(row, reserved, msat)),
      ...(closing && { closing }),
    };
  }
}

function entryOf(row: LedgerTableRow, msat: ReadAmount): LedgerRow {
  return fromLedgerRow(row, msat(row.amount_msat, 'ledger', row.seq));
}

function claimOf(row: ClaimRow, msat: ReadAmount): ClaimStanding {
  return {
    state: row.state,
    amountMsat: msat(row.amount_msat, 'claims', row.key),
    leaseEndsAt: row.lease_ends_at ?? undefined,
    expiresAt: row.expires_at,
    committedAt: row.committed_at,
  };
}

function creditOf(row: CreditRow, reserved: (account: string) => readonly string[], msat: ReadAmount): CreditStanding {
  const credit = { account: row.account, amountMsat: msat(row.amount_msat, 'sources', row.source) };
  if (row.credited_msat === null || row.spent_msat === null || row.expires_at === null) return credit;
  const balance = {
    creditedMsat: readOr(row.credited_msat),
    spentMsat: readOr(row.spent_msat),
    reservedMsat: reserved(row.account).reduce((sum, text) => sum + readOr(text), 0n),
    expiresAt: row.expires_at,
  };
  return { ...credit, balance };
}

function closingOf(row: ClosingRow, msat: ReadAmount): Closing {
  return { kind: row.kind, amountMsat: msat(row.amount_msat, 'closings', row.payment_hash), earnedMsat: msat(row.earned_msat, 'closings', row.payment_hash) };
}

/** What is unreadable is told where the accounts themselves are read. */
function readOr(text: string): bigint {
  return /^-?\d+$/.test(text) ? BigInt(text) : 0n;
}

function* accounts(db: DatabaseSync, at: number, msat: ReadAmount): Generator<AccountStanding> {
  const tables = grouped<[AccountRow, SourceRow, DebitRow]>([
    rows(db, 'SELECT account AS sorted, * FROM accounts ORDER BY account'),
    rows(db, 'SELECT account AS sorted, source, amount_msat, expires_at FROM sources ORDER BY account'),
    rows(db, 'SELECT account AS sorted, * FROM debits ORDER BY account'),
  ]);
  for (const { key, rows } of tables) {
    const [[account], sources, debits] = rows;
    if (!account && sources.length === 0) continue;
    const spentMsat = debits.reduce((sum, debit) => sum + readOr(debit.spent_msat), 0n);
    const held = debits.filter(({ held_until }) => held_until !== null && held_until > at);
    yield {
      kind: 'account',
      account: key,
      balance: account && {
        creditedMsat: msat(account.credited_msat, 'accounts', key),
        spentMsat: msat(account.spent_msat, 'accounts', key),
        reservedMsat: held.reduce((sum, debit) => sum + readOr(debit.amount_msat), 0n),
      },
      sourcesMsat: sources.reduce((sum, { amount_msat, source }) => sum + msat(amount_msat, 'sources', source), 0n),
      sourcesExpireAt: sources.reduce((latest, { expires_at }) => Math.max(latest, expires_at), 0),
      debitsMsat: spentMsat + (account ? msat(account.forgotten_msat, 'accounts', key) : 0n),
    };
  }
}

function* reservations(db: DatabaseSync, _: number, msat: ReadAmount): Generator<ReservationStanding> {
  const tables = grouped<[ReservationRow, DebitRow]>([
    rows(db, 'SELECT reservation AS sorted, * FROM reservations ORDER BY reservation'),
    rows(db, 'SELECT reservation AS sorted, * FROM debits ORDER BY reservation, account'),
  ]);
  for (const { key, rows } of tables) {
    const [[life], debits] = rows;
    yield {
      kind: 'reservation',
      reservation: key,
      life: life && { state: life.state, amountMsat: msat(life.amount_msat, 'reservations', key), leaseEndsAt: life.lease_ends_at },
      debits: debits.map(({ account, amount_msat, spent_msat, held_until }) => ({
        account,
        amountMsat: msat(amount_msat, 'debits', `${key}, ${account}`),
        spentMsat: msat(spent_msat, 'debits', `${key}, ${account}`),
        heldUntil: held_until ?? undefined,
      })),
    };
  }
}

/** Rows by their column `sorted`. */
function* rows<Row>(db: DatabaseSync, sql: string): Generator<Keyed<Row>> {
  for (const row of db.prepare(sql).iterate()) yield { key: row.sorted as string, row: row as Row };
}

type ClaimRow = {
  readonly key: string;
  readonly state: ClaimStanding['state'];
  readonly amount_msat: string | null;
  readonly lease_ends_at: number | null;
  readonly expires_at: number;
  readonly committed_at: number;
};
type CreditRow = {
  readonly source: string;
  readonly account: string;
  readonly amount_msat: string;
  readonly credited_msat: string | null;
  readonly spent_msat: string | null;
  readonly expires_at: number | null;
};
type ClosingRow = { readonly payment_hash: string; readonly kind: Closing['kind']; readonly amount_msat: string; readonly earned_msat: string };
type AccountRow = { readonly credited_msat: string; readonly spent_msat: string; readonly forgotten_msat: string };
type SourceRow = { readonly source: string; readonly amount_msat: string; readonly expires_at: number };
type DebitRow = { readonly account: string; readonly amount_msat: string; readonly spent_msat: string; readonly held_until: number | null };
type ReservationRow = { readonly state: 'held' | 'settled' | 'cancelled'; readonly amount_msat: string; readonly lease_ends_at: number };
