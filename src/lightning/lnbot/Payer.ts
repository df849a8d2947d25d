/**
 * ln.bot as one that pays.
 *
 * A payment costs a network fee, which a limit is taken for, and a service fee on top, which is told beforehand: the limit that it is given is what the
 * service fee leaves. It writes a payment down, holds what it may cost, and tries for minutes; from then on it is asked.
 *
 * Nowhere does it say that it pays an invoice once alone. So it is asked first, and each attempt has a name of its own (`idempotencyKey`), made from
 * the payment hash and the attempt before: the same attempt, asked for twice, is begun once. The payment hash stands with each attempt (`reference`),
 * by which the last of several is found.
 *
 * @see ln.bot's API reference: GET …/payments/resolve, POST …/payments, GET …/payments, GET …/payments/{numberOrHash}, GET /v1/wallets/{walletId}
 */
import * as Amount from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type Reply, refusal, saidIn } from '../Api.ts';
import { type Attempt, believed, call, follow, pay, refusedAtTheDoor, sizeReasonIn, unknown } from '../Driving.ts';
import type { FailureReason, Network, Payer, PaymentOutcome, TrackedPayment } from '../Lightning.ts';
import { Reading } from '../Reading.ts';
import { product, type Wallet } from './Wallet.ts';

/** What a payer is made from. */
export type PayerOptions = { readonly wallet: Wallet; readonly network: Network; readonly clock: Clock };

/** See the head of this file. */
export function createPayer({ wallet, network, clock }: PayerOptions): Payer {
  const closing = new AbortController();
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const begun = new Set<Preimage.PaymentHash>();
  const handOver = (payment: Attempt, signal: AbortSignal) => once(begun, payment, () => send(wallet, clock, payment, signal));
  return {
    name: 'lnbot',
    network,
    capabilities: { feeLimit: true, track: true, balance: true },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, async (either) => trackedIn(await lastAttempt(wallet, hash, either), hash));
    },
    balance: (signal) => ask(signal, async (either) => ({ spendableMsat: (await wallet.state(either)).sat('available') })),
    close: async () => closing.abort(),
  };
}

type Ending = () => Promise<PaymentOutcome> | PaymentOutcome;

/** Runs one payment of an invoice at a time: whoever asks for the same meanwhile would be answered with the same payment, and take it for his own. */
async function once(begun: Set<Preimage.PaymentHash>, { paymentHash }: Attempt, send: () => Promise<Ending>): Promise<Ending> {
  if (begun.has(paymentHash)) return () => unknown('A payment of this invoice is under way');
  begun.add(paymentHash);
  try {
    const ending = await send();
    return async () => {
      try {
        return await ending();
      } finally {
        begun.delete(paymentHash);
      }
    };
  } catch (error) {
    begun.delete(paymentHash);
    throw error;
  }
}

/** Hands a payment over; the answer waits for its end. */
async function send(wallet: Wallet, clock: Clock, payment: Attempt, signal: AbortSignal): Promise<Ending> {
  const { invoice, paymentHash, maxFeeMsat } = payment;
  const { earlier, price } = await beforeSending(async () => ({
    earlier: await lastAttempt(wallet, paymentHash, signal),
    price: await wallet.call({ path: `/payments/resolve?target=${invoice}`, signal }),
  }));
  const before = trackedIn(earlier, paymentHash);
  if (before.kind === 'settled') return () => ({ kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' });
  if (before.kind === 'pending' || before.kind === 'unknown') return () => unknown('A payment of this invoice was begun before');
  const limit = await beforeSending(async () => networkFeeLimit(price, maxFeeMsat));
  if (typeof limit !== 'number') return () => limit;
  const idempotencyKey = earlier === undefined ? nameOf(paymentHash) : `${nameOf(paymentHash)}.${earlier.whole('number')}`;
  const body = { target: invoice, maxFee: limit, idempotencyKey, reference: nameOf(paymentHash) };
  const reply = await wallet.call({ method: 'POST', path: '/payments', body, signal, timeoutMs: Number.POSITIVE_INFINITY }).catch(refusedAtTheDoor);
  return async () => {
    if (reply.status !== 200 && reply.status !== 201) return settleRefusal(wallet, reply, paymentHash, signal);
    const taken = new Reading(product, reply.body);
    const number = taken.whole('number');
    return follow({ product, clock, signal, ask: async () => trackedIn(await wallet.find(`/payments/${number}`, signal), paymentHash) }, outcomeOf(taken));
  };
}

/** Whatever goes wrong here, the payment has not been begun. */
async function beforeSending<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FareboxError('LIGHTNING_UNAVAILABLE', why, { cause: error, details: { sent: false } });
  }
}

/** What the price of a payment leaves for the network, in satoshis; or why it is not begun. */
function networkFeeLimit(reply: Reply, maxFeeMsat: Amount.Msat): number | PaymentOutcome {
  if (reply.status === 400) return { kind: 'failed', reason: reasonIn(saidIn(reply.body) ?? ''), message: refused(reply) };
  if (reply.status !== 200) throw refusal(product, reply);
  const price = new Reading(product, reply.body);
  const serviceMsat = price.sat('serviceFee');
  const estimateMsat = price.has('networkFeeEstimate') ? price.sat('networkFeeEstimate') : Amount.zero;
  if (serviceMsat + estimateMsat <= maxFeeMsat) return Number((maxFeeMsat - serviceMsat) / 1000n);
  const asked = Amount.format(Amount.fromMsat(serviceMsat + estimateMsat));
  const message = `ln.bot reckons with ${asked} of fees, and ${Amount.format(maxFeeMsat)} may be spent on them. Nothing was sent.`;
  return { kind: 'failed', reason: 'fee-limit', message };
}

/**
 * What a refusal comes to: where ln.bot says no to what it was asked, and has never seen the payment, nothing has left. Any other answer may be of
 * something on the way to it, and the payment begun all the same.
 */
async function settleRefusal(wallet: Wallet, reply: Reply, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<PaymentOutcome> {
  if (![400, 404, 409, 422, 429].includes(reply.status)) throw refusal(product, reply);
  const tracked = trackedIn(await lastAttempt(wallet, paymentHash, signal), paymentHash);
  // An earlier call has paid it, or tried to; this one has not.
  if (tracked.kind === 'settled') return { kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' };
  if (tracked.kind === 'absent' || tracked.kind === 'failed') return { kind: 'failed', reason: reasonIn(saidIn(reply.body) ?? ''), message: refused(reply) };
  return unknown('A payment of this invoice is under way');
}

function refused(reply: Reply): string {
  return `ln.bot refused the payment: ${saidIn(reply.body) ?? `it answered ${reply.status}`}.`;
}

/** What names an invoice to ln.bot: half its payment hash, in case it takes no more. */
function nameOf(paymentHash: Preimage.PaymentHash): string {
  return paymentHash.slice(0, 32);
}

/** The last attempt to pay an invoice. ln.bot need not tell the last of several by their hash; one that failed may have others behind it. */
async function lastAttempt(wallet: Wallet, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<Reading | undefined> {
  const found = await wallet.find(`/payments/${paymentHash}`, signal);
  if (found === undefined || found.text('status') !== 'failed') return found;
  const later = await wallet.listBehind('/payments', found.whole('number'), signal);
  return later.findLast((one) => one.has('reference') && one.text('reference') === nameOf(paymentHash)) ?? found;
}

function trackedIn(payment: Reading | undefined, paymentHash: Preimage.PaymentHash): TrackedPayment {
  return payment === undefined ? { kind: 'absent' } : (believed(product, outcomeOf(payment), paymentHash) as TrackedPayment);
}

/** What ln.bot keeps of a payment. Of its stages and what they may be tomorrow, the status alone counts. */
function outcomeOf(payment: Reading): TrackedPayment {
  const status = payment.text('status');
  if (status === 'pending' || status === 'processing') return { kind: 'pending' };
  if (status === 'failed') {
    const said = saidIn({ message: payment.has('failureReason') ? payment.text('failureReason') : 'it says no more' }) ?? '';
    return { kind: 'failed', reason: reasonIn(said), message: `ln.bot says that the payment failed: ${said}.` };
  }
  if (status !== 'settled') return unknown(`ln.bot says that the payment is "${status.slice(0, 20)}", which is not known here`);
  const text = payment.has('preimage') ? payment.text('preimage') : '';
  if (!/^[0-9a-f]{64}$/i.test(text)) return unknown('Settled without a proof: ln.bot gives no preimage');
  // What was held for the network is never less than what it cost.
  const networkMsat = payment.sat(payment.has('actualFee') ? 'actualFee' : 'maxFee');
  const feeMsat = Amount.fromMsat(networkMsat + payment.sat('serviceFee'));
  return { kind: 'settled', preimage: Preimage.parse(text), amountMsat: payment.sat('amount'), feeMsat };
}

function reasonIn(said: string): FailureReason {
  if (/exceeds maxfee/i.test(said)) return 'fee-limit';
  const size = sizeReasonIn(said);
  if (size !== undefined) return size;
  if (/insufficient|not enough|balance/i.test(said)) return 'balance';
  if (/expired/i.test(said)) return 'expired';
  if (/route/i.test(said)) return 'no-route';
  return 'rejected';
}
