/**
 * Finds out what became of payments whose end is not known: after a crash, after a wallet that did not answer, after another process died.
 *
 * | the wallet says | then |
 * |---|---|
 * | settled, with a preimage that proves it | the credential is kept, to be used by the next call |
 * | failed for certain | the money is free again |
 * | never seen, and the invoice expired over a minute ago | the same: it was not called, and nobody may be paid by that invoice any more |
 * | never seen, and the invoice can still be paid | held: the call may yet reach the wallet |
 * | never seen, and it had said before that it was under way | held: not both can be true |
 * | pending, unknown, no answer, cannot look up, or not the wallet that was called | held |
 *
 * @see docs/wire.md, "The client"
 */
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import { type Clock, nowAt, systemClock, wait } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Preimage from '../core/Preimage.ts';
import type { Payer, TrackedPayment } from '../lightning/Lightning.ts';
import type { Client, ClientEvent } from './Client.ts';
import { emitter, leaseSeconds } from './Client.ts';
import type { Bearing, ClientStore } from './ClientStore.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import type { Outgoing } from './Outgoing.ts';
import { orAborted, record } from './pay.ts';
import * as Tokens from './Tokens.ts';
import { track } from './track.ts';

/** What looking payments up takes. */
export type ResumeOptions = {
  /** The wallet that made the payments. */
  readonly payer: Payer;
  readonly store: ClientStore;
  readonly clock?: Clock;
  readonly onEvent?: (event: ClientEvent) => void;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/**
 * Looks up every payment whose end is not known, except those that a living call is working on. Nothing is paid.
 * @returns the payments that were looked at, as they stand now
 * @throws STORE_UNAVAILABLE – the journal could not be read or written
 */
export async function resumePayments(options: ResumeOptions): Promise<readonly Payment[]> {
  return lookUpAll(lookingOf(options));
}

/** The same for a client at work, which first writes down what its store could not take before. `only`: that payment alone. */
export async function resumeClient(client: Client, only?: PaymentHash): Promise<readonly Payment[]> {
  if (client.unwritten.size > 0) await writeDown(client);
  return lookUpAll(client, only);
}

/** The same for one payment; one whose end is known, or that a living call is working on, is left as it is. */
export async function resumeOne(payment: Payment, options: ResumeOptions): Promise<Payment> {
  const looking = lookingOf(options);
  return isLeft(looking, payment) ? findOut(looking, payment) : payment;
}

/** What a person found out about a payment. */
export type Finding = { readonly kind: 'failed' } | { readonly kind: 'settled'; readonly preimage: string; readonly fee?: Msat | string };

/**
 * Ends a payment by hand, where the wallet cannot say how it ended.
 * @param finding - `failed` frees its money: only for a payment that has not been made and will not be
 * @throws JOURNAL_CONFLICT – no such payment, its end is known, or `failed` is said of one that a call is still at work on
 * @throws PREIMAGE_MALFORMED – not 64 hex digits
 * @throws AMOUNT_MALFORMED – a fee without a unit, or no amount
 * @throws RangeError – the preimage does not prove this payment; a fee below zero
 */
export async function resolvePayment(store: ClientStore, paymentHash: string, finding: Finding, clock: Clock = systemClock): Promise<Payment> {
  const hash = Preimage.parseHash(paymentHash);
  const payment = await store.get(hash);
  if (!payment || !Journal.isUnfinished(payment)) throw notOpen(hash, payment);
  const step = finding.kind === 'failed' ? ({ kind: 'fail', note: 'Resolved by hand.', by: '' } as const) : settledBy(payment, finding);
  const resolved = await store.step(hash, step, nowAt(clock));
  if (!resolved) throw notOpen(hash, await store.get(hash));
  return resolved;
}

/** How a request may go on. */
export type Way = {
  /** A payment for the same resource whose end is still not known. */
  readonly blockedBy: Payment | undefined;
  /** Usable credentials of the request's origin, as they stand now. */
  readonly credentials: readonly Payment[];
  /** Unix seconds. */
  readonly nowAt: number;
};

/** What bears on a request as it stands now; what the store could not take before is written down first. */
export function lookAhead(client: Client, { origin }: Outgoing): Promise<Bearing> {
  return client.unwritten.size > 0 ? writeDown(client).then(() => client.store.find({ origin })) : client.store.find({ origin });
}

/**
 * Clears the way for a request: waits for other processes that are paying for the same resource, and looks up what dead ones left behind.
 * @param found - what bears on it now
 * @returns the way at once where it is clear
 */
export function clearWay(client: Client, outgoing: Outgoing, owner: string, found: Bearing): Way | Promise<Way> {
  const { open, credentials } = found;
  const now = nowAt(client.clock);
  const isGood = (payment: Payment) => payment.state === 'redeemed' && !Tokens.isExpired(payment, now - expiredSeconds);
  const isClear = open.length === 0 && client.deserted.size === 0 && credentials.every(isGood);
  return isClear ? { blockedBy: undefined, credentials, nowAt: now } : makeWay(client, outgoing, owner, found);
}

async function makeWay(client: Client, outgoing: Outgoing, owner: string, ahead: Bearing): Promise<Way> {
  const { origin } = outgoing;
  let found = ahead;
  const longExpired = nowAt(client.clock) - expiredSeconds;
  const expired = found.credentials.filter((payment) => Tokens.isExpired(payment, longExpired));
  // What has long expired is not looked at again for every request.
  for (const { paymentHash } of expired) await client.store.step(paymentHash, { kind: 'expire' }, nowAt(client.clock));
  for (let giveUpMs: number | undefined; ; ) {
    // The resource is a hash, made when it is first asked for: most requests need none.
    const isDeserted = ({ paymentHash, resource }: Payment) => client.deserted.has(paymentHash) && resource === outgoing.resource;
    const inTheWay = found.open.filter(
      (payment) => isDeserted(payment) || (payment.resource === outgoing.resource && Journal.blocks(payment, owner, nowAt(client.clock))),
    );
    const unanswered = found.credentials.filter(
      (payment) => (isDeserted(payment) || isUnanswered(payment, outgoing, owner)) && Journal.isLeased(payment, nowAt(client.clock)),
    );
    if (inTheWay.length === 0 && unanswered.length === 0) return { blockedBy: undefined, credentials: found.credentials, nowAt: nowAt(client.clock) };
    giveUpMs ??= client.clock.nowMs() + (client.paymentTimeoutSeconds + 2 * leaseSeconds) * 1000;
    let blockedBy: Payment | undefined;
    for (const payment of inTheWay) {
      const ended = await untilFree(client, payment, outgoing.signal, giveUpMs);
      if (!Journal.isUnfinished(ended)) continue;
      const looked = await orAborted(lookUp(client, ended), outgoing.signal);
      if (Journal.isUnfinished(looked)) blockedBy ??= looked;
    }
    for (const payment of unanswered) await untilFree(client, payment, outgoing.signal, giveUpMs);
    found = await client.store.find({ origin });
    // Who has paid meanwhile may be waiting for the answer that says whether it serves others too.
    if (blockedBy || client.clock.nowMs() >= giveUpMs) return { blockedBy, credentials: found.credentials, nowAt: nowAt(client.clock) };
  }
}

/** Whether another client has paid for this very request, and may be showing the credential for it now. */
export function isUnanswered(payment: Payment, outgoing: Outgoing, owner: string): boolean {
  if (payment.state !== 'settled' || !Tokens.isExclusive(payment)) return false;
  return payment.resource === outgoing.resource && Journal.clientOf(payment.owner) !== Journal.clientOf(owner);
}

/** Writes down what the store could not take before. */
async function writeDown({ unwritten }: Client): Promise<void> {
  for (const [paymentHash, write] of unwritten) {
    await write();
    if (unwritten.get(paymentHash) === write) unwritten.delete(paymentHash);
  }
}

/** Slack between a seller's clock and ours. */
const slackSeconds = 60;

/** A credential is set aside for good when it has been expired for so long: a clock that is set wrong for an hour costs none. */
const expiredSeconds = 86_400;

/** How often the journal is read while another process works. */
const pollMs = 250;

async function lookUpAll(client: Looking, only?: PaymentHash): Promise<readonly Payment[]> {
  if (only !== undefined) {
    const payment = await client.store.get(only);
    return payment ? [isLeft(client, payment) ? await findOut(client, payment) : payment] : [];
  }
  const seen: Payment[] = [];
  for (const payment of await client.store.list(['reserved', 'dispatched', 'unknown'])) {
    if (isLeft(client, payment)) seen.push(await findOut(client, payment));
  }
  return seen;
}

function lookingOf({ payer, store, clock = systemClock, onEvent, reached = unwatched }: ResumeOptions): Looking {
  return { payer, store, clock, reached, emit: emitter(onEvent) };
}

/** Whether its end is open, and nobody is at work on it. */
function isLeft({ clock }: Looking, payment: Payment): boolean {
  return Journal.isUnfinished(payment) && !Journal.isLeased(payment, nowAt(clock));
}

/** Money that no wallet has seen is free again; of anything else the wallet is asked. */
async function findOut(client: Looking, payment: Payment): Promise<Payment> {
  const { store, clock } = client;
  if (payment.state !== 'reserved') return lookUp(client, payment);
  return (await store.step(payment.paymentHash, { kind: 'abandon' }, nowAt(clock))) ?? (await store.get(payment.paymentHash)) ?? payment;
}

/** What looking up takes of a client. */
type Looking = Pick<Client, 'payer' | 'store' | 'clock' | 'emit' | 'reached'>;

/** Asks the wallet what became of a payment, and writes it down. */
async function lookUp(client: Looking, payment: Payment): Promise<Payment> {
  const { store, clock, emit, payer } = client;
  const { paymentHash } = payment;
  const tracked = await track(client, payment);
  let now: Payment;
  if (tracked.kind === 'settled' || tracked.kind === 'failed') {
    now = await record(client, payment, tracked);
  } else if (tracked.kind === 'absent' && !payment.seen && nowAt(clock) > payment.invoiceExpiresAt + slackSeconds) {
    const note = `The wallet ${payer.name} has never seen it, and its invoice has expired.`;
    now = (await store.step(paymentHash, { kind: 'fail', note }, nowAt(clock))) ?? payment;
  } else if (Journal.isLeased(payment, nowAt(clock))) {
    now = payment;
  } else {
    const doubt = { kind: 'doubt', note: noteOf(tracked, payment), seen: tracked.kind === 'pending' } as const;
    now = (await store.step(paymentHash, doubt, nowAt(clock))) ?? (await store.get(paymentHash)) ?? payment;
  }
  emit({ kind: 'looked-up', paymentHash, state: now.state });
  return now;
}

function noteOf(tracked: TrackedPayment, payment: Payment): string {
  if (tracked.kind === 'pending') return 'The wallet says that it is under way.';
  if (tracked.kind === 'unknown') return tracked.message.slice(0, 300);
  if (payment.seen) return 'The wallet said that it was under way, and says now that it has never seen it.';
  return 'The wallet has not seen it yet, and its invoice can still be paid.';
}

/** Waits as long as another client's call works on it: a dead one's lease ends by itself. Reads it anew on the way out. */
async function untilFree(client: Client, payment: Payment, signal: AbortSignal, giveUpMs: number): Promise<Payment> {
  const { store, clock, emit } = client;
  for (let now = payment; ; ) {
    const same = now.state === payment.state && now.owner === payment.owner;
    if (!same || !Journal.isLeased(now, nowAt(clock)) || clock.nowMs() >= giveUpMs) return now;
    emit({ kind: 'waiting', why: 'other-process', ms: pollMs });
    await wait(clock, pollMs, signal, true);
    signal.throwIfAborted();
    now = (await store.get(payment.paymentHash)) ?? now;
  }
}

function settledBy(payment: Payment, finding: Finding & { readonly kind: 'settled' }): Journal.Step {
  const preimage = Preimage.parse(finding.preimage);
  if (!Preimage.proves(preimage, payment.paymentHash)) throw new RangeError(`the preimage does not prove payment ${payment.paymentHash}`);
  const { fee = Amount.zero } = finding;
  const feeMsat = typeof fee === 'string' ? Amount.parse(fee) : Amount.fromMsat(fee);
  return { kind: 'settle', preimage, spentMsat: (payment.amountMsat + feeMsat) as Msat };
}

function notOpen(paymentHash: string, payment: Payment | undefined): FareboxError {
  return new FareboxError('JOURNAL_CONFLICT', `Payment ${paymentHash} ${whyNotOpen(payment)}.`, { details: { paymentHash } });
}

function whyNotOpen(payment: Payment | undefined): string {
  if (payment === undefined) return 'is not in this journal';
  if (!Journal.isUnfinished(payment)) return `has ended: it is ${payment.state}`;
  return 'has a call at work on it: end that, or wait until it has ended';
}
