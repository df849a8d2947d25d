/**
 * The ledger, its sums and the denials as rows of tables, in every store that has tables.
 */
import type { Msat } from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { LedgerSums } from './ledgerSums.ts';
import type { Denial, LedgerRow } from './Store.ts';

/** The only row of `book`. */
export type BookRow = {
  readonly seq: number;
  readonly settled_msat: string;
  readonly received_msat: string;
  readonly earned_msat: string;
  readonly reversed_msat: string;
  readonly settled: number;
  readonly received: number;
  readonly earned: number;
  readonly reversed: number;
  readonly repeated: number;
  readonly untied_seq: number;
  readonly untied_until: number;
};

/** A row of `ledger`. */
export type LedgerTableRow = Omit<LedgerRow, 'paymentHash' | 'amountMsat'> & { readonly payment_hash: string; readonly amount_msat: string };

/** A row of `denials`. */
export type DenialRow = { readonly kind: Denial['kind']; readonly value: string; readonly expires_at: number; readonly seq: number };

/** The sums, and the number of the newest change. */
export function fromBookRow(row: BookRow): { readonly seq: number; readonly sums: LedgerSums } {
  return {
    seq: row.seq,
    sums: {
      settledMsat: BigInt(row.settled_msat),
      receivedMsat: BigInt(row.received_msat),
      earnedMsat: BigInt(row.earned_msat),
      reversedMsat: BigInt(row.reversed_msat),
      settled: row.settled,
      received: row.received,
      earned: row.earned,
      reversed: row.reversed,
      repeated: row.repeated,
    },
  };
}

/** The sums, to be kept; nothing of an older version's stays open. */
export function toBookRow(seq: number, sums: LedgerSums): BookRow {
  return {
    seq,
    settled_msat: `${sums.settledMsat}`,
    received_msat: `${sums.receivedMsat}`,
    earned_msat: `${sums.earnedMsat}`,
    reversed_msat: `${sums.reversedMsat}`,
    settled: sums.settled,
    received: sums.received,
    earned: sums.earned,
    reversed: sums.reversed,
    repeated: sums.repeated,
    untied_seq: 0,
    untied_until: 0,
  };
}

/** An entry, to be kept. */
export function toLedgerRow({ seq, kind, paymentHash, nonce, amountMsat, service, route, at, note }: LedgerRow): LedgerTableRow {
  return { seq, kind, payment_hash: paymentHash, nonce, amount_msat: `${amountMsat}`, service, route, at, note };
}

/** An entry as it is kept. */
export function fromLedgerRow(row: LedgerTableRow, amountMsat = BigInt(row.amount_msat)): LedgerRow {
  const { seq, kind, payment_hash, nonce, service, route, at, note } = row;
  return { seq, kind, paymentHash: payment_hash as PaymentHash, nonce, amountMsat: amountMsat as Msat, service, route, at, note };
}

/** A denial, to be kept. */
export function toDenialRow(seq: number, { kind, value, expiresAt }: Denial): DenialRow {
  return { seq, kind, value, expires_at: expiresAt };
}

/** A denial as it is kept. */
export function fromDenialRow({ kind, value, expires_at }: DenialRow): Denial {
  return { kind, value, expiresAt: expires_at };
}
