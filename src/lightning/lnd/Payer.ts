/**
 * lnd as one that pays.
 *
 * lnd writes a payment down before anything leaves. So when it refuses a payment in words that are not known here, it is asked for it by
 * payment hash: what it has never seen has not been paid.
 *
 * @see lnd's API reference: Router.SendPaymentV2, Router.TrackPaymentV2, ChannelBalance
 */
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type Api, type Reply, saidIn } from '../Api.ts';
import { type Attempt, believed, call, pay, sizeReasonIn, unknown } from '../Driving.ts';
import type { FailureReason, Network, Payer, PaymentOutcome, TrackedPayment } from '../Lightning.ts';
import { Reading } from '../Reading.ts';
import { isUnauthorized, product, refused } from './product.ts';

/** What a payer is made from. */
export type PayerOptions = { readonly api: Api; readonly network: Network; readonly clock: Clock };

/** See the head of this file. */
export function createPayer({ api, network, clock }: PayerOptions): Payer {
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const handOver = (payment: Attempt, signal: AbortSignal) => send(api, payment, signal);
  return {
    name: 'lnd',
    network,
    capabilities: { feeLimit: true, track: true, balance: true },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, (either) => track(api, hash, either));
    },
    balance: (signal) =>
      ask(signal, async (either) => {
        const reply = await api.call({ path: '/v1/balance/channels', signal: either });
        if (reply.status !== 200) throw refused(reply);
        return { spendableMsat: new Reading(product, reply.body).object('local_balance').msat('msat') };
      }),
    close: async () => closing.abort(),
  };
}

/** Hands a payment over; the answer waits for its end. */
async function send(api: Api, { invoice, maxFeeMsat, timeoutSeconds, paymentHash }: Attempt, signal: AbortSignal): Promise<() => Promise<PaymentOutcome>> {
  const body = {
    payment_request: invoice,
    fee_limit_msat: maxFeeMsat,
    // lnd gives up a little before we do, so that a failure is heard of.
    timeout_seconds: Math.max(1, Math.floor(Math.min(timeoutSeconds, maxTimeoutSeconds)) - 2),
    no_inflight_updates: true,
  };
  const reply = await api.stream({ method: 'POST', path: '/v2/router/send', body, signal, timeoutMs: Number.POSITIVE_INFINITY });
  return async () => {
    if (reply.status !== 200) return settleRefusal(api, reply, paymentHash, signal);
    for await (const line of reply.lines) {
      const payment = new Reading(product, line);
      if (payment.has('error')) return settleRefusal(api, { status: 200, body: line }, paymentHash, signal);
      const outcome = outcomeOf(payment.object('result'));
      if (outcome.kind !== 'pending') return outcome;
    }
    return unknown('lnd ended its answer before the payment ended');
  };
}

/** What a refusal comes to: nothing has left where lnd has never seen the payment, or says that this call began none. */
async function settleRefusal(api: Api, reply: Reply, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<PaymentOutcome> {
  const said = saidIn(reply.body) ?? `it answered ${reply.status}`;
  // Before anything is looked at: what may not pay has not paid.
  if (isUnauthorized(reply)) return { kind: 'failed', reason: 'rejected', message: `lnd does not let us pay: ${said}.` };
  const tracked = await track(api, paymentHash, signal);
  if (tracked.kind === 'absent') return { kind: 'failed', reason: reasonIn(said), message: `lnd refused the payment: ${said}.` };
  // An earlier call has paid it, or tried to; this one has not.
  if (tracked.kind === 'settled') return { kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' };
  return tracked.kind === 'failed' ? tracked : unknown('An earlier payment of this invoice is under way');
}

/** What lnd says of a payment. */
async function track(api: Api, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<TrackedPayment> {
  const path = `/v2/router/track/${base64Url(paymentHash)}`;
  const reply = await api.stream({ path, signal });
  if (reply.status !== 200) {
    if (isUnknownPayment(reply.body)) return { kind: 'absent' };
    throw refused(reply);
  }
  for await (const line of reply.lines) {
    const payment = new Reading(product, line);
    if (!payment.has('error')) return believed(product, outcomeOf(payment.object('result')), paymentHash) as TrackedPayment;
    if (isUnknownPayment(line)) return { kind: 'absent' };
    throw refused({ status: 200, body: line });
  }
  throw new FareboxError('LIGHTNING_UNAVAILABLE', 'lnd ended its answer before it said anything of the payment.');
}

/** With its padding, which lnd wants in a path. */
function base64Url(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

function isUnknownPayment(body: unknown): boolean {
  return /payment isn't initiated|payment not found/.test(saidIn(body) ?? '');
}

function outcomeOf(payment: Reading): PaymentOutcome | { readonly kind: 'pending' } {
  const status = payment.text('status');
  if (status === 'SUCCEEDED') {
    const preimage = Preimage.parse(payment.text('payment_preimage'));
    return { kind: 'settled', preimage, amountMsat: payment.msat('value_msat'), feeMsat: payment.msat('fee_msat') };
  }
  if (status === 'FAILED') {
    const reason = payment.text('failure_reason');
    return { kind: 'failed', reason: failures.get(reason) ?? 'rejected', message: `lnd says that the payment failed: ${reason}.` };
  }
  if (status === 'IN_FLIGHT' || status === 'INITIATED') return { kind: 'pending' };
  return unknown(`lnd says that the payment is ${status}, which is not known here`);
}

/** A failed payment of lnd's has nothing in flight and never will. Too low a fee limit is "no route" to lnd. */
const failures: ReadonlyMap<string, FailureReason> = new Map([
  ['FAILURE_REASON_INSUFFICIENT_BALANCE', 'balance'],
  ['FAILURE_REASON_NO_ROUTE', 'no-route'],
  ['FAILURE_REASON_TIMEOUT', 'no-route'],
]);

/** Why a payment was not begun, by lnd's words. */
function reasonIn(said: string): FailureReason {
  const size = sizeReasonIn(said);
  if (size !== undefined) return size;
  if (/expired/.test(said)) return 'expired';
  return /invalid|malformed|checksum|decode/.test(said) ? 'malformed' : 'rejected';
}

/** A day; lnd takes no more than its field can hold. */
const maxTimeoutSeconds = 86_400;
