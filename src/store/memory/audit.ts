/**
 * A store's books in memory, copied at one moment.
 */
import * as AccountLife from '../accountLife.ts';
import type { ClaimLife } from '../claimLife.ts';
import type { AccountStanding, ClaimStanding, CreditStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import type { createAccounts, KeptLot } from './accounts.ts';
import type { createBook } from './book.ts';
import type { createClaims } from './claims.ts';
import type { createClosings } from './closings.ts';

/** What the books are read from. */
export type Kept = {
  readonly book: ReturnType<typeof createBook>;
  readonly claims: ReturnType<typeof createClaims>;
  readonly accounts: ReturnType<typeof createAccounts>;
  readonly closings: ReturnType<typeof createClosings>;
};

/** Everything that is kept about money at this moment. */
export function audit(kept: Kept, at: number): readonly Standing[] {
  const { seq, sums } = kept.book.all();
  return [{ kind: 'book', at, seq, sums, untiedSeq: 0, untiedUntil: 0 }, ...payments(kept), ...accountStandings(kept), ...reservations(kept)];
}

function payments(kept: Kept): readonly PaymentStanding[] {
  const { accounts, lots, lotsOf, reserved } = kept.accounts.all();
  const closings = kept.closings.all();
  const entries = Map.groupBy(kept.book.all().rows, ({ paymentHash }) => paymentHash as string);
  const claims = Map.groupBy(kept.claims.all(), ({ payment }) => payment?.paymentHash);
  const credits = Map.groupBy(lots.values(), ({ paymentHash }) => paymentHash);
  const hashes = new Set([...entries.keys(), ...claims.keys(), ...credits.keys(), ...closings.keys()].filter((hash) => hash !== undefined));
  const creditStanding = (lot: KeptLot): CreditStanding => {
    const { account, paidMsat, earnedMsat, source } = lot;
    const found = accounts.get(account);
    if (!found) return { account, amountMsat: paidMsat };
    const heldMsat = AccountLife.heldMsat(lotsOf(account), reserved(account)).get(source) ?? 0n;
    return { account, amountMsat: paidMsat, balance: { earnedMsat, heldMsat, expiresAt: found.expiresAt } };
  };
  return [...hashes].sort().map((paymentHash) => {
    const closing = closings.get(paymentHash);
    return {
      kind: 'payment',
      paymentHash,
      entries: entries.get(paymentHash) ?? [],
      claims: (claims.get(paymentHash) ?? []).map(claimStanding),
      credits: (credits.get(paymentHash) ?? []).map(creditStanding),
      ...(closing && { closing }),
    };
  });
}

function claimStanding({ state, payment, leaseEndsAt, expiresAt, committedAt }: ClaimLife): ClaimStanding {
  return { state, amountMsat: payment?.amountMsat ?? 0n, leaseEndsAt, expiresAt, committedAt };
}

function accountStandings(kept: Kept): readonly AccountStanding[] {
  const { accounts, lotsOf, reserved, reservations: lives } = kept.accounts.all();
  const debited = Map.groupBy(
    [...lives.values()].flatMap(({ debits }) => debits),
    ({ account }) => account,
  );
  return [...accounts].map(([account, { units, spent, forgotten, expiresAt }]) => ({
    kind: 'account',
    account,
    balance: { units, spent, reserved: reserved(account) },
    ...AccountLife.checkLots(lotsOf(account)),
    lotsExpireAt: expiresAt,
    debited: (debited.get(account) ?? []).reduce((sum, debit) => sum + debit.spent, forgotten),
  }));
}

function reservations(kept: Kept): readonly ReservationStanding[] {
  return [...kept.accounts.all().reservations].map(([reservation, { state, leaseEndsAt, debits }]) => ({
    kind: 'reservation',
    reservation,
    life: { state, leaseEndsAt, units: debits.reduce((sum, { units }) => sum + units, 0n) },
    debits: debits.map(({ account, units, spent }) => ({ account, units, spent, heldUntil: state === 'held' ? leaseEndsAt : undefined })),
  }));
}
