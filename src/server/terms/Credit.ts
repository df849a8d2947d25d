/**
 * Terms `credit`: one payment, a balance in satoshis, spent across a service at each route's own price, to the millisatoshi. More may be sold than is
 * paid for it: that is a discount.
 */
import * as Amount from '../../core/Amount.ts';
import { lengthOf } from './Pass.ts';
import type { Terms } from './Terms.ts';

/** What a credit is. */
export type CreditOptions = {
  /** What can be spent of it. */
  readonly creditMsat: Amount.Msat;
  /** What it costs; default: as much. */
  readonly priceMsat?: Amount.Msat | undefined;
  /** How long it lasts, from the end of its invoice; default 30 days. */
  readonly seconds?: number;
};

const month = 30 * 86_400;

/**
 * A balance.
 * @throws RangeError – nothing to spend, nothing to pay, a length of time that is none
 * @example credit({ creditMsat: Amount.parse('10000 sat'), priceMsat: Amount.parse('9000 sat') })
 */
export function credit({ creditMsat, priceMsat = creditMsat, seconds = month }: CreditOptions): Terms {
  if (Amount.fromMsat(creditMsat) === 0n || Amount.fromMsat(priceMsat) === 0n)
    throw new RangeError('a credit is worth more than nothing, and costs more than nothing');
  return {
    kind: 'credit',
    caveat: `credit:${creditMsat}`,
    units: `${Amount.format(creditMsat)} of credit for ${lengthOf(seconds)}`,
    lastsSeconds: seconds,
    binds: 'service',
    priceMsat,
    holds: creditMsat,
    takes: (callMsat) => callMsat,
    describe: () => ({ terms: 'credit', credit: Amount.format(creditMsat), seconds }),
  };
}
