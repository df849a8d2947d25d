/**
 * The ledger and the denials in PostgreSQL. Both are numbered from one sequence, so that the two tables are the feed of changes.
 *
 * Who numbers holds the row of the book until the commit is over. A number is therefore taken when every lower one can be read: nobody
 * who reads behind a number misses one that comes later. Numbering, writing and adding up is one statement, so that the row is held for
 * no longer than the server needs.
 */
import { FareboxError } from '../../core/Errors.ts';
import { type BookRow, type DenialRow, fromBookRow, fromDenialRow, fromLedgerRow, type LedgerTableRow } from '../bookRow.ts';
import { graceSeconds } from '../claimLife.ts';
import * as LedgerSums from '../ledgerSums.ts';
import type { Bookmark, Change, Denial, LedgerEntry, LedgerQuery, LedgerRow, Store } from '../Store.ts';
import type { Client, Statement } from './client.ts';
import { toJson } from './table.ts';

/** What one transaction writes down. */
export type BookWriting = {
  readonly append: (entries: readonly LedgerEntry[], bookmark?: Bookmark) => void;
  readonly deny: (denial: Denial) => void;
  readonly save: (client: Client) => readonly Promise<unknown>[];
  /** What turned out to be new, once it is saved. */
  readonly changed: () => ReadonlySet<Change['kind']>;
};

/** Nothing written down yet. */
export function createBookWriting(): BookWriting {
  const bookmarks = new Map<string, string>();
  const pieces: (LedgerEntry[] | Denial)[] = [];
  const changed = new Set<Change['kind']>();

  const write = async (client: Client, statement: Statement, values: readonly unknown[], kind: Change['kind']) => {
    if ((await client.ask(statement, values)).rows.length > 0) changed.add(kind);
  };

  return {
    append: (entries, bookmark) => {
      if (bookmark) bookmarks.set(bookmark.reader, bookmark.place);
      const last = pieces.at(-1);
      if (Array.isArray(last)) last.push(...entries);
      else if (entries.length > 0) pieces.push([...entries]);
    },
    deny: (denial) => void pieces.push(denial),
    save: (client) => [
      ...(pieces.length === 0 && bookmarks.size === 0 ? [] : [client.ask(lockBook)]),
      ...(bookmarks.size === 0 ? [] : [client.ask(writeBookmarks, [toJson([...bookmarks].map(([reader, place]) => ({ reader, place })))])]),
      ...pieces.map((piece) => {
        if (!Array.isArray(piece)) return write(client, writeDenial, [piece.kind, piece.value, piece.expiresAt], 'denial');
        return write(client, writeEntries, [toJson(piece.map(toTableRow))], 'ledger');
      }),
    ],
    changed: () => changed,
  };
}

/** Reads rows, each time of one moment. */
export type Read = <Row>(statement: Statement, values?: readonly unknown[]) => Promise<readonly Row[]>;

/** What is read of the book. */
export function createBookReading(read: Read, now: () => number) {
  const bookNow = async () => {
    const [row] = await read<BookRow>(selectBook);
    if (!row) throw new FareboxError('STORE_UNAVAILABLE', 'The store has lost the sums of its ledger.');
    return fromBookRow(row);
  };
  return {
    latest: async (): Promise<number> => (await bookNow()).seq,
    totals: async (): ReturnType<Store['totals']> => LedgerSums.totals((await bookNow()).sums),
    bookmark: async (reader: string): Promise<string | undefined> => (await read<{ readonly place: string }>(selectBookmark, [reader]))[0]?.place,
    ledger: async ({ after = 0, before = Number.MAX_SAFE_INTEGER, limit, newestFirst = false, paymentHash }: LedgerQuery): Promise<readonly LedgerRow[]> => {
      const between = [after, before, limit];
      const rows =
        paymentHash === undefined
          ? await read<LedgerTableRow>(newestFirst ? selectNewest : selectRows, between)
          : await read<LedgerTableRow>(newestFirst ? selectStoryBack : selectStory, [...between, paymentHash]);
      return rows.map((row) => fromLedgerRow(row));
    },
    denials: async (after = -1): ReturnType<Store['denials']> => {
      const rows = await read<DenialRow & { readonly latest: number; readonly kind: Denial['kind'] | null }>(selectDenials, [now() - graceSeconds, after]);
      return { denials: rows.filter(({ kind }) => kind !== null).map(fromDenialRow), seq: rows[0]?.latest ?? 0 };
    },
    changes: async (after: number, limit: number, kind: Change['kind'] | undefined): Promise<readonly Change[]> =>
      (await read<ChangeRow>(selectChanges, [after, limit, kind ?? null])).map(fromChangeRow),
  };
}

/** The channel that changes are told on, in SQL: the database is shared with others. */
const channelSql = "'farebox_' || current_schema()";

/** The channel that changes of a schema are told on. */
export function channelOf(schema: string): string {
  return `farebox_${schema}`;
}

const lockBook = { name: 'lock book', text: 'SELECT seq FROM book WHERE id = 1 FOR UPDATE' };

const writeBookmarks = {
  name: 'write bookmarks',
  text: `INSERT INTO bookmarks (reader, place) SELECT reader, place FROM json_to_recordset($1) AS given (reader text, place text)
    ON CONFLICT (reader) DO UPDATE SET place = excluded.place`,
};

/** What is new of the entries, numbered in their order, with the sums grown by it; nothing comes back where none is. Without a book there is no number, and the table refuses them. */
const writeEntries = {
  name: 'write entries',
  text: `WITH given AS (
      SELECT * FROM ROWS FROM (json_to_recordset($1) AS (
        kind text, payment_hash text, nonce text, amount_msat numeric, service text, route text, at bigint, note text
      )) WITH ORDINALITY AS given (kind, payment_hash, nonce, amount_msat, service, route, at, note, place)
    ), fresh AS (
      SELECT DISTINCT ON (payment_hash, kind, nonce) * FROM given
      WHERE NOT EXISTS (
        SELECT 1 FROM ledger WHERE ledger.payment_hash = given.payment_hash AND ledger.kind = given.kind AND ledger.nonce = given.nonce
      )
      ORDER BY payment_hash, kind, nonce, place
    ), written AS (
      INSERT INTO ledger (seq, kind, payment_hash, nonce, amount_msat, service, route, at, note)
      SELECT book.seq + row_number() OVER (ORDER BY place), kind, payment_hash, nonce, amount_msat, service, route, at, note
      FROM fresh LEFT JOIN book ON book.id = 1
      RETURNING kind, amount_msat
    ), grown AS (
      SELECT count(*) AS entries,
        coalesce(sum(amount_msat) FILTER (WHERE kind = 'settled'), 0) AS settled_msat,
        coalesce(sum(amount_msat) FILTER (WHERE kind = 'received'), 0) AS received_msat,
        coalesce(sum(amount_msat) FILTER (WHERE kind = 'earned'), 0) AS earned_msat,
        coalesce(sum(amount_msat) FILTER (WHERE kind = 'reversed'), 0) AS reversed_msat,
        count(*) FILTER (WHERE kind = 'settled') AS settled,
        count(*) FILTER (WHERE kind = 'received') AS received,
        count(*) FILTER (WHERE kind = 'earned') AS earned,
        count(*) FILTER (WHERE kind = 'reversed') AS reversed,
        count(*) FILTER (WHERE kind = 'repeated') AS repeated
      FROM written
    )
    UPDATE book SET
      seq = book.seq + grown.entries,
      settled_msat = book.settled_msat + grown.settled_msat,
      received_msat = book.received_msat + grown.received_msat,
      earned_msat = book.earned_msat + grown.earned_msat,
      reversed_msat = book.reversed_msat + grown.reversed_msat,
      settled = book.settled + grown.settled,
      received = book.received + grown.received,
      earned = book.earned + grown.earned,
      reversed = book.reversed + grown.reversed,
      repeated = book.repeated + grown.repeated
    FROM grown WHERE book.id = 1 AND grown.entries > 0
    RETURNING pg_notify(${channelSql}, 'ledger')`,
};

/** Of two denials of one thing the longer stands; nothing comes back where it was there. */
const writeDenial = {
  name: 'write denial',
  text: `WITH written AS (
      INSERT INTO denials (kind, value, expires_at, seq) SELECT $1, $2, $3::bigint, (SELECT seq + 1 FROM book WHERE id = 1)
      ON CONFLICT (kind, value) DO UPDATE SET expires_at = excluded.expires_at, seq = excluded.seq WHERE denials.expires_at < excluded.expires_at
      RETURNING seq
    )
    UPDATE book SET seq = written.seq FROM written WHERE book.id = 1 RETURNING pg_notify(${channelSql}, 'denial')`,
};

const selectBook = { name: 'read book', text: 'SELECT * FROM book WHERE id = 1' };
const selectBookmark = { name: 'read bookmark', text: 'SELECT place FROM bookmarks WHERE reader = $1' };
const selectRows = { name: 'read ledger', text: 'SELECT * FROM ledger WHERE seq > $1 AND seq < $2 ORDER BY seq LIMIT $3' };
const selectNewest = { name: 'read ledger back', text: 'SELECT * FROM ledger WHERE seq > $1 AND seq < $2 ORDER BY seq DESC LIMIT $3' };

/** The sum keeps the order from choosing the way: a payment has few rows, and the ledger many. */
const storySql = 'SELECT * FROM ledger WHERE payment_hash = $4 AND seq > $1 AND seq < $2 ORDER BY seq + 0';
const selectStory = { name: 'read payment', text: `${storySql} LIMIT $3` };
const selectStoryBack = { name: 'read payment back', text: `${storySql} DESC LIMIT $3` };

const selectDenials = {
  name: 'read denials',
  text: `SELECT book.seq AS latest, denials.* FROM book LEFT JOIN denials ON denials.expires_at > $1::double precision AND denials.seq > $2 WHERE book.id = 1 ORDER BY denials.seq`,
};

const selectChanges = {
  name: 'read changes',
  text: `(SELECT 'ledger' AS change, seq, kind, payment_hash, nonce, amount_msat, service, route, at, note, NULL AS value, NULL AS expires_at
      FROM ledger WHERE seq > $1 AND $3::text IS DISTINCT FROM 'denial' ORDER BY seq LIMIT $2)
    UNION ALL
    (SELECT 'denial', seq, kind, NULL, NULL, NULL, NULL, NULL, NULL, NULL, value, expires_at
      FROM denials WHERE seq > $1 AND $3::text IS DISTINCT FROM 'ledger' ORDER BY seq LIMIT $2)
    ORDER BY seq LIMIT $2`,
};

type ChangeRow = ({ readonly change: 'ledger' } & LedgerTableRow) | ({ readonly change: 'denial' } & DenialRow);

function fromChangeRow(row: ChangeRow): Change {
  if (row.change === 'denial') return { seq: row.seq, kind: 'denial', denial: fromDenialRow(row) };
  return { seq: row.seq, kind: 'ledger', row: fromLedgerRow(row) };
}

function toTableRow({ kind, paymentHash, nonce, amountMsat, service, route, at, note }: LedgerEntry) {
  return { kind, payment_hash: paymentHash, nonce, amount_msat: `${amountMsat}`, service, route, at, note };
}
