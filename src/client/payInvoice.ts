/**
 * Pays a bare invoice, within the limits and through the journal: what has been paid, by a call or by hand, is not paid again.
 *
 * It stands in the journal as a purchase of its payee's, `PAY lightning://<payee>/`, and buys no credential: the preimage is what it is for.
 *
 * @see BOLT 11; docs/wire.md, "The client"
 */
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import type { Client } from './Client.ts';
import { clientOf, type PayingClient } from './createClient.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import type { Outgoing } from './Outgoing.ts';
import { pay, refusalOf, unknown } from './pay.ts';
import type { Quote } from './Quote.ts';
import * as Quotes from './Quote.ts';
import { resumeClient } from './resume.ts';

/** An invoice that is paid. */
export type PaidInvoice = {
  readonly payment: Payment;
  /** True where it had been paid before: this cost nothing. */
  readonly reused: boolean;
};

/**
 * Pays it, at most once, within the limits of a client.
 *
 * @param text - BOLT 11
 * @throws INVOICE_MALFORMED, INVOICE_EXPIRED – it cannot be read, or is too old to be paid
 * @throws CHALLENGE_REFUSED – it names no amount, or is of another network
 * @throws PAYMENT_UNKNOWN – it may have been paid before, and the wallet cannot say
 * @throws as the client's `fetch` does, where the payment does not come about
 */
export async function payInvoice(paying: PayingClient, text: string, options: { readonly signal?: AbortSignal } = {}): Promise<PaidInvoice> {
  const { signal = new AbortController().signal } = options;
  const client = clientOf(paying);
  const quote = quoteOf(client, text);
  const before = await known(client, quote);
  if (before) return { payment: before, reused: true };
  Quotes.assertFresh(quote, `node ${quote.payee.slice(0, 16)}`, nowAt(client.clock));
  const { owner } = client.newCall();
  const paid = await pay(client, outgoingOf(quote, signal), quote, owner, async () => false);
  if (paid.kind !== 'paid') throw paid.kind === 'blocked' ? unknown(paid.by) : new TypeError('isServed: an invoice is served by nothing else');
  const used = await client.store.step(quote.paymentHash, { kind: 'redeem', owner, last: true }, nowAt(client.clock));
  return { payment: used ?? paid.payment, reused: false };
}

/** The payment of this invoice that was made before, looked up where its end is not known; undefined where the wallet has not been called for it. */
async function known(client: Client, { paymentHash, payee }: Quote): Promise<Payment | undefined> {
  let payment = await client.store.get(paymentHash);
  if (payment && Journal.isUnfinished(payment)) {
    await resumeClient(client, paymentHash);
    payment = await client.store.get(paymentHash);
  }
  if (!payment || payment.preimage !== undefined) return payment;
  if (payment.state === 'dispatched' || payment.state === 'unknown') throw unknown(payment);
  if (payment.state === 'failed' && payment.dispatchedAt !== undefined) {
    throw refusalOf({ kind: 'known', payment }, { amountMsat: payment.amountMsat, minFeeMsat: Amount.zero, host: `Node ${payee.slice(0, 16)}` });
  }
  return undefined;
}

function quoteOf({ payer }: Client, text: string): Quote {
  const { amountMsat, paymentHash, payee, description, expiresAt, chain } = Bolt11.decode(text);
  if (chain !== (payer.network === 'sandbox' ? 'regtest' : payer.network)) {
    throw refused(`The invoice is for the network ${chain}, and the wallet pays on ${payer.network}`, paymentHash);
  }
  if (amountMsat === undefined || amountMsat === 0n) throw refused('The invoice names no amount, so nothing would bind the price', paymentHash);
  return { scheme: 'L402', token: '', invoice: text.toLowerCase(), paymentHash, amountMsat, payee, description, expiresAt };
}

/** No request goes out; this is what stands in the journal. */
function outgoingOf({ payee, paymentHash }: Quote, signal: AbortSignal): Outgoing {
  const origin = `lightning://${payee}`;
  const href = `${origin}/`;
  const resource = toHex(sha256(fromUtf8(`PAY ${href} ${paymentHash}`)));
  return {
    url: new URL(href),
    origin,
    isSafe: false,
    pathname: '/',
    href,
    method: 'PAY',
    headers: {},
    body: undefined,
    signal,
    redirect: 'manual',
    resource,
    rest: undefined,
  };
}

function refused(why: string, paymentHash: string): FareboxError {
  return new FareboxError('CHALLENGE_REFUSED', `${why}. Nothing was paid.`, { details: { paymentHash } });
}
