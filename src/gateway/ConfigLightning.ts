/**
 * A wallet that is paid, as the configuration names it: one product of those below. Who is paid when, `ConfigPayees.ts` tells.
 *
 *     lightning:
 *       lnd:
 *         url: https://127.0.0.1:8080
 *         certificate: tls.cert
 *         macaroon: farebox-invoices.macaroon
 *
 * The others are `cln`, `lnbits`, `phoenixd`, `lnbot` and `nwc`; `sandbox` is the default.
 *
 * What lets one into a wallet is named by its file, or comes out of the environment; it never stands in the configuration itself.
 */
import { z } from 'zod';
import type { Network } from '../lightning/Lightning.ts';
import * as Fields from './ConfigFields.ts';
import type { SecretChoice } from './ConfigSecrets.ts';
import type { ConfigPath, ConfigText, Mistakes } from './ConfigText.ts';

/** The products that there is a driver for, each with a secret that lets one in. */
export type ProductKind = 'lnd' | 'cln' | 'lnbits' | 'phoenixd' | 'lnbot' | 'nwc';

/** A wallet behind an API, as configured. */
export type ProductChoice = {
  readonly kind: ProductKind;
  readonly network: Exclude<Network, 'sandbox'>;
  /** Undefined: what lets one in says where it is. */
  readonly url: string | undefined;
  /** The file of the certificate that is pinned; undefined: what the machine's authorities vouch for. */
  readonly certificatePath: string | undefined;
  readonly secret: SecretChoice;
};

/** A Lightning address or an LNURL, as configured. */
export type LnurlChoice = { readonly kind: 'lnurl'; readonly network: Exclude<Network, 'sandbox'>; readonly to: string };

/** A wallet. */
export type LightningChoice = { readonly kind: 'sandbox'; readonly network: 'sandbox' } | ProductChoice | LnurlChoice;

/** A wallet that is paid, and how. */
export type WalletConfig = LightningChoice & {
  /** How many invoices of a price are kept ready at most; 0: none. */
  readonly ready: number;
};

/** A value with a reader of its own, as `ConfigSchema.ts` makes them. */
export type Field = <T>(read: (value: unknown) => T) => z.ZodType<T>;

/** The schema of a wallet. */
export function walletSchema(field: Field) {
  return z.preprocess(
    (value) => (typeof value === 'string' ? shorthand(value) : value),
    z.strictObject({
      /** Play money on this machine, to try things out; nobody earns anything. */
      sandbox: z.literal(true).optional(),
      /** Whose bitcoin. Default: `bitcoin`. An invoice of another network is never handed out. */
      network: field(Fields.readOneOf(['bitcoin', 'testnet', 'signet', 'regtest'])).optional(),
      /** How many invoices of a price are kept ready at most, so that a 402 does not wait for the wallet; 0: none. Default: 16, and none where each is asked of a service on the internet (`to`, `lnbot`, `nwc`). */
      ready: field(readKept).optional(),
      /** A Lightning address, or an LNURL that is paid to: `you@wallet.com`. Whoever runs the wallet holds the money. */
      to: field(Fields.readLine).optional(),
      ...nodeFields(field),
      ...serviceFields(field),
    }),
  );
}

/** Nodes of one's own. */
function nodeFields(field: Field) {
  return {
    /** lnd, a node of your own: you hold the money. */
    lnd: z
      .strictObject({
        /** Its REST address: `https://127.0.0.1:8080`. No default. */
        url: field(readWalletUrl),
        /** The file of its certificate, `tls.cert`: pinned. Default: what the machine's own authorities vouch for, for a node behind a proxy with a public name. */
        certificate: field(readPath).optional(),
        /** The file of a macaroon that may do no more than make and look up invoices; or the macaroon in hex out of the environment: `${LND_MACAROON}`. No default. */
        macaroon: field(readSecret),
      })
      .optional(),
    /** Core Lightning, a node of your own: you hold the money. */
    cln: z
      .strictObject({
        /** The address of its `clnrest`: `https://127.0.0.1:3010`. No default. */
        url: field(readWalletUrl),
        /** The file of its certificate, `server.pem` or the `ca.pem` that signed it: pinned. Default: what the machine's own authorities vouch for. */
        certificate: field(readPath).optional(),
        /** The file of a rune that may do no more than make and look up invoices; or the rune itself out of the environment. No default. */
        rune: field(readSecret),
      })
      .optional(),
    /** phoenixd, a node of your own: you hold the money. */
    phoenixd: z
      .strictObject({
        /** Its address. Default: `http://127.0.0.1:9740`. */
        url: field(readWalletUrl).optional(),
        /** Its `phoenix.conf`, of which `http-password-limited-access` is taken; a file of that password alone; or the password itself out of the environment. No default. */
        password: field(readSecret),
      })
      .optional(),
  };
}

/** Wallets that a service keeps. */
function serviceFields(field: Field) {
  return {
    /** A wallet of an LNbits: whoever runs it holds the money. */
    lnbits: z
      .strictObject({
        /** Its address: `https://lnbits.example.com`. No default. */
        url: field(readWalletUrl),
        /** The file of the wallet's invoice key, which cannot spend; or the key itself out of the environment. No default. */
        invoiceKey: field(readSecret),
      })
      .optional(),
    /** A wallet of ln.bot: whoever runs it holds the money, and every key of it spends. */
    lnbot: z
      .strictObject({
        /** Its address. Default: `https://api.ln.bot`. */
        url: field(readWalletUrl).optional(),
        /** The file of a wallet key (`wk_…`); or the key itself out of the environment. No default. */
        key: field(readSecret),
      })
      .optional(),
    /** A wallet over Nostr Wallet Connect: whoever runs it holds the money. */
    nwc: z
      .strictObject({
        /** The file of a connection string, `nostr+walletconnect://…`, that may make and look up invoices and not pay; or the string itself out of the environment: `${NWC_CONNECTION}`. No default. */
        connection: field(readSecret),
      })
      .optional(),
  };
}

/** `lightning: sandbox`, `lightning: you@wallet.com`. */
function shorthand(value: string): object {
  // A secret, which no message may repeat.
  if (secrets.nwc.test(value)) return { nwc: { connection: value } };
  return value === 'sandbox' ? { sandbox: true } : /@|^lnurl1/i.test(value) ? { to: value } : { [value]: {} };
}

/** A wallet as it was read. */
export type WalletFile = z.output<ReturnType<typeof walletSchema>>;

/** Play money on this machine. */
export const sandbox: WalletConfig = { kind: 'sandbox', network: 'sandbox', ready: 0 };

/** Where wallets are read. */
export type WalletSurroundings = { readonly text: ConfigText; readonly absolute: (path: string) => string; readonly mistakes: Mistakes };

/** The wallet that stands at a path; the sandbox where what stands there is none. Mistakes go to `mistakes`. */
export function readWallet(found: WalletFile, path: ConfigPath, surroundings: WalletSurroundings): WalletConfig {
  const named = Object.keys(found).filter((key) => key !== 'network' && key !== 'ready');
  if (named.length !== 1) {
    const wrong = named.length === 0 ? 'names no wallet: write "sandbox", or a wallet such as "lnd"' : `names several wallets: ${named.join(', ')}`;
    surroundings.mistakes.add(path, wrong);
  }
  const { network = 'bitcoin', to, lnd, cln, lnbits, phoenixd, lnbot, nwc } = found;
  // Each invoice of an address, of a hosted wallet or over relays is asked of a service on the internet; the sandbox's own are ready at once.
  if (to !== undefined) return { kind: 'lnurl', network, to, ready: found.ready ?? 0 };
  const ready = found.ready ?? (lnbot || nwc ? 0 : 16);
  const product = (kind: ProductKind, url: string | undefined, certificate: string | undefined, name: string, written: string) =>
    readProduct({ kind, network, url, certificate, written, ready }, [...path, kind, name], surroundings);
  if (lnd) return product('lnd', lnd.url, lnd.certificate, 'macaroon', lnd.macaroon);
  if (cln) return product('cln', cln.url, cln.certificate, 'rune', cln.rune);
  if (lnbits) return product('lnbits', lnbits.url, undefined, 'invoiceKey', lnbits.invoiceKey);
  if (phoenixd) return product('phoenixd', phoenixd.url ?? 'http://127.0.0.1:9740', undefined, 'password', phoenixd.password);
  if (lnbot) return product('lnbot', lnbot.url ?? 'https://api.ln.bot', undefined, 'key', lnbot.key);
  if (nwc) return product('nwc', undefined, undefined, 'connection', nwc.connection);
  return sandbox;
}

/** A wallet behind an API, as it stands in the file. */
type ProductFile = Pick<ProductChoice, 'kind' | 'network' | 'url'> & {
  readonly certificate: string | undefined;
  /** The secret, or the path of its file. */
  readonly written: string;
  readonly ready: number;
};

function readProduct({ kind, network, url, certificate, written, ready }: ProductFile, path: ConfigPath, surroundings: WalletSurroundings): WalletConfig {
  const { text, absolute, mistakes } = surroundings;
  const secret = secretOf(kind, written, path, text, mistakes);
  return {
    kind,
    network,
    url,
    certificatePath: certificate === undefined ? undefined : absolute(certificate),
    secret: secret.kind === 'file' ? { kind: 'file', path: absolute(secret.path) } : secret,
    ready,
  };
}

/** What a product's secrets look like. What looks like none is the path of its file. */
const secrets: Readonly<Record<ProductKind, RegExp>> = {
  lnd: /^(?:[0-9a-f]{2}){16,}$/i,
  cln: /^[\w-]{40,}={0,2}$/,
  lnbits: /^[0-9a-f]{32}$/i,
  phoenixd: /^[0-9a-f]{32,}$/i,
  lnbot: /^(?:wk|uk)_[\w+/=-]{8,}$/,
  nwc: /^nostr\+walletconnect:/i,
};

/** A secret, or the path of its file; one that stands in the configuration itself is a mistake. */
function secretOf(kind: ProductKind, written: string, path: ConfigPath, text: ConfigText, mistakes: Mistakes): SecretChoice {
  const isFromEnvironment = text.isFromEnvironment(path);
  const isChosen = kind === 'phoenixd' && isFromEnvironment && !/[/\\]|\.conf$/.test(written);
  if (!secrets[kind].test(written) && !isChosen) return { kind: 'file', path: readPath(written) };
  if (!isFromEnvironment)
    mistakes.add(path, 'what lets one into a wallet does not belong in a configuration file: name the file that holds it, or an environment variable');
  return { kind: 'text', text: written };
}

/** The wallet without what is secret in it. */
export function withoutSecrets(choice: WalletConfig): unknown {
  if (!('secret' in choice)) return choice;
  const { secret, ...rest } = choice;
  return { ...rest, secret: secret.kind === 'file' ? secret : { kind: 'text' } };
}

/** Whether the wallet can ask for parts of a satoshi. */
export function knowsMsat({ kind }: LightningChoice): boolean {
  return kind !== 'lnbits' && kind !== 'phoenixd' && kind !== 'lnbot';
}

/** Whether it can tell of every invoice whether it was paid, also after a restart. */
export function knowsHistory({ kind }: LightningChoice): boolean {
  return kind !== 'lnurl';
}

/** Of a wallet, in words. */
export function explainWallet(choice: LightningChoice): string {
  if (choice.kind === 'sandbox') return 'sandbox (play money on this machine)';
  if (choice.kind === 'lnurl') return `${choice.to}, ${choice.network}`;
  return choice.url === undefined ? `${choice.kind}, ${choice.network}` : `${choice.kind} at ${choice.url}, ${choice.network}`;
}

function readKept(value: unknown): number {
  const count = value === 0 ? 0 : Fields.readCount(value);
  if (count > 1000) throw new Error('this is at most 1000');
  return count;
}

function readPath(value: unknown): string {
  const path = Fields.readLine(value);
  return path.startsWith('file:') ? path.slice('file:'.length) : path;
}

/** A secret or the path of its file: which of them, {@link secretOf} tells. */
function readSecret(value: unknown): string {
  return Fields.readLine(typeof value === 'string' ? value.trim() : value);
}

function readWalletUrl(value: unknown): string {
  const written = Fields.readLine(value);
  const url = /^https?:\/\//i.test(written) ? URL.parse(written) : null;
  // Not repeated: it may hold a password.
  if (url === null) throw new Error('this is the address of a wallet\'s API: write "https://127.0.0.1:8080"');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    throw new Error('an address of a wallet has no user, no password, no query and no "#"');
  return url.href.replace(/\/$/, '');
}
