/**
 * Whether the limits, as they stand now, allow a payment: what `reserve` would say, with nothing written.
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Budget from './Budget.ts';
import { type Client, leaseOf } from './Client.ts';
import type { Outgoing } from './Outgoing.ts';
import { conflict, purchaseOf, unknown } from './pay.ts';
import type { Quote } from './Quote.ts';

/** `true`, or what stands in the way: the name of a limit, or the code of an error. */
export type Allowance = true | { readonly by: string; readonly message: string };

/**
 * Weighs a payment.
 * @throws JOURNAL_CONFLICT – the journal has a payment of this invoice already, so that it will never be paid
 * @throws STORE_UNAVAILABLE – the journal could not be read
 */
export async function allowance(client: Client, outgoing: Outgoing, quote: Quote): Promise<{ readonly maxFeeMsat: Msat; readonly allowed: Allowance }> {
  const { store, clock, budget } = client;
  const { host } = outgoing.url;
  const { amountMsat, paymentHash } = quote;
  try {
    const room = Budget.feeRoom(budget, amountMsat, host);
    const [known, { open }, spending] = await Promise.all([store.get(paymentHash), store.find({ origin: outgoing.origin }), store.spending()]);
    const purchase = purchaseOf(client, outgoing, quote);
    const request = { purchase, ...room, maxTotalMsat: budget.maxTotalMsat, ...leaseOf(client, `${client.id}.0`), nowAt: nowAt(clock) };
    const sameResource = open.filter(({ resource }) => resource === outgoing.resource);
    const outcome = Budget.reserve(request, known, sameResource, spending);
    if (outcome.kind === 'reserved') return { maxFeeMsat: (outcome.payment.reservedMsat - amountMsat) as Msat, allowed: true };
    if (outcome.kind === 'known') throw conflict(outcome.payment, host);
    // It is looked up, and waited for where somebody is at work on it, when it comes to paying.
    if (outcome.kind === 'blocked') throw unknown(outcome.payment);
    throw outcome.kind === 'stopped' ? Budget.stopped(outcome.by) : Budget.totalExceeded(budget, outcome.spending, amountMsat, host);
  } catch (error) {
    if (!FareboxError.is(error, 'BUDGET_EXCEEDED', 'PAYMENT_UNKNOWN')) throw error;
    const { limit } = error.details;
    return { maxFeeMsat: Amount.zero, allowed: { by: typeof limit === 'string' ? limit : error.code, message: error.message } };
  }
}
