/**
 * The ledger and the denials in memory: one list of changes, numbered as they came.
 */
import { graceSeconds } from '../claimLife.ts';
import * as LedgerSums from '../ledgerSums.ts';
import type { Bookmark, Change, Denial, LedgerEntry, LedgerQuery, LedgerRow, LedgerTotals } from '../Store.ts';
import { forget } from './forget.ts';

/**
 * What is written down, and in which order.
 * @param onChange - called for what is new
 */
export function createBook(now: () => number, onChange: (kind: Change['kind']) => void) {
  const rows: LedgerRow[] = [];
  const rowsOf = new Map<string, LedgerRow[]>();
  const names: { readonly [kind in LedgerEntry['kind']]: Set<string> } = {
    settled: new Set(),
    received: new Set(),
    earned: new Set(),
    reversed: new Set(),
    repeated: new Set(),
  };
  const bookmarks = new Map<string, string>();
  const denied = new Map<string, { readonly seq: number; readonly denial: Denial }>();
  let sums = LedgerSums.none;
  let seq = 0;

  function keep(row: LedgerRow): void {
    rows.push(row);
    const story = rowsOf.get(row.paymentHash);
    if (story) story.push(row);
    else rowsOf.set(row.paymentHash, [row]);
  }

  return {
    latest: () => seq,
    bookmark: (reader: string): string | undefined => bookmarks.get(reader),
    append: (entries: readonly LedgerEntry[], bookmark?: Bookmark): void => {
      if (bookmark) bookmarks.set(bookmark.reader, bookmark.place);
      for (const entry of entries) {
        // Most have no nonce, and then no text need be put together.
        const name = entry.nonce === '' ? entry.paymentHash : `${entry.paymentHash} ${entry.nonce}`;
        const known = names[entry.kind];
        if (known.has(name)) continue;
        known.add(name);
        onChange('ledger');
        sums = LedgerSums.add(sums, entry);
        seq += 1;
        keep({ ...entry, seq });
      }
    },
    ledger: ({ after = 0, before = Number.MAX_SAFE_INTEGER, limit, newestFirst = false, paymentHash }: LedgerQuery): readonly LedgerRow[] => {
      const all = paymentHash === undefined ? rows : (rowsOf.get(paymentHash) ?? []);
      const first = firstBehind(all, after);
      const end = Math.max(first, firstBehind(all, before - 1));
      return newestFirst ? all.slice(Math.max(first, end - limit), end).reverse() : all.slice(first, Math.min(end, first + limit));
    },
    totals: (): LedgerTotals => LedgerSums.totals(sums),
    all: () => ({ seq, sums, rows: [...rows], bookmarks: [...bookmarks], denials: [...denied.values()] }),
    /** Puts everything in place of nothing. */
    load: (all: {
      readonly seq: number;
      readonly sums: LedgerSums.LedgerSums;
      readonly rows: readonly LedgerRow[];
      readonly bookmarks: readonly (readonly [string, string])[];
      readonly denials: readonly { readonly seq: number; readonly denial: Denial }[];
    }): void => {
      ({ seq, sums } = all);
      for (const row of all.rows) {
        keep(row);
        names[row.kind].add(row.nonce === '' ? row.paymentHash : `${row.paymentHash} ${row.nonce}`);
      }
      for (const [reader, place] of all.bookmarks) bookmarks.set(reader, place);
      for (const one of all.denials) denied.set(`${one.denial.kind} ${one.denial.value}`, one);
    },
    deny: (denial: Denial): void => {
      const name = `${denial.kind} ${denial.value}`;
      if ((denied.get(name)?.denial.expiresAt ?? -1) >= denial.expiresAt) return;
      seq += 1;
      denied.set(name, { seq, denial: { ...denial } });
      onChange('denial');
    },
    denials: (after = -1): { readonly denials: readonly Denial[]; readonly seq: number } => {
      const live = [...denied.values()].filter(({ seq: at, denial }) => at > after && denial.expiresAt + graceSeconds > now());
      return { denials: live.sort((a, b) => a.seq - b.seq).map(({ denial }) => denial), seq };
    },
    changes: (after: number, limit: number, kind: Change['kind'] | undefined): readonly Change[] => {
      const changes: Change[] = [];
      if (kind !== 'denial') {
        const first = firstBehind(rows, after);
        for (const row of rows.slice(first, first + limit)) changes.push({ seq: row.seq, kind: 'ledger', row });
      }
      if (kind !== 'ledger') for (const { seq: at, denial } of denied.values()) if (at > after) changes.push({ seq: at, kind: 'denial', denial });
      return changes.sort((a, b) => a.seq - b.seq).slice(0, limit);
    },
    prune: () => forget(denied, ({ denial }) => denial.expiresAt + graceSeconds <= now()),
  };
}

/** The index of the first row behind `after`: rows are in order. */
function firstBehind(rows: readonly LedgerRow[], after: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.seq ?? 0) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
