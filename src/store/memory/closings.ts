/**
 * How payments ended whose claims and accounts have been forgotten, in memory.
 */
import * as Closings from '../closings.ts';
import type { Closing } from '../Standing.ts';

/** Closings by payment hash. */
export function createClosings() {
  const kept = new Map<string, Closing>();
  return {
    close: (closed: readonly Closings.ClosedPayment[]): void => {
      for (const { paymentHash, closing } of closed) kept.set(paymentHash, Closings.again(kept.get(paymentHash), closing));
    },
    get: (paymentHash: string): Closing | undefined => kept.get(paymentHash),
    load: (paymentHash: string, closing: Closing): void => void kept.set(paymentHash, closing),
    all: (): ReadonlyMap<string, Closing> => kept,
  };
}
