/**
 * LNbits, over its payments API.
 *
 * A wallet of LNbits has two keys: the invoice key sells and cannot spend, the admin key buys. LNbits knows whole satoshis only, and names
 * no network: which one it is on shows in its invoices, and one that does not fit is never handed out.
 *
 * Whoever runs the LNbits holds the money; and whoever knows a payment hash can ask it for the preimage of an invoice that was paid. A token
 * is not bought with that: it takes the macaroon as well, which its buyer alone has.
 *
 * @see LNbits' API reference, payments and wallet
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import { type Api, createApi } from './Api.ts';
import type { Network, Payer, Receiver } from './Lightning.ts';
import { createPayer } from './lnbits/Payer.ts';
import { createReceiver } from './lnbits/Receiver.ts';

/** Where an LNbits is. */
export type LnbitsOptions = {
  /** Such as `https://lnbits.example.com`. */
  readonly url: string;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
};

/** A wallet that is paid. */
export type LnbitsReceiverOptions = LnbitsOptions & {
  /** The invoice key: it can make invoices and look them up, and cannot spend. A secret. */
  readonly invoiceKey: string;
};

/** A wallet that pays. */
export type LnbitsPayerOptions = LnbitsOptions & {
  /** The admin key. A secret: whoever has it can spend what is in the wallet. */
  readonly adminKey: string;
};

/**
 * A wallet that is paid. Nothing is sent before the first call.
 * @throws RangeError – a url that is none; a key that is none
 * @example createLnbitsReceiver({ url: 'https://lnbits.example.com', invoiceKey })
 */
export function createLnbitsReceiver(options: LnbitsReceiverOptions): Receiver {
  const { network = 'bitcoin', clock = systemClock } = options;
  const walletId = toHex(sha256(fromUtf8(`LNbits ${options.invoiceKey}`))).slice(0, 16);
  return createReceiver({ api: apiOf(options, 'invoiceKey', options.invoiceKey), network, clock, walletId });
}

/**
 * A wallet that pays. Nothing is sent before the first call.
 * @throws RangeError – as for {@link createLnbitsReceiver}
 */
export function createLnbitsPayer(options: LnbitsPayerOptions): Payer {
  const { network = 'bitcoin', clock = systemClock } = options;
  return createPayer({ api: apiOf(options, 'adminKey', options.adminKey), network, clock });
}

function apiOf({ url, clock }: LnbitsOptions, name: string, key: string): Api {
  if (!/^[\w-]{8,128}$/.test(key)) throw new RangeError(`${name} is a key of a wallet of LNbits`);
  return createApi({ product: 'LNbits', url, headers: { 'x-api-key': key }, clock });
}
