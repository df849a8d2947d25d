/**
 * A seller for the audit's tests: an honest L402 server of 200 lines that is weak in one way, if a test says in which.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as Amount from '../../src/core/Amount.ts';
import * as Caveat from '../../src/core/Caveat.ts';
import { type Clock, nowAt, systemRandom } from '../../src/core/Clock.ts';
import * as Credential from '../../src/core/Credential.ts';
import { FareboxError } from '../../src/core/Errors.ts';
import * as Identifier from '../../src/core/Identifier.ts';
import { toHex } from '../../src/core/internal/bytes.ts';
import * as Macaroon from '../../src/core/Macaroon.ts';
import type { PaymentHash } from '../../src/core/Preimage.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { makeOffer, type OfferScript } from '../../src/testing/Offers.ts';

/** In what way it is weak. */
export type Weakness =
  // Offers.
  | 'shares invoices'
  | 'shares invoices of one instant'
  | 'joins its lines'
  | 'leaves out commas'
  | 'puts the invoice first'
  | 'offers LSAT alone'
  | 'sells two things in one answer'
  | 'names no amount'
  | 'binds another payment'
  | 'says another price'
  | 'sells expired invoices'
  | 'mints text'
  | 'mints short identifiers'
  | 'forges invoices'
  | 'says nothing of caches'
  | 'lets caches keep it'
  | 'gives HEAD away'
  | 'gives OPTIONS away'
  | 'knows no preflight'
  // Credentials.
  | 'takes any preimage'
  | 'takes any credential'
  | 'takes tokens unpaid'
  | 'takes the payment hash for its preimage'
  | 'believes a payment hash of the holder'
  | 'never verifies signatures'
  | 'breaks on garbage'
  | 'takes long credentials'
  | 'takes many tokens'
  | 'takes the second of two credentials'
  | 'is out of order for credentials'
  | 'guards one header of two'
  // What was paid for.
  | 'ignores caveats'
  | 'skips what it does not know'
  | 'replays'
  | 'counts the text of tokens'
  | 'is slow to count'
  | 'sells passes'
  | 'says nothing of what it sells'
  | 'honours nothing'
  | 'forgets the method'
  | 'forgets the path'
  | 'lets caches keep what it sold'
  | 'loses last caveats'
  // Requests.
  | 'serves on two slashes'
  | 'redirects two slashes'
  | 'redirects two slashes elsewhere'
  | 'shows a page for every path'
  | 'guards GET alone'
  | 'believes X-Original-URL'
  | 'believes X-Forwarded-For'
  | 'writes the path into a header'
  // Answers.
  | 'repeats the credential'
  | 'hands the credential on'
  | 'hangs up'
  | 'hangs up on credentials'
  | 'limits asks'
  | 'is free'
  | 'moves away';

export type WeakSeller = {
  readonly url: string;
  readonly preimageOf: (paymentHash: PaymentHash) => Preimage.Preimage | undefined;
  readonly requests: () => number;
  readonly close: () => Promise<void>;
};

export const path = '/v1/translate';
export const dearPath = '/v1/dear';

const rootKey = new Uint8Array(32).fill(4);
const goods = JSON.stringify({ translation: 'hola' });

type Offer = { readonly token: string; readonly invoice: string };

export async function startWeakSeller(clock: Clock, weakness?: Weakness): Promise<WeakSeller> {
  const seller = createSeller(clock, (one) => one === weakness);
  let requests = 0;
  const server = createServer({ maxHeaderSize: weakness === 'takes long credentials' ? 2_000_000 : 16_384 }, (request, response) => {
    requests++;
    seller.answer(request, response).catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`,
    preimageOf: seller.preimageOf,
    requests: () => requests,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function createSeller(clock: Clock, is: (weakness: Weakness) => boolean) {
  const preimages = new Map<PaymentHash, Preimage.Preimage>();
  const used = new Set<string>();
  /** What a token that is no macaroon was sold for, by its payment hash. */
  const bound = new Map<string, string>();
  let shared: Promise<Offer> | undefined;
  let asks = 0;

  /** The price of a path; 0 where nothing is sold. */
  const priceOf = (pathname: string) => (pathname === path ? 50 : pathname === dearPath ? 500 : 0);

  const mint = (request: IncomingMessage, sat: number): Offer => {
    const script: OfferScript = {
      amountMsat: is('names no amount') ? null : Amount.fromSat(sat),
      ...(is('forges invoices') ? { isForged: true } : {}),
      ...(is('sells expired invoices') ? { ageSeconds: 700 } : {}),
      ...(is('binds another payment') ? { boundTo: Preimage.hash(Preimage.parse('12'.repeat(32))) } : {}),
    };
    const made = makeOffer(script, nowAt(clock));
    preimages.set(made.paymentHash, made.preimage);
    const caveats = [
      'services=shop:0',
      `shop_method=${request.method === 'HEAD' ? 'GET' : request.method}`,
      `shop_path=${pathOf(request)}`,
      `shop_valid_until=${nowAt(clock) + 86_400}`,
      ...(is('says nothing of what it sells') ? [] : [`shop_terms=${is('sells passes') ? 'pass' : 'per-request'}`]),
    ];
    const identifier = Uint8Array.from(Macaroon.parse(made.token).identifier);
    identifier.set(systemRandom(Identifier.randomLength), Identifier.length - Identifier.randomLength);
    // A payment hash, and nothing else of what an identifier is.
    const written = is('mints short identifiers') ? identifier.subarray(0, 34) : identifier;
    const token = Macaroon.format(Macaroon.mint(rootKey, written, caveats));
    bound.set(made.paymentHash, `${request.method} ${pathOf(request)}`);
    return { token: is('mints text') ? `opaque.${made.paymentHash}` : token, invoice: made.invoice };
  };

  const offer = async (request: IncomingMessage, sat: number): Promise<Offer> => {
    if (is('shares invoices')) shared ??= Promise.resolve(mint(request, sat));
    if (is('shares invoices of one instant')) {
      // Whoever asks while the node is at work shares what it makes.
      shared ??= aMoment().then(() => {
        shared = undefined;
        return mint(request, sat);
      });
    }
    return shared ?? mint(request, sat);
  };

  const challenge = async (request: IncomingMessage, response: ServerResponse, sat: number) => {
    if (is('limits asks') && ++asks > 12) return response.writeHead(429, { 'Retry-After': '60' }).end();
    const made = await offer(request, sat);
    const other = is('sells two things in one answer') ? mint(request, sat) : made;
    const body = is('says another price') ? { amount: sat - 1, unit: 'satoshis' } : { amount: sat, unit: 'satoshis' };
    response.writeHead(402, {
      'WWW-Authenticate': linesOf(made, other, is),
      ...(is('says nothing of caches') ? {} : { 'Cache-Control': is('lets caches keep it') ? 'public, max-age=60' : 'no-store' }),
      'Content-Type': 'application/json',
      'Access-Control-Expose-Headers': 'WWW-Authenticate',
    });
    response.end(JSON.stringify(body));
  };

  /** The payment that a request proves: a text says why it is none, undefined that nothing was shown. */
  const proven = (request: IncomingMessage): { readonly paymentHash: string; readonly text: string } | string | undefined => {
    if (is('takes any credential') && request.headers.authorization?.startsWith('L402 '))
      return { paymentHash: toHex(Buffer.from(request.headers.authorization)), text: '' };
    const shown = request.headers.authorization ?? '';
    if (is('takes long credentials') && shown.length > 100_000) return { paymentHash: 'long', text: 'long' };
    const hex = request.headers.macaroon ?? request.headers['grpc-metadata-macaroon'];
    if (is('guards one header of two') && hex !== undefined) return { paymentHash: String(hex), text: String(hex) };
    if (is('takes tokens unpaid') && /^L402 [^:]+:?(null)?$/.test(request.headers.authorization ?? '') && request.headers.authorization !== 'L402 ') {
      const [, token = ''] = /^L402 ([^:]{40,})/.exec(request.headers.authorization ?? '') ?? [];
      if (token !== '') return { paymentHash: token, text: token };
    }
    const [, hash = '', preimage = ''] = /^L402 opaque\.([0-9a-f]{64}):([0-9a-f]{64})$/.exec(request.headers.authorization ?? '') ?? [];
    const isBound = bound.get(hash) === `${request.method} ${pathOf(request)}`;
    if (hash !== '') return isBound && Preimage.proves(Preimage.parse(preimage), Preimage.parseHash(hash)) ? { paymentHash: hash, text: hash } : 'no good';
    if (is('takes many tokens') && shown.split(',').length > 8 && shown.includes(':')) return { paymentHash: shown, text: shown };
    const values = request.headersDistinct.authorization ?? [];
    const { credentials, malformed } = Credential.parseAuthorization(values);
    if (is('takes the second of two credentials') && credentials.length === 2) return { paymentHash: shown, text: shown };
    for (const { tokens, preimage } of credentials) {
      if (preimage === undefined || tokens.length > 1) continue;
      try {
        const macaroon = Macaroon.decode(tokens[0] as Uint8Array);
        const why = faultOf(request, macaroon, preimage);
        if (why === undefined) return { paymentHash: toHex(macaroon.identifier.subarray(2, 34)), text: values.join() };
      } catch (error) {
        if (!FareboxError.is(error)) throw error;
      }
    }
    return credentials.length > 0 || malformed ? 'no good' : undefined;
  };

  const faultOf = (request: IncomingMessage, macaroon: Macaroon.Macaroon, preimage: Preimage.Preimage): string | undefined => {
    const hash = Buffer.from(macaroon.identifier.subarray(2, 34)).toString('hex') as PaymentHash;
    const whole = macaroon.caveats.length === 5 ? macaroon : { ...macaroon, caveats: [...macaroon.caveats, 'shop_terms=per-request'] };
    const isSigned = Macaroon.verify(macaroon, rootKey) || (is('loses last caveats') && Macaroon.verify(whole, rootKey));
    if (!isSigned && !is('never verifies signatures')) return 'tampered';
    const own = macaroon.caveats.map((text) => /^(?:shop_)?payment_hash=(.*)$/.exec(text)?.[1]).find((value) => value !== undefined);
    const isPaid =
      Preimage.proves(preimage, hash) ||
      is('takes any preimage') ||
      (is('takes the payment hash for its preimage') && preimage === (hash as string)) ||
      (is('believes a payment hash of the holder') && Preimage.hash(preimage) === own);
    if (!isPaid) return 'unpaid';
    return macaroon.caveats.map((text) => caveatFault(request, text, preimage)).find((fault) => fault !== undefined);
  };

  const caveatFault = (request: IncomingMessage, text: string, preimage: string): string | undefined => {
    if (is('ignores caveats')) return undefined;
    const { condition, value } = Caveat.parse(text);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    switch (condition) {
      case 'services':
        return value === 'shop:0' ? undefined : 'service';
      case 'shop_method':
        return value === method || is('forgets the method') ? undefined : 'method';
      case 'shop_path':
        return value === pathOf(request) || (is('forgets the path') && priceOf(value) > 0) ? undefined : 'path';
      case 'shop_valid_until':
        return Number(value) > nowAt(clock) ? undefined : 'expired';
      case 'shop_terms':
        return undefined;
      case 'preimage':
        return value === preimage ? undefined : 'preimage';
      default:
        return is('skips what it does not know') || (is('believes a payment hash of the holder') && condition.endsWith('payment_hash')) ? undefined : 'unknown';
    }
  };

  const serve = (request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(200, { 'Content-Type': 'application/json', ...(is('lets caches keep what it sold') ? { 'Cache-Control': 'public, max-age=600' } : {}) });
    response.end(is('hands the credential on') ? JSON.stringify(request.headers) : goods);
  };

  const sell = async (request: IncomingMessage, response: ServerResponse, sat: number) => {
    const paid = proven(request);
    if (paid === undefined) return challenge(request, response, sat);
    if (typeof paid === 'string') return refuse(request, response);
    if (is('honours nothing')) return challenge(request, response, sat);
    const key = is('counts the text of tokens') ? paid.text : paid.paymentHash;
    const isEndless = is('sells passes') || is('replays') || is('says nothing of what it sells');
    if (used.has(key) && !isEndless) return challenge(request, response, sat);
    if (is('is slow to count')) await aMoment();
    used.add(key);
    serve(request, response);
  };

  const refuse = (request: IncomingMessage, response: ServerResponse) => {
    if (is('is out of order for credentials')) return response.writeHead(503).end();
    if (is('breaks on garbage')) return response.writeHead(500).end('oops');
    response.writeHead(401, { 'WWW-Authenticate': 'L402 error="invalid"' });
    response.end(is('repeats the credential') ? `cannot read ${request.headers.authorization}` : 'invalid');
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<unknown> => {
    if (is('hangs up')) return request.socket.destroy();
    if (is('hangs up on credentials') && request.headers.authorization !== undefined) return request.socket.destroy();
    if (is('is free')) return serve(request, response);
    if (is('moves away')) return response.writeHead(302, { Location: 'https://elsewhere.invalid/\x9b31m' }).end();
    if (is('writes the path into a header')) {
      const planted = /%0d%0a(X-Farebox-Audit):%20(\w+)/i.exec(request.url ?? '');
      if (planted) return request.socket.end(`HTTP/1.1 404 Not Found\r\nX-Path: ${path}\r\n${planted[1]}: ${planted[2]}\r\nContent-Length: 0\r\n\r\n`);
    }
    if (is('believes X-Original-URL') && request.headers['x-original-url'] === path && pathOf(request) !== path) return serve(request, response);
    if (is('believes X-Forwarded-For') && request.headers['x-forwarded-for'] === '127.0.0.1') return serve(request, response);
    if (pathOf(request).startsWith('//')) {
      if (is('serves on two slashes')) return serve(request, response);
      if (is('redirects two slashes elsewhere')) return response.writeHead(301, { Location: `http://localhost:${request.socket.localPort}${path}` }).end();
      if (is('redirects two slashes')) return response.writeHead(301, { Location: path }).end();
    }
    const sat = priceOf(pathOf(request));
    if (sat === 0) return is('shows a page for every path') ? response.end('<h1>Welcome</h1>') : response.writeHead(404).end();
    return answerSold(request, response, sat);
  };

  const answerSold = (request: IncomingMessage, response: ServerResponse, sat: number): unknown => {
    const { method } = request;
    const isPreflight = method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined;
    if (isPreflight && !is('knows no preflight')) return response.writeHead(204, { 'Access-Control-Allow-Origin': '*' }).end();
    if (method === 'HEAD' && is('gives HEAD away')) return serve(request, response);
    if (method === 'OPTIONS' && is('gives OPTIONS away')) return serve(request, response);
    if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS' && is('guards GET alone')) return serve(request, response);
    return sell(request, response, sat);
  };

  return { answer, preimageOf: (paymentHash: PaymentHash) => preimages.get(paymentHash) };
}

/** Long enough for whoever came in the same instant. */
async function aMoment(): Promise<void> {
  for (let turn = 0; turn < 300; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function pathOf({ url = '/' }: IncomingMessage): string {
  return url.replace(/\?.*$/, '').replace(/^https?:\/\/[^/]+/, '');
}

function linesOf({ token, invoice }: Offer, other: Offer, is: (weakness: Weakness) => boolean): string | string[] {
  const said = (one: Offer) => {
    const parts = [`macaroon="${one.token}"`, `invoice="${one.invoice}"`];
    return (is('puts the invoice first') ? parts.reverse() : parts).join(is('leaves out commas') ? ' ' : ', ');
  };
  const lines = [`LSAT ${said({ token, invoice })}`, `L402 ${said(other)}`];
  return is('joins its lines') ? lines.join(', ') : is('offers LSAT alone') ? lines.slice(0, 1) : lines;
}
