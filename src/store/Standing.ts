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

/** A payment's money in an account, and that account, unless it is gone. */
export type CreditStanding = {
  readonly account: string;
  readonly amountMsat: bigint;
  readonly balance?: { readonly creditedMsat: bigint; readonly spentMsat: bigint; readonly reservedMsat: bigint; readonly expiresAt: number };
};

/** What is left of a claim or an account that expired and was forgotten: what of the payment was earned; the rest expired. */
export type Closing = { readonly kind: 'claim' | 'account'; readonly amountMsat: bigint; readonly earnedMsat: bigint };

/** One account against what it was credited from and what was settled on it. */
export type AccountStanding = {
  readonly kind: 'account';
  readonly account: string;
  /** Undefined: there are credits of an account that is not there. */
  readonly balance: { readonly creditedMsat: bigint; readonly spentMsat: bigint; readonly reservedMsat: bigint } | undefined;
  /** The sum of its credits, source by source. */
  readonly sourcesMsat: bigint;
  /** Unix seconds at which the last of its credits expires. */
  readonly sourcesExpireAt: number;
  /** The sum of what its debits have spent, and of what forgotten ones had. */
  readonly debitsMsat: bigint;
};

/** One reservation against its debits. */
export type ReservationStanding = {
  readonly kind: 'reservation';
  readonly reservation: string;
  /** Undefined: there are debits of a reservation that is not there. */
  readonly life: { readonly state: 'held' | 'settled' | 'cancelled'; readonly amountMsat: bigint; readonly leaseEndsAt: number } | undefined;
  readonly debits: readonly {
    readonly account: string;
    readonly amountMsat: bigint;
    readonly spentMsat: bigint;
    /** Unix seconds; undefined where it holds nothing any more. */
    readonly heldUntil: number | undefined;
  }[];
};

/** A row whose amount is no whole number; it counts as nothing. */
export type UnreadableStanding = { readonly kind: 'unreadable'; readonly table: string; readonly row: string };
