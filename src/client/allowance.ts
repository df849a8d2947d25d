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
import { purchaseOf, refusalOf, unknown } from './pay.ts';
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
  const { amountMsat } = quote;
  try {
    const room = Budget.feeRoom(budget, amountMsat, outgoing.origin);
    const purchase = purchaseOf(client, outgoing, quote);
    const binding = { budgets: budget.chain, tags: budget.tags };
    const outcome = await store.weigh({ purchase, ...room, ...binding, ...leaseOf(client, `${client.id}.0`), nowAt: nowAt(clock) });
    if (outcome.kind === 'reserved') return { maxFeeMsat: (outcome.payment.reservedMsat - amountMsat) as Msat, allowed: true };
    // It is asked for when it comes to paying.
    if (outcome.kind === 'unconsented' && budget.ask) return { maxFeeMsat: outcome.maxFeeMsat, allowed: true };
    // It is looked up, and waited for where somebody is at work on it, when it comes to paying.
    if (outcome.kind === 'blocked') throw unknown(outcome.payment);
    throw refusalOf(outcome, { amountMsat, minFeeMsat: room.minFeeMsat, host });
  } catch (error) {
    if (!FareboxError.is(error, 'BUDGET_EXCEEDED', 'BUDGET_HOST_DENIED', 'CONSENT_REFUSED', 'PAYMENT_UNKNOWN')) throw error;
    const { limit } = error.details;
    return { maxFeeMsat: Amount.zero, allowed: { by: typeof limit === 'string' ? limit : error.code, message: error.message } };
  }
}
