/**
 * lnd, over its REST API.
 *
 * To sell, it needs a macaroon that may make and look up invoices, and no more: `lncli bakemacaroon info:read invoices:read invoices:write`.
 * To buy: `lncli bakemacaroon info:read offchain:read offchain:write`. The certificate that lnd made for itself is pinned: the one in the
 * file is believed, under whatever name the node is reached, and no other.
 *
 * @see lnd's API reference, Lightning, Router and Invoices services
 */
import { type Clock, systemClock } from '../core/Clock.ts';
import { createApi } from './Api.ts';
import type { Network, Payer, Receiver } from './Lightning.ts';
import { createPayer } from './lnd/Payer.ts';
import { createReceiver } from './lnd/Receiver.ts';
import { createTransport, readSecret, type Secret } from './Transport.ts';

/** Where a node is, and what lets one in. */
export type LndOptions = {
  /** Its REST address, such as `https://127.0.0.1:8080`. */
  readonly url: string;
  /** The file of its certificate (`tls.cert`), read at the first call and again when the node shows another one. */
  readonly certificatePath?: string | undefined;
  /** Or the certificate itself, as PEM. Neither: what the machine's own authorities vouch for. */
  readonly certificate?: string | undefined;
  /** The file of a macaroon, read likewise. */
  readonly macaroonPath?: string | undefined;
  /** Or the macaroon itself, in hex. A secret. */
  readonly macaroon?: string | undefined;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
};

/** How a node is asked to sell. */
export type LndReceiverOptions = LndOptions & {
  /** Put hints into invoices by which channels are found that nobody announced; default true. Costs nothing where all are announced. */
  readonly routeHints?: boolean | undefined;
};

/**
 * A node that is paid. Nothing is sent before the first call.
 * @throws RangeError – a url that is none; no macaroon, or two; one that is no hex
 * @example createLndReceiver({ url: 'https://127.0.0.1:8080', certificatePath: 'tls.cert', macaroonPath: 'farebox-invoices.macaroon' })
 */
export function createLndReceiver(options: LndReceiverOptions): Receiver {
  const { network = 'bitcoin', clock = systemClock, routeHints = true } = options;
  const canSpend = async () => maySpend(toHex(await readSecret(secretOf(options))));
  return createReceiver({ api: apiOf(options), network, clock, routeHints, canSpend });
}

/**
 * A node that pays. Nothing is sent before the first call.
 * @throws RangeError – as for {@link createLndReceiver}
 */
export function createLndPayer(options: LndOptions): Payer {
  const { network = 'bitcoin', clock = systemClock } = options;
  return createPayer({ api: apiOf(options), network, clock });
}

function apiOf(options: LndOptions) {
  const { url, clock, certificate, certificatePath, macaroon } = options;
  if (macaroon !== undefined && !isHex(macaroon)) throw new RangeError('macaroon is the macaroon in hex digits');
  const send = createTransport({
    product: 'lnd',
    certificate,
    certificatePath,
    secret: secretOf(options),
    headers: (bytes) => ({ 'grpc-metadata-macaroon': toHex(bytes) }),
  });
  return createApi({ product: 'lnd', url, headers: {}, clock, send });
}

function secretOf({ macaroon, macaroonPath }: LndOptions): Secret {
  return { name: 'macaroon', path: macaroonPath, text: macaroon };
}

/** What a macaroon lets one do stands in its identifier, in the clear: entities, each with its actions, or calls by their name. */
function maySpend(hex: string): boolean {
  // The lengths in between are no letters.
  const words = Buffer.from(hex, 'hex')
    .toString('latin1')
    .replace(/[^ -~]+/g, ' ');
  const isDangerous = / (?:offchain|onchain)(?: read)? write\b| macaroon(?: read| write)* generate\b/.test(words);
  return isDangerous || /\/(?:SendPayment|SendToRoute|SendCoins|SendMany|OpenChannel|CloseChannel|BakeMacaroon)/.test(words);
}

/** A macaroon's file holds its bytes; one that was copied by hand may hold hex. */
function toHex(bytes: Buffer): string {
  const text = bytes.toString('latin1').trim();
  return isHex(text) ? text : bytes.toString('hex');
}

function isHex(text: string): boolean {
  return /^(?:[0-9a-f]{2})+$/i.test(text);
}
