/**
 * A store in Redis told whole: cells as they were at one moment, everything else of the moment's own reply, but for counters, which are read as
 * they are. Names are held in memory to be put in order; what stands under them is not.
 */
import { FareboxError } from '../../core/Errors.ts';
import { toAccountRow, toDebitRows, toLotRow, toReservationRow } from '../accountRow.ts';
import { toBookRow, toDenialRow, toLedgerRow } from '../bookRow.ts';
import * as ClaimRows from '../claimRow.ts';
import { isBefore } from '../grouped.ts';
import { type Piece, pieceOf } from '../pieces.ts';
import { toClosingRow } from '../standingRows.ts';
import type { Asking } from './asking.ts';
import { parseBook, parseStream, rangeBehind, toDenial, toRecord, toRow } from './book.ts';
import { parseAccount, parseClaim, parsePayment, parseReservation } from './cells.ts';
import type { Keys } from './keys.ts';
import { keepMoment, type Moment, pageSize, pagesOf, readCells } from './moment.ts';

/** What cannot be read is not left out. */
const strict = { attempt: <T>(_: string, __: string | number, read: () => T) => read(), told: () => [] };

/**
 * Everything that the store holds, of the moment at which the first is asked for.
 * @param name - of this reading alone
 * @throws STORE_UNAVAILABLE – it cannot be read, or not any more as it was
 */
export async function* exportKeys(asking: Asking, keys: Keys, name: string): AsyncGenerator<Piece> {
  const moment = keepMoment(asking, keys, name);
  try {
    const [book, denials, bookmarks] = await moment.begin([
      ['HGETALL', keys.book],
      ['XRANGE', keys.denials, '-', '+'],
      ['HGETALL', keys.bookmarks],
    ]);
    const { seq, sums } = parseBook(book);
    const reading: Moment = { asking, keys, mark: moment.mark, unreadable: strict };
    yield pieceOf('book', toBookRow(seq, sums));
    yield* ledger(reading, seq);
    const places = toRecord(bookmarks as readonly string[]);
    for (const reader of sorted(Object.keys(places))) yield pieceOf('bookmarks', { reader, place: places[reader] ?? '' });
    for (const item of parseStream(denials)) yield pieceOf('denials', toDenialRow(item.seq, toDenial(item)));
    yield* claims(reading);
    yield* closings(reading);
    yield* counters(reading);
    yield* accounts(reading);
    yield* reservations(reading);
  } catch (cause) {
    throw FareboxError.is(cause) ? cause : new FareboxError('STORE_UNAVAILABLE', 'What the store keeps cannot be read.', { cause });
  } finally {
    await moment.end();
  }
}

async function* ledger({ asking, keys }: Moment, seq: number): AsyncGenerator<Piece> {
  for (let after = 0; ; ) {
    const [reply] = await asking.ask([rangeBehind(keys.ledger, after, pageSize)]);
    const items = parseStream(reply);
    for (const item of items) if (item.seq <= seq) yield pieceOf('ledger', toLedgerRow(toRow(item)));
    after = items.at(-1)?.seq ?? seq;
    if (items.length < pageSize || after >= seq) return;
  }
}

async function* claims(reading: Moment): AsyncGenerator<Piece> {
  const { keys } = reading;
  for (const names of pagesIn(await membersOf(reading, keys.expiring('claims')))) {
    const cells = await readCells(reading, 'claims', names, keys.claim, parseClaim);
    for (const [key, life] of cells) yield pieceOf('claims', ClaimRows.toRow(key, life));
  }
}

async function* closings(reading: Moment): AsyncGenerator<Piece> {
  const { asking, keys } = reading;
  const hashes: string[] = [];
  for (let from = 0; ; from += pageSize) {
    const [page] = await asking.ask([['LRANGE', keys.payments, `${from}`, `${from + pageSize - 1}`]]);
    hashes.push(...(page as readonly string[]));
    if ((page as readonly string[]).length < pageSize) break;
  }
  for (const names of pagesIn(sorted(hashes))) {
    const cells = await readCells(reading, 'payments', names, keys.payment, parsePayment);
    for (const [hash, { closing }] of cells) if (closing) yield pieceOf('closings', toClosingRow(hash, closing));
  }
}

async function* counters(reading: Moment): AsyncGenerator<Piece> {
  const { asking, keys } = reading;
  for (const names of pagesIn(await membersOf(reading, keys.expiring('counters')))) {
    const replies = await asking.ask(names.map((key) => ['HMGET', keys.counter(key), 'value', 'expiresAt']));
    for (const [i, key] of names.entries()) {
      const [value, expiresAt] = replies[i] as readonly (string | null)[];
      if (value) yield pieceOf('counters', { key, value: Number(value), expires_at: Number(expiresAt) });
    }
  }
}

async function* accounts(reading: Moment): AsyncGenerator<Piece> {
  const cellsOf = (names: readonly string[]) => readCells(reading, 'accounts', names, reading.keys.account, parseAccount);
  for await (const names of pagesOf(reading, reading.keys.accounts)) {
    for (const [account, cell] of await cellsOf(names)) yield pieceOf('accounts', { account, ...toAccountRow(cell) });
  }
  for await (const names of pagesOf(reading, reading.keys.accounts)) {
    for (const [account, { lots }] of await cellsOf(names)) for (const lot of lots) yield pieceOf('lots', toLotRow(account, lot));
  }
}

async function* reservations(reading: Moment): AsyncGenerator<Piece> {
  const { keys } = reading;
  const all = await membersOf(reading, keys.expiring('reservations'));
  const cellsOf = (names: readonly string[]) => readCells(reading, 'reservations', names, keys.reservation, parseReservation);
  for (const names of pagesIn(all)) {
    for (const [name, cell] of await cellsOf(names)) yield pieceOf('reservations', { ...toReservationRow(name, cell), units: `${cell.units}` });
  }
  for (const names of pagesIn(all)) {
    for (const [name, cell] of await cellsOf(names)) for (const row of toDebitRows(name, cell)) yield pieceOf('debits', row);
  }
}

/** The members of a sorted set, in the order of their names. Whoever is there all the time is found, whatever is added meanwhile. */
async function membersOf({ asking }: Moment, key: string): Promise<readonly string[]> {
  const found = new Set<string>();
  for (let cursor = '0'; ; ) {
    const [reply] = await asking.ask([['ZSCAN', key, cursor, 'COUNT', `${pageSize}`]]);
    const [next, members] = reply as readonly [string, readonly string[]];
    for (const [i, member] of members.entries()) if (i % 2 === 0) found.add(member);
    cursor = next;
    if (cursor === '0') return sorted([...found]);
  }
}

function* pagesIn(names: readonly string[]): Generator<readonly string[]> {
  for (let from = 0; from < names.length; from += pageSize) yield names.slice(from, from + pageSize);
}

function sorted(names: readonly string[]): readonly string[] {
  return names.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
}
