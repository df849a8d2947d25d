/**
 * Cells: what is replaced whole, as JSON that a person can read. Amounts and units are decimal text; points in time are Unix seconds.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { AccountLife, Lot, ReservationLife } from '../accountLife.ts';
import type { ClaimLife } from '../claimLife.ts';
import type { Closing } from '../Standing.ts';

/** What holds a payment's money: claims by key, lots by source, and what is left of those that were forgotten. */
export type PaymentCell = { readonly claims: readonly string[]; readonly lots: readonly string[]; readonly closing?: Closing };

/** An account with its lots, in the order in which they were credited, and what reservations hold on it. */
export type AccountCell = AccountLife & {
  readonly lots: readonly Lot[];
  /** By reservation; those whose lease has ended hold nothing, and go when the cell is written next. */
  readonly holds: Readonly<Record<string, Hold>>;
};

/** What one reservation holds on an account, and until when. */
export type Hold = { readonly units: bigint; readonly until: number };

/** A reservation, and what its debits are together. */
export type ReservationCell = ReservationLife & { readonly units: bigint };

/** Where a source has been credited. */
export type SourceCell = { readonly account: string };

/** A cell's text. */
export function formatCell(value: object): string {
  return JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? `${one}` : one));
}

/** Reads a claim. @throws STORE_UNAVAILABLE – here and below: what stands there cannot be read */
export const parseClaim = reader('A claim', (found): ClaimLife => {
  const { payment, leaseEndsAt, ...life } = found as Text<ClaimLife>;
  if (!['open', 'held', 'committed', 'used'].includes(life.state)) throw new SyntaxError('no state of a claim');
  const { paymentHash, amountMsat } = payment ?? {};
  return { ...life, leaseEndsAt, ...(paymentHash !== undefined && { payment: { paymentHash, amountMsat: toBigInt(amountMsat) } }) } as ClaimLife;
});

/** Reads what holds a payment's money. */
export const parsePayment = reader('A payment', (found): PaymentCell => {
  const { claims, lots, closing } = found as Text<PaymentCell>;
  if (closing === undefined) return { claims, lots };
  return { claims, lots, closing: { kind: closing.kind, amountMsat: toBigInt(closing.amountMsat), earnedMsat: toBigInt(closing.earnedMsat) } };
});

/** Reads an account. */
export const parseAccount = reader('An account', (found): AccountCell => {
  const { units, spent, forgotten, givenBack, opened = 0, expiresAt, lots, holds } = found as Text<AccountCell>;
  return {
    units: toBigInt(units),
    spent: toBigInt(spent),
    forgotten: toBigInt(forgotten),
    givenBack,
    opened,
    expiresAt,
    lots: lots.map((lot) => ({
      source: lot.source,
      units: toBigInt(lot.units),
      spent: toBigInt(lot.spent),
      paidMsat: toBigInt(lot.paidMsat),
      earnedMsat: toBigInt(lot.earnedMsat),
      paymentHash: lot.paymentHash,
      expiresAt: lot.expiresAt,
    })),
    holds: Object.fromEntries(Object.entries(holds).map(([name, hold]) => [name, { units: toBigInt(hold.units), until: hold.until }])),
  };
});

/** Reads a reservation. */
export const parseReservation = reader('A reservation', (found): ReservationCell => {
  const { state, leaseEndsAt, units, debits } = found as Text<ReservationCell>;
  if (!['held', 'settled', 'cancelled', 'reversed'].includes(state)) throw new SyntaxError('no state of a reservation');
  return {
    state,
    leaseEndsAt,
    units: toBigInt(units),
    debits: debits.map((debit) => ({
      account: debit.account,
      units: toBigInt(debit.units),
      spent: toBigInt(debit.spent),
      taken: debit.taken.map((taken) => ({ source: taken.source, units: toBigInt(taken.units), msat: toBigInt(taken.msat) })),
    })),
  };
});

/** Reads where a source has been credited. */
export const parseSource = reader('A source', (found): SourceCell => {
  const { account } = found as SourceCell;
  return { account };
});

/** A whole number as it stands in a cell. @throws SyntaxError – it is none */
export function toBigInt(text: unknown): bigint {
  if (typeof text !== 'string' || !/^-?\d+$/.test(text)) throw new SyntaxError('no whole number');
  return BigInt(text);
}

/** A value as JSON has it: whole numbers are text, and what is undefined is left out. */
type Text<T> = T extends bigint
  ? string
  : T extends readonly (infer One)[]
    ? readonly Text<One>[]
    : T extends object
      ? { readonly [K in keyof T]: Text<T[K]> }
      : T;

/** What reads a kind of cell, where there is one. */
function reader<T>(what: string, read: (found: unknown) => T): (text: string | undefined) => T | undefined {
  return (text) => {
    if (text === undefined) return undefined;
    try {
      return read(JSON.parse(text));
    } catch (cause) {
      throw new FareboxError('STORE_UNAVAILABLE', `${what} in the store cannot be read.`, { cause });
    }
  };
}
