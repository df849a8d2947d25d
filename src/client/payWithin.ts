/**
 * Waits for a payment for so long at most. What has been begun goes on by itself and is written down: whoever waited hears how far it was.
 */
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Client } from './Client.ts';
import { type Outgoing, withSignal } from './Outgoing.ts';
import type { Quote } from './Quote.ts';
import { unanswered } from './redeem.ts';
import { timedOut } from './Timeouts.ts';

/**
 * @param work - pays; its request's signal aborts when time is up
 * @throws REQUEST_TIMED_OUT – the wallet was not called, or failed for certain
 * @throws PAYMENT_UNKNOWN – the wallet is still at it
 * @throws PAYMENT_INTERRUPTED – it was paid at the last moment; the credential is kept
 */
export async function payWithin<T>(client: Client, outgoing: Outgoing, quote: Quote, work: (limited: Outgoing) => Promise<T>): Promise<T> {
  const { clock, store, timeouts } = client;
  const { payMs } = timeouts;
  if (payMs === undefined) return work(outgoing);
  const timeout = new AbortController();
  const late = timedOut('pay', payMs, outgoing.url.host);
  const cancel = clock.after(payMs, () => timeout.abort(late), true);
  try {
    return await work(withSignal(outgoing, AbortSignal.any([outgoing.signal, timeout.signal])));
  } catch (error) {
    if (error !== late) throw error;
    const payment = await store.get(quote.paymentHash);
    if (payment?.preimage !== undefined) throw unanswered(payment, late);
    if (payment?.state !== 'dispatched' && payment?.state !== 'unknown') throw late;
    const { paymentHash, origin, method, path } = payment;
    const amount = Amount.format(payment.amountMsat);
    const message =
      `The wallet has not answered within ${payMs} ms (timeouts.payMs), so it is not known yet whether payment ${paymentHash} of ${amount} was made. ` +
      'It goes on, and what comes of it is written down: send the same request again, and a credential that was bought is used. It is not paid again.';
    throw new FareboxError('PAYMENT_UNKNOWN', message, { details: { paymentHash, amount, origin, method, path, phase: 'pay', limitMs: payMs }, cause: late });
  } finally {
    cancel();
  }
}
