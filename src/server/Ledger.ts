/**
 * The paywall's side of the ledger: entries for what was sold. A single use writes its entries in the same step as its claim; a pass is
 * decided without the store, so its entries are written behind the answer, once a payment, many together, and again until they are there.
 */
import { type Clock, nowAt } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { LedgerEntry, Store } from '../store/Store.ts';
import type { Principal } from './Offer.ts';
import { createRemembered } from './Remembered.ts';

/** Writes what passes were sold. */
export type Ledger = {
  /** A pass was used; only the first time that this process sees its payment costs anything. */
  readonly sawPass: (principal: Principal, route: string) => void;
  /** Writes what is still to be written. @throws STORE_UNAVAILABLE – it could not be */
  readonly flush: () => Promise<void>;
};

/** Payments that are remembered as written, up to twice as many; a pass that comes back after that many others costs one more (idempotent) write. */
const maxRemembered = 10_000;

/** Entries that wait for the store at most; beyond it the oldest are given up: the trouble with the store has been told by then. */
const maxWaiting = 10_000;

/** The store is left alone for so long after each write: what is sold meanwhile costs one write together. */
const restMs = 20;

/** And for so long where it could not write. */
const troubleMs = 5000;

/** A ledger without a store: passes are sold and not written down. */
export const noLedger: Ledger = { sawPass: () => {}, flush: async () => {} };

/** A ledger on this store. `onTrouble` is told when writing fails; it is tried again a few seconds later, and at `flush`. */
export function createLedger(store: Store, clock: Clock, onTrouble: (error: unknown) => void): Ledger {
  const known = createRemembered(maxRemembered);
  let waiting: LedgerEntry[] = [];
  let isWriting = false;
  /** Ends the rest. */
  let wakeUp: (() => void) | undefined;
  let last: Promise<void> = Promise.resolve();
  const write = async () => {
    isWriting = true;
    try {
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
    } finally {
      // In the same turn as the look at what waits: nothing comes between and is left behind.
      isWriting = false;
    }
  };
  const rest = (ms: number) => {
    wakeUp ??= clock.after(ms, () => {
      wakeUp = undefined;
      if (waiting.length > 0) writeAndRest();
    });
  };
  const endRest = () => {
    wakeUp?.();
    wakeUp = undefined;
  };
  const writeAndRest = () => {
    const failed = (error: unknown) => {
      onTrouble(error);
      rest(troubleMs);
    };
    flush().then(() => rest(restMs), failed);
  };
  const flush = () => {
    // What is being written takes along what has come since.
    if (!isWriting) last = write();
    return last;
  };
  return {
    sawPass: (principal, route) => {
      const isKnown = known.has(principal.paymentHash);
      known.add(principal.paymentHash);
      if (isKnown) return;
      waiting.push(entryOf('received', principal, route, clock, '', 'pass'), entryOf('earned', principal, route, clock, '', 'pass'));
      if (!isWriting && wakeUp === undefined) writeAndRest();
    },
    flush: async () => {
      endRest();
      try {
        await flush();
      } finally {
        // Whoever had begun to write rests now; nobody waits for that.
        endRest();
      }
    },
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
