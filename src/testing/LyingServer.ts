/**
 * A seller over real sockets that does what a test tells it: it sells, and it cheats in any way that can be written down. It knows the
 * preimages of its invoices and remembers every request.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../core/Clock.ts';
import { nowAt } from '../core/Clock.ts';
import { concat } from '../core/internal/bytes.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Preimage from '../core/Preimage.ts';
import { type MadeOffer, makeOffer, type OfferScript, shownBy } from './Offers.ts';

export type { MadeOffer, OfferScript } from './Offers.ts';

/** A request as the seller saw it. */
export type SeenRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Uint8Array;
  /** The payment hash that its credential proves, where it shows one. */
  readonly paid: PaymentHash | undefined;
};

/** Answers a request. */
export type Handler = (request: SeenRequest, response: ServerResponse) => void | Promise<void>;

/** A seller under the test's hand. */
export type LyingServer = {
  /** Such as `http://127.0.0.1:40123`. */
  readonly origin: string;
  readonly requests: readonly SeenRequest[];
  /** How requests are answered from now on. */
  readonly handle: (handler: Handler) => void;
  /** Makes an offer with an invoice of its own. */
  readonly offer: (script?: OfferScript) => MadeOffer;
  /** Answers 402 with an offer. */
  readonly challenge: (response: ServerResponse, offer?: MadeOffer, extra?: { readonly headers?: Record<string, string>; readonly body?: unknown }) => void;
  readonly preimageOf: (paymentHash: PaymentHash) => Preimage.Preimage | undefined;
  readonly close: () => Promise<void>;
};

/** Starts a seller that answers every paid request with 200 and `{"ok":true}` and every other one with an offer. */
export async function startLyingServer(clock: Clock): Promise<LyingServer> {
  const preimages = new Map<PaymentHash, Preimage.Preimage>();
  const requests: SeenRequest[] = [];

  const seller: Omit<LyingServer, 'origin' | 'close' | 'handle'> = {
    requests,
    preimageOf: (paymentHash) => preimages.get(paymentHash),
    offer: (script = {}) => {
      const { preimage, ...offer } = makeOffer(script, nowAt(clock));
      preimages.set(offer.paymentHash, preimage);
      return offer;
    },
    challenge: (response, offer = seller.offer(), extra = {}) => {
      const lines = [`LSAT macaroon="${offer.token}", invoice="${offer.invoice}"`, `L402 macaroon="${offer.token}", invoice="${offer.invoice}"`];
      response.writeHead(402, { 'WWW-Authenticate': lines, 'Content-Type': 'application/json', ...extra.headers });
      response.end(JSON.stringify(extra.body ?? { message: 'Payment required' }));
    },
  };
  let handler: Handler = (request, response) => {
    if (request.paid === undefined) seller.challenge(response);
    else answer(response);
  };
  const server = createServer(async (incoming, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Uint8Array);
    const { method = '', url = '', headers } = incoming;
    const request = { method, url, headers, body: concat(...chunks), paid: paidBy(headers.authorization) };
    requests.push(request);
    await handler(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    ...seller,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handle: (next) => {
      handler = next;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answers with JSON. */
export function answer(response: ServerResponse, status = 200, headers: Record<string, string> = {}, body: unknown = { ok: true }): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function paidBy(authorization: string | undefined): PaymentHash | undefined {
  const shown = shownBy(authorization);
  return shown && Preimage.hash(shown.preimage);
}
