/**
 * The ledger and the denials in SQLite. Both are numbered from one sequence, in the order of their commits, so that the two tables
 * are the feed of changes: nothing is written twice for it, and a denial that is pruned has expired for its readers too.
 */
import { type BookRow, type DenialRow, fromBookRow, fromDenialRow, fromLedgerRow, type LedgerTableRow } from '../bookRow.ts';
import { graceSeconds } from '../claimLife.ts';
import * as LedgerSums from '../ledgerSums.ts';
import type { Bookmark, Change, Denial, LedgerEntry, LedgerQuery, LedgerRow, LedgerTotals } from '../Store.ts';
import type { Connection } from './connection.ts';

/**
 * What is written down, and in which order. `append` and `deny` run inside a writing transaction, the others inside a reading one.
 * @param onChange - called for what is new, before it is committed
 */
export function createBook(connection: Connection, now: () => number, onChange: (kind: Change['kind']) => void) {
  const selectBook = connection.prepare('SELECT * FROM book');
  const updateBook = connection.prepare(
    `UPDATE book SET seq = ?, settled_msat = ?, received_msat = ?, earned_msat = ?, reversed_msat = ?,
       settled = ?, received = ?, earned = ?, reversed = ?, repeated = ?`,
  );
  const insertEntry = connection.prepare(
    `INSERT INTO ledger (seq, kind, payment_hash, nonce, amount_msat, service, route, at, note)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (payment_hash, kind, nonce) DO NOTHING`,
  );
  const selectBookmark = connection.prepare('SELECT place FROM bookmarks WHERE reader = ?');
  const upsertBookmark = connection.prepare('INSERT OR REPLACE INTO bookmarks (reader, place) VALUES (?, ?)');
  const selectRows = connection.prepare('SELECT * FROM ledger WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ?');
  const selectNewest = connection.prepare('SELECT * FROM ledger WHERE seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?');
  // A plus sign keeps the order from choosing the way: a payment has few rows, and the ledger many.
  const selectStory = connection.prepare('SELECT * FROM ledger WHERE payment_hash = ? AND +seq > ? AND +seq < ? ORDER BY +seq LIMIT ?');
  const selectStoryBack = connection.prepare('SELECT * FROM ledger WHERE payment_hash = ? AND +seq > ? AND +seq < ? ORDER BY +seq DESC LIMIT ?');
  const updateSeq = connection.prepare('UPDATE book SET seq = seq + 1 RETURNING seq');
  const selectDenial = connection.prepare('SELECT expires_at FROM denials WHERE kind = ? AND value = ?');
  const upsertDenial = connection.prepare('INSERT OR REPLACE INTO denials (kind, value, expires_at, seq) VALUES (?, ?, ?, ?)');
  const selectDenials = connection.prepare('SELECT * FROM denials WHERE seq > ? AND expires_at > ? ORDER BY seq');
  const selectDenialsBehind = connection.prepare('SELECT * FROM denials WHERE seq > ? ORDER BY seq LIMIT ?');

  const bookNow = () => fromBookRow(selectBook.get() as BookRow);
  const rowsBehind = (after: number, limit: number) =>
    (selectRows.all(after, Number.MAX_SAFE_INTEGER, limit) as LedgerTableRow[]).map((row) => fromLedgerRow(row));
  const denialsBehind = (after: number, limit: number) =>
    (selectDenialsBehind.all(after, limit) as DenialRow[]).map((row): Change => ({ seq: row.seq, kind: 'denial', denial: fromDenialRow(row) }));

  return {
    latest: (): number => bookNow().seq,
    bookmark: (reader: string): string | undefined => (selectBookmark.get(reader) as { readonly place: string } | undefined)?.place,
    append: (entries: readonly LedgerEntry[], bookmark?: Bookmark): void => {
      if (bookmark) upsertBookmark.run(bookmark.reader, bookmark.place);
      const before = bookNow();
      let { seq, sums } = before;
      for (const entry of entries) {
        const { kind, paymentHash, nonce, amountMsat, service, route, at, note } = entry;
        if (insertEntry.run(seq + 1, kind, paymentHash, nonce, `${amountMsat}`, service, route, at, note).changes === 0) continue;
        seq += 1;
        sums = LedgerSums.add(sums, entry);
      }
      if (seq === before.seq) return;
      const { settledMsat, receivedMsat, earnedMsat, reversedMsat, settled, received, earned, reversed, repeated } = sums;
      updateBook.run(seq, `${settledMsat}`, `${receivedMsat}`, `${earnedMsat}`, `${reversedMsat}`, settled, received, earned, reversed, repeated);
      onChange('ledger');
    },
    ledger: ({ after = 0, before = Number.MAX_SAFE_INTEGER, limit, newestFirst = false, paymentHash }: LedgerQuery): readonly LedgerRow[] => {
      const all = newestFirst ? selectNewest : selectRows;
      const story = newestFirst ? selectStoryBack : selectStory;
      const rows = paymentHash === undefined ? all.all(after, before, limit) : story.all(paymentHash, after, before, limit);
      return (rows as LedgerTableRow[]).map((row) => fromLedgerRow(row));
    },
    totals: (): LedgerTotals => LedgerSums.totals(bookNow().sums),
    deny: ({ kind, value, expiresAt }: Denial): void => {
      const before = selectDenial.get(kind, value) as { readonly expires_at: number } | undefined;
      if (before && before.expires_at >= expiresAt) return;
      upsertDenial.run(kind, value, expiresAt, (updateSeq.get() as { readonly seq: number }).seq);
      onChange('denial');
    },
    denials: (after = -1): { readonly denials: readonly Denial[]; readonly seq: number } => ({
      denials: (selectDenials.all(after, now() - graceSeconds) as DenialRow[]).map(fromDenialRow),
      seq: bookNow().seq,
    }),
    changes: (after: number, limit: number, kind: Change['kind'] | undefined): readonly Change[] => {
      const rows = kind === 'denial' ? [] : rowsBehind(after, limit).map((row): Change => ({ seq: row.seq, kind: 'ledger', row }));
      const denials = kind === 'ledger' ? [] : denialsBehind(after, limit);
      return [...rows, ...denials].sort((a, b) => a.seq - b.seq).slice(0, limit);
    },
  };
}
