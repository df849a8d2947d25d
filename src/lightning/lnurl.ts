/**
 * A Lightning address, or an LNURL that is paid to: sells with nothing but the name of a wallet that somebody else runs.
 *
 * What it cannot do it says in its capabilities: the service words the invoice and sets its life itself, and tells of no settlement unless it
 * offers LUD-21 (`verify: true` demands it). A sale needs none of that: the preimage alone proves a payment. But whoever runs the service holds
 * the money and knows the preimages: it could let itself in unpaid. Every invoice is held against what was asked for, and one whose payment hash
 * was seen before is refused.
 *
 * @see LUD-01 (encoding), LUD-06 (payRequest), LUD-12 (comments), LUD-16 (Lightning address), LUD-21 (verify)
 */
import { bech32 } from '@scure/base';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { type Clock, nowAt, systemClock } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { toUtf8 } from '../core/internal/bytes.ts';
import * as Preimage from '../core/Preimage.ts';
import { createApi, type Send } from './Api.ts';
import { assertInvoiceRequest } from './arguments.ts';
import { call, created, watchesNothing } from './Driving.ts';
import type { CreatedInvoice, InvoiceRequest, InvoiceState, Network, Receiver } from './Lightning.ts';
import { Reading } from './Reading.ts';

/** Who is paid. */
export type LnurlOptions = {
  /** `you@wallet.com`, or `lnurl1…`. */
  readonly to: string;
  /** Refuse invoices whose settlement cannot be asked for (LUD-21), so that they can be looked up. Default false. */
  readonly verify?: boolean | undefined;
  /** Default `bitcoin`. Invoices of another one are refused. */
  readonly network?: Network | undefined;
  readonly clock?: Clock | undefined;
  /** Default: the runtime's `fetch`. */
  readonly send?: Send | undefined;
};

/** The least life of an invoice, in seconds: a buyer has to read it and pay. */
const minLifeSeconds = 30;

/** Longest LNURL, in characters: LUD-01 sets bech32's own limit aside. */
const maxLnurl = 2048;

/** How many payment hashes, and where to ask about them, are remembered. */
const maxRemembered = 10_000;

/**
 * An address that is paid. Nothing is sent before the first call.
 * @throws RangeError – no Lightning address and no LNURL
 * @example createLnurlReceiver({ to: 'you@wallet.com' })
 */
export function createLnurlReceiver(options: LnurlOptions): Receiver {
  const { to, verify = false, network = 'bitcoin' } = options;
  const clock = options.clock ?? systemClock;
  const endpoint = urlOf(to);
  const product = endpoint.host;
  const closing = new AbortController();
  const within = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const get = (url: URL, signal: AbortSignal) => read({ ...options, clock }, endpoint, url, signal);
  const seen = new Map<string, URL | undefined>();
  let offered: Promise<Offer> | undefined;

  /** What the service offers hardly ever changes: asked for once, and again after a failure. */
  const offer = (signal: AbortSignal): Promise<Offer> => {
    offered ??= get(endpoint, signal).then((answer) => offerIn(product, endpoint, answer));
    offered.catch(() => {
      offered = undefined;
    });
    return offered;
  };

  const create = async (request: InvoiceRequest, signal: AbortSignal): Promise<CreatedInvoice> => {
    const { callback, minMsat, maxMsat, maxComment } = await offer(signal);
    if (request.amountMsat < minMsat || request.amountMsat > maxMsat)
      throw new RangeError(`amountMsat: ${product} takes ${minMsat} to ${maxMsat} msat, not ${request.amountMsat}`);
    const url = new URL(callback);
    url.searchParams.set('amount', String(request.amountMsat));
    const comment = request.description.slice(0, maxComment);
    if (comment !== '') url.searchParams.set('comment', comment);
    const answer = await get(url, signal);
    const made = created(product, network, request, answer.text('pr').toLowerCase());
    if (Bolt11.peek(made.invoice).expirySeconds < minLifeSeconds) throw unfit(product, 'an invoice that expires at once');
    if (seen.has(made.paymentHash)) throw unfit(product, 'an invoice with a payment hash that it had used before');
    const asking = answer.has('verify') ? partOf(endpoint, answer.text('verify')) : undefined;
    if (verify && asking === undefined) throw unfit(product, 'an invoice without a way to ask for its settlement (LUD-21)');
    remember(seen, made.paymentHash, asking);
    return made;
  };

  return {
    name: 'lnurl',
    network,
    capabilities: { lookup: verify, history: false, watch: false, cancel: false, msat: true, memo: false },
    createInvoice: async (request, signal) => {
      assertInvoiceRequest(request);
      return within(signal, (either) => create(request, either));
    },
    lookupInvoice: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return within(signal, async (either) => {
        const asking = seen.get(hash);
        // Where to ask came with the invoice, and is nowhere else to be had.
        if (asking === undefined) throw new FareboxError('LIGHTNING_UNAVAILABLE', `${product} does not tell what became of this invoice.`);
        return stateOf(product, hash, await get(asking, either), nowAt(clock));
      });
    },
    watchSettlements: () => watchesNothing(product),
    info: (signal) =>
      within(signal, async (either) => {
        offerIn(product, endpoint, await get(endpoint, either));
        return { alias: to, nodeId: undefined, network };
      }),
    // There is nothing that lets one in.
    canSpend: async () => false,
    receivable: (signal) => within(signal, async (either) => Amount.fromMsat((await offer(either)).maxMsat)),
    close: async () => closing.abort(),
  };
}

/** What a service offers: where it makes invoices, over how much, and how long a comment may be. */
type Offer = { readonly callback: URL; readonly minMsat: bigint; readonly maxMsat: bigint; readonly maxComment: number };

function offerIn(product: string, endpoint: URL, answer: Reading): Offer {
  if (answer.text('tag') !== 'payRequest') throw unfit(product, 'an answer that offers no payment (no payRequest)');
  const callback = partOf(endpoint, answer.text('callback'));
  if (callback === undefined) throw unfit(product, 'a callback that is no https address');
  const maxComment = answer.has('commentAllowed') ? answer.seconds('commentAllowed') : 0;
  return { callback, minMsat: answer.msat('minSendable'), maxMsat: answer.msat('maxSendable'), maxComment };
}

/** Asks one of its addresses. @throws LIGHTNING_UNAVAILABLE – no answer, or its error */
async function read(options: LnurlOptions, endpoint: URL, url: URL, signal: AbortSignal): Promise<Reading> {
  const { clock, send } = options;
  const product = endpoint.host;
  const reply = await createApi({ product, url: url.origin, headers: {}, clock, send }).call({ path: url.pathname + url.search, signal });
  const answer = new Reading(product, reply.body);
  if (answer.has('status') && answer.text('status').toUpperCase() === 'ERROR') {
    const reason = answer.has('reason') ? answer.text('reason').slice(0, 200) : 'no reason given';
    throw new FareboxError('LIGHTNING_UNAVAILABLE', `${product} refused: ${reason.replace(/[^\x20-\x7e]+/g, ' ')}.`);
  }
  if (reply.status !== 200) throw new FareboxError('LIGHTNING_UNAVAILABLE', `${product} answered ${reply.status}. Is the address right?`);
  return answer;
}

/** LUD-21: settled is what proves to be. What is not, is open, for as long as it lasts: of an end before that nothing is told. */
function stateOf(product: string, paymentHash: Preimage.PaymentHash, answer: Reading, at: number): InvoiceState {
  const { amountMsat, expiresAt } = Bolt11.peek(answer.text('pr').toLowerCase());
  if (!answer.flag('settled')) return { kind: 'open', expiresAt };
  const preimage = answer.has('preimage') ? answer.text('preimage') : '';
  if (!/^[0-9a-f]{64}$/i.test(preimage) || !Preimage.proves(Preimage.parse(preimage), paymentHash) || amountMsat === undefined)
    throw new FareboxError('LIGHTNING_UNAVAILABLE', `${product} says that an invoice was paid, and does not prove it.`);
  // It does not say when.
  return { kind: 'paid', amountMsat, settledAt: at };
}

/** Forgets the oldest where there are too many. */
function remember(seen: Map<string, URL | undefined>, paymentHash: string, asking: URL | undefined): void {
  seen.set(paymentHash, asking);
  for (const oldest of seen.keys()) {
    if (seen.size <= maxRemembered) return;
    seen.delete(oldest);
  }
}

/** Another address of the service: https, or on the very host that was named. */
function partOf(endpoint: URL, text: string): URL | undefined {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  return url.protocol === 'https:' || url.origin === endpoint.origin ? url : undefined;
}

/** Where a Lightning address or an LNURL leads. @throws RangeError – neither */
function urlOf(to: string): URL {
  const address = /^([a-z0-9._+-]{1,64})@([a-z0-9.-]{1,253}(?::\d{1,5})?)$/i.exec(to);
  const text = address ? `${schemeOf(address[2] ?? '')}://${address[2]}/.well-known/lnurlp/${(address[1] ?? '').toLowerCase()}` : decoded(to);
  const url = text === undefined ? null : URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '')
    throw new RangeError('to is a Lightning address, such as you@wallet.com, or an LNURL that is paid to');
  return url;
}

/** Onion services have their own encryption, and this machine needs none. */
function schemeOf(host: string): string {
  return /\.onion$|^(?:localhost|127\.[\d.]+)(?::\d+)?$/i.test(host) ? 'http' : 'https';
}

function decoded(lnurl: string): string | undefined {
  try {
    const { prefix, words } = bech32.decode(lnurl.replace(/^lightning:/i, '').toLowerCase() as `${string}1${string}`, maxLnurl);
    return prefix === 'lnurl' ? toUtf8(bech32.fromWords(words)) : undefined;
  } catch {
    return undefined;
  }
}

function unfit(product: string, what: string): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `${product} gave ${what}. Nothing is sold with it.`);
}
