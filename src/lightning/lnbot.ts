/**
 * ln.bot, a hosted wallet, over its HTTP API.
 *
 * A key of it is of one wallet (`wk_…`) or of an account with all its wallets (`uk_…`), and every key spends: there is none that only makes
 * invoices. It knows whole satoshis only, and its invoices last an hour, whatever they are asked to. It is on bitcoin alone.
 *
 * Whoever runs ln.bot holds the money, and knows the preimages of its invoices.
 *
 * @see ln.bot's REST API reference (https://ln.bot/docs/api), and the README of its Python package 1.2 for fees, stages and what is final
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { createApi } from './Api.ts';
import type { Network, Payer, Receiver } from './Lightning.ts';
import { createPayer } from './lnbot/Payer.ts';
import { createReceiver } from './lnbot/Receiver.ts';
import { createWallet, isKey, product, type Wallet } from './lnbot/Wallet.ts';

/** Where ln.bot is, and what lets one in. */
export type LnbotOptions = {
  /** Default `https://api.ln.bot`. */
  readonly url?: string | undefined;
  /** A wallet key, `wk_…`. A secret: whoever has it can spend what is in the wallet. */
  readonly key: string;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
};

/**
 * A wallet that is paid. Nothing is sent before the first call.
 * @throws RangeError – a url that is none; a key that is none
 * @example createLnbotReceiver({ key: walletKey })
 */
export function createLnbotReceiver(options: LnbotOptions): Receiver {
  const { network = 'bitcoin', clock = systemClock } = options;
  return createReceiver({ wallet: walletOf(options), network, clock });
}

/**
 * A wallet that pays. Nothing is sent before the first call.
 * @throws RangeError – as for {@link createLnbotReceiver}
 */
export function createLnbotPayer(options: LnbotOptions): Payer {
  const { network = 'bitcoin', clock = systemClock } = options;
  return createPayer({ wallet: walletOf(options), network, clock });
}

function walletOf({ url = 'https://api.ln.bot', key, clock }: LnbotOptions): Wallet {
  if (!isKey(key)) throw new RangeError('key is a key of ln.bot: wk_ and what follows');
  return createWallet(createApi({ product, url, headers: { authorization: `Bearer ${key}` }, clock }));
}
