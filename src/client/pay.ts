/**
 * Pays a quote: money set aside, the payment written down, the wallet called, and its end written down before anything else happens.
 *
 * Once the wallet has been called nothing calls it off: whoever aborts stops waiting, and the end is written down all the same.
 *
 * @see docs/wire.md, "The client"
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import { nowAt } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Payer, PaymentOutcome, PaymentRequest } from '../lightning/Lightning.ts';
import * as Budget from './Budget.ts';
import { answerOf } from './budget/Consent.ts';
import * as refusals from './budget/refusals.ts';
import { type Client, keepLease, leaseOf, shown } from './Client.ts';
import type { ReserveOutcome } from './ClientStore.ts';
import type { Lease, Payment, Purchase } from './Journal.ts';
import * as Journal from './Journal.ts';
import type { Outgoing } from './Outgoing.ts';
import { paymentFailure } from './paymentFailure.ts';
import type { Quote } from './Quote.ts';
import { assertFresh, leastSecondsLeft } from './Quote.ts';
import { track } from './track.ts';
import { readOutcome } from './walletAnswer.ts';

/** How a payment ended, as far as is known. `seen`: the wallet says that it has it all the same. */
export type Ended = PaymentOutcome | { readonly kind: 'unknown'; readonly message: string; readonly seen: true };

/** What came of it. */
export type Paid =
  /** The payment has settled, its credential is kept and is this call's to use. */
  | { readonly kind: 'paid'; readonly payment: Payment }
  /** Nothing was paid: the end of another payment for the same resource is not known. */
  | { readonly kind: 'blocked'; readonly by: Payment }
  /** Nothing was paid: a credential that may serve the request has been bought meanwhile. */
  | { readonly kind: 'served' };

/**
 * Pays, at most once for each payment hash.
 *
 * As long as a payment for a resource stands there as dispatched, no other client can dispatch one: whether another has bought meanwhile
 * what serves this request is looked at under that lock, after the row is written and before the wallet is called.
 *
 * @param owner - the call's name, `<client>.<call>`
 * @param isServed - whether a credential that may serve the request is there now
 * @throws BUDGET_EXCEEDED – price, or price and fee, are over a limit; or spending has stopped
 * @throws BUDGET_HOST_DENIED – a budget does not pay this host
 * @throws CONSENT_REFUSED – it costs more than may be paid without asking, and nobody said yes
 * @throws JOURNAL_CONFLICT – the journal has a payment of this invoice already
 * @throws PAYMENT_FAILED, PAYMENT_UNFUNDED, PAYMENT_UNROUTABLE, PAYMENT_TOO_SMALL, PAYMENT_TOO_LARGE – for certain: nothing was spent
 * @throws PAYMENT_UNKNOWN – it may have been paid: it is looked up before anything else is paid for this resource
 * @throws PAYMENT_INTERRUPTED – this process stood still for so long that another took over
 * @throws STORE_UNAVAILABLE – the journal could not be written; the wallet is not called without it
 */
export async function pay(client: Client, outgoing: Outgoing, quote: Quote, owner: string, isServed: () => Promise<boolean>): Promise<Paid> {
  const { store, clock, emit } = client;
  const { host } = outgoing.url;
  const { paymentHash, amountMsat, invoice, description, expiresAt } = quote;
  const room = Budget.feeRoom(client.budget, amountMsat, outgoing.origin);
  emit({ kind: 'quoted', url: shown(outgoing), paymentHash, amountMsat, maxFeeMsat: room.maxFeeMsat, invoice, description, expiresAt });
  outgoing.signal.throwIfAborted();
  const reserved = await setAside(client, outgoing, quote, room, owner);
  if (reserved.kind === 'blocked') return { kind: 'blocked', by: reserved.payment };
  if (reserved.kind !== 'reserved') throw refusalOf(reserved, { amountMsat, minFeeMsat: room.minFeeMsat, host });
  await unlessAborted(client, reserved.payment, outgoing.signal);
  const lease = leaseOf(client, owner);
  const outcome = await orGivenUp(client, reserved.payment, store.dispatch({ paymentHash, ...lease, nowAt: nowAt(clock) }));
  if (outcome.kind === 'lost') throw interrupted(reserved.payment, 'Nothing was paid.');
  if (outcome.kind !== 'dispatched') {
    await giveUp(client, reserved.payment, 'Another payment stood in the way.');
    if (outcome.kind === 'stopped') throw refusals.stopped(outcome);
    return { kind: 'blocked', by: outcome.payment };
  }
  if (await orGivenUp(client, outcome.payment, isServed())) {
    await giveUp(client, outcome.payment, 'A credential that serves the request had been bought meanwhile.');
    return { kind: 'served' };
  }
  await unlessAborted(client, outcome.payment, outgoing.signal);
  return { kind: 'paid', payment: await call(client, outcome.payment, lease, outgoing, reserved.feeBoundBy) };
}

/**
 * Writes down how a payment ended. A preimage that does not prove it leaves it unknown.
 * @param claim - who uses the credential next, where the caller means to
 * @returns the payment as the journal has it now
 */
export async function record(client: Pick<Client, 'store' | 'clock' | 'emit'>, payment: Payment, outcome: Ended, claim?: Lease): Promise<Payment> {
  const { store, clock } = client;
  const { paymentHash } = payment;
  const step = stepOf(payment, outcome, claim);
  const written = (await store.step(paymentHash, step, nowAt(clock))) ?? (await store.get(paymentHash)) ?? payment;
  if (step.kind === 'settle' && written.preimage !== undefined) {
    const feeMsat = Journal.feeMsatOf(written);
    client.emit({ kind: 'paid', paymentHash, amountMsat: written.amountMsat, feeMsat, overshoot: written.spentMsat > written.reservedMsat });
  } else if (written.state === 'failed' || written.state === 'unknown') {
    client.emit({ kind: 'unpaid', paymentHash, state: written.state, reason: written.note });
  }
  return written;
}

/** The end of a payment is not known: nothing is paid for this resource until it is. */
export function unknown(payment: Payment): FareboxError {
  const { paymentHash, note } = payment;
  const amount = Amount.format(payment.amountMsat);
  const message =
    `It is not known whether payment ${paymentHash} of ${amount} was made. ${note === '' ? '' : `${note} `}It is not paid again: ` +
    'send the same request later and the wallet is asked what became of it; where it cannot say, look it up by hand and resolve it.';
  return new FareboxError('PAYMENT_UNKNOWN', message, { details: { paymentHash, amount, origin: payment.origin, method: payment.method, path: payment.path } });
}

/** Sets the money aside, once somebody has consented where that is asked for. */
async function setAside(client: Client, outgoing: Outgoing, quote: Quote, room: Budget.FeeRoom, owner: string): Promise<ReserveOutcome> {
  const { store, clock, budget } = client;
  const purchase = purchaseOf(client, outgoing, quote);
  const reserve = (isConsented: boolean, maxFeeMsat: Msat) =>
    store.reserve({ purchase, ...room, maxFeeMsat, budgets: budget.chain, tags: budget.tags, isConsented, ...leaseOf(client, owner), nowAt: nowAt(clock) });
  const first = await reserve(false, room.maxFeeMsat);
  if (first.kind !== 'unconsented') return first;
  const { amountMsat, description, payee, paymentHash, expiresAt } = quote;
  const { method, origin, pathname: path } = outgoing;
  const { kind: _, ...asked } = first;
  const answer = await answerOf(budget.ask, { origin, method, path, amountMsat, description, payee, paymentHash, expiresAt, ...asked }, outgoing.signal);
  if (answer === 'yes') {
    // Whoever was asked may have taken his time, and has said yes to this fee.
    assertFresh(quote, outgoing.url.host, nowAt(clock));
    return reserve(true, first.maxFeeMsat);
  }
  throw refusals.consentRefused(first.budget, first.aboveMsat, { amountMsat, minFeeMsat: room.minFeeMsat, host: outgoing.url.host }, answer);
}

/** Why nothing was set aside. Where consent was wanted: nobody could be asked. */
export function refusalOf(outcome: Exclude<ReserveOutcome, { kind: 'reserved' | 'blocked' }>, asked: refusals.Asked): FareboxError {
  switch (outcome.kind) {
    case 'known':
      return conflict(outcome.payment, asked.host);
    case 'stopped':
      return refusals.stopped(outcome);
    case 'denied':
      return refusals.hostDenied(outcome.budget, asked.host);
    case 'exceeded':
      return refusals.exceeded(outcome.by, asked);
    case 'unconsented':
      return refusals.consentRefused(outcome.budget, outcome.aboveMsat, asked, 'nobody');
  }
}

/** Longer than a wallet may take: from then on it is taken to hang. */
const graceSeconds = 5;

/** Calls the wallet and waits for the end, or for the caller to lose patience. */
async function call(client: Client, payment: Payment, lease: Lease, outgoing: Outgoing, feeBoundBy: refusals.Bound | undefined): Promise<Payment> {
  // The journal said yes a moment ago. If this process stood still since, that is no longer worth anything.
  const at = nowAt(client.clock);
  if (at >= lease.leaseEndsAt || payment.invoiceExpiresAt - at < leastSecondsLeft) {
    await giveUp(client, payment, 'It came too late to the wallet, which was not called.');
    throw interrupted(payment, 'Nothing was paid.');
  }
  const ending = finish(client, payment, lease);
  client.underway.add(ending);
  ending.finally(() => client.underway.delete(ending)).catch(() => undefined);
  const { payment: ended, outcome } = await orAborted(ending, outgoing.signal).catch((error: unknown) => {
    // Nobody waits for the credential any more: the next call may have it, and pays nothing for the same before it knows.
    const { store, clock, deserted } = client;
    const { paymentHash } = payment;
    deserted.add(paymentHash);
    ending
      .then(() => store.step(paymentHash, { kind: 'release', owner: lease.owner }, nowAt(clock)))
      .catch(() => undefined)
      .finally(() => deserted.delete(paymentHash));
    throw error;
  });
  if (ended.state === 'unknown') throw unknown(ended);
  if (ended.state === 'failed') throw failed(client, ended, outcome, feeBoundBy);
  if (ended.owner !== lease.owner) {
    const kept = 'its credential is kept: send the same request again.';
    throw interrupted(ended, `It was paid, and ${ended.usable ? kept : 'its credential was used by whoever took it over.'}`);
  }
  return ended;
}

/** From the call of the wallet to the line in the journal. The wallet is called before this function first waits. */
async function finish(client: Client, payment: Payment, lease: Lease): Promise<{ readonly payment: Payment; readonly outcome: PaymentOutcome }> {
  const { clock, payer, paymentTimeoutSeconds, emit, reached } = client;
  const { paymentHash, amountMsat, invoice } = payment;
  const maxFeeMsat = (payment.reservedMsat - amountMsat) as Msat;
  const stop = keepLease(client, paymentHash, lease.owner);
  try {
    emit({ kind: 'paying', paymentHash, amountMsat, maxFeeMsat });
    reached('client.wallet.calling');
    const paying = ask(payer, payment, { invoice, maxFeeMsat, timeoutSeconds: paymentTimeoutSeconds }).then((outcome) => confirmed(client, payment, outcome));
    const hangs = { kind: 'unknown', message: 'The wallet did not answer in time.' } as const;
    const outcome = await Promise.race([
      paying,
      new Promise<PaymentOutcome>((resolve) => {
        const cancel = clock.after((paymentTimeoutSeconds + graceSeconds) * 1000, () => resolve(hangs), true);
        void paying.then(cancel);
      }),
    ]);
    reached('client.wallet.answered');
    // It may still answer: that is written down whenever it comes.
    if (outcome === hangs) void paying.then((late) => recordSurely(client, payment, late)).catch(() => undefined);
    return { payment: await recordSurely(client, payment, outcome, leaseOf(client, lease.owner)), outcome };
  } finally {
    stop();
  }
}

/** Writes the end down, or remembers it to be written first thing by the next call. */
async function recordSurely(client: Client, payment: Payment, outcome: Ended, claim?: Lease): Promise<Payment> {
  const { paymentHash } = payment;
  try {
    return await record(client, payment, outcome, claim);
  } catch (error) {
    client.unwritten.set(paymentHash, async () => {
      await record(client, payment, outcome);
      if (claim) await client.store.step(paymentHash, { kind: 'release', owner: claim.owner }, nowAt(client.clock));
    });
    if (!FareboxError.is(error, 'STORE_UNAVAILABLE')) throw error;
    const message =
      `The wallet was called for payment ${paymentHash}, and how it ended could not be written down: ${error.message} ` +
      'The request was not sent again. Send it once more when the store is back: it is not paid twice.';
    throw new FareboxError('STORE_UNAVAILABLE', message, { details: { paymentHash }, cause: error });
  }
}

/** A wallet does not throw for what happens to a payment; whatever makes it throw all the same, it may have paid. */
async function ask(payer: Payer, payment: Payment, request: PaymentRequest): Promise<PaymentOutcome> {
  try {
    return readOutcome(await payer.pay(request), payment);
  } catch (error) {
    return { kind: 'unknown', message: `The wallet broke off without an answer. ${FareboxError.is(error) ? error.message : ''}`.trim() };
  }
}

/**
 * A failure sets money free, so the wallet is asked what became of the payment before it is believed: an order that arrived twice fails the
 * second time, for the invoice has been paid. Where it cannot be asked, the money is held until it can.
 */
async function confirmed(client: Client, payment: Payment, outcome: PaymentOutcome): Promise<Ended> {
  if (outcome.kind !== 'failed' || !client.payer.capabilities.track) return outcome;
  const tracked = await track(client, payment);
  if (tracked.kind === 'settled') return tracked;
  if (tracked.kind === 'pending') return { kind: 'unknown', message: 'The wallet says that it failed, and that it is under way.', seen: true };
  if (tracked.kind === 'unknown') return { kind: 'unknown', message: `The wallet says that it failed (${outcome.message}), and a look-up did not confirm it.` };
  return outcome;
}

function stepOf(payment: Payment, outcome: Ended, claim: Lease | undefined): Journal.Step {
  if (outcome.kind === 'failed') return { kind: 'fail', note: `${outcome.reason}: ${outcome.message}`.slice(0, 300) };
  if (outcome.kind === 'unknown') return { kind: 'doubt', note: outcome.message.slice(0, 300), seen: 'seen' in outcome };
  const preimage = proofIn(outcome.preimage, payment);
  if (preimage === undefined) return { kind: 'doubt', note: 'The wallet says that it was paid, and its preimage does not prove it.' };
  // Whatever the wallet says, it has not cost less than the invoice asks.
  const aboveMsat = (msat: bigint) => (msat > 0n ? msat : 0n);
  const spentMsat = (payment.amountMsat + aboveMsat(outcome.feeMsat) + aboveMsat(outcome.amountMsat - payment.amountMsat)) as Msat;
  return { kind: 'settle', preimage, spentMsat, ...(claim && { claim }) };
}

function proofIn(text: string, payment: Payment): Preimage.Preimage | undefined {
  try {
    const preimage = Preimage.parse(text);
    return Preimage.proves(preimage, payment.paymentHash) ? preimage : undefined;
  } catch (error) {
    if (FareboxError.is(error, 'PREIMAGE_MALFORMED')) return undefined;
    throw error;
  }
}

/** What a quote is for, as it stands in the journal. */
export function purchaseOf(client: Client, outgoing: Outgoing, quote: Quote): Purchase {
  return {
    paymentHash: quote.paymentHash,
    resource: outgoing.resource,
    origin: outgoing.origin,
    method: outgoing.method,
    path: outgoing.pathname,
    scheme: quote.scheme,
    token: quote.token,
    invoice: quote.invoice,
    invoiceExpiresAt: quote.expiresAt,
    amountMsat: quote.amountMsat,
    payer: client.payer.name,
    network: client.payer.network,
  };
}

/** Before the wallet was called, and so for certain. Where it cannot be written down now, the next call does. */
async function giveUp({ store, clock, unwritten }: Client, { paymentHash, owner }: Payment, note: string): Promise<void> {
  const write = () => store.step(paymentHash, { kind: 'fail', note, by: owner }, nowAt(clock));
  try {
    await write();
  } catch (error) {
    if (!FareboxError.is(error, 'STORE_UNAVAILABLE')) throw error;
    unwritten.set(paymentHash, write);
  }
}

/** What the journal says. Where it does not, the wallet is not called, and that is certain, whatever has been written. */
async function orGivenUp<T>(client: Client, payment: Payment, asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (error) {
    await giveUp(client, payment, 'The journal did not answer, and the wallet was not called.');
    throw error;
  }
}

async function unlessAborted(client: Client, payment: Payment, signal: AbortSignal): Promise<void> {
  if (!signal.aborted) return;
  await giveUp(client, payment, 'The caller gave up before the wallet was called.');
  signal.throwIfAborted();
}

/** The end of something that is not called off, or the reason why nobody waits for it any more. */
export function orAborted<T>(ending: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    ending.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

function failed(client: Client, payment: Payment, outcome: PaymentOutcome, feeBoundBy: refusals.Bound | undefined): FareboxError {
  if (outcome.kind === 'failed' && outcome.reason === 'fee-limit') return Budget.feeExceeded(payment, client.budget, feeBoundBy);
  return paymentFailure(payment, outcome, new URL(payment.origin).host);
}

/** The invoice has a row in the journal: it is not paid again. */
function conflict(payment: Payment, host: string): FareboxError {
  const { paymentHash, state } = payment;
  const message = `${host} offers an invoice that the journal has already (payment ${paymentHash}, ${state}). It is not paid again: ask for another one later.`;
  return new FareboxError('JOURNAL_CONFLICT', message, { details: { paymentHash, state, host } });
}

function interrupted(payment: Payment, what: string): FareboxError {
  const { paymentHash } = payment;
  const message = `This process stood still for so long that payment ${paymentHash} is no longer its own. ${what}`;
  return new FareboxError('PAYMENT_INTERRUPTED', message, { details: { paymentHash } });
}
