/**
 * Rows of a client store in SQLite, in and out, inside whatever transaction is open.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { PaymentHash } from '../../core/Preimage.ts';
import type { ClientAudit } from '../ClientStore.ts';
import type { PaymentState } from '../Journal.ts';
import type { Shelf } from '../store/engine.ts';
import { columns, decode, encode, type Found as Row, type Seal, toCounter, toSpending } from '../store/row.ts';
import { formatStanding, parseStanding } from '../store/standing.ts';

/** See the head of this file. */
export function createRows(database: DatabaseSync, seal: Seal) {
  const toPayment = (row: Row) => decode(row, seal);
  const select = (where: string) => database.prepare(`SELECT * FROM payment ${where}`);
  const byHash = select('WHERE payment_hash = ?');
  const openByResource = select("WHERE resource = ? AND state IN ('dispatched', 'unknown') ORDER BY rowid");
  const openByOrigin = select("WHERE origin = ? AND state IN ('dispatched', 'unknown') ORDER BY rowid");
  const usableByOrigin = select('WHERE origin = ? AND usable = 1 ORDER BY rowid');
  const reservedRows = select("WHERE state = 'reserved'");
  const sinceRows = select('WHERE created_at >= ?');
  const everything = select('ORDER BY rowid');
  const selectSums = database.prepare('SELECT held_msat, spent_msat, stopped_by, stop_note FROM spending');
  const selectCounters = database.prepare('SELECT * FROM counter');
  const selectStanding = database.prepare('SELECT name, text FROM budget ORDER BY name');
  const get = (paymentHash: PaymentHash) => {
    const row = byHash.get(paymentHash);
    return row && toPayment(row);
  };
  const spending = () => toSpending(selectSums.get() as Row);
  const counters = () => selectCounters.all().map(toCounter);
  const standing = () => selectStanding.all().map(({ name, text }) => parseStanding(name as string, text as string));
  const shelf: Shelf = {
    read: ({ paymentHash, openFor, reserved, books }) => {
      const payment = paymentHash === undefined ? undefined : get(paymentHash);
      const resource = openFor === 'itself' ? payment?.resource : openFor?.resource;
      return {
        payment,
        open: resource === undefined ? [] : openByResource.all(resource).map(toPayment),
        reserved: reserved ? reservedRows.all().map(toPayment) : [],
        spending: spending(),
        counters: books ? counters() : [],
        standing: books ? standing() : [],
      };
    },
    since: (at) => sinceRows.all(at).map(toPayment),
    write: createWriting(database, seal),
  };
  return {
    shelf,
    get,
    openAt: (origin: string) => openByOrigin.all(origin).map(toPayment),
    usableAt: (origin: string) => usableByOrigin.all(origin).map(toPayment),
    list: (states?: readonly PaymentState[]) =>
      everything
        .all()
        .filter(({ state }) => states?.includes(state as PaymentState) ?? true)
        .map(toPayment),
    audit: (): ClientAudit => ({ payments: everything.all().map(toPayment), spending: spending(), counters: counters(), standing: standing() }),
  };
}

function createWriting(database: DatabaseSync, seal: Seal): Shelf['write'] {
  const others = columns.filter((column) => column !== 'payment_hash');
  const save = database.prepare(
    `INSERT INTO payment (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})
     ON CONFLICT (payment_hash) DO UPDATE SET ${others.map((column) => `${column} = excluded.${column}`).join(', ')}`,
  );
  const writeSums = database.prepare('UPDATE spending SET held_msat = ?, spent_msat = ?, stopped_by = ?, stop_note = ?');
  const saveCounter = database.prepare(
    `INSERT INTO counter VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (key) DO UPDATE SET held_msat = excluded.held_msat, spent_msat = excluded.spent_msat`,
  );
  const forget = database.prepare('DELETE FROM counter WHERE key = ?');
  const put = database.prepare('INSERT INTO budget VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET text = excluded.text');
  const remove = database.prepare('DELETE FROM budget WHERE name = ?');
  return (decided) => {
    for (const payment of decided.payments ?? []) {
      const row = encode(payment, seal);
      save.run(...columns.map((column) => row[column]));
    }
    for (const { key, budget, host, tag, startAt, endAt, heldMsat, spentMsat } of decided.counters ?? []) {
      saveCounter.run(key, budget, host ?? null, tag ?? null, startAt, endAt ?? null, heldMsat.toString(), spentMsat.toString());
    }
    for (const key of decided.forgotten ?? []) forget.run(key);
    if (decided.spending) {
      const { heldMsat, spentMsat, stoppedBy, stopNote } = decided.spending;
      writeSums.run(heldMsat.toString(), spentMsat.toString(), stoppedBy ?? null, stopNote ?? null);
    }
    if (!decided.standing) return;
    if ('put' in decided.standing) put.run(decided.standing.put.name, formatStanding(decided.standing.put));
    else remove.run(decided.standing.remove);
  };
}
