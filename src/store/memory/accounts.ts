/**
 * Accounts in memory.
 */
import type { Msat } from '../../core/Amount.ts';
import * as AccountLife from '../accountLife.ts';
import { graceSeconds } from '../claimLife.ts';
import type { AccountBalance, ReserveOutcome, Store } from '../Store.ts';
import { forget } from './forget.ts';

type Account = AccountLife.AccountLife & { readonly expiresAt: number };

/** Accounts, what was credited to them and what is reserved on them. */
export function createAccounts(now: () => number) {
  const accounts = new Map<string, Account>();
  const sources = new Map<string, { readonly account: string; readonly expiresAt: number }>();
  const reservations = createReservations(now);

  function balance(name: string): AccountBalance | undefined {
    const account = accounts.get(name);
    return account && AccountLife.balance(account, AccountLife.sumOf(reservations.heldOn(name)));
  }

  return {
    credit: (request: Parameters<Store['credit']>[0]): 'credited' | 'already' => {
      if (sources.has(request.source)) return 'already';
      const before = accounts.get(request.account) ?? { creditedMsat: 0n, spentMsat: 0n, expiresAt: 0 };
      const expiresAt = Math.max(before.expiresAt, request.expiresAt);
      accounts.set(request.account, { ...before, creditedMsat: before.creditedMsat + request.amountMsat, expiresAt });
      sources.set(request.source, { account: request.account, expiresAt: request.expiresAt });
      return 'credited';
    },
    reserve: (request: Parameters<Store['reserve']>[0]): ReserveOutcome => {
      const { outcome, next } = AccountLife.reserve(reservations.get(request.reservation), request, now(), balance);
      if (next) reservations.set(request.reservation, next);
      return outcome;
    },
    settle: (request: { readonly reservation: string; readonly amountMsat?: Msat }): 'settled' | 'lost' => {
      const { outcome, next } = AccountLife.settle(reservations.get(request.reservation), request.amountMsat, now());
      if (next) reservations.set(request.reservation, next);
      for (const debit of next?.debits ?? []) {
        const account = accounts.get(debit.account);
        if (account) accounts.set(debit.account, { ...account, spentMsat: account.spentMsat + debit.spentMsat });
      }
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
      let gone = reservations.prune(before);
      for (const [name, { expiresAt }] of accounts) {
        if (expiresAt > before || reservations.heldOn(name).length > 0) continue;
        gone += Number(accounts.delete(name));
      }
      return gone + forget(sources, ({ account, expiresAt }) => expiresAt <= before && !accounts.has(account));
    },
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
    /** Forgets those whose lease ended before that time. */
    prune: (before: number) => forget(lives, ({ leaseEndsAt }) => leaseEndsAt <= before),
  };
}
