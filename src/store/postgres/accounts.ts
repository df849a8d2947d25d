/**
 * Accounts in PostgreSQL: the steps of `accountLife.ts` over rows that were read under their locks.
 */
import * as AccountLife from '../accountLife.ts';
import type { Closing } from '../Standing.ts';
import type { AccountBalance, CreditOutcome, Store } from '../Store.ts';
import type { Read } from './book.ts';
import type { Group, Work } from './group.ts';
import { readBalance } from './holdingsSql.ts';

/** Accounts, what was credited to them and what is reserved on them. How a payment ended has a lock of its own: it is read before accounts are locked. */
export function createAccounts(now: () => number) {
  const ofReservation =
    <Request extends { readonly reservation: string }, Outcome>(step: (kept: AccountLife.Kept, request: Request) => Outcome) =>
    (request: Request): Work<Outcome> => ({
      want: ({ holdings }) => holdings.wantReservation(request.reservation),
      take: (group) => step(keptIn(group, now), request),
    });
  return {
    credit: (request: Parameters<Store['credit']>[0]): Work<CreditOutcome> => ({
      want: ({ holdings, closings }) => {
        holdings.wantAccount(request.account);
        holdings.wantSource(request.source);
        if (request.entry) closings.want(request.entry.paymentHash);
      },
      take: (group) => AccountLife.credit(keptIn(group, now), request),
    }),
    reserve: (request: Parameters<Store['reserve']>[0]): Work<Awaited<ReturnType<Store['reserve']>>> => ({
      want: ({ holdings, closings }) => {
        holdings.wantReservation(request.reservation);
        for (const { account, opens } of request.debits) {
          holdings.wantAccount(account);
          if (opens) holdings.wantSource(opens.source);
          if (opens?.entry) closings.want(opens.entry.paymentHash);
        }
      },
      take: (group) => AccountLife.reserve(keptIn(group, now), request),
    }),
    extend: ofReservation(AccountLife.extend),
    settle: ofReservation(AccountLife.settle),
    cancel: ofReservation(AccountLife.cancel),
  };
}

/** What a transaction has read of accounts, as steps work on it. */
export function keptIn({ holdings, closings, append }: Group, now: () => number): AccountLife.Kept {
  const closing = (paymentHash: string): Closing | undefined => {
    const row = closings.get(paymentHash);
    return row && { kind: row.kind, amountMsat: BigInt(row.amount_msat), earnedMsat: BigInt(row.earned_msat) };
  };
  return { ...holdings.kept, now, append, closing };
}

/** An account's standing, read by itself. */
export async function balanceOf(read: Read, account: string, now: number): Promise<AccountBalance | undefined> {
  const [row] = await read<{ readonly units: string; readonly spent: string; readonly reserved: string }>(readBalance, [account, now]);
  if (!row) return undefined;
  const [units, spent, reserved] = [BigInt(row.units), BigInt(row.spent), BigInt(row.reserved)];
  return { units, available: units - spent - reserved, reserved, spent };
}
