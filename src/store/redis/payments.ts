/**
 * Which claims and lots hold a payment's money, so that an audit of one payment knows where to look; and how they ended.
 */
import type { ClosedPayment } from '../closings.ts';
import * as Closings from '../closings.ts';
import { formatCell, type PaymentCell, parsePayment } from './cells.ts';
import type { Keys } from './keys.ts';
import type { Draft } from './page.ts';

/** What holds its money. */
export function holdersOf(draft: Draft, keys: Keys, paymentHash: string): PaymentCell {
  return parsePayment(draft.read(keys.payment(paymentHash))) ?? { claims: [], lots: [] };
}

/** A claim or a lot holds it from now on. */
export function addHolder(draft: Draft, keys: Keys, paymentHash: string, kind: 'claims' | 'lots', name: string): void {
  const holders = holdersOf(draft, keys, paymentHash);
  if (!holders[kind].includes(name)) draft.write(keys.payment(paymentHash), formatCell({ ...holders, [kind]: [...holders[kind], name] }));
}

/** A claim or a lot holds it no more; this is how it ended. */
export function closeHolder(draft: Draft, keys: Keys, kind: 'claims' | 'lots', name: string, closed: readonly ClosedPayment[]): void {
  for (const { paymentHash, closing } of closed) {
    const holders = holdersOf(draft, keys, paymentHash);
    const left = holders[kind].filter((other) => other !== name);
    draft.write(keys.payment(paymentHash), formatCell({ ...holders, [kind]: left, closing: Closings.again(holders.closing, closing) }));
  }
}
