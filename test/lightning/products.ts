/**
 * Every product that there is a driver for: a double of its API, and the drivers that ask it.
 */
import type { Clock } from '../../src/core/Clock.ts';
import { createClnPayer, createClnReceiver } from '../../src/lightning/cln.ts';
import type { Payer, Receiver } from '../../src/lightning/Lightning.ts';
import { createLnbitsPayer, createLnbitsReceiver } from '../../src/lightning/lnbits.ts';
import { createLnbotPayer, createLnbotReceiver } from '../../src/lightning/lnbot.ts';
import { createLndPayer, createLndReceiver } from '../../src/lightning/lnd.ts';
import { createLnurlReceiver } from '../../src/lightning/lnurl.ts';
import { createNwcPayer, createNwcReceiver } from '../../src/lightning/nwc.ts';
import { createPhoenixdPayer, createPhoenixdReceiver } from '../../src/lightning/phoenixd.ts';
import { cln, runes } from './cln.ts';
import { keys, lnbits } from './lnbits.ts';
import { lnbot, walletKeys } from './lnbot.ts';
import { lnd, macaroons } from './lnd.ts';
import { lnurl } from './lnurl.ts';
import { openNwc, secrets, uriOf } from './nwc.ts';
import { passwords, phoenixd } from './phoenixd.ts';
import { http, type Open } from './troubles.ts';

/** A product: a double of its API, and the drivers that ask it; `key` instead of the right one where a case wants another. */
export type Product = {
  readonly open: Open;
  /** Where the one who pays has another product: a product may only be paid. */
  readonly openPayer?: Open;
  readonly receiver: (at: Place, key?: string) => Receiver;
  readonly payer: (at: Place, key?: string) => Payer;
  /** One that lets nobody in; undefined where everybody may ask. */
  readonly wrongKey: string | undefined;
  /** Whether the owner of the wallet can cancel an invoice. */
  readonly canCancel: boolean;
};

/** Where an API is, and what time it is. */
export type Place = { readonly url: string; readonly clock: Clock; readonly network: 'regtest' };

/** By name. */
export const products: Readonly<Record<string, Product>> = {
  lnd: {
    open: http(lnd),
    receiver: (at, macaroon = macaroons.sell) => createLndReceiver({ ...at, macaroon }),
    payer: (at, macaroon = macaroons.pay) => createLndPayer({ ...at, macaroon }),
    wrongKey: 'bad0',
    canCancel: true,
  },
  lnbits: {
    open: http(lnbits),
    receiver: (at, invoiceKey = keys.invoice) => createLnbitsReceiver({ ...at, invoiceKey }),
    payer: (at, adminKey = keys.admin) => createLnbitsPayer({ ...at, adminKey }),
    wrongKey: 'f'.repeat(32),
    canCancel: true,
  },
  cln: {
    open: http(cln),
    receiver: (at, rune = runes.sell) => createClnReceiver({ ...at, rune }),
    payer: (at, rune = runes.pay) => createClnPayer({ ...at, rune }),
    wrongKey: 'Z3Vlc3Nl'.repeat(8),
    canCancel: false,
  },
  lnurl: {
    open: http(lnurl),
    openPayer: http(lnd),
    receiver: ({ url, ...at }) => createLnurlReceiver({ ...at, to: `seller@${new URL(url).host}`, verify: true }),
    payer: (at) => createLndPayer({ ...at, macaroon: macaroons.pay }),
    wrongKey: undefined,
    canCancel: false,
  },
  phoenixd: {
    open: http(phoenixd),
    receiver: (at, password = passwords.limited) => createPhoenixdReceiver({ ...at, password }),
    payer: (at, password = passwords.primary) => createPhoenixdPayer({ ...at, password }),
    wrongKey: 'guessed',
    canCancel: false,
  },
  lnbot: {
    open: http(lnbot),
    receiver: (at, key = walletKeys.seller) => createLnbotReceiver({ ...at, key }),
    payer: (at, key = walletKeys.buyer) => createLnbotPayer({ ...at, key }),
    wrongKey: 'wk_guessed0123456789',
    canCancel: false,
  },
  nwc: {
    open: openNwc,
    receiver: ({ url, ...at }, secret = secrets.sell) => createNwcReceiver({ ...at, uri: uriOf([url], secret) }),
    payer: ({ url, ...at }, secret = secrets.pay) => createNwcPayer({ ...at, uri: uriOf([url], secret) }),
    wrongKey: secrets.stranger,
    canCancel: true,
  },
};
