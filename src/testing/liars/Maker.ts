/**
 * Who makes the liars' invoices: themselves, for their own wallet; or a wallet of somebody's own, so that a client pays with whatever it has.
 */
import * as Amount from '../../core/Amount.ts';
import type { Chain } from '../../core/Bolt11.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import { makeOffer, makeToken, type OfferScript } from '../Offers.ts';
import type { SoldOffer } from './Book.ts';

/** See the head of this file. */
export type Maker = {
  /** @throws LIGHTNING_UNAVAILABLE – the wallet that is to make it is away */
  readonly make: (script: OfferScript, nowAt: number) => Promise<SoldOffer>;
  /** Whether the wallet that made it has been paid; undefined: ask the liars' own book. @throws LIGHTNING_UNAVAILABLE – it could not be found out */
  readonly isPaid?: (paymentHash: PaymentHash) => Promise<boolean>;
};

/** Invoices on regtest, in no wallet but the liars' own. */
export const byHand: Maker = { make: async (script, nowAt) => makeOffer(script, nowAt) };

/** Invoices of this wallet. What no wallet would make is made by hand, for its network: nobody can pay that, and nobody should try. */
export function byWallet(receiver: Receiver): Maker {
  const chain: Chain = receiver.network === 'sandbox' ? 'regtest' : receiver.network;
  return {
    make: async (script, nowAt) => {
      const { amountMsat = Amount.fromSat(50), description = 'one answer', expirySeconds = 600 } = script;
      const isOdd = script.chain !== undefined || script.amountText !== undefined || script.isForged || script.ageSeconds !== undefined;
      if (isOdd || amountMsat === null || amountMsat > mostMsat) return makeOffer({ ...script, chain: otherThan(chain, script.chain) }, nowAt);
      const { invoice, paymentHash } = await receiver.createInvoice({ amountMsat, description, expirySeconds });
      return { token: makeToken(script, paymentHash, nowAt), invoice, paymentHash, preimage: undefined };
    },
    isPaid: async (paymentHash) => (await receiver.lookupInvoice(paymentHash)).kind === 'paid',
  };
}

/** A wallet is asked for no more: a client that can be had is not to lose a fortune over it. */
const mostMsat = Amount.fromSat(10_000);

/** The network that an invoice is for; where it is to be another one than the wallet's, another one. */
function otherThan(own: Chain, wanted: Chain | undefined): Chain {
  if (wanted === undefined) return own;
  return wanted === own ? 'testnet' : wanted;
}
