/**
 * What runs in the browser: the driver, the paying `fetch`, a clock under the test's hand, and a wallet. `farebox` of the page is all of it, in
 * values that can be handed from one process to another.
 */
import { createFetch, paymentOf } from '../../src/client/index.ts';
import { Amount, FareboxError } from '../../src/index.ts';
import { createWeblnPayer } from '../../src/lightning/webln.ts';
import * as FixedClock from '../../src/testing/FixedClock.ts';
import { install, type Manner } from './wallet.ts';

/** An answer as the page has it, and what it cost. */
export type Got = { readonly status: number; readonly body: string; readonly paidMsat?: string; readonly feeMsat?: string; readonly reused?: boolean };

/** How a call ended that ended with an error. */
export type Thrown = { readonly code: string; readonly message: string };

/** What a test can do with the page. */
export type InPage = ReturnType<typeof open>;

const network = 'sandbox';

/** A page with a wallet of that manner. Money is text, as bigint does not travel. */
function open(manner: Manner) {
  const wallet = install(manner);
  const clock = FixedClock.create(Math.floor(Date.now() / 1000));
  const payer = createWeblnPayer({ network, clock });
  const paying = createFetch({ payer, clock, maxPerRequest: '60 sat', assumedMaxFee: '5 sat' });
  return {
    /** Asks the driver for one payment; a minute for it. */
    pay: async (invoice: string) => {
      const outcome = await payer.pay({ invoice, maxFeeMsat: Amount.parse('5 sat'), timeoutSeconds: 60 });
      return outcome.kind === 'settled' ? { ...outcome, amountMsat: String(outcome.amountMsat), feeMsat: String(outcome.feeMsat) } : outcome;
    },
    /** Buys what a URL sells. */
    buy: async (url: string): Promise<Got | Thrown> => {
      try {
        const response = await paying(url);
        const payment = paymentOf(response);
        const paid = payment && { paidMsat: String(payment.amountMsat), feeMsat: String(payment.feeMsat), reused: payment.reused };
        return { status: response.status, body: await response.text(), ...paid };
      } catch (error) {
        return { code: FareboxError.is(error) ? error.code : (error as Error).name, message: (error as Error).message };
      }
    },
    /** Lets so much time pass. */
    advance: (ms: number) => clock.advance(ms),
    silence: wallet.silence,
    orders: wallet.orders,
    unlock: wallet.unlock,
  };
}

Object.assign(globalThis, { farebox: { open } });
