/**
 * One call of the caller's: redirects followed by hand, an answer got at each place for nothing, with a credential that is kept, or for a
 * payment.
 *
 *     request ─ 402 ─ quote ─ budget and journal ─ wallet ─ credential kept ─ the same request again
 *
 * A call pays at most once.
 *
 * @see docs/wire.md, "The client"
 */
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { buy } from './buy.ts';
import type { Call, Client } from './Client.ts';
import { readOffer, tryKept, withOffer } from './kept.ts';
import * as Outgoing from './Outgoing.ts';
import { unknown } from './pay.ts';
import * as Quote from './Quote.ts';
import { notHonoured, sendOnce, speaksForItself } from './redeem.ts';
import { drain } from './responseBody.ts';
import { clearWay, lookAhead } from './resume.ts';
import * as Tokens from './Tokens.ts';

/** Gets one answer, without following where it leads. */
export type Exchange = (client: Client, outgoing: Outgoing.Outgoing, call: Call) => Promise<Response>;

/**
 * Follows redirects. A credential never goes along: each place is asked with what is kept for it, and is paid for by itself.
 * @param begin - how the first answer is got; {@link exchange} for a call that begins
 */
export async function follow(client: Client, first: Outgoing.Outgoing | Promise<Outgoing.Outgoing>, call: Call, begin: Exchange): Promise<Response> {
  let outgoing = first instanceof Promise ? await first : first;
  let sentOnBy = 0;
  for (let hops = 0; ; hops++) {
    const response = await (hops === 0 ? begin(client, outgoing, call) : sentOn(client, outgoing, call, sentOnBy));
    sentOnBy = response.status;
    const next = nextAfter(client, outgoing, response, hops);
    if (!next) {
      client.reached('client.answer.ready');
      return response;
    }
    outgoing = await next.catch((error: unknown) => {
      throw call.payment && outgoing.redirect === 'follow' ? notHonoured(call.payment, response.status, error) : error;
    });
  }
}

/** The answer of a place that another one's `status` has led to: who hears that nobody answers hears what was paid as well. */
async function sentOn(client: Client, outgoing: Outgoing.Outgoing, call: Call, status: number): Promise<Response> {
  try {
    return await exchange(client, outgoing, call);
  } catch (error) {
    throw call.payment && !outgoing.signal.aborted && !speaksForItself(error) ? notHonoured(call.payment, status, error) : error;
  }
}

/** The request that a redirect asks for, once it is read to its end, whoever throws. Undefined, and at once, where this is the answer: most are. */
export function nextAfter(client: Client, outgoing: Outgoing.Outgoing, response: Response, hops: number): Promise<Outgoing.Outgoing> | undefined {
  let next: Outgoing.Outgoing | undefined;
  let fault: unknown;
  try {
    next = Outgoing.redirected(outgoing, response);
    if (next && hops === Outgoing.maxRedirects) throw new TypeError(`fetch failed: more than ${Outgoing.maxRedirects} redirects`);
  } catch (error) {
    fault = error;
  }
  if (fault === undefined && next === undefined) return undefined;
  return drain(response, client.clock).then(() => {
    if (fault !== undefined || next === undefined) throw fault;
    return next;
  });
}

/** Gets one answer: with a credential that is kept, or for nothing, or for a payment. */
export async function exchange(client: Client, outgoing: Outgoing.Outgoing, call: Call): Promise<Response> {
  const hasOwn = Outgoing.hasHeader(outgoing, 'authorization');
  const found = !hasOwn && outgoing.isSafe ? await lookAhead(client, outgoing) : undefined;
  // Most origins have never been paid.
  const clearing = found && found.open.length + found.credentials.length > 0 ? clearWay(client, outgoing, call.owner, found) : undefined;
  const way = clearing instanceof Promise ? await clearing : clearing;
  const kept = way ? Tokens.candidates(way.credentials, outgoing, way.nowAt) : [];
  const tried = kept.length > 0 ? await tryKept(client, outgoing, call, kept) : undefined;
  if (tried?.kind === 'answered') return tried.response;
  if (way?.blockedBy) throw unknown(way.blockedBy);
  const response = tried ? await withOffer(client, outgoing, tried.response) : await sendOnce(client, outgoing);
  const offer = response.status === 402 ? await readOffer(client, outgoing, response) : undefined;
  if (!offer) return response;
  if (call.isQuoted && !call.payment) throw refused(outgoing.url, 'this call pays nothing but what it was quoted. Ask for another quote');
  if (hasOwn) throw hasOwnCredential(outgoing.url);
  if (call.payment) throw refused(outgoing.url, 'this call was redirected here after it had paid elsewhere, and a call pays once. Ask there directly');
  const quote = Quote.from(offer, client.payer.network, nowAt(client.clock));
  return buy(client, outgoing, call, { quote, isFixed: false, known: new Set(kept.map(({ paymentHash }) => paymentHash)) });
}

/** There is no place for a credential of ours. */
export function hasOwnCredential(url: URL): FareboxError {
  return refused(url, 'the request has an Authorization of its own, where the credential would go');
}

function refused(url: URL, why: string): FareboxError {
  return new FareboxError('CHALLENGE_REFUSED', `${url.host} asks for a payment, and ${why}. Nothing was paid for it.`, { details: { host: url.host } });
}
