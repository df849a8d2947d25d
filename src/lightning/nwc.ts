/**
 * Nostr Wallet Connect: a wallet that is asked over relays, in messages that only it and we can read. Which wallet it is makes no difference,
 * and neither it nor we need an address of our own.
 *
 * A wallet hands out a connection string for each program that may use it, and sets what it may: to sell, one without `pay_invoice`. NIP-47
 * knows no fee limit, so a buyer says what to reckon with (`assumedMaxFee`).
 *
 * Relays are believed in nothing. What the wallet's key has signed is, and whoever runs the wallet holds the money, unless that is you.
 *
 * @see NIP-47; NIP-44 and NIP-04 for the encryption; NIP-01 for events and relays
 */
import { type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import type { Network, Payer, Receiver } from './Lightning.ts';
import { parse } from './nwc/Connection.ts';
import { createPayer } from './nwc/Payer.ts';
import { createReceiver } from './nwc/Receiver.ts';
import { Wallet } from './nwc/Wallet.ts';

/** Which wallet, and what lets one in. */
export type NwcOptions = {
  /** `nostr+walletconnect://…`, as the wallet shows it. A secret. */
  readonly uri: string;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
};

/**
 * A wallet that is paid. Nothing is sent before the first call.
 * @throws RangeError – a connection string that is none
 * @example createNwcReceiver({ uri })
 */
export function createNwcReceiver(options: NwcOptions): Receiver {
  const { network = 'bitcoin', clock = systemClock } = options;
  return createReceiver({ wallet: walletOf(options, true), network, clock });
}

/**
 * A wallet that pays. Nothing is sent before the first call.
 * @throws RangeError – as for {@link createNwcReceiver}
 */
export function createNwcPayer(options: NwcOptions): Payer {
  const { network = 'bitcoin', clock = systemClock } = options;
  return createPayer({ wallet: walletOf(options, false), network, clock });
}

/**
 * The public key of the wallet that a connection string is for: 64 hex digits, and no secret.
 * @throws RangeError – as for {@link createNwcReceiver}
 */
export function nwcWalletOf(uri: string): string {
  return parse(uri, systemRandom).wallet;
}

function walletOf({ uri, clock = systemClock, random = systemRandom }: NwcOptions, isWatched: boolean): Wallet {
  return new Wallet({ connection: parse(uri, random), clock, isWatched });
}
