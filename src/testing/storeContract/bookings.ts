/**
 * What the cases over accounts have in common: how units come and go, and how an account stands.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import type { ReserveRequest, Store } from '../../store/Store.ts';
import { digest, entryOf, expiresAt, leaseSeconds, spendingOf } from './StoreCase.ts';

/** Credits an account with what is no payment. */
export function credit(store: Store, account: string, units: bigint, source = `credit of ${account}`) {
  return store.credit({ account, units, source, expiresAt });
}

/** A reservation over these debits. */
export function reservationOf(reservation: string, debits: { readonly [account: string]: bigint }): ReserveRequest {
  return { reservation, leaseSeconds, debits: Object.entries(debits).map(([account, units]) => ({ account, units })) };
}

/** What opens an account with so many units that this payment bought, for so many msat. */
export function bought(payment: string, units: bigint, amountMsat: bigint) {
  return { source: `payment of ${payment}`, units, expiresAt, entry: entryOf('received', payment, { amountMsat: Amount.fromMsat(amountMsat) }) };
}

/** Units, available, reserved and spent. */
export async function standing(store: Store, account: string): Promise<readonly bigint[]> {
  const balance = await store.balance(account);
  assert.ok(balance, `${account} is expected to be there`);
  const { units, available, reserved, spent } = balance;
  assert.equal(units, available + reserved + spent);
  return [units, available, reserved, spent];
}

/** Every entry of the ledger: its kind, the payment that it is of, and its amount in msat. */
export async function entries(store: Store, names: readonly string[]): Promise<readonly string[]> {
  const rows = await store.ledger({ after: 0, limit: 1000 });
  return rows.map(({ kind, paymentHash, amountMsat }) => `${kind} ${names.find((name) => digest(name) === paymentHash)} ${amountMsat}`);
}

/** Gives a reservation back, for one reason. */
export const cancelOf = (reservation: string, limit?: number) => ({
  reservation,
  reason: 'broken',
  entry: spendingOf(reservation),
  ...(limit === undefined ? {} : { limit }),
});
