/**
 * The ledger and the denials in Redis: two streams, numbered from one sequence, so that they are the feed of changes, and a hash of sums that
 * grow with every entry.
 */

import type { Msat } from '../../core/Amount.ts';
import type { Reached } from '../../core/CrashPoint.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import { graceSeconds } from '../claimLife.ts';
import * as LedgerSums from '../ledgerSums.ts';
import type { Bookmark, Change, Denial, LedgerEntry, LedgerQuery, LedgerRow, LedgerTotals } from '../Store.ts';
import type { Asking, Command } from './asking.ts';
import type { Keys } from './keys.ts';
import { scripts } from './scripts.ts';
import type { Steps } from './steps.ts';

/** Rows of one payment that are read at once. */
const pageSize = 100;

/** What is written down, and in which order. `onDenial` is told when one may have been written, before its caller is. */
export function createBook(steps: Steps, asking: Asking, keys: Keys, now: () => number, onDenial: () => void, reached: Reached) {
  /** Rows of one payment, which knows their numbers. What is written once stays, so that two readings are as good as one. */
  async function story(paymentHash: string, isMeant: (seq: number) => boolean, limit: number, newestFirst: boolean): Promise<readonly LedgerRow[]> {
    const [numbers] = await asking.ask([['HVALS', keys.entries(paymentHash)]]);
    const meant = (numbers as readonly string[]).map(Number).filter(isMeant);
    meant.sort((a, b) => (newestFirst ? b - a : a - b));
    const rows: LedgerRow[] = [];
    for (let from = 0; from < Math.min(limit, meant.length); from += pageSize) {
      const page = meant.slice(from, Math.min(limit, from + pageSize));
      const items = await asking.ask(page.map((seq) => ['XRANGE', keys.ledger, `${seq}-0`, `${seq}-0`]));
      rows.push(...items.flatMap(parseStream).map((item) => toRow(item)));
    }
    return rows;
  }

  return {
    latest: async (): Promise<number> => {
      const [seq] = await asking.ask([['HGET', keys.book, 'seq']]);
      return Number(seq ?? 0);
    },
    bookmark: async (reader: string): Promise<string | undefined> => {
      const [place] = await asking.ask([['HGET', keys.bookmarks, reader]]);
      return typeof place === 'string' ? place : undefined;
    },
    append: (entries: readonly LedgerEntry[], bookmark?: Bookmark): Promise<void> =>
      steps.take({
        operation: 'append',
        cells: [],
        decide: (draft) => {
          if (bookmark) draft.run('HSET', keys.bookmarks, bookmark.reader, bookmark.place);
          for (const entry of entries) draft.append(entry);
        },
      }),
    ledger: async ({ after = 0, before = Number.MAX_SAFE_INTEGER, limit, newestFirst = false, paymentHash }: LedgerQuery): Promise<readonly LedgerRow[]> => {
      if (limit === 0 || before <= after) return [];
      if (paymentHash !== undefined) return story(paymentHash, (seq) => seq > after && seq < before, limit, newestFirst);
      const [first, last] = [`(${after}-0`, `(${before}-0`];
      const range: Command = newestFirst ? ['XREVRANGE', keys.ledger, last, first] : ['XRANGE', keys.ledger, first, last];
      const [rows] = await asking.ask([[...range, 'COUNT', `${limit}`]]);
      return parseStream(rows).map((item) => toRow(item));
    },
    totals: async (): Promise<LedgerTotals> => {
      const [fields] = await asking.ask([['HGETALL', keys.book]]);
      return LedgerSums.totals(parseBook(fields).sums);
    },
    deny: async ({ kind, value, expiresAt }: Denial): Promise<void> => {
      const names = [keys.book, keys.denials, keys.denied, keys.expiring('denials')];
      reached('store.deny.written');
      const [, denied] = await asking.run(scripts.deny, names, [`${kind} ${value}`, kind, value, `${expiresAt}`]);
      reached('store.deny.committed');
      if (denied === 1) onDenial();
    },
    denials: async (after?: number): Promise<{ readonly denials: readonly Denial[]; readonly seq: number }> => {
      const [rows, seq] = await asking.ask([
        ['XRANGE', keys.denials, after === undefined ? '-' : `(${after}-0`, '+'],
        ['HGET', keys.book, 'seq'],
      ]);
      const denials = parseStream(rows).map(toDenial);
      return { denials: denials.filter(({ expiresAt }) => expiresAt + graceSeconds > now()), seq: Number(seq ?? 0) };
    },
    changes: async (after: number, limit: number, kind: Change['kind'] | undefined): Promise<readonly Change[]> => {
      const [rows, denials] = await asking.ask([
        rangeBehind(keys.ledger, after, kind === 'denial' ? 0 : limit),
        rangeBehind(keys.denials, after, kind === 'ledger' ? 0 : limit),
      ]);
      const changes = [
        ...parseStream(rows).map((item): Change => ({ seq: item.seq, kind: 'ledger', row: toRow(item) })),
        ...parseStream(denials).map((item): Change => ({ seq: item.seq, kind: 'denial', denial: toDenial(item) })),
      ];
      return changes.sort((a, b) => a.seq - b.seq).slice(0, limit);
    },
  };
}

/** What reads a stream behind a number. */
export function rangeBehind(stream: string, after: number, limit: number): Command {
  return ['XRANGE', stream, `(${after}-0`, '+', 'COUNT', `${limit}`];
}

/** An item of a stream: its number, and its fields. */
export type Item = { readonly seq: number; readonly fields: Readonly<Record<string, string>> };

/** Items as XRANGE answers them. */
export function parseStream(reply: unknown): readonly Item[] {
  return ((reply ?? []) as readonly (readonly [id: string, fields: readonly string[]])[]).map(([id, fields]) => ({
    seq: Number.parseInt(id, 10),
    fields: toRecord(fields),
  }));
}

/** Names and values in turn. */
export function toRecord(texts: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(texts.flatMap((name, i) => (i % 2 === 0 ? [[name, texts[i + 1] ?? '']] : [])));
}

/** The sums, and the number of the newest change. An amount is read by `msat`. */
export function parseBook(reply: unknown, msat: (text: string) => bigint = BigInt): { readonly seq: number; readonly sums: LedgerSums.LedgerSums } {
  const fields = toRecord((reply ?? []) as readonly string[]);
  const sums = Object.entries(LedgerSums.none).map(([name, none]) => [name, typeof none === 'bigint' ? msat(fields[name] ?? '0') : Number(fields[name] ?? 0)]);
  return { seq: Number(fields.seq ?? 0), sums: Object.fromEntries(sums) as LedgerSums.LedgerSums };
}

/** An entry as it is kept. */
export function toRow({ seq, fields }: Item, msat: (text: string) => bigint = BigInt): LedgerRow {
  const { kind, paymentHash, nonce = '', amountMsat = '', service = '', route = '', at, note = '' } = fields;
  return {
    seq,
    kind: kind as LedgerRow['kind'],
    paymentHash: paymentHash as PaymentHash,
    nonce,
    amountMsat: msat(amountMsat) as Msat,
    service,
    route,
    at: Number(at),
    note,
  };
}

/** A denial as it is kept. */
export function toDenial({ fields }: Item): Denial {
  const { kind, value = '', expiresAt } = fields;
  return { kind: kind as Denial['kind'], value, expiresAt: Number(expiresAt) };
}
