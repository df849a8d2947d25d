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

/**
 * `Payment-Receipt` for this principal's payment, now. It holds no proof.
 *
 * All that stands before the payment hash is the same for a whole second, and 93 bytes long: whole groups of base64, so that the rest can
 * be written behind it.
 * @param end - as {@link receiptEnd} makes it, where that was kept
 */
export function receiptHeader(principal: Principal, clock: Clock, end: string = receiptEnd(principal)): Answer['headers'][number] {
  return ['Payment-Receipt', beginningNow(clock).text + end];
}

/** The time that a receipt says now: ISO 8601, a whole second. */
export function receiptTime(clock: Clock): string {
  return beginningNow(clock).timestamp;
}

/** What of a receipt hangs on the payment alone. */
export function receiptEnd({ paymentHash }: Pick<Principal, 'paymentHash'>): string {
  return btoa(`${paymentHash}"}`);
}

let beginning = { at: -1, timestamp: '', text: '' };

function beginningNow(clock: Clock): typeof beginning {
  const at = nowAt(clock);
  if (at === beginning.at) return beginning;
  const timestamp = new Date(at * 1000).toISOString();
  const whole = Receipt.format({ status: 'success', method: 'lightning', timestamp, reference: noHash });
  beginning = { at, timestamp, text: whole.slice(0, (93 / 3) * 4) };
  return beginning;
}

const noHash = '0'.repeat(64) as PaymentHash;
