/**
 * What a request costs, and which of its inputs the price hangs on.
 */
import * as Amount from '../core/Amount.ts';
import type { RequestView } from '../http/RequestView.ts';

/** A price, asked for each request. */
export type Price = {
  /** Never zero: what is free has no paywall. */
  readonly of: (request: RequestView) => PricedRequest;
};

/** The price of one request. */
export type PricedRequest = {
  readonly amountMsat: Amount.Msat;
  /** Every input beyond route and method that the price depended on; a token bought with these is good for these alone. */
  readonly inputs: readonly string[];
};

/**
 * The same price for every request.
 * @param price - msat, or text with a unit such as `"10 sat"`
 * @throws AMOUNT_MALFORMED – text without a unit, or no amount
 * @throws RangeError – zero
 */
export function fixed(price: Amount.Msat | string): Price {
  const amountMsat = typeof price === 'string' ? Amount.parse(price) : Amount.fromMsat(price);
  if (amountMsat === 0n) throw new RangeError('a price is more than 0 sat: leave the paywall out of what is free');
  const priced: PricedRequest = { amountMsat, inputs: [] };
  return { of: () => priced };
}
