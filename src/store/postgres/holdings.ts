/**
 * Accounts, their lots and reservations as one transaction sees them: named first, read together under their locks, changed in memory,
 * written together.
 *
 * Which accounts a reservation is over only its debits say. So reservations and sources are locked with everything else, and accounts
 * behind them: those that are named, and those that a named reservation is over. The server finds these by itself, without a question more.
 */
import type { AccountLife, Kept, Lot, ReservationLife } from '../accountLife.ts';
import {
  type AccountRow,
  type DebitRow,
  fromAccountRow,
  fromLotRow,
  fromReservationRow,
  type LotRow,
  type ReservationRow,
  toAccountRow,
  toDebitRows,
  toLotRow,
  toReservationRow,
} from '../accountRow.ts';
import type { Client, Statement } from './client.ts';
import * as Sql from './holdingsSql.ts';
import { toJson } from './table.ts';

/** What a transaction looks at and changes of accounts. */
export type Holdings = {
  readonly wantAccount: (name: string) => void;
  readonly wantSource: (name: string) => void;
  /** Names a reservation, and every account that it is over. */
  readonly wantReservation: (name: string) => void;
  /** What the steps of `accountLife.ts` work on; the clock, the ledger and how payments ended are the transaction's. */
  readonly kept: Omit<Kept, 'now' | 'append' | 'closing'>;
  /** Whether a reservation names the account. */
  readonly isNamed: (account: string) => boolean;
  readonly dropAccount: (name: string) => void;
  readonly dropReservation: (name: string) => void;
  /** Names of what is to be locked before the accounts are. */
  readonly locks: () => readonly string[];
  readonly load: (client: Client) => readonly Promise<unknown>[];
  readonly save: (client: Client) => readonly Promise<unknown>[];
};

/**
 * Nothing looked at, nothing changed.
 * @param now - Unix seconds, with their fraction
 */
export function createHoldings(now: () => number): Holdings {
  const wanted = { accounts: new Set<string>(), sources: new Set<string>(), reservations: new Set<string>() };
  const accounts = createChanges<AccountLife>();
  const reservations = createChanges<ReservationLife>();
  const lots = createLots();
  /** What is held on each account, reservation by reservation, as it was read. */
  const held = new Map<string, HeldRow[]>();
  const named = new Set<string>();

  function reserved(account: string, but?: string): bigint {
    const rows = (held.get(account) ?? []).filter(({ reservation }) => reservation !== but && !reservations.isChanged(reservation));
    const before = rows.reduce((sum, { units, held_until }) => (held_until > now() ? sum + BigInt(units) : sum), 0n);
    const changed = reservations.changed().flatMap(([name, life]) => (name === but || !life ? [] : heldOf(life, account, now())));
    return changed.reduce((sum, units) => sum + units, before);
  }

  async function load(client: Client): Promise<void> {
    const [names, of, at] = [[...wanted.accounts], [...wanted.reservations], now()];
    const ask = async <Row>(statement: Statement, ...values: readonly unknown[]) => (await client.ask<Row>(statement, values)).rows;
    const [, accountRows, lotRows, reservationRows, debitRows, heldRows] = await Promise.all([
      ask(Sql.lockAccounts, names, of),
      ask<AccountRow & { readonly account: string; readonly is_named: boolean }>(Sql.readAccounts, names, of),
      ask<LotRow>(Sql.readLots, names, of, [...wanted.sources]),
      ask<ReservationRow & { readonly reservation: string }>(Sql.readReservations, of),
      ask<DebitRow & { readonly reservation: string }>(Sql.readDebits, of),
      ask<HeldRow>(Sql.readHeld, names, of, at),
    ]);
    for (const row of accountRows) {
      accounts.put(row.account, fromAccountRow(row));
      if (row.is_named) named.add(row.account);
    }
    for (const row of lotRows) lots.put(row.account, fromLotRow(row));
    const debits = Map.groupBy(debitRows, ({ reservation }) => reservation);
    for (const row of reservationRows) reservations.put(row.reservation, fromReservationRow(row, debits.get(row.reservation) ?? []));
    for (const row of heldRows) held.set(row.account, [...(held.get(row.account) ?? []), row]);
  }

  return {
    wantAccount: (name) => void wanted.accounts.add(name),
    wantSource: (name) => void wanted.sources.add(name),
    wantReservation: (name) => void wanted.reservations.add(name),
    kept: {
      account: accounts.get,
      setAccount: accounts.set,
      lots: lots.of,
      hasLot: lots.has,
      setLot: lots.set,
      reserved,
      reservation: reservations.get,
      setReservation: reservations.set,
    },
    isNamed: (account) => named.has(account),
    dropAccount: (name) => accounts.set(name, undefined),
    dropReservation: (name) => reservations.set(name, undefined),
    locks: () => [...[...wanted.sources].map((name) => `lots ${name}`), ...[...wanted.reservations].map((name) => `reservations ${name}`)],
    load: (client) => (wanted.accounts.size + wanted.sources.size + wanted.reservations.size === 0 ? [] : [load(client)]),
    save: (client) => {
      const lives = reservations.changed();
      const there = lives.flatMap(([name, life]) => (life ? [[name, life] as const] : []));
      const rows = accounts.changed().flatMap(([account, life]) => (life ? [{ account, ...toAccountRow(life) }] : []));
      const write = (statement: Statement, given: readonly object[]) => (given.length === 0 ? [] : [client.ask(statement, [toJson(given)])]);
      const erase = (statement: Statement, names: readonly string[]) => (names.length === 0 ? [] : [client.ask(statement, [names])]);
      return [
        ...write(Sql.writeAccounts, rows),
        ...write(Sql.writeLots, lots.changed()),
        ...write(
          Sql.writeReservations,
          there.map(([name, life]) => toReservationRow(name, life)),
        ),
        // One that is taken again may be over fewer accounts.
        ...erase(
          Sql.eraseDebits,
          lives.map(([name]) => name),
        ),
        ...write(
          Sql.writeDebits,
          there.flatMap(([name, life]) => toDebitRows(name, life)),
        ),
        ...erase(Sql.eraseAccounts, accounts.dropped()),
        ...erase(Sql.eraseReservations, reservations.dropped()),
      ];
    },
  };
}

type HeldRow = { readonly account: string; readonly reservation: string; readonly units: string; readonly held_until: number };

/** What a reservation of this transaction's holds on an account. */
function heldOf({ state, leaseEndsAt, debits }: ReservationLife, account: string, now: number): readonly bigint[] {
  if (state !== 'held' || leaseEndsAt <= now) return [];
  return debits.flatMap((debit) => (debit.account === account ? [debit.units] : []));
}

/** Things by name, with what was changed of them. */
function createChanges<Thing>() {
  const found = new Map<string, Thing>();
  const changes = new Map<string, Thing | undefined>();
  return {
    put: (name: string, thing: Thing): void => void found.set(name, thing),
    get: (name: string): Thing | undefined => (changes.has(name) ? changes.get(name) : found.get(name)),
    set: (name: string, thing: Thing | undefined): void => void changes.set(name, thing),
    isChanged: (name: string): boolean => changes.has(name),
    changed: (): readonly (readonly [string, Thing | undefined])[] => [...changes],
    dropped: (): readonly string[] => [...changes].flatMap(([name, thing]) => (thing === undefined ? [name] : [])),
  };
}

/** Lots by account, each account's in the order in which they came. */
function createLots() {
  const bySource = new Map<string, { readonly account: string; readonly lot: Lot }>();
  const byAccount = new Map<string, Set<string>>();
  const changed = new Set<string>();
  const put = (account: string, lot: Lot) => {
    bySource.set(lot.source, { account, lot });
    byAccount.set(account, (byAccount.get(account) ?? new Set()).add(lot.source));
  };
  return {
    put,
    of: (account: string): readonly Lot[] => [...(byAccount.get(account) ?? [])].flatMap((source) => bySource.get(source)?.lot ?? []),
    has: (source: string): boolean => bySource.has(source),
    set: (account: string, lot: Lot): void => {
      put(account, lot);
      changed.add(lot.source);
    },
    changed: (): readonly LotRow[] =>
      [...changed].flatMap((source) => {
        const found = bySource.get(source);
        return found ? [toLotRow(found.account, found.lot)] : [];
      }),
  };
}
