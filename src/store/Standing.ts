/**
 * What a store keeps about money, read at one moment by `Store.audit` and added up by `Books.verify`: the ledger's entries on the one
 * hand, and on the other the state that they must agree with. Nothing here is derived from the other side.
 *
 * Amounts are as the store holds them, also where that cannot be: finding it is what they are read for.
 */
import type { LedgerSums } from './ledgerSums.ts';
import type { LedgerRow } from './Store.ts';

/** One piece of what is kept. The first is the book's; then come all payments, all accounts, all reservations. */
export type Standing = BookStanding | PaymentStanding | AccountStanding | ReservationStanding | UnreadableStanding;

/** The sums that are kept beside the ledger, and the moment that everything else is read at. */
export type BookStanding = {
  readonly kind: 'book';
  /** Unix seconds, with their fraction. */
  readonly at: number;
  /** No entry's number is greater. */
  readonly seq: number;
  readonly sums: LedgerSums;
  /** Payments first seen up to this number may have claims that do not name them: a version made them that did not write it down. */
  readonly untiedSeq: number;
  /** Unix seconds at which the last of those claims expires. */
  readonly untiedUntil: number;
};

/** One payment: what the ledger says of it, and everything that holds its money. */
export type PaymentStanding = {
  readonly kind: 'payment';
  readonly paymentHash: string;
  /** As they were written, oldest first. */
  readonly entries: readonly LedgerRow[];
  readonly claims: readonly ClaimStanding[];
  readonly credits: readonly CreditStanding[];
  /** How its claim or account ended, where that has been forgotten. */
  readonly closing?: Closing;
};

/** A claim that was granted for a payment. */
export type ClaimStanding = {
  readonly state: 'open' | 'held' | 'committed' | 'used';
  readonly amountMsat: bigint;
  /** Unix seconds. */
  readonly leaseEndsAt: number | undefined;
  readonly expiresAt: number;
  readonly committedAt: number;
};

/** A payment's money in a lot of an account. */
export type CreditStanding = {
  readonly account: string;
  /** What was paid for the lot. */
  readonly amountMsat: bigint;
  /** What it has earned, and what it would if all that is reserved on its account were spent now; undefined where the account is gone. */
  readonly balance?: { readonly earnedMsat: bigint; readonly heldMsat: bigint; readonly expiresAt: number };
};

/** What is left of a claim or an account that expired and was forgotten: what of the payment was earned; the rest expired. */
export type Closing = { readonly kind: 'claim' | 'account'; readonly amountMsat: bigint; readonly earnedMsat: bigint };

/** One account against its lots and what was settled on it, in its own unit. */
export type AccountStanding = {
  readonly kind: 'account';
  readonly account: string;
  /** Undefined: there are lots of an account that is not there. */
  readonly balance: { readonly units: bigint; readonly spent: bigint; readonly reserved: bigint } | undefined;
  /** The sums of its lots: what was credited, and what of that is spent. */
  readonly lots: { readonly units: bigint; readonly spent: bigint };
  /** What its lots were credited from, in their order. */
  readonly sources: readonly string[];
  /** Unix seconds at which the last of its lots expires. */
  readonly lotsExpireAt: number;
  /** Lots that earned more than was paid for them, are spent beyond what is in them, or have earned another part than they have spent. */
  readonly brokenLots: readonly string[];
  /** The sum of what its debits have spent, and of what forgotten ones had. */
  readonly debited: bigint;
};

/** How far a reservation has come. */
export type ReservationState = 'held' | 'settled' | 'cancelled' | 'reversed';

/** One reservation against its debits. */
export type ReservationStanding = {
  readonly kind: 'reservation';
  readonly reservation: string;
  /** Undefined: there are debits of a reservation that is not there. */
  readonly life: { readonly state: ReservationState; readonly units: bigint; readonly leaseEndsAt: number } | undefined;
  readonly debits: readonly {
    readonly account: string;
    readonly units: bigint;
    readonly spent: bigint;
    /** Unix seconds; undefined where it holds nothing any more. */
    readonly heldUntil: number | undefined;
  }[];
};

/** A row whose amount is no whole number; it counts as nothing. */
export type UnreadableStanding = { readonly kind: 'unreadable'; readonly table: string; readonly row: string };
