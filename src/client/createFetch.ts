/**
 * A `fetch` that buys what it is asked to pay for, within a budget: all that most programs need of a paying client.
 *
 * @see docs/wire.md, "The client"
 */
import { type ClientOptions, createClient, type PayingFetch } from './createClient.ts';

/** How a paying `fetch` is made. */
export type CreateFetchOptions = ClientOptions;

/**
 * Makes a paying `fetch`: that of a client that is made for it alone. What it throws stands at `PayingClient`.
 *
 * @throws AMOUNT_MALFORMED – a limit without a unit, or no amount
 * @throws TypeError – an option is missing or of another type; a wallet without a fee limit and no `assumedMaxFee`
 * @throws RangeError – an option is out of range
 * @example
 * const fetch = createFetch({ payer, maxPerRequest: '60 sat', maxTotal: '1000 sat' });
 * const response = await fetch('https://api.example.com/v1/translate?text=hello&target=es');
 * console.log(paymentOf(response)?.amountMsat);
 */
export function createFetch(options: CreateFetchOptions): PayingFetch {
  return createClient(options).fetch;
}
