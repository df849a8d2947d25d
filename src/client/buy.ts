/**
 * Gets an answer by paying an offer, or with what another call has bought meanwhile: where one payment serves all, one is made.
 *
 * @see docs/wire.md, "The client"; docs/decisions/0034-one-payment-for-all.md
 */
import { nowAt } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Call, Client } from './Client.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import { bought, readOffer, tryKept, withOffer } from './kept.ts';
import type { Outgoing } from './Outgoing.ts';
import { pay, unknown } from './pay.ts';
import { payWithin } from './payWithin.ts';
import * as Queue from './Queue.ts';
import * as Quote from './Quote.ts';
import { notHonoured, redeem, sendOnce, speaksForItself, unanswered } from './redeem.ts';
import { drain } from './responseBody.ts';
import { clearWay, isUnanswered, lookAhead } from './resume.ts';
import * as Tokens from './Tokens.ts';

/** What is about to be bought. */
export type Wanted = {
  /** The offer that is here. */
  readonly quote: Quote.Quote;
  /** Whether that one alone may be paid; otherwise a newer one takes its place. */
  readonly isFixed: boolean;
  /** Kept credentials that were there before, and need not be looked at again. */
  readonly known: ReadonlySet<PaymentHash>;
};

/** How often a call that is about to pay finds that somebody else has, before it gives up. Each time, it was somebody alive. */
const maxTurns = 100;

/**
 * Gets one answer.
 * @throws INVOICE_EXPIRED – the offer is fixed and has expired, or is about to
 */
export async function buy(client: Client, outgoing: Outgoing, call: Call, wanted: Wanted): Promise<Response> {
  const place = Queue.enter(client.queue, wanted.quote, outgoing);
  try {
    return await inLine(client, outgoing, call, wanted, place);
  } finally {
    if (place) Queue.leave(client.queue, place);
  }
}

async function inLine(client: Client, outgoing: Outgoing, call: Call, { quote: offered, isFixed, known }: Wanted, place?: Queue.Place): Promise<Response> {
  const { clock, store, queue } = client;
  const { origin } = outgoing;
  const seen = new Set(known);
  const unseen = (credentials: readonly Payment[]) =>
    Tokens.candidates([...credentials], outgoing, nowAt(clock)).filter(({ paymentHash }) => !seen.has(paymentHash));
  const isServed = async () => {
    const { credentials } = await store.find({ origin });
    return unseen(credentials).length > 0 || credentials.some((payment) => isOpenQuestion(client, payment, outgoing, call));
  };
  let quote = offered;
  let isGivenUp = false;
  for (let turns = 1; ; turns++) {
    const turn = place ? await Queue.turn(queue, place) : 'first';
    const way = await clearWay(client, outgoing, call.owner, await lookAhead(client, outgoing));
    const tried = await tryKept(client, outgoing, call, unseen(way.credentials), seen);
    if (tried?.kind === 'answered') {
      // What has served a second call may serve the others.
      if (place) Queue.share(queue, place);
      return tried.response;
    }
    if (way.blockedBy) throw unknown(way.blockedBy);
    let response: Response | undefined;
    if (tried && isFixed) await drain(tried.response, clock);
    else if (tried) response = await withOffer(client, outgoing, tried.response);
    else if (!isFixed && turn === 'first' && (isGivenUp || !Quote.isFresh(quote, nowAt(clock)))) response = await sendOnce(client, outgoing);
    if (response) {
      const next = await quoteIn(client, outgoing, response);
      if (!next) return response;
      quote = next;
      isGivenUp = false;
    }
    if (turn !== 'first') continue;
    Quote.assertFresh(quote, outgoing.url.host, nowAt(clock));
    const isServedNow = turns < maxTurns ? isServed : async () => false;
    const paid = await payWithin(client, outgoing, quote, (limited) => pay(client, limited, quote, call.owner, isServedNow));
    if (paid.kind === 'paid') {
      call.payment = paid.payment;
      // A token that says that it serves many needs no trying.
      if (place && !Tokens.isExclusive(paid.payment)) {
        Queue.share(queue, place);
        Queue.leave(queue, place);
      }
      return answerTo(client, outgoing, paid.payment, call);
    }
    // Its row says that the wallet may have been called, so that this invoice is not paid any more.
    isGivenUp = paid.kind === 'served';
    if (turns >= maxTurns && paid.kind === 'blocked') throw unknown(paid.by);
  }
}

/** Whether another client is finding out at this moment what a token serves that does not say so. */
function isOpenQuestion({ clock }: Client, payment: Payment, outgoing: Outgoing, { owner }: Call): boolean {
  return Tokens.readingOf(payment).terms === 'unknown' && isUnanswered(payment, outgoing, owner) && Journal.isLeased(payment, nowAt(clock));
}

/** The offer in an answer, or undefined where it holds none. */
async function quoteIn(client: Client, outgoing: Outgoing, response: Response): Promise<Quote.Quote | undefined> {
  const offer = response.status === 402 ? await readOffer(client, outgoing, response) : undefined;
  return offer && Quote.from(offer, client.payer.network, nowAt(client.clock));
}

/** The answer to the request that has just been paid for. */
async function answerTo(client: Client, outgoing: Outgoing, payment: Payment, call: Call): Promise<Response> {
  const redeemed = await redeem(client, outgoing, payment, call.owner).catch((error: unknown) => {
    throw outgoing.signal.aborted || speaksForItself(error) ? error : unanswered(payment, error);
  });
  if (redeemed.kind === 'answered') return bought(redeemed.response, payment, false);
  await drain(redeemed.response, client.clock);
  throw notHonoured(payment, redeemed.response.status);
}
