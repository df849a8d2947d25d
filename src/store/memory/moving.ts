/**
 * A store in memory told whole, and filled.
 */
import { FareboxError } from '../../core/Errors.ts';
import { fromAccountRow, fromLotRow, fromReservationRow, toAccountRow, toDebitRows, toLotRow, toReservationRow } from '../accountRow.ts';
import { fromBookRow, fromDenialRow, fromLedgerRow, toBookRow, toDenialRow, toLedgerRow } from '../bookRow.ts';
import * as ClaimRows from '../claimRow.ts';
import { isBefore } from '../grouped.ts';
import { malformed, notEmpty, type Piece, type PieceRows, pieceOf, type TableName, untied } from '../pieces.ts';
import { fromClosingRow, toClosingRow } from '../standingRows.ts';
import type { Kept as Audited } from './audit.ts';
import type { createCounters } from './counters.ts';

/** What there is. */
export type Kept = Audited & { readonly counters: ReturnType<typeof createCounters> };

/** Everything that is kept at this moment. */
export function exportKept({ book, claims, accounts, closings, counters }: Kept): readonly Piece[] {
  const { seq, sums, rows, bookmarks, denials } = book.all();
  const { accounts: lives, lotsOf, reservations } = accounts.all();
  const names = sorted([...lives.keys()]);
  const reserved = sorted([...reservations.keys()]).flatMap((name) => {
    const life = reservations.get(name);
    return life ? [{ name, life }] : [];
  });
  const closed = closings.all();
  const counted = counters.all();
  const byKey = claims.byKey();
  return [
    pieceOf('book', toBookRow(seq, sums)),
    ...rows.map((row) => pieceOf('ledger', toLedgerRow(row))),
    ...sorted(bookmarks.map(([reader]) => reader)).map((reader) => pieceOf('bookmarks', { reader, place: book.bookmark(reader) ?? '' })),
    ...denials.toSorted((a, b) => a.seq - b.seq).map(({ seq: at, denial }) => pieceOf('denials', toDenialRow(at, denial))),
    ...eachOf(byKey, (key, life) => pieceOf('claims', ClaimRows.toRow(key, life))),
    ...eachOf(closed, (hash, closing) => pieceOf('closings', toClosingRow(hash, closing))),
    ...eachOf(counted, (key, { value, expiresAt }) => pieceOf('counters', { key, value, expires_at: expiresAt })),
    ...eachOf(lives, (account, life) => pieceOf('accounts', { account, ...toAccountRow(life) })),
    ...names.flatMap((account) => lotsOf(account).map((lot) => pieceOf('lots', toLotRow(account, lot)))),
    ...reserved.map(({ name, life }) => pieceOf('reservations', toReservationRow(name, life))),
    ...reserved.flatMap(({ name, life }) => toDebitRows(name, life).map((row) => pieceOf('debits', row))),
  ];
}

/**
 * Fills what is empty, at this moment.
 * @throws STORE_NOT_EMPTY, STORE_VERSION, EXPORT_MALFORMED – see `Store.import`
 */
export function importKept(kept: Kept, pieces: readonly Piece[]): void {
  if (exportKept(kept).length > 1 || kept.book.latest() !== 0) throw new FareboxError('STORE_NOT_EMPTY', notEmpty);
  const of = <Name extends TableName>(table: Name) => pieces.flatMap((piece) => (piece.table === table ? [piece.row as PieceRows[Name]] : []));
  const debits = Map.groupBy(of('debits'), ({ reservation }) => reservation);
  const [book] = of('book');
  if (book === undefined) throw new TypeError('pieces: expected the book');
  if (book.untied_until > 0) throw new FareboxError('STORE_VERSION', untied);
  assertSingle(pieces.map((piece) => nameOf(piece)));
  kept.book.load({
    ...fromBookRow(book),
    rows: of('ledger').map((row) => fromLedgerRow(row)),
    bookmarks: of('bookmarks').map(({ reader, place }) => [reader, place]),
    denials: of('denials').map((row) => ({ seq: row.seq, denial: fromDenialRow(row) })),
  });
  for (const row of of('claims')) kept.claims.load(row.key, ClaimRows.fromRow(row));
  for (const row of of('closings')) kept.closings.load(row.payment_hash, fromClosingRow(row));
  for (const { key, value, expires_at } of of('counters')) kept.counters.load(key, { value, expiresAt: expires_at });
  for (const row of of('accounts')) kept.accounts.load.account(row.account, fromAccountRow(row));
  for (const row of of('lots')) kept.accounts.load.lot(row.account, fromLotRow(row));
  for (const row of of('reservations')) kept.accounts.load.reservation(row.reservation, fromReservationRow(row, debits.get(row.reservation) ?? []));
}

/** What a row is known by. */
function nameOf({ table, row }: Piece): string {
  const { [table]: columns } = keys;
  return JSON.stringify([table, ...columns.map((column) => (row as Readonly<Record<string, unknown>>)[column])]);
}

const keys: { readonly [Name in TableName]: readonly (keyof PieceRows[Name])[] } = {
  book: [],
  ledger: ['payment_hash', 'kind', 'nonce'],
  bookmarks: ['reader'],
  denials: ['kind', 'value'],
  claims: ['key'],
  closings: ['payment_hash'],
  counters: ['key'],
  accounts: ['account'],
  lots: ['source'],
  reservations: ['reservation'],
  debits: ['reservation', 'account'],
};

function assertSingle(names: readonly string[]): void {
  const known = new Set<string>();
  for (const name of names) {
    if (known.has(name)) throw malformed(`twice ${name}`);
    known.add(name);
  }
}

function eachOf<Thing>(things: ReadonlyMap<string, Thing>, tell: (name: string, thing: Thing) => Piece): readonly Piece[] {
  return sorted([...things.keys()]).flatMap((name) => {
    const thing = things.get(name);
    return thing === undefined ? [] : [tell(name, thing)];
  });
}

function sorted(names: readonly string[]): readonly string[] {
  return names.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
}
