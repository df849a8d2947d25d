/**
 * The paywall's side of the ledger: entries for what was sold. A single use writes its entries in the same step as its claim; a pass is
 * decided without the store, so its entries are written behind the answer, once a payment, and again until they are there.
 */
import { type Clock, nowAt } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { LedgerEntry, Store } from '../store/Store.ts';
import type { Principal } from './Offer.ts';

/** Writes what passes were sold. */
export type Ledger = {
  /** A pass was used; only the first time that this process sees its payment costs anything. */
  readonly sawPass: (principal: Principal, route: string) => void;
  /** Writes what is still to be written. @throws STORE_UNAVAILABLE – it could not be */
  readonly flush: () => Promise<void>;
};

/** Payments that are remembered as written; a pass that comes back after that many others costs one more (idempotent) write. */
const maxRemembered = 10_000;

/** Entries that wait for the store at most; beyond it the oldest are given up: the trouble with the store has been told by then. */
const maxWaiting = 10_000;

/** A ledger without a store: passes are sold and not written down. */
export const noLedger: Ledger = { sawPass: () => {}, flush: async () => {} };

/** A ledger on this store. `onTrouble` is told when writing fails; it is tried again with the next pass and at `flush`. */
export function createLedger(store: Store, clock: Clock, onTrouble: (error: unknown) => void): Ledger {
  const remembered = new Set<string>();
  let waiting: LedgerEntry[] = [];
  let writing: Promise<void> | undefined;

  const write = async () => {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await store.append(batch);
      } catch (error) {
        waiting = [...batch, ...waiting].slice(-maxWaiting);
        throw error;
      }
    }
  };
  const flush = () => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  };

  return {
    sawPass: (principal, route) => {
      if (remembered.has(principal.paymentHash)) return;
      remembered.add(principal.paymentHash);
      if (remembered.size > maxRemembered) remembered.delete(remembered.values().next().value as string);
      waiting.push(entryOf('received', principal, route, clock, '', 'pass'), entryOf('earned', principal, route, clock, '', 'pass'));
      flush().catch(onTrouble);
    },
    flush,
  };
}

/** An entry about this principal's payment. `nonce` tells several of one kind apart. */
export function entryOf(kind: LedgerEntry['kind'], principal: Principal, route: string, clock: Clock, nonce: string, note: string): LedgerEntry {
  return {
    kind,
    paymentHash: principal.paymentHash as PaymentHash,
    nonce,
    amountMsat: principal.amountMsat,
    service: principal.service,
    route,
    at: nowAt(clock),
    note,
  };
}
