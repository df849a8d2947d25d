/**
 * A wallet behind NWC as one that pays.
 *
 * What the wallet answers counts, and nothing else: no relay's word, and no silence. Of the errors that NIP-47 names, those say for certain that
 * nothing was paid that a wallet gives before it begins; but a wallet that got the question over two relays may give one of them to the second
 * while it is at work on the first. So whatever the error, the wallet is asked for the payment, and the error is believed where it cannot say.
 *
 * A look-up that finds nothing says that nothing was paid only where the wallet looks up what left as well as what arrived, and not all do: see
 * {@link find}.
 *
 * @see NIP-47: pay_invoice, lookup_invoice, list_transactions, get_balance, Error codes
 */
import * as Amount from '../../core/Amount.ts';
import type { Clock } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type Attempt, believed, call, follow, pay, sizeReasonIn, unknown } from '../Driving.ts';
import type { FailureReason, Network, Payer, PaymentOutcome, TrackedPayment } from '../Lightning.ts';
import type { Reading } from '../Reading.ts';
import { type Answer, invoiceOf, product, refused, type Transaction, transactionIn, unavailable } from './product.ts';
import type { Wallet } from './Wallet.ts';

/** What a payer is made from. */
export type PayerOptions = { readonly wallet: Wallet; readonly network: Network; readonly clock: Clock };

/** A wallet, and whether it has shown that it looks up what left. */
type Purse = { readonly wallet: Wallet; looksUpOutgoing: boolean };

/** See the head of this file. */
export function createPayer({ wallet, network, clock }: PayerOptions): Payer {
  const closing = new AbortController();
  const purse: Purse = { wallet, looksUpOutgoing: false };
  const ask = <T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>) => call(product, closing.signal, signal, work);
  const handOver = (payment: Attempt, signal: AbortSignal) => send(purse, clock, payment, signal);
  return {
    name: 'nwc',
    network,
    capabilities: { feeLimit: false, track: true, balance: true },
    pay: (request, signal) => pay({ product, network, clock, closing: closing.signal, handOver }, request, signal),
    trackPayment: async (paymentHash, signal) => {
      const hash = Preimage.parseHash(paymentHash);
      return ask(signal, (either) => track(purse, hash, either));
    },
    balance: (signal) =>
      ask(signal, async (either) => {
        const answer = await wallet.ask({ method: 'get_balance', params: {}, signal: either });
        if (answer.kind === 'error') throw refused('get_balance', answer);
        return { spendableMsat: answer.result.msat('balance') };
      }),
    close: async () => {
      closing.abort();
      wallet.close();
    },
  };
}

/** Hands a payment over; the wallet answers at the end of it. */
async function send(purse: Purse, clock: Clock, payment: Attempt, signal: AbortSignal): Promise<() => Promise<PaymentOutcome>> {
  const { invoice, paymentHash } = payment;
  let answer: Answer | undefined;
  try {
    answer = await purse.wallet.ask({ method: 'pay_invoice', params: { invoice }, signal, timeoutMs: Number.POSITIVE_INFINITY });
  } catch (error) {
    if (signal.aborted || !FareboxError.is(error) || error.details.sent === false) throw error;
  }
  return async () => {
    if (answer?.kind === 'error') return settleRefusal(purse, answer, paymentHash, signal);
    if (answer === undefined) return settleSilence(purse, clock, paymentHash, signal);
    return settled(purse, answer.result, payment, signal);
  };
}

/** The end that the wallet tells of. It need not say what it cost: then its books do, or what was set aside for fees counts as spent. */
async function settled(purse: Purse, result: Reading, { paymentHash, amountMsat, maxFeeMsat }: Attempt, signal: AbortSignal): Promise<PaymentOutcome> {
  const preimage = Preimage.parse(result.text('preimage'));
  const feeMsat = result.has('fees_paid')
    ? result.msat('fees_paid')
    : await find(purse, paymentHash, signal).then(
        (kept) => kept?.feeMsat,
        () => undefined,
      );
  return { kind: 'settled', preimage, amountMsat, feeMsat: feeMsat ?? maxFeeMsat };
}

/** The answer was lost on its way, or cannot be read: the wallet may know more. */
async function settleSilence(purse: Purse, clock: Clock, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<PaymentOutcome> {
  const tracked = await track(purse, paymentHash, signal);
  // The question may still be on its way.
  if (tracked.kind === 'absent') return unknown(`${product} has not seen the payment yet, and may still get it`);
  return follow({ product, clock, signal, ask: () => track(purse, paymentHash, signal) }, tracked);
}

/** What an error comes to: nothing has left where the wallet has never seen the payment, or says that it failed. */
async function settleRefusal(
  purse: Purse,
  answer: Answer & { readonly kind: 'error' },
  paymentHash: Preimage.PaymentHash,
  signal: AbortSignal,
): Promise<PaymentOutcome> {
  const { code, said } = answer;
  const failed = (verb: string): PaymentOutcome => ({ kind: 'failed', reason: reasonIn(code, said), message: `${product} ${verb}: ${said || code}.` });
  let tracked: TrackedPayment;
  try {
    tracked = await track(purse, paymentHash, signal);
  } catch (error) {
    if (beforeItBegins.has(code) && !signal.aborted) return failed('refused the payment');
    throw error;
  }
  if (tracked.kind === 'absent') return failed('refused the payment');
  if (tracked.kind === 'failed') return failed('says that the payment failed');
  // An earlier call has paid it, or tried to; or this one has, and the wallet was told twice.
  if (tracked.kind === 'settled') return { kind: 'failed', reason: 'rejected', message: 'This invoice was paid before; look the payment up.' };
  return tracked.kind === 'unknown' ? tracked : unknown('A payment of this invoice is under way');
}

/**
 * The errors that a wallet gives before it begins a payment. Not among them: PAYMENT_FAILED, which may be a time-out by NIP-47's own words,
 * INTERNAL and OTHER, which may be anything.
 */
const beforeItBegins: ReadonlySet<string> = new Set([
  'RATE_LIMITED',
  'NOT_IMPLEMENTED',
  'INSUFFICIENT_BALANCE',
  'QUOTA_EXCEEDED',
  'RESTRICTED',
  'UNAUTHORIZED',
  'UNSUPPORTED_ENCRYPTION',
]);

function reasonIn(code: string, said: string): FailureReason {
  if (code === 'INSUFFICIENT_BALANCE' || code === 'QUOTA_EXCEEDED') return 'balance';
  if (beforeItBegins.has(code)) return 'rejected';
  const size = sizeReasonIn(said);
  if (size !== undefined) return size;
  if (/expired/i.test(said)) return 'expired';
  if (/no[ _-]?route|unable to find a (?:path|route)/i.test(said)) return 'no-route';
  return /insufficient|not enough/i.test(said) ? 'balance' : 'rejected';
}

/** What the wallet says of a payment. */
async function track(purse: Purse, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<TrackedPayment> {
  const kept = await find(purse, paymentHash, signal);
  return kept === undefined ? { kind: 'absent' } : (believed(product, outcomeOf(kept), paymentHash) as TrackedPayment);
}

/**
 * A payment that left, or undefined where the wallet has never seen one.
 *
 * A look-up that finds nothing, or something that arrived, has not said that nothing left: some wallets look up invoices alone. So the list of
 * what left is asked for. It has the payment; or it is empty; or it has another one, and what became of the look-up of that tells which kind of
 * wallet it is.
 * @throws LIGHTNING_UNAVAILABLE – it could not be found out
 */
async function find(purse: Purse, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<Transaction | undefined> {
  const kept = await lookup(purse, paymentHash, signal);
  if (kept?.isOutgoing) return kept;
  if (kept === undefined && purse.looksUpOutgoing) return undefined;
  const sent = await listSent(purse, signal);
  const listed = sent.find((one) => one.paymentHash === paymentHash);
  if (listed || sent.length === 0) return listed;
  const other = sent.find((one) => /^[0-9a-f]{64}$/.test(one.paymentHash));
  if (kept === undefined && other && (await lookup(purse, Preimage.parseHash(other.paymentHash), signal))?.isOutgoing) return undefined;
  throw unavailable('it finds nothing, and does not look up what it has paid');
}

async function lookup(purse: Purse, paymentHash: Preimage.PaymentHash, signal: AbortSignal): Promise<Transaction | undefined> {
  const method = 'lookup_invoice';
  const answer = await purse.wallet.ask({ method, params: { payment_hash: paymentHash }, signal });
  if (answer.kind === 'error') {
    if (answer.code === 'NOT_FOUND') return undefined;
    throw refused(method, answer);
  }
  const kept = transactionIn(answer.result);
  if (kept.paymentHash !== paymentHash) throw unavailable('it tells of another payment');
  if (kept.isOutgoing) purse.looksUpOutgoing = true;
  return kept;
}

/** What left, the newest first, also what has not ended. */
async function listSent({ wallet }: Purse, signal: AbortSignal): Promise<readonly Transaction[]> {
  const method = 'list_transactions';
  const answer = await wallet.ask({ method, params: { type: 'outgoing', unpaid: true, limit: 20 }, signal });
  if (answer.kind === 'error') throw refused(method, answer);
  return answer.result
    .list('transactions')
    .map(transactionIn)
    .filter(({ isOutgoing }) => isOutgoing);
}

function outcomeOf(kept: Transaction): TrackedPayment {
  const { state, preimage, feeMsat = Amount.zero } = kept;
  const proof = preimage !== undefined && /^[0-9a-f]{64}$/i.test(preimage) ? Preimage.parse(preimage) : undefined;
  if (state === 'failed') return { kind: 'failed', reason: 'rejected', message: `${product} says that the payment failed.` };
  if (state === 'pending' || state === 'accepted') return { kind: 'pending' };
  if (state !== 'settled' && !(state === '' && proof))
    return unknown(`${product} says of the payment ${state === '' ? 'nothing' : `that it is "${state.slice(0, 20)}"`}`);
  if (proof === undefined) return unknown(`Settled without a proof: ${product} gives no preimage`);
  return { kind: 'settled', preimage: proof, amountMsat: invoiceOf(kept)?.amountMsat ?? kept.amountMsat, feeMsat };
}
