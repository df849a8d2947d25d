/**
 * What the calls of one transaction look at and change, together.
 *
 * A call names the rows that it will look at; then all of them are locked and read at once; then each call takes its step in memory, one
 * after the other; then everything is written at once. Locks are taken in one order, and that of the book last, so that no two
 * transactions wait for each other.
 */
import { type ClaimRow, columns as claimColumns } from '../claimRow.ts';
import type { Bookmark, Change, Denial, LedgerEntry } from '../Store.ts';
import type { ClosingRow } from '../standingRows.ts';
import { createBookWriting } from './book.ts';
import type { Client, Statement } from './client.ts';
import { createHoldings, type Holdings } from './holdings.ts';
import { createRows, type Rows, tableOf } from './table.ts';

/** The rows of a transaction, table by table, and what it writes down. */
export type Group = {
  readonly claims: Rows<ClaimRow>;
  /** Kept answers, under their claim's key and its lock. */
  readonly answers: Rows<AnswerRow>;
  readonly closings: Rows<ClosingRow>;
  readonly counters: Rows<CounterRow>;
  readonly holdings: Holdings;
  /** In the order of the calls; what is there already is left as it is. */
  readonly append: (entries: readonly LedgerEntry[], bookmark?: Bookmark) => void;
  readonly deny: (denial: Denial) => void;
  /** Deletes rows that nobody is at work on; the answer comes when they are gone. */
  readonly forget: (statement: Statement, at: number) => Promise<number>;
  /** Locks and reads what was named. */
  readonly load: (client: Client) => readonly Promise<unknown>[];
  /** Writes what was changed; nothing where nothing was. */
  readonly save: (client: Client) => readonly Promise<unknown>[];
  /** Which changes turned out to be new, once they are saved. */
  readonly changed: () => ReadonlySet<Change['kind']>;
};

/** One call: names what it looks at, then takes its step without waiting for anything. A `TypeError` or `RangeError` in the step comes before its first change. */
export type Work<T> = { readonly want: (group: Group) => void; readonly take: (group: Group) => T | Promise<T> };

/** A row of `answers`. The body is written as hex digits behind `\x`, and read as bytes. */
export type AnswerRow = {
  readonly key: string;
  readonly status: number;
  readonly headers: string;
  readonly body: string | Uint8Array;
  readonly expires_at: number;
};

/** A row of `counters`. */
export type CounterRow = { readonly key: string; readonly value: number; readonly expires_at: number };

/**
 * Nothing looked at, nothing changed.
 * @param now - Unix seconds, with their fraction
 */
export function createGroup(now: () => number): Group {
  const claims = createRows<ClaimRow>(tables.claims, ({ key }) => key);
  const answers = createRows<AnswerRow>(tables.answers, ({ key }) => key);
  const closings = createRows<ClosingRow>(tables.closings, ({ payment_hash }) => payment_hash);
  const counters = createRows<CounterRow>(tables.counters, ({ key }) => key);
  const holdings = createHoldings(now);
  const forgetting = createForgetting();
  const book = createBookWriting();
  const all = [claims, answers, closings, counters, holdings];
  return {
    claims,
    answers,
    closings,
    counters,
    holdings,
    append: book.append,
    deny: book.deny,
    forget: forgetting.forget,
    load: (client) => {
      const locks = all.flatMap((rows) => rows.locks());
      return [...(locks.length === 0 ? [] : [client.ask(lockAll, [locks])]), ...all.flatMap((rows) => rows.load(client))];
    },
    save: (client) => [...all, forgetting, book].flatMap((rows) => rows.save(client)),
    changed: book.changed,
  };
}

/** Rows that are deleted by a condition. */
function createForgetting() {
  const deletions: ((client: Client) => Promise<unknown>)[] = [];
  return {
    forget: (statement: Statement, at: number) =>
      new Promise<number>((resolve) => {
        deletions.push(async (client) => resolve((await client.ask(statement, [at])).rows.length));
      }),
    save: (client: Client) => deletions.map((deletion) => deletion(client)),
  };
}

const claimTypes: { readonly [column in (typeof claimColumns)[number]]: string } = {
  key: 'text',
  state: 'text',
  fence: 'bigint',
  request: 'text',
  idempotency_key: 'text',
  body_digest: 'text',
  expires_at: 'bigint',
  lease_ends_at: 'bigint',
  lease_seconds: 'double precision',
  repeat_seconds: 'bigint',
  committed_at: 'bigint',
  committed_fence: 'bigint',
  repeats: 'bigint',
  given_back: 'bigint',
  lapses: 'bigint',
  releases: 'text',
  payment_hash: 'text',
  amount_msat: 'numeric',
};

const tables = {
  claims: tableOf('claims', Object.fromEntries(claimColumns.map((column) => [column, claimTypes[column]]))),
  answers: tableOf('answers', { key: 'text', status: 'integer', headers: 'text', body: 'bytea', expires_at: 'bigint' }),
  closings: tableOf('closings', { payment_hash: 'text', kind: 'text', amount_msat: 'numeric', earned_msat: 'numeric' }),
  counters: tableOf('counters', { key: 'text', value: 'bigint', expires_at: 'bigint' }),
};

/** Rows that are not there can be locked too. In the order of the locks' numbers, for everybody the same. */
const lockAll = {
  name: 'lock',
  text: `SELECT pg_advisory_xact_lock(lock) FROM (
    SELECT DISTINCT hashtextextended(current_schema() || ' ' || name, 0) AS lock FROM unnest($1::text[]) AS name ORDER BY lock
  ) AS locks`,
};
