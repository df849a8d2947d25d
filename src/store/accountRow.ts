/**
 * Accounts, their lots and reservations as rows of tables, in every store that has tables: columns are named as the types of accountLife.ts
 * are, units and money are text in decimal.
 */
import type { AccountLife, Lot, ReservationLife, Taken } from './accountLife.ts';

/** What is read of a row of `accounts`. */
export type AccountRow = {
  readonly units: string;
  readonly spent: string;
  readonly forgotten: string;
  readonly given_back: string;
  readonly opened: number;
  readonly expires_at: number;
};

/** A row of `lots`. */
export type LotRow = {
  readonly source: string;
  readonly account: string;
  readonly units: string;
  readonly spent: string;
  readonly paid_msat: string;
  readonly earned_msat: string;
  readonly payment_hash: string | null;
  readonly expires_at: number;
};

/** What is read of a row of `reservations`. */
export type ReservationRow = { readonly state: ReservationLife['state']; readonly units: string; readonly lease_ends_at: number };

/** What is read of a row of `debits`. `held_until`: nothing where the reservation is not held any more. */
export type DebitRow = {
  readonly account: string;
  readonly units: string;
  readonly spent: string;
  readonly taken: string;
  readonly held_until: number | null;
};

/** An account, to be kept. */
export function toAccountRow({ units, spent, forgotten, givenBack, opened, expiresAt }: AccountLife): AccountRow {
  return { units: `${units}`, spent: `${spent}`, forgotten: `${forgotten}`, given_back: JSON.stringify(givenBack), opened, expires_at: expiresAt };
}

/** An account as it is kept. */
export function fromAccountRow(row: AccountRow): AccountLife {
  return {
    units: BigInt(row.units),
    spent: BigInt(row.spent),
    forgotten: BigInt(row.forgotten),
    givenBack: JSON.parse(row.given_back) as AccountLife['givenBack'],
    opened: row.opened,
    expiresAt: row.expires_at,
  };
}

/** A lot, to be kept. */
export function toLotRow(account: string, { source, units, spent, paidMsat, earnedMsat, paymentHash, expiresAt }: Lot): LotRow {
  return {
    source,
    account,
    units: `${units}`,
    spent: `${spent}`,
    paid_msat: `${paidMsat}`,
    earned_msat: `${earnedMsat}`,
    payment_hash: paymentHash ?? null,
    expires_at: expiresAt,
  };
}

/** A lot as it is kept. */
export function fromLotRow(row: LotRow, read: (text: string) => bigint = BigInt): Lot {
  return {
    source: row.source,
    units: read(row.units),
    spent: read(row.spent),
    paidMsat: read(row.paid_msat),
    earnedMsat: read(row.earned_msat),
    paymentHash: row.payment_hash ?? undefined,
    expiresAt: row.expires_at,
  };
}

/** A reservation, to be kept beside its debits. */
export function toReservationRow(reservation: string, { state, leaseEndsAt, debits }: ReservationLife): ReservationRow & { readonly reservation: string } {
  return { reservation, state, units: `${debits.reduce((sum, { units }) => sum + units, 0n)}`, lease_ends_at: leaseEndsAt };
}

/** A reservation's debits, to be kept in their order. */
export function toDebitRows(
  reservation: string,
  { state, leaseEndsAt, debits }: ReservationLife,
): readonly (DebitRow & { readonly reservation: string; readonly number: number })[] {
  const held_until = state === 'held' ? leaseEndsAt : null;
  return debits.map(({ account, units, spent, taken }, number) => ({
    reservation,
    number,
    account,
    units: `${units}`,
    spent: `${spent}`,
    taken: encodeTaken(taken),
    held_until,
  }));
}

/** A reservation as it is kept, with its debits in their order. */
export function fromReservationRow({ state, lease_ends_at }: ReservationRow, debits: readonly DebitRow[]): ReservationLife {
  return {
    state,
    leaseEndsAt: lease_ends_at,
    debits: debits.map(({ account, units, spent, taken }) => ({ account, units: BigInt(units), spent: BigInt(spent), taken: decodeTaken(taken) })),
  };
}

function encodeTaken(taken: readonly Taken[]): string {
  return JSON.stringify(taken.map(({ source, units, msat }) => [source, `${units}`, `${msat}`]));
}

function decodeTaken(text: string): readonly Taken[] {
  return (JSON.parse(text) as readonly (readonly [string, string, string])[]).map(([source, units, msat]) => ({
    source,
    units: BigInt(units),
    msat: BigInt(msat),
  }));
}
