/**
 * Core Lightning as one that pays.
 *
 * To `pay` an invoice that was paid before is no error there: it answers as if it had paid again. So it is asked first. It writes a payment
 * down before anything leaves: what it has never seen has not been paid.
 *
 * @see Core Lightning's documentation: pay, listpays, listpeerchannels
 */
import * as Amount from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { Api } from '../Api.ts';
import { type Attempt, believed, call, follow, pay, refusedAtTheDoor, sizeReasonIn, unknown } from '../Driving.ts';
import type { FailureReason, Network, Payer, PaymentOutcome, TrackedPayment } from '../Lightning.ts';
import type { Reading } from '../Reading.ts';
import { type Answer, ask, need, product } from './product.ts';

/** What a payer is made from. */
export type PayerOptions = { readonly api: Api; readonly network: Network; readonly clock: Clock };

/** See the head of this file. */
export function createPayer({ api, network, clock }: PayerOptions): Payer {
  const closing = new AbortController();
  const within = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const underWay = new Set<string>();
  const handOver = async (payment: Attempt, signal: AbortSignal) => {
    const { paymentHash } = payment;
    // Two at once would both be told that they paid.
    if (underWay.has(paymentHash)) return () => unknown('A payment of this invoice is under way');
    underWay.add(paymentHash);
    try {
      return await send(api, clock, payment, signal);
    } finally {
      underWay.delete(paymentHash);
    }
  };
  return {
    name: 'cln',
    network,
    capabilities: { feeLimit: true, track: true, balance: true },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return within(signal, (either) => track(api, hash, either));
    },
    balance: (signal) => within(signal, async (either) => ({ spendableMsat: await spendable(api, either) })),
    close: async () => closing.abort(),
  };
}

async function spendable(api: Api, signal: AbortSignal): Promise<Amount.Msat> {
  const channels = (await need(api, { name: 'listpeerchannels', parameters: {}, signal })).list('channels');
  const usable = channels.filter((channel) => channel.text('state') === 'CHANNELD_NORMAL');
  return Amount.fromMsat(usable.reduce((sum, channel) => sum + channel.msat('spendable_msat'), 0n));
}

/** Hands a payment over, and follows it to its end. */
async function send(api: Api, clock: Clock, payment: Attempt, signal: AbortSignal): Promise<() => Promise<PaymentOutcome> | PaymentOutcome> {
  const { invoice, maxFeeMsat, timeoutSeconds, paymentHash } = payment;
  const before = await track(api, paymentHash, signal).catch(refusedAtTheDoor);
  if (before.kind === 'settled') return () => ({ kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' });
  if (before.kind === 'pending') return () => unknown('A payment of this invoice is under way');
  // It gives up a little before we do, so that a failure is heard of.
  const parameters = { bolt11: invoice, maxfee: maxFeeMsat, retry_for: Math.max(1, Math.floor(timeoutSeconds) - 2) };
  const answer = await ask(api, { name: 'pay', parameters, signal, timeoutMs: Number.POSITIVE_INFINITY }).catch(refusedAtTheDoor);
  return async () => {
    const tracked = answer.kind === 'result' ? outcomeOf(answer.result, 'payment_preimage') : await settleError(api, answer, paymentHash, signal);
    return follow({ product, clock, signal, ask: () => track(api, paymentHash, signal) }, tracked);
  };
}

/** What an error comes to: a payment that it began may still be under way, or have ended. */
async function settleError(api: Api, { code, message }: Answer & { readonly kind: 'error' }, paymentHash: Preimage.PaymentHash, signal: AbortSignal) {
  const tracked = await track(api, paymentHash, signal);
  if (tracked.kind !== 'absent' && tracked.kind !== 'failed') return tracked;
  const reason = sizeReasonIn(message) ?? reasons.get(code) ?? (/insufficient|balance|capacity/i.test(message) ? 'balance' : 'rejected');
  return { kind: 'failed', reason, message: `Core Lightning says that the payment failed: ${message.replace(/\.$/, '')}.` } as const;
}

/** Errors of `pay` by their number. */
const reasons: ReadonlyMap<number, FailureReason> = new Map([
  [203, 'rejected'],
  [205, 'no-route'],
  [206, 'fee-limit'],
  [207, 'expired'],
  [210, 'no-route'],
]);

async function track(api: Api, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<TrackedPayment> {
  const pays = (await need(api, { name: 'listpays', parameters: { payment_hash: paymentHash }, signal })).list('pays');
  const of = (status: string) => pays.find((one) => one.text('status') === status);
  const last = of('complete') ?? of('pending') ?? pays.at(-1);
  return last === undefined ? { kind: 'absent' } : (believed(product, outcomeOf(last, 'preimage'), paymentHash) as TrackedPayment);
}

/** What it says of a payment; the preimage goes by two names. */
function outcomeOf(payment: Reading, preimage: 'payment_preimage' | 'preimage'): TrackedPayment {
  const status = payment.text('status');
  if (status === 'pending') return { kind: 'pending' };
  if (status === 'failed') return { kind: 'failed', reason: 'rejected', message: 'Core Lightning says that the payment failed.' };
  if (status !== 'complete') return unknown(`Core Lightning says that the payment is ${status.slice(0, 20)}, which is not known here`);
  if (!payment.has(preimage)) return unknown('Settled without a proof: Core Lightning gives no preimage');
  const amountMsat = payment.msat('amount_msat');
  const feeMsat = Amount.fromMsat(payment.msat('amount_sent_msat') - amountMsat);
  return { kind: 'settled', preimage: Preimage.parse(payment.text(preimage)), amountMsat, feeMsat };
}
