/**
 * What is kept, shown; and what every answer is read for: an offer, and what it was bought with.
 *
 * @see docs/wire.md, "The client"
 */
import { nowAt } from '../core/Clock.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import { type Call, type Client, leaseOf } from './Client.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import type { Outgoing } from './Outgoing.ts';
import * as Quote from './Quote.ts';
import { redeem, sendOnce, speaksForItself, unanswered } from './redeem.ts';
import { drain, readJson } from './responseBody.ts';
import * as Tokens from './Tokens.ts';

/** What a response was bought with. */
export type ResponsePayment = {
  readonly paymentHash: PaymentHash;
  /** What the invoice asked. */
  readonly amountMsat: bigint;
  /** What it cost on top. */
  readonly feeMsat: bigint;
  /** True where the payment was made for an earlier call: this one cost nothing. */
  readonly reused: boolean;
};

/** What was paid for a response as it was handed out, or undefined where it was free. A `clone()` of it says nothing: ask before. */
export function paymentOf(response: Response): ResponsePayment | undefined {
  return payments.get(response);
}

/** Tries kept credentials, best first, and adds to `seen` which. The last refusal is handed back: it may hold an offer. */
export async function tryKept(client: Client, outgoing: Outgoing, call: Call, candidates: readonly Payment[], seen?: Set<PaymentHash>) {
  const { store, clock } = client;
  let refusal: { readonly kind: 'refused'; readonly response: Response } | undefined;
  let tries = 0;
  for (const kept of candidates) {
    // What is asked for is known from the first refusal.
    if (refusal && Tokens.isForAnother(kept, refusal.response)) continue;
    const payment = Tokens.isExclusive(kept) ? await store.step(kept.paymentHash, { kind: 'take', ...leaseOf(client, call.owner) }, nowAt(clock)) : kept;
    if (!payment) continue;
    seen?.add(kept.paymentHash);
    if (refusal) await drain(refusal.response, clock);
    const redeemed = await redeem(client, outgoing, payment, call.owner).catch((error: unknown) => {
      // What has bought answers before is no payment in the air: the caller hears what `fetch` says.
      throw payment.state !== 'settled' || outgoing.signal.aborted || speaksForItself(error) ? error : unanswered(payment, error);
    });
    if (redeemed.kind === 'answered') return { kind: 'answered' as const, response: bought(redeemed.response, payment, true) };
    refusal = redeemed;
    if (++tries === maxCandidates) break;
  }
  return refusal;
}

/** Notes what an answer was bought with. */
export function bought(response: Response, payment: Payment, reused: boolean): Response {
  const { paymentHash, amountMsat } = payment;
  payments.set(response, { paymentHash, amountMsat, feeMsat: Journal.feeMsatOf(payment), reused });
  return response;
}

/** After a kept credential was refused: a 402 holds a new offer; anything else is asked again without a credential. */
export async function withOffer(client: Client, outgoing: Outgoing, refusal: Response): Promise<Response> {
  if (refusal.status === 402) return refusal;
  await drain(refusal, client.clock);
  return sendOnce(client, outgoing);
}

/** The offer in a 402, its body read; undefined, and the body left alone, where it is another scheme's. */
export async function readOffer(client: Client, outgoing: Outgoing, response: Response): Promise<Quote.Offer | undefined> {
  try {
    const challenge = Quote.challengeOf(response);
    return challenge && { asked: outgoing, challenge, priceHeader: response.headers.get('L402-Price'), body: await readJson(response, client.clock) };
  } catch (error) {
    await drain(response, client.clock);
    throw error;
  }
}

const payments = new WeakMap<Response, ResponsePayment>();

/** Most kept credentials that are tried for one request. */
const maxCandidates = 3;
