/**
 * A store's books in memory, copied at one moment.
 */
import * as AccountLife from '../accountLife.ts';
import type { ClaimLife } from '../claimLife.ts';
import type { AccountStanding, ClaimStanding, CreditStanding, PaymentStanding, ReservationStanding, Standing } from '../Standing.ts';
import type { Account, createAccounts } from './accounts.ts';
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
  const held = heldMsatByAccount(kept, at);
  return [{ kind: 'book', at, seq, sums, untiedSeq: 0, untiedUntil: 0 }, ...payments(kept, held), ...accountStandings(kept, held), ...reservations(kept)];
}

function payments(kept: Kept, held: ReadonlyMap<string, bigint>): readonly PaymentStanding[] {
  const { accounts, sources } = kept.accounts.all();
  const closings = kept.closings.all();
  const entries = Map.groupBy(kept.book.all().rows, ({ paymentHash }) => paymentHash as string);
  const claims = Map.groupBy(kept.claims.all(), ({ payment }) => payment?.paymentHash);
  const credits = Map.groupBy(sources.values(), ({ paymentHash }) => paymentHash);
  const hashes = new Set([...entries.keys(), ...claims.keys(), ...credits.keys(), ...closings.keys()].filter((hash) => hash !== undefined));
  return [...hashes].sort().map((paymentHash) => {
    const closing = closings.get(paymentHash);
    return {
      kind: 'payment',
      paymentHash,
      entries: entries.get(paymentHash) ?? [],
      claims: (claims.get(paymentHash) ?? []).map(claimStanding),
      credits: (credits.get(paymentHash) ?? []).map(({ account, amountMsat }) => creditStanding(account, amountMsat, accounts.get(account), held)),
      ...(closing && { closing }),
    };
  });
}

function claimStanding({ state, payment, leaseEndsAt, expiresAt, committedAt }: ClaimLife): ClaimStanding {
  return { state, amountMsat: payment?.amountMsat ?? 0n, leaseEndsAt, expiresAt, committedAt };
}

function creditStanding(account: string, amountMsat: bigint, found: Account | undefined, held: ReadonlyMap<string, bigint>): CreditStanding {
  if (!found) return { account, amountMsat };
  const { creditedMsat, spentMsat, expiresAt } = found;
  return { account, amountMsat, balance: { creditedMsat, spentMsat, expiresAt, reservedMsat: held.get(account) ?? 0n } };
}

function accountStandings(kept: Kept, held: ReadonlyMap<string, bigint>): readonly AccountStanding[] {
  const { accounts, sources, reservations: lives } = kept.accounts.all();
  const credited = Map.groupBy(sources.values(), ({ account }) => account);
  const debited = Map.groupBy(
    [...lives.values()].flatMap(({ debits }) => debits),
    ({ account }) => account,
  );
  return [...accounts].map(([account, { creditedMsat, spentMsat, forgottenMsat, expiresAt }]) => ({
    kind: 'account',
    account,
    balance: { creditedMsat, spentMsat, reservedMsat: held.get(account) ?? 0n },
    sourcesMsat: (credited.get(account) ?? []).reduce((sum, source) => sum + source.amountMsat, 0n),
    sourcesExpireAt: expiresAt,
    debitsMsat: (debited.get(account) ?? []).reduce((sum, debit) => sum + debit.spentMsat, forgottenMsat),
  }));
}

function heldMsatByAccount(kept: Kept, at: number): ReadonlyMap<string, bigint> {
  const held = new Map<string, bigint>();
  for (const life of kept.accounts.all().reservations.values()) {
    if (!AccountLife.isHeld(life, at)) continue;
    for (const { account, amountMsat } of life.debits) held.set(account, (held.get(account) ?? 0n) + amountMsat);
  }
  return held;
}

function reservations(kept: Kept): readonly ReservationStanding[] {
  return [...kept.accounts.all().reservations].map(([reservation, { state, leaseEndsAt, debits }]) => ({
    kind: 'reservation',
    reservation,
    life: { state, leaseEndsAt, amountMsat: AccountLife.sumOf(debits) },
    debits: debits.map((debit) => ({ ...debit, heldUntil: state === 'held' ? leaseEndsAt : undefined })),
  }));
}
