/**
 * The receipt that goes with a paid answer.
 *
 * @see docs/wire.md, "Receipts"
 */
import { type Clock, nowAt } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Receipt from '../core/Receipt.ts';
import type { Answer } from '../http/RequestView.ts';
import type { Principal } from './Offer.ts';

/** `Payment-Receipt` for this principal's payment, now. It holds no proof. */
export function receiptHeader(principal: Principal, clock: Clock): Answer['headers'][number] {
  const timestamp = new Date(nowAt(clock) * 1000).toISOString();
  return ['Payment-Receipt', Receipt.format({ status: 'success', method: 'lightning', timestamp, reference: principal.paymentHash as PaymentHash })];
}
