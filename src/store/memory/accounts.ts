/**
 * Accounts in memory.
 */
import * as AccountLife from '../accountLife.ts';
import { graceSeconds } from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { LedgerEntry, Store } from '../Store.ts';
import type { createClosings } from './closings.ts';
import { forget } from './forget.ts';

/** A credit, and the account that it went into. */
export type KeptLot = AccountLife.Lot & { readonly account: string };

/** Accounts, what was credited to them and what is reserved on them; entries go to `append`, how a payment ended to `closings`. */
export function createAccounts(now: () => number, append: (entries: readonly LedgerEntry[]) => void, closings: ReturnType<typeof createClosings>) {
  const accounts = new Map<string, AccountLife.AccountLife>();
  /** By source, in the order in which they were credited. */
  const lots = new Map<string, KeptLot>();
  /** The sources of each account, in the same order. */
  const sources = new Map<string, string[]>();
  const reservations = createReservations(now);

  const lotsOf = (account: string) => (sources.get(account) ?? []).flatMap((source) => lots.get(source) ?? []);
  const kept: AccountLife.Kept = {
    now,
    account: (name) => accounts.get(name),
    setAccount: (name, account) => void accounts.set(name, account),
    lots: lotsOf,
    hasLot: (source) => lots.has(source),
    closing: closings.get,
    setLot: (account, lot) => {
      if (!lots.has(lot.source)) sources.set(account, [...(sources.get(account) ?? []), lot.source]);
      lots.set(lot.source, { ...lot, account });
    },
    reserved: reservations.heldOn,
    reservation: reservations.get,
    setReservation: reservations.set,
    append,
  };

  return {
    /** For steps that take a claim with them. */
    kept,
    credit: (request: Parameters<Store['credit']>[0]) => AccountLife.credit(kept, request),
    reserve: (request: Parameters<Store['reserve']>[0]) => AccountLife.reserve(kept, request),
    extend: (request: Parameters<Store['extend']>[0]) => AccountLife.extend(kept, request),
    settle: (request: Parameters<Store['settle']>[0]) => AccountLife.settle(kept, request),
    cancel: (request: Parameters<Store['cancel']>[0]) => AccountLife.cancel(kept, request),
    balance: (account: string) => AccountLife.balance(kept, account),
    prune: () => {
      const before = now() - graceSeconds;
      const goneReservations = reservations.prune(before, ({ account, spent }) => {
        const known = accounts.get(account);
        if (known) accounts.set(account, { ...known, forgotten: known.forgotten + spent });
      });
      const named = reservations.accounts();
      const goneAccounts = forget(
        accounts,
        ({ expiresAt }, name) => expiresAt <= before && !named.has(name),
        (_, name) => closings.close(Closings.ofLots(lotsOf(name))),
      );
      const goneLots = forget(
        lots,
        ({ account, expiresAt }) => expiresAt <= before && !accounts.has(account),
        ({ account }) => sources.delete(account),
      );
      return goneReservations + goneAccounts + goneLots;
    },
    all: () => ({ accounts, lots, lotsOf, reserved: reservations.heldOn, reservations: reservations.all() }),
    load: { account: kept.setAccount, lot: kept.setLot, reservation: kept.setReservation },
  };
}

/** Reservations by name, and by the accounts that they hold units of. */
function createReservations(now: () => number) {
  const lives = new Map<string, AccountLife.ReservationLife>();
  /** Account → reservations that hold some of its units, and some whose lease has ended. */
  const holding = new Map<string, Map<string, { readonly life: AccountLife.ReservationLife; readonly units: bigint }>>();
  return {
    get: (reservation: string) => lives.get(reservation),
    set: (reservation: string, life: AccountLife.ReservationLife): void => {
      // A reservation that is taken again may be over other accounts.
      for (const { account } of lives.get(reservation)?.debits ?? []) holding.get(account)?.delete(reservation);
      lives.set(reservation, life);
      for (const { account, units } of life.debits) {
        const held = holding.get(account) ?? new Map();
        if (life.state === 'held') holding.set(account, held.set(reservation, { life, units }));
        else held.delete(reservation);
      }
    },
    /** What is reserved on an account now, but for one reservation. */
    heldOn: (account: string, but?: string): bigint => {
      const held = holding.get(account);
      if (!held) return 0n;
      forget(held, ({ life }) => !AccountLife.isHeld(life, now()));
      if (held.size === 0) holding.delete(account);
      let sum = 0n;
      for (const [reservation, { units }] of held) if (reservation !== but) sum += units;
      return sum;
    },
    all: (): ReadonlyMap<string, AccountLife.ReservationLife> => lives,
    /** Every account that one of them names. */
    accounts: (): ReadonlySet<string> => new Set([...lives.values()].flatMap(({ debits }) => debits.map(({ account }) => account))),
    /** Forgets those whose lease ended before that time, and tells what each had taken. */
    prune: (before: number, onGone: (debit: AccountLife.DebitLife) => void) =>
      forget(
        lives,
        ({ leaseEndsAt }) => leaseEndsAt <= before,
        ({ debits }) => debits.forEach(onGone),
      ),
  };
}
