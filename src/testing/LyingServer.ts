/**
 * A seller over real sockets that does what a test tells it: it sells, and it cheats in any way that can be written down. It knows the
 * preimages of its invoices and remembers every request.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import type { Clock } from '../core/Clock.ts';
import { nowAt, systemRandom } from '../core/Clock.ts';
import * as Credential from '../core/Credential.ts';
import * as Identifier from '../core/Identifier.ts';
import { concat, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import * as Macaroon from '../core/Macaroon.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Preimage from '../core/Preimage.ts';

/** A request as the seller saw it. */
export type SeenRequest = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Uint8Array;
  /** The payment hash that its credential proves, where it shows one. */
  readonly paid: PaymentHash | undefined;
};

/** What is asked for. */
export type OfferScript = {
  /** Default: 50 sat. `null` asks for whatever the payer likes. */
  readonly amountMsat?: Msat | null;
  /** Default: regtest, where the sandbox lives. */
  readonly chain?: Bolt11.Chain;
  /** Default: 600. */
  readonly expirySeconds?: number;
  /** Caveats of the token. Default: none. */
  readonly caveats?: readonly string[];
  /** Instead of a macaroon. */
  readonly token?: string;
  /** The token is bound to this payment instead of the invoice's. */
  readonly boundTo?: PaymentHash;
};

/** An offer as it is sent. */
export type MadeOffer = { readonly token: string; readonly invoice: string; readonly paymentHash: PaymentHash };

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
  const nodeKey = sha256(Uint8Array.of(7));

  const seller: Omit<LyingServer, 'origin' | 'close' | 'handle'> = {
    requests,
    preimageOf: (paymentHash) => preimages.get(paymentHash),
    offer: (script = {}) => {
      const preimage = Preimage.fromBytes(systemRandom(32));
      const paymentHash = Preimage.hash(preimage);
      preimages.set(paymentHash, preimage);
      const { amountMsat = Amount.fromSat(50), chain = 'regtest', expirySeconds = 600 } = script;
      const createdAt = nowAt(clock);
      const draft = { chain, paymentHash, paymentSecret: toHex(sha256(Uint8Array.of(2))), createdAt, expirySeconds, description: 'one answer' };
      const invoice = Bolt11.encode(amountMsat === null ? draft : { ...draft, amountMsat }, nodeKey);
      const identifier = Identifier.create(script.boundTo ?? paymentHash, '00000000', createdAt, new Uint8Array(Identifier.randomLength));
      const token = script.token ?? Macaroon.format(Macaroon.mint(Uint8Array.of(3), Identifier.encode(identifier), script.caveats ?? []));
      return { token, invoice, paymentHash };
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
  if (authorization === undefined) return undefined;
  const preimage = Credential.parseAuthorization([authorization]).credentials[0]?.preimage ?? preimageIn(authorization);
  return preimage && Preimage.hash(preimage);
}

/** Of a credential whose token is not base64. */
function preimageIn(authorization: string): Preimage.Preimage | undefined {
  const text = /^(?:L402|LSAT) \S+:([0-9a-f]{64})$/.exec(authorization)?.[1];
  return text === undefined ? undefined : Preimage.parse(text);
}
