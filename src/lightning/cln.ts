/**
 * Core Lightning, over `clnrest`.
 *
 * A rune lets one in, and can be made to do no more than it needs:
 *
 *     to sell   lightning-cli createrune restrictions='[["method=invoice","method=listinvoices","method=waitanyinvoice","method=wait","method=getinfo"]]'
 *     to buy    lightning-cli createrune restrictions='[["method=pay","method=listpays","method=listpeerchannels","method=getinfo"]]'
 *
 * `clnrest` signs its own certificate; the one in the file (`server.pem`, or the `ca.pem` that signed it) is believed, under whatever name the
 * node is reached, and no other.
 *
 * @see Core Lightning's documentation: REST APIs, and the methods by name
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { createApi } from './Api.ts';
import { createPayer } from './cln/Payer.ts';
import { createReceiver } from './cln/Receiver.ts';
import type { Network, Payer, Receiver } from './Lightning.ts';
import { createTransport, readSecret, type Secret } from './Transport.ts';

/** Where a node is, and what lets one in. */
export type ClnOptions = {
  /** The address of its `clnrest`, such as `https://127.0.0.1:3010`. */
  readonly url: string;
  /** The file of its certificate (`server.pem` or `ca.pem`), read at the first call and again when the node shows another one. */
  readonly certificatePath?: string | undefined;
  /** Or the certificate itself, as PEM. Neither: what the machine's own authorities vouch for. */
  readonly certificate?: string | undefined;
  /** The file of a rune, read likewise. */
  readonly runePath?: string | undefined;
  /** Or the rune itself. A secret. */
  readonly rune?: string | undefined;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
};

/**
 * A node that is paid. Nothing is sent before the first call.
 * @throws RangeError – a url that is none; no rune, or two; one that is none
 * @example createClnReceiver({ url: 'https://127.0.0.1:3010', certificatePath: 'ca.pem', runePath: 'farebox.rune' })
 */
export function createClnReceiver(options: ClnOptions): Receiver {
  const canSpend = async () => maySpend((await readSecret(secretOf(options))).toString('latin1').trim());
  return createReceiver({ api: apiOf(options), network: options.network ?? 'bitcoin', canSpend });
}

/**
 * A node that pays. Nothing is sent before the first call.
 * @throws RangeError – as for {@link createClnReceiver}
 */
export function createClnPayer(options: ClnOptions): Payer {
  return createPayer({ api: apiOf(options), network: options.network ?? 'bitcoin', clock: options.clock ?? systemClock });
}

function apiOf(options: ClnOptions) {
  const { url, clock, certificate, certificatePath, rune } = options;
  if (rune !== undefined && !isRune(rune)) throw new RangeError('rune is a rune as createrune answers it');
  const send = createTransport({
    product: 'clnrest',
    certificate,
    certificatePath,
    secret: secretOf(options),
    headers: (bytes) => ({ rune: bytes.toString('latin1').trim() }),
  });
  return createApi({ product: 'clnrest', url, headers: {}, clock, send });
}

function secretOf({ rune, runePath }: ClnOptions): Secret {
  return { name: 'rune', path: runePath, text: rune };
}

/**
 * What a rune lets one do stands in it, in the clear, behind 32 bytes: restrictions joined by `&`, each a choice of alternatives joined by `|`. It
 * cannot spend where one of them leaves only methods that do not.
 */
function maySpend(rune: string): boolean {
  const restrictions = Buffer.from(rune, 'base64url').subarray(32).toString('utf8').split('&');
  const isHarmless = (alternative: string) =>
    /^method(?:=(?:invoice|wait|waitinvoice|waitanyinvoice|delinvoice|getinfo|decode)$|=list|\^list|\^get)/.test(alternative);
  return !restrictions.some((restriction) => restriction.split('|').every(isHarmless));
}

/** Base64url, as runes are written. */
function isRune(text: string): boolean {
  return /^[\w-]{40,2048}={0,2}$/.test(text);
}
