/**
 * The steps that cases of the Lightning contract are made of.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { systemRandom } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { toHex } from '../../core/internal/bytes.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { CreatedInvoice, Payer, PaymentOutcome, Receiver, Settlement, TrackedPayment } from '../../lightning/Lightning.ts';
import type { LightningSubject } from './Subject.ts';

/** The most that a payment of a case may cost on top. */
export const feeLimitMsat = Amount.fromSat(10);

/** An invoice over that many satoshis, good for ten minutes. */
export function invoiceFor(receiver: Receiver, sat: number): Promise<CreatedInvoice> {
  return receiver.createInvoice({ amountMsat: Amount.fromSat(sat), description: 'one answer', expirySeconds: 600 });
}

/** Pays within ten satoshis of fee and a minute. */
export function pay(payer: Payer, { invoice }: CreatedInvoice): Promise<PaymentOutcome> {
  return payer.pay({ invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 60 });
}

/** What the wallet can spend. */
export async function spendable(payer: Payer): Promise<bigint> {
  return (await payer.balance()).spendableMsat;
}

/** Pays what must fail for certain, for one of the reasons where any are given. */
export async function fails(payer: Payer, invoice: string, ...reasons: readonly string[]): Promise<void> {
  const outcome = await payer.pay({ invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 60 });
  assert.equal(outcome.kind, 'failed');
  if (reasons.length > 0) assert.ok(reasons.includes(outcome.reason), `${outcome.reason}: ${outcome.message}`);
}

/** Begins a payment that hangs, with a time-out of 5 seconds. When this resolves it is under way; `outcome` is still to come. */
export async function hang(
  { payer, hooks }: LightningSubject,
  created: CreatedInvoice,
  signal?: AbortSignal,
): Promise<{ readonly outcome: Promise<PaymentOutcome> }> {
  await hooks.hangNext?.();
  const outcome = payer.pay({ invoice: created.invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 5 }, signal);
  await underWay(payer, created);
  return { outcome };
}

/** Asks until the wallet knows of the payment. */
export async function underWay(payer: Payer, { paymentHash }: CreatedInvoice): Promise<void> {
  for (let asked = 0; asked < maxQuestions; asked++) if ((await payer.trackPayment(paymentHash)).kind !== 'absent') return;
  assert.fail('the payment never got under way');
}

/** Asks until the payment has ended. */
export async function ended(payer: Payer, { paymentHash }: CreatedInvoice): Promise<TrackedPayment> {
  for (let asked = 0; asked < maxQuestions; asked++) {
    const tracked = await payer.trackPayment(paymentHash);
    if (tracked.kind !== 'pending') return tracked;
  }
  assert.fail('the payment never ended');
}

const maxQuestions = 10_000;

/** The answer of a watch. A driver may ask its wallet now and then: time that stands still passes meanwhile, as fast as the wallet answers. */
export async function heard<T>({ receiver, hooks }: LightningSubject, answer: Promise<T>): Promise<T> {
  if (hooks.advance === undefined) return answer;
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  answer.then(over, over);
  for (let asked = 0; asked < maxQuestions; asked++) {
    if (isOver) return answer;
    await new Promise(setImmediate);
    await hooks.advance(100);
    await receiver.info().catch(() => {});
  }
  assert.fail('the watch told of nothing');
}

/** Watches from now on, pays until the watch has begun and tells, and hands back the newest settlement. */
export async function settle(subject: LightningSubject): Promise<Settlement> {
  const { receiver, payer } = subject;
  const calling = new AbortController();
  const watch = receiver.watchSettlements({ signal: calling.signal })[Symbol.asyncIterator]();
  let told = false;
  const first = watch.next().finally(() => {
    told = true;
  });
  first.catch(() => {});
  const paid: string[] = [];
  while (!told && paid.length < 20) {
    const created = await invoiceFor(receiver, 50);
    assert.equal((await pay(payer, created)).kind, 'settled');
    paid.push(created.paymentHash);
  }
  for (let next = await heard(subject, first); !next.done; next = await heard(subject, watch.next())) {
    assert.ok(paid.includes(next.value.paymentHash));
    if (next.value.paymentHash !== paid.at(-1)) continue;
    calling.abort();
    return next.value;
  }
  assert.fail('the watch ended before it was called off');
}

/** The next settlements behind a cursor. */
export async function take(subject: LightningSubject, count: number, after: string | undefined): Promise<readonly Settlement[]> {
  assert.ok(after !== undefined);
  const calling = new AbortController();
  const watch = subject.receiver.watchSettlements({ after, signal: calling.signal })[Symbol.asyncIterator]();
  const taken: Settlement[] = [];
  while (taken.length < count) {
    const next = await heard(subject, watch.next());
    assert.ok(!next.done, 'the watch ended before it was called off');
    taken.push(next.value);
  }
  calling.abort();
  return taken;
}

/** An invoice by a key that nobody has, on the chain and from the time of another one. Without an amount unless one is given. */
export function strangersInvoice(like: Bolt11.InvoiceFields, draft: Partial<Bolt11.InvoiceDraft>): string {
  const { chain, createdAt } = like;
  const fresh = { paymentHash: Preimage.hash(Preimage.fromBytes(randomBytes())), paymentSecret: toHex(randomBytes()), description: 'x' };
  return Bolt11.encode({ chain, createdAt, ...fresh, ...draft }, randomBytes());
}

/** 32 of them. */
export function randomBytes(): Uint8Array {
  return systemRandom(32);
}

/** Whether it is the error for "could not be found out". */
export function isUnavailable(error: unknown): boolean {
  return FareboxError.is(error, 'LIGHTNING_UNAVAILABLE');
}
