/**
 * LNbits as one that pays.
 *
 * LNbits takes no fee limit of its callers: it sets an amount aside, hands that to its node as the limit, and tells beforehand how much it
 * is. A payment for which it would set aside more than may be spent is not begun. It answers after some seconds, whether the payment has ended
 * or not; from then on it is asked.
 *
 * It writes a payment down before anything leaves. So where it refuses one, it is asked for it: what it has never seen has not been paid.
 *
 * @see LNbits' API reference: POST /api/v1/payments, GET /api/v1/payments/fee-reserve, GET /api/v1/payments/{payment_hash}, GET /api/v1/wallet
 */
import * as Amount from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type Api, type Reply, saidIn } from '../Api.ts';
import { type Attempt, believed, call, follow, pay, refusedAtTheDoor, sizeReasonIn, unknown } from '../Driving.ts';
import type { FailureReason, Network, Payer, PaymentOutcome, TrackedPayment } from '../Lightning.ts';
import { Reading } from '../Reading.ts';
import { find, product, refused, wallet } from './product.ts';

/** What a payer is made from. */
export type PayerOptions = { readonly api: Api; readonly network: Network; readonly clock: Clock };

/** See the head of this file. */
export function createPayer({ api, network, clock }: PayerOptions): Payer {
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const handOver = (payment: Attempt, signal: AbortSignal) => send(api, clock, payment, signal);
  return {
    name: 'lnbits',
    network,
    capabilities: { feeLimit: true, track: true, balance: true },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, (either) => track(api, hash, either));
    },
    balance: (signal) => ask(signal, async (either) => ({ spendableMsat: (await wallet(api, either)).msat('balance') })),
    close: async () => closing.abort(),
  };
}

/** Hands a payment over; the answer waits for its end. */
async function send(api: Api, clock: Clock, payment: Attempt, signal: AbortSignal): Promise<() => Promise<PaymentOutcome> | PaymentOutcome> {
  const { invoice, maxFeeMsat, paymentHash } = payment;
  const reservedMsat = await reserve(api, invoice, signal);
  if (reservedMsat > maxFeeMsat) {
    const message = `LNbits sets ${Amount.format(reservedMsat)} aside for fees, and ${Amount.format(maxFeeMsat)} may be spent on them. Nothing was sent.`;
    return () => ({ kind: 'failed', reason: 'fee-limit', message });
  }
  // It answers when the payment has ended, or after some seconds; how many is up to whoever runs it.
  const body = { out: true, bolt11: invoice };
  const reply = await api.call({ method: 'POST', path: '/api/v1/payments', body, signal, timeoutMs: Number.POSITIVE_INFINITY }).catch(refusedAtTheDoor);
  if (reply.status === 404) refusedAtTheDoor(refused(reply));
  return async () => {
    if (reply.status !== 201) return settleRefusal(api, reply, paymentHash, signal);
    const first = outcomeOf(new Reading(product, reply.body), undefined);
    return follow({ product, clock, signal, ask: () => track(api, paymentHash, signal) }, first);
  };
}

/** What LNbits would set aside for fees. Asking sends nothing: whatever goes wrong, the payment has not been begun. */
async function reserve(api: Api, invoice: string, signal: AbortSignal): Promise<Amount.Msat> {
  try {
    const reply = await api.call({ path: `/api/v1/payments/fee-reserve?invoice=${invoice}`, signal });
    if (reply.status !== 200) throw refused(reply);
    return new Reading(product, reply.body).msat('fee_reserve');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FareboxError('LIGHTNING_UNAVAILABLE', why, { cause: error, details: { sent: false } });
  }
}

/** What a refusal comes to: nothing has left where LNbits has never seen the payment, or says that this call began none. */
async function settleRefusal(api: Api, reply: Reply, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<PaymentOutcome> {
  const said = saidIn(reply.body) ?? `it answered ${reply.status}`;
  const tracked = await track(api, paymentHash, signal);
  if (tracked.kind === 'absent') return { kind: 'failed', reason: reasonIn(said), message: `LNbits refused the payment: ${said}.` };
  // An earlier call has paid it, or tried to; this one has not.
  if (tracked.kind === 'settled') return { kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' };
  if (tracked.kind === 'failed') return { ...tracked, reason: reasonIn(said), message: `LNbits says that the payment failed: ${said}.` };
  return unknown('A payment of this invoice is under way');
}

async function track(api: Api, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<TrackedPayment> {
  const kept = await find(api, paymentHash, signal);
  // What arrived under this hash says nothing of what left.
  if (kept === undefined || kept.details.whole('amount') > 0n) return { kind: 'absent' };
  return believed(product, outcomeOf(kept.details, kept.preimage), paymentHash) as TrackedPayment;
}

/** What LNbits keeps of a payment that left. */
function outcomeOf(payment: Reading, shown: string | undefined): TrackedPayment {
  const status = payment.text('status');
  if (status === 'failed') return { kind: 'failed', reason: 'rejected', message: 'LNbits says that the payment failed.' };
  if (status === 'pending') return { kind: 'pending' };
  if (status !== 'success') return unknown(`LNbits says that the payment is "${status.slice(0, 20)}", which is not known here`);
  const text = shown ?? (payment.has('preimage') ? payment.text('preimage') : '');
  if (!/^[0-9a-f]{64}$/i.test(text)) return unknown('Settled without a proof: LNbits gives no preimage');
  return { kind: 'settled', preimage: Preimage.parse(text), amountMsat: absolute(payment, 'amount'), feeMsat: absolute(payment, 'fee') };
}

/** Both stand below zero where they left. */
function absolute(payment: Reading, name: string): Amount.Msat {
  const value = payment.whole(name);
  return Amount.fromMsat(value < 0n ? -value : value);
}

function reasonIn(said: string): FailureReason {
  if (/insufficient balance|must reserve/i.test(said)) return 'balance';
  const size = sizeReasonIn(said);
  if (size !== undefined) return size;
  if (/expired/i.test(said)) return 'expired';
  if (/no_?[ _]?route|unable to find a path/i.test(said)) return 'no-route';
  return 'rejected';
}
