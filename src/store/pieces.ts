/**
 * Everything in a store that has to outlive a move to another one, as rows that are the same for all of them: what `Store.export` tells and
 * `Store.import` takes. Columns are named as in tables; money and units are text in decimal, points in time are Unix seconds.
 *
 * Left out are answers kept for a repetition: they are what buyers bought, and of use for minutes. Whoever asks again after a move is answered by
 * the upstream, under the same `Idempotency-Key`.
 */
import { FareboxError } from '../core/Errors.ts';
import type { AccountRow, DebitRow, LotRow, ReservationRow } from './accountRow.ts';
import type { BookRow, DenialRow, LedgerTableRow } from './bookRow.ts';
import { type ClaimRow, columns as claimColumns } from './claimRow.ts';
import type { ClosingRow } from './standingRows.ts';

/** A row of each table. */
export type PieceRows = {
  /** The number of the newest change, and the sums beside the ledger. */
  readonly book: BookRow;
  readonly ledger: LedgerTableRow;
  readonly bookmarks: { readonly reader: string; readonly place: string };
  readonly denials: DenialRow;
  readonly claims: ClaimRow;
  readonly closings: ClosingRow;
  readonly counters: { readonly key: string; readonly value: number; readonly expires_at: number };
  readonly accounts: AccountRow & { readonly account: string };
  /** Each account's in the order in which they were credited. */
  readonly lots: LotRow;
  readonly reservations: ReservationRow & { readonly reservation: string };
  /** Each behind its reservation, in their order. */
  readonly debits: DebitRow & { readonly reservation: string; readonly number: number };
};

/** The tables, in the order in which they are told: the book first, and nothing before what it belongs to. */
export const tableNames = [
  'book',
  'ledger',
  'bookmarks',
  'denials',
  'claims',
  'closings',
  'counters',
  'accounts',
  'lots',
  'reservations',
  'debits',
] as const satisfies readonly (keyof PieceRows)[];

/** One of them. */
export type TableName = (typeof tableNames)[number];

/** One row of what is kept. The first is the book's; each table's come together, in the order of {@link tableNames} and of their keys. */
export type Piece = { [Name in TableName]: { readonly table: Name; readonly row: PieceRows[Name] } }[TableName];

/** The columns of each table, those by which its rows are ordered first. */
export const pieceColumns: { readonly [Name in TableName]: readonly (keyof PieceRows[Name] & string)[] } = {
  book: [
    'seq',
    'settled_msat',
    'received_msat',
    'earned_msat',
    'reversed_msat',
    'settled',
    'received',
    'earned',
    'reversed',
    'repeated',
    'untied_seq',
    'untied_until',
  ],
  ledger: ['seq', 'kind', 'payment_hash', 'nonce', 'amount_msat', 'service', 'route', 'at', 'note'],
  bookmarks: ['reader', 'place'],
  denials: ['seq', 'kind', 'value', 'expires_at'],
  claims: claimColumns,
  closings: ['payment_hash', 'kind', 'amount_msat', 'earned_msat'],
  counters: ['key', 'value', 'expires_at'],
  accounts: ['account', 'units', 'spent', 'forgotten', 'given_back', 'opened', 'expires_at'],
  lots: ['account', 'source', 'units', 'spent', 'paid_msat', 'earned_msat', 'payment_hash', 'expires_at'],
  reservations: ['reservation', 'state', 'lease_ends_at', 'units'],
  debits: ['reservation', 'number', 'account', 'units', 'spent', 'taken', 'held_until'],
};

/** A row in the table it belongs to. */
export function pieceOf<Name extends TableName>(table: Name, row: PieceRows[Name]): Piece {
  return { table, row } as Piece;
}

/**
 * How a store with tables reads each of them whole. Lots of an account that is gone have expired with it, and go the same way.
 * @param byBytes - what makes a text column sort by its bytes, such as `COLLATE "C"`
 */
export function selectOf(table: TableName, constants: { readonly [column: string]: string } = {}): string {
  const names = pieceColumns[table].map((column) => (column in constants ? `${constants[column]} AS ${column}` : column));
  const [first, second] = pieceColumns[table];
  const order = { lots: 'account, number', debits: `${first}, ${second}` }[table as string] ?? first;
  const where = table === 'lots' ? ' WHERE EXISTS (SELECT 1 FROM accounts WHERE accounts.account = lots.account)' : '';
  return `SELECT ${names.join(', ')} FROM ${table}${where} ORDER BY ${order}`;
}

/** What is told of pieces that no store holds. */
export function malformed(why: string, cause?: unknown): FareboxError {
  return new FareboxError('EXPORT_MALFORMED', `The export cannot be what a store holds: ${why}.`, { cause });
}

/** What an import says of a store that is not empty. */
export const notEmpty = 'There is something in the store already. Import into an empty one.';

/** What it says where another store cannot hold what one of an older version left open. */
export const untied =
  'The export has payments from a version of Farebox that did not write down whose its claims were, and only SQLite keeps account of those. Import it into SQLite.';

/** The pieces, where the first is the book and no other is. @throws EXPORT_MALFORMED – they are not so */
export async function* bookFirst(pieces: AsyncIterable<Piece>): AsyncGenerator<Piece> {
  let told = 0;
  for await (const piece of pieces) {
    if ((piece.table === 'book') !== (told === 0)) throw malformed('the book is not the first of its rows, or there are two');
    told += 1;
    yield piece;
  }
  if (told === 0) throw malformed('there is nothing in it');
}

/** The rows of a table, so many at a time. */
export type Batch = { [Name in TableName]: { readonly table: Name; readonly rows: readonly PieceRows[Name][] } }[TableName];

/** Pieces in batches of one table each. */
export async function* batched(pieces: AsyncIterable<Piece>, size: number): AsyncGenerator<Batch> {
  let table: TableName | undefined;
  let rows: unknown[] = [];
  for await (const piece of pieces) {
    if (table !== undefined && (piece.table !== table || rows.length >= size)) {
      yield { table, rows } as unknown as Batch;
      rows = [];
    }
    table = piece.table;
    rows.push(piece.row);
  }
  if (table !== undefined && rows.length > 0) yield { table, rows } as unknown as Batch;
}
