/**
 * Accounts in memory.
 */
import type { Msat } from '../../core/Amount.ts';
import * as AccountLife from '../accountLife.ts';
import { graceSeconds } from '../claimLife.ts';
import * as Closings from '../closings.ts';
import type { AccountBalance, LedgerEntry, ReserveOutcome, Store } from '../Store.ts';
import { forget } from './forget.ts';

/** What is kept of an account. `forgottenMsat`: of what was spent, by reservations that are gone. */
export type Account = AccountLife.AccountLife & { readonly expiresAt: number; readonly forgottenMsat: bigint };

/** What an account was credited from, and whose payment that was. */
type Source = { readonly account: string; readonly amountMsat: bigint; readonly paymentHash: string | undefined; readonly expiresAt: number };

/** Accounts, what was credited to them and what is reserved on them; entries go to `append`, how a payment ended to `close`. */
export function createAccounts(
  now: () => number,
  append: (entries: readonly LedgerEntry[]) => void,
  close: (closed: readonly Closings.ClosedPayment[]) => void,
) {
  const accounts = new Map<string, Account>();
  const sources = new Map<string, Source>();
  const reservations = createReservations(now);

  function balance(name: string): AccountBalance | undefined {
    const account = accounts.get(name);
    return account && AccountLife.balance(account, AccountLife.sumOf(reservations.heldOn(name)));
  }

  /** What closes an account, knowing all sources. */
  function closing(): (account: Account, name: string) => void {
    const inOrder = [...sources].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, source]) => source);
    const byAccount = Map.groupBy(inOrder, ({ account }) => account);
    return ({ spentMsat }, name) => {
      const payments = (byAccount.get(name) ?? []).flatMap(({ paymentHash, amountMsat }) => (paymentHash === undefined ? [] : [{ paymentHash, amountMsat }]));
      close(Closings.ofAccount(spentMsat, payments));
    };
  }

  return {
    credit: (request: Parameters<Store['credit']>[0]): 'credited' | 'already' => {
      const { account, amountMsat, entry } = request;
      if (sources.has(request.source)) return 'already';
      const before = accounts.get(account) ?? { creditedMsat: 0n, spentMsat: 0n, expiresAt: 0, forgottenMsat: 0n };
      const expiresAt = Math.max(before.expiresAt, request.expiresAt);
      accounts.set(account, { ...before, creditedMsat: before.creditedMsat + amountMsat, expiresAt });
      sources.set(request.source, { account, amountMsat, paymentHash: entry?.paymentHash, expiresAt: request.expiresAt });
      if (entry) append([entry]);
      return 'credited';
    },
    reserve: (request: Parameters<Store['reserve']>[0]): ReserveOutcome => {
      const { outcome, next } = AccountLife.reserve(reservations.get(request.reservation), request, now(), balance);
      if (next) reservations.set(request.reservation, next);
      return outcome;
    },
    settle: (request: { readonly reservation: string; readonly amountMsat?: Msat; readonly entry?: LedgerEntry }): 'settled' | 'lost' => {
      const { outcome, next } = AccountLife.settle(reservations.get(request.reservation), request.amountMsat, now());
      if (!next) return outcome;
      reservations.set(request.reservation, next);
      for (const debit of next.debits) {
        const account = accounts.get(debit.account);
        if (account) accounts.set(debit.account, { ...account, spentMsat: account.spentMsat + debit.spentMsat });
      }
      if (request.entry) append([request.entry]);
      return outcome;
    },
    cancel: (reservation: string): 'cancelled' | 'lost' => {
      const { outcome, next } = AccountLife.cancel(reservations.get(reservation), now());
      if (next) reservations.set(reservation, next);
      return outcome;
    },
    balance,
    prune: () => {
      const before = now() - graceSeconds;
      const goneReservations = reservations.prune(before, ({ account, spentMsat }) => {
        const known = accounts.get(account);
        if (known) accounts.set(account, { ...known, forgottenMsat: known.forgottenMsat + spentMsat });
      });
      const named = reservations.accounts();
      const goneAccounts = forget(accounts, ({ expiresAt }, name) => expiresAt <= before && !named.has(name), closing());
      return goneReservations + goneAccounts + forget(sources, ({ account, expiresAt }) => expiresAt <= before && !accounts.has(account));
    },
    all: () => ({ accounts, sources, reservations: reservations.all() }),
  };
}

/** Reservations by name, and by the accounts that they hold money of. */
function createReservations(now: () => number) {
  const lives = new Map<string, AccountLife.ReservationLife>();
  /** Account → reservations that hold some of its money, and some whose lease has ended. */
  const holding = new Map<string, Map<string, { readonly life: AccountLife.ReservationLife; readonly amountMsat: bigint }>>();
  return {
    get: (reservation: string) => lives.get(reservation),
    set: (reservation: string, life: AccountLife.ReservationLife): void => {
      // A reservation that is taken again may be over other accounts.
      for (const { account } of lives.get(reservation)?.debits ?? []) holding.get(account)?.delete(reservation);
      lives.set(reservation, life);
      for (const { account, amountMsat } of life.debits) {
        const held = holding.get(account) ?? new Map();
        if (life.state === 'held') holding.set(account, held.set(reservation, { life, amountMsat }));
        else held.delete(reservation);
      }
    },
    /** What is reserved on an account now. */
    heldOn: (account: string): readonly { readonly amountMsat: bigint }[] => {
      const held = holding.get(account);
      if (!held) return [];
      forget(held, ({ life }) => !AccountLife.isHeld(life, now()));
      if (held.size === 0) holding.delete(account);
      return [...held.values()];
    },
    all: (): ReadonlyMap<string, AccountLife.ReservationLife> => lives,
    /** Every account that one of them names. */
    accounts: (): ReadonlySet<string> => new Set([...lives.values()].flatMap(({ debits }) => debits.map(({ account }) => account))),
    /** Forgets those whose lease ended before that time, and tells what each had taken. */
    prune: (before: number, onGone: (debit: AccountLife.Debit) => void) =>
      forget(
        lives,
        ({ leaseEndsAt }) => leaseEndsAt <= before,
        ({ debits }) => debits.forEach(onGone),
      ),
  };
}
