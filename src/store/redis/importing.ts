/**
 * An empty store in Redis filled with what another one has told. Nothing that Redis has done is taken back, so the store is locked meanwhile:
 * its own name is another one, which every other script and every connection refuses, until all of it is there. What is cut off stays locked,
 * and the next import clears it away.
 */
import { FareboxError } from '../../core/Errors.ts';
import { fromAccountRow, fromLotRow, fromReservationRow } from '../accountRow.ts';
import { fromBookRow } from '../bookRow.ts';
import * as ClaimRows from '../claimRow.ts';
import { type Batch, batched, malformed, notEmpty, type Piece, type PieceRows, untied } from '../pieces.ts';
import { fromClosingRow } from '../standingRows.ts';
import { createKept } from './accounts.ts';
import { type Asking, type Command, createPlaces, formatCommand } from './asking.ts';
import { formatCell } from './cells.ts';
import { writeClaim } from './claims.ts';
import type { Keys } from './keys.ts';
import { type Identity, toLocked, toUnlocked } from './opening.ts';
import { createPage, type Draft } from './page.ts';
import { holdersOf } from './payments.ts';
import { scripts } from './scripts.ts';

/** Rows that are written in one step. */
const batchSize = 100;

/** What is filled. */
export type Filling = { readonly asking: Asking; readonly identity: Identity; readonly keys: Keys; readonly prefix: string; readonly now: () => number };

/**
 * Fills an empty store.
 * @throws STORE_NOT_EMPTY; STORE_VERSION – see `Store.import`; EXPORT_MALFORMED – two rows are one, or one comes before what it belongs to;
 *   STORE_UNAVAILABLE – the server does not answer; whatever the pieces throw. Nothing is there then, or the store stays locked
 */
export async function importKeys(filling: Filling, pieces: AsyncIterable<Piece>): Promise<void> {
  const { asking, identity, keys } = filling;
  const open = identity.text();
  const locked = toLocked(open);
  const [status] = await asking.run(scripts.lock, wholeOf(keys), [locked]);
  if (status !== 'done') throw new FareboxError('STORE_NOT_EMPTY', notEmpty);
  identity.become(locked);
  try {
    await load(filling, pieces);
  } catch (error) {
    // What cannot be cleared away stays locked.
    await clear(filling).catch(() => {});
    throw error;
  }
  await unlock(filling);
}

/** Takes away what an import that was cut off has left, so that the store is empty and its own again. */
export async function clear(filling: Filling): Promise<void> {
  const { asking, keys, prefix } = filling;
  // Another store may lie under a prefix that begins with this one.
  const beginnings = [keys.claim, keys.answer, keys.counter, keys.payment, keys.account, keys.source, keys.reservation, keys.debits, keys.entries, keys.audit];
  const names = [...wholeOf(keys), keys.audits, ...beginnings.map((of) => of(''))];
  const pattern = `${prefix.replace(/[*?[\]\\^-]/g, '\\$&')}*`;
  for (let cursor = '0'; ; ) {
    const [, next] = await asking.run(scripts.clear, [], [cursor, pattern, ...names]);
    cursor = String(next);
    if (cursor === '0') break;
  }
  await unlock(filling);
}

async function unlock({ asking, identity, keys }: Filling): Promise<void> {
  const open = toUnlocked(identity.text());
  await run(asking, keys, [['SET', keys.store, open]]);
  identity.become(open);
}

/** The keys that an empty store has none of. */
function wholeOf(keys: Keys): readonly string[] {
  const whole = [keys.book, keys.ledger, keys.denials, keys.denied, keys.payments, keys.bookmarks, keys.accounts];
  return [...whole, ...expiring.map((what) => keys.expiring(what))];
}

const expiring = ['claims', 'answers', 'counters', 'reservations', 'accounts', 'sources', 'denials'] as const;

async function load(filling: Filling, pieces: AsyncIterable<Piece>): Promise<void> {
  const { asking, keys } = filling;
  const debits = createDebits();
  const number = createNumbers();
  for await (const batch of batched(pieces, batchSize)) {
    switch (batch.table) {
      case 'ledger':
        for (const { seq } of batch.rows) number(seq);
        await appendEntries(asking, keys, batch.rows);
        break;
      case 'claims':
        await write(filling, (draft) => putClaims(draft, keys, batch.rows));
        break;
      case 'closings':
        await write(filling, (draft) => putClosings(draft, keys, batch.rows));
        break;
      case 'accounts':
        await write(filling, (draft) => putAccounts(draft, filling, batch.rows));
        break;
      case 'lots':
        await write(filling, (draft) => putLots(draft, filling, batch.rows));
        break;
      case 'reservations':
        debits.expect(batch.rows);
        break;
      case 'debits':
        await putReservations(filling, debits.take(batch.rows));
        break;
      default:
        await run(asking, keys, commandsOf(keys, batch));
    }
  }
  const rest = debits.rest();
  for (let from = 0; from < rest.length; from += batchSize) await putReservations(filling, rest.slice(from, from + batchSize));
}

/** What is no cell is put down by commands alone. */
function commandsOf(keys: Keys, batch: Batch & { readonly table: 'book' | 'bookmarks' | 'denials' | 'counters' }): readonly Command[] {
  if (batch.table === 'book') return batch.rows.flatMap((row) => bookCommands(keys, row));
  if (batch.table === 'bookmarks') return batch.rows.map(({ reader, place }): Command => ['HSET', keys.bookmarks, reader, place]);
  if (batch.table === 'denials') return batch.rows.flatMap((row) => denialCommands(keys, row));
  return batch.rows.flatMap((row) => counterCommands(keys, row));
}

/** Numbers of the ledger grow. */
function createNumbers(): (seq: number) => void {
  let last = 0;
  return (seq) => {
    if (seq <= last) throw malformed(`entry ${seq} comes behind ${last}`);
    last = seq;
  };
}

/** Writes cells; where one is not as it was thought to be, once more, with what it is. Nobody else writes meanwhile. */
async function write({ asking, keys }: Filling, decide: (draft: Draft) => void): Promise<void> {
  const facts = new Map<string, string>();
  for (;;) {
    const page = createPage((key) => facts.get(key) || undefined);
    try {
      page.take(decide);
    } catch (error) {
      // Only what has been seen is a reason.
      const unseen = page.cells().filter((key) => !facts.has(key));
      if (unseen.length === 0) throw error;
      const texts = await asking.ask(unseen.map((key) => ['GET', key]));
      for (const [i, key] of unseen.entries()) facts.set(key, String(texts[i] ?? ''));
      continue;
    }
    const { keys: names, args } = page.format(keys, '');
    const [status, found] = await asking.run(scripts.apply, names, args);
    if (status === 'done') return;
    for (const [i, key] of page.cells().entries()) facts.set(key, (found as readonly string[])[i] ?? '');
  }
}

/** Runs commands at one moment, and once. */
async function run(asking: Asking, keys: Keys, commands: readonly Command[]): Promise<void> {
  const places = createPlaces([keys.store]);
  const args = commands.flatMap((command) => formatCommand(command, places));
  await asking.run(scripts.load, places.keys().slice(1), args);
}

function bookCommands(keys: Keys, row: PieceRows['book']): readonly Command[] {
  if (row.untied_until > 0) throw new FareboxError('STORE_VERSION', untied);
  const { seq, sums } = fromBookRow(row);
  const fields = Object.entries(sums).flatMap(([name, sum]) => (sum > 0 ? [name, `${sum}`] : []));
  return seq === 0 ? [] : [['HSET', keys.book, 'seq', `${seq}`, ...fields]];
}

async function appendEntries(asking: Asking, keys: Keys, rows: readonly PieceRows['ledger'][]): Promise<void> {
  const places = createPlaces([keys.store, keys.ledger, keys.payments]);
  const args = rows.flatMap(({ seq, kind, payment_hash, nonce, amount_msat, service, route, at, note }) => {
    const fields = Object.entries({ kind, paymentHash: payment_hash, nonce, amountMsat: amount_msat, service, route, at, note });
    const row = fields.flatMap(([name, value]) => [name, `${value}`]);
    return [places.of(keys.entries(payment_hash)), payment_hash, `${kind} ${nonce}`, `${seq}`, `${row.length}`, ...row];
  });
  const [status, what] = await asking.run(scripts.loadEntries, places.keys().slice(1), args);
  if (status !== 'done') throw malformed(`twice the entry ${what}`);
}

function denialCommands(keys: Keys, { seq, kind, value, expires_at }: PieceRows['denials']): readonly Command[] {
  const name = `${kind} ${value}`;
  return [
    ['XADD', keys.denials, `${seq}-0`, 'kind', kind, 'value', value, 'expiresAt', `${expires_at}`],
    ['HSET', keys.denied, name, `${seq} ${expires_at}`],
    ['ZADD', keys.expiring('denials'), `${expires_at}`, name],
  ];
}

function counterCommands(keys: Keys, { key, value, expires_at }: PieceRows['counters']): readonly Command[] {
  return [
    ['HSET', keys.counter(key), 'value', `${value}`, 'expiresAt', `${expires_at}`],
    ['ZADD', keys.expiring('counters'), `${expires_at}`, key],
  ];
}

function putClaims(draft: Draft, keys: Keys, rows: readonly PieceRows['claims'][]): void {
  for (const row of rows) {
    if (draft.read(keys.claim(row.key)) !== undefined) throw malformed(`twice the claim ${row.key}`);
    writeClaim(draft, keys, row.key, undefined, ClaimRows.fromRow(row));
  }
}

function putClosings(draft: Draft, keys: Keys, rows: readonly PieceRows['closings'][]): void {
  for (const row of rows) {
    const holders = holdersOf(draft, keys, row.payment_hash);
    if (holders.closing) throw malformed(`twice the closing of ${row.payment_hash}`);
    draft.write(keys.payment(row.payment_hash), formatCell({ ...holders, closing: fromClosingRow(row) }));
  }
}

function putAccounts(draft: Draft, { keys, now }: Filling, rows: readonly PieceRows['accounts'][]): void {
  const { kept, flush } = createKept(draft, keys, now);
  for (const row of rows) {
    if (kept.account(row.account) !== undefined) throw malformed(`twice the account ${row.account}`);
    kept.setAccount(row.account, fromAccountRow(row));
  }
  flush();
}

function putLots(draft: Draft, { keys, now }: Filling, rows: readonly PieceRows['lots'][]): void {
  const { kept, flush } = createKept(draft, keys, now);
  for (const row of rows) {
    if (kept.account(row.account) === undefined) throw malformed(`a lot of the account ${row.account}, which is not there`);
    if (kept.hasLot(row.source)) throw malformed(`twice the lot ${row.source}`);
    kept.setLot(row.account, fromLotRow(row));
  }
  flush();
}

type Reserved = { readonly row: PieceRows['reservations']; readonly debits: readonly PieceRows['debits'][] };

async function putReservations(filling: Filling, reserved: readonly Reserved[]): Promise<void> {
  if (reserved.length === 0) return;
  await write(filling, (draft) => {
    const { kept, flush } = createKept(draft, filling.keys, filling.now);
    for (const { row, debits } of reserved) {
      if (kept.reservation(row.reservation) !== undefined) throw malformed(`twice the reservation ${row.reservation}`);
      kept.setReservation(row.reservation, fromReservationRow(row, debits));
    }
    flush();
  });
}

/** Reservations until their debits have come, which come behind all of them. */
function createDebits() {
  const waiting = new Map<string, PieceRows['reservations']>();
  let last: { readonly row: PieceRows['reservations']; readonly debits: PieceRows['debits'][] } | undefined;
  return {
    expect: (rows: readonly PieceRows['reservations'][]): void => {
      for (const row of rows) {
        if (waiting.has(row.reservation)) throw malformed(`twice the reservation ${row.reservation}`);
        waiting.set(row.reservation, row);
      }
    },
    /** Those whose debits are all there. */
    take: (rows: readonly PieceRows['debits'][]): readonly Reserved[] => {
      const whole: Reserved[] = [];
      for (const debit of rows) {
        if (last?.row.reservation !== debit.reservation) {
          if (last) whole.push(last);
          const row = waiting.get(debit.reservation);
          if (row === undefined) throw malformed(`a debit of the reservation ${debit.reservation}, which is not there`);
          waiting.delete(debit.reservation);
          last = { row, debits: [] };
        }
        if (last.debits.some(({ account }) => account === debit.account)) throw malformed(`twice a debit of the reservation ${debit.reservation}`);
        last.debits.push(debit);
      }
      return whole;
    },
    /** All others, also such as are over nothing. */
    rest: (): readonly Reserved[] => [...(last ? [last] : []), ...[...waiting.values()].map((row) => ({ row, debits: [] }))],
  };
}
