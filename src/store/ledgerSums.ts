/**
 * The sums that the ledger's totals are read from: kept beside the ledger and grown with every entry, so that asking costs nothing.
 */
import type { Msat } from '../core/Amount.ts';
import type { LedgerEntry, LedgerTotals } from './Store.ts';

/** Sums and counts by kind of entry. */
export type LedgerSums = {
  readonly settledMsat: bigint;
  readonly receivedMsat: bigint;
  readonly earnedMsat: bigint;
  readonly reversedMsat: bigint;
  readonly settled: number;
  readonly received: number;
  readonly earned: number;
  readonly reversed: number;
  readonly repeated: number;
};

/** An empty ledger's. */
export const none: LedgerSums = {
  settledMsat: 0n,
  receivedMsat: 0n,
  earnedMsat: 0n,
  reversedMsat: 0n,
  settled: 0,
  received: 0,
  earned: 0,
  reversed: 0,
  repeated: 0,
};

/** The sums with one entry more. A repetition is no money. */
export function add(sums: LedgerSums, entry: LedgerEntry): LedgerSums {
  switch (entry.kind) {
    case 'settled':
      return { ...sums, settled: sums.settled + 1, settledMsat: sums.settledMsat + entry.amountMsat };
    case 'received':
      return { ...sums, received: sums.received + 1, receivedMsat: sums.receivedMsat + entry.amountMsat };
    case 'earned':
      return { ...sums, earned: sums.earned + 1, earnedMsat: sums.earnedMsat + entry.amountMsat };
    case 'reversed':
      return { ...sums, reversed: sums.reversed + 1, reversedMsat: sums.reversedMsat + entry.amountMsat };
    case 'repeated':
      return { ...sums, repeated: sums.repeated + 1 };
  }
}

/** What the operator asks for. */
export function totals(sums: LedgerSums): LedgerTotals {
  return {
    settledMsat: sums.settledMsat as Msat,
    settled: sums.settled,
    receivedMsat: sums.receivedMsat as Msat,
    earnedMsat: (sums.earnedMsat - sums.reversedMsat) as Msat,
    payments: sums.received,
    sales: sums.earned - sums.reversed,
  };
}
