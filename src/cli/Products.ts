/**
 * The wallets that Farebox has drivers for, by the name that the configuration and the command line have for them.
 */
import { readFileSync } from 'node:fs';
import type { Clock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { ProductChoice, ProductKind } from '../gateway/index.ts';
import { createClnPayer, createClnReceiver } from '../lightning/cln.ts';
import type { Payer, Receiver } from '../lightning/Lightning.ts';
import { createLnbitsPayer, createLnbitsReceiver } from '../lightning/lnbits.ts';
import { createLnbotPayer, createLnbotReceiver } from '../lightning/lnbot.ts';
import { createLndPayer, createLndReceiver } from '../lightning/lnd.ts';
import { createNwcPayer, createNwcReceiver, nwcWalletOf } from '../lightning/nwc.ts';
import { createPhoenixdPayer, createPhoenixdReceiver } from '../lightning/phoenixd.ts';

/** A product, and how its drivers are made. */
export type Product = {
  /** What lets one in, as the command line names it: `--macaroon <file>`. */
  readonly secret: 'macaroon' | 'rune' | 'key' | 'password' | 'connection';
  /** What that is, to pay with it. */
  readonly secretWords: string;
  /** Where it is unless told otherwise; undefined: it has to be told. */
  readonly url?: string;
  /** Whether it is reached at an address, or where what lets one in says. */
  readonly hasAddress: boolean;
  readonly hasCertificate: boolean;
  /** What has to be among the rights of what lets one in for it to tell how much it can be paid, where that is a right of its own. */
  readonly roomRight?: string;
  /** What its driver was tried against: the product, the API as it is documented, or a service that we have made. */
  readonly triedAgainst: 'itself' | 'its documentation' | 'a service of ours';
  /** Looks like its secrets, and lets nobody in. */
  readonly foreignSecret: string;
  /** Whether it says so to whom it does not let in, or may say nothing at all. */
  readonly answersStrangers: boolean;
  readonly createReceiver: (choice: ProductChoice, clock?: Clock) => Receiver;
  readonly createPayer: (choice: ProductChoice, clock?: Clock) => Payer;
  /** Which wallet it is, the same after every start, where no address tells; no secret. */
  readonly identify?: (choice: ProductChoice) => string;
};

/** By name. */
export const products: Readonly<Record<ProductKind, Product>> = {
  lnd: {
    secret: 'macaroon',
    secretWords: 'the file of a macaroon that may pay',
    hasAddress: true,
    hasCertificate: true,
    roomRight: 'offchain:read in its macaroon',
    triedAgainst: 'itself',
    foreignSecret: 'bad0'.repeat(16),
    answersStrangers: true,
    createReceiver: (choice, clock) => createLndReceiver({ ...choice, url: addressOf(choice), clock, ...pathOrText(choice, 'macaroonPath', 'macaroon') }),
    createPayer: (choice, clock) => createLndPayer({ ...choice, url: addressOf(choice), clock, ...pathOrText(choice, 'macaroonPath', 'macaroon') }),
  },
  cln: {
    secret: 'rune',
    secretWords: 'the file of a rune that may pay',
    hasAddress: true,
    hasCertificate: true,
    roomRight: 'method=listpeerchannels in its rune',
    triedAgainst: 'its documentation',
    foreignSecret: 'Z3Vlc3Nl'.repeat(8),
    answersStrangers: true,
    createReceiver: (choice, clock) => createClnReceiver({ ...choice, url: addressOf(choice), clock, ...pathOrText(choice, 'runePath', 'rune') }),
    createPayer: (choice, clock) => createClnPayer({ ...choice, url: addressOf(choice), clock, ...pathOrText(choice, 'runePath', 'rune') }),
  },
  lnbits: {
    secret: 'key',
    secretWords: "the file of the wallet's admin key",
    hasAddress: true,
    hasCertificate: false,
    triedAgainst: 'itself',
    foreignSecret: 'f'.repeat(32),
    answersStrangers: true,
    createReceiver: (choice, clock) => createLnbitsReceiver({ ...choice, url: addressOf(choice), clock, invoiceKey: secretOf(choice) }),
    createPayer: (choice, clock) => createLnbitsPayer({ ...choice, url: addressOf(choice), clock, adminKey: secretOf(choice) }),
  },
  phoenixd: {
    secret: 'password',
    secretWords: 'its phoenix.conf, or a file of its http-password',
    url: 'http://127.0.0.1:9740',
    hasAddress: true,
    hasCertificate: false,
    triedAgainst: 'its documentation',
    foreignSecret: 'f'.repeat(32),
    answersStrangers: true,
    createReceiver: (choice, clock) => createPhoenixdReceiver({ ...choice, clock, password: passwordIn(secretOf(choice), 'http-password-limited-access') }),
    createPayer: (choice, clock) => createPhoenixdPayer({ ...choice, clock, password: passwordIn(secretOf(choice), 'http-password') }),
  },
  lnbot: {
    secret: 'key',
    secretWords: 'the file of a wallet key (wk_…)',
    url: 'https://api.ln.bot',
    hasAddress: true,
    hasCertificate: false,
    triedAgainst: 'its documentation',
    foreignSecret: 'wk_ffffffffffffffff',
    answersStrangers: true,
    createReceiver: (choice, clock) => createLnbotReceiver({ ...choice, clock, key: secretOf(choice) }),
    createPayer: (choice, clock) => createLnbotPayer({ ...choice, clock, key: secretOf(choice) }),
  },
  nwc: {
    secret: 'connection',
    secretWords: 'the file of a connection string that may pay',
    hasAddress: false,
    hasCertificate: false,
    triedAgainst: 'a service of ours',
    // The point that all public keys come from, which is a key as well.
    foreignSecret: `nostr+walletconnect://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798?relay=ws://127.0.0.1:1&secret=${'11'.repeat(32)}`,
    answersStrangers: false,
    createReceiver: (choice, clock) => createNwcReceiver({ network: choice.network, clock, uri: secretOf(choice) }),
    createPayer: (choice, clock) => createNwcPayer({ network: choice.network, clock, uri: secretOf(choice) }),
    identify: (choice) => `wallet ${nwcWalletOf(secretOf(choice))}`,
  },
};

/** Whether there is a driver of that name. */
export function isProduct(name: string): name is ProductKind {
  return Object.hasOwn(products, name);
}

/** What its driver was not tried against, in words that follow "The driver of …"; undefined where it was tried against the product itself. */
export function doubtOf(kind: ProductKind): string | undefined {
  const { triedAgainst } = products[kind];
  if (triedAgainst === 'its documentation') return `was tried against its documented API, and not against ${kind} itself`;
  return triedAgainst === 'a service of ours' ? 'was tried with a service of ours, and not with a wallet that others have made' : undefined;
}

/** Makes a driver. @throws CONFIG_INVALID – an address or a secret that is none, a file that cannot be read */
export function createDriver<Driver>(create: () => Driver, what: string): Driver {
  try {
    return create();
  } catch (error) {
    if (error instanceof RangeError) throw new FareboxError('CONFIG_INVALID', `${what} cannot be used: ${error.message}.`, { cause: error });
    throw error;
  }
}

function addressOf({ kind, url }: ProductChoice): string {
  if (url === undefined) throw new TypeError(`${kind} is reached at an address, and has none`);
  return url;
}

function pathOrText<Path extends string, Text extends string>({ secret }: ProductChoice, path: Path, text: Text) {
  return (secret.kind === 'file' ? { [path]: secret.path } : { [text]: secret.text }) as { readonly [name in Path | Text]?: string };
}

/** What a file holds, without the white space around it. @throws RangeError – it cannot be read, or is empty */
function secretOf({ secret }: ProductChoice): string {
  if (secret.kind === 'text') return secret.text;
  let text: string;
  try {
    text = readFileSync(secret.path, 'utf8').trim();
  } catch (error) {
    throw new RangeError(`${secret.path} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unreadable'})`, { cause: error });
  }
  if (text === '') throw new RangeError(`${secret.path} is empty`);
  return text;
}

/** A password alone, or the one of that name in a `phoenix.conf`. */
function passwordIn(text: string, name: string): string {
  const lines = text.split('\n').map((line) => line.trim());
  if (lines.length === 1 && !text.includes('=')) return text;
  const found = lines.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
  if (found === undefined) throw new RangeError(`the file has no line ${name}=…`);
  return found.trim();
}
