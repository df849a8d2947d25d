/**
 * Cases of the Lightning contract: wallets that hang, misbehave or are down.
 */
import assert from 'node:assert/strict';
import * as Bolt11 from '../../core/Bolt11.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type LightningCase, test } from './Subject.ts';
import { ended, feeLimitMsat, hang, heard, invoiceFor, isUnavailable, pay, settle, spendable, take, underWay } from './steps.ts';

/** Payments whose end is not known in time. */
export const hanging: readonly LightningCase[] = [
  test(
    'a payment that hangs is unknown at its time-out, then pending, then settled',
    ['advance', 'hangNext', 'release', 'track', 'lookup'],
    async (subject) => {
      const { receiver, payer, hooks } = subject;
      const created = await invoiceFor(receiver, 50);
      const { outcome } = await hang(subject, created);
      await hooks.advance?.(5000);
      assert.equal((await outcome).kind, 'unknown');
      assert.deepEqual(await payer.trackPayment(created.paymentHash), { kind: 'pending' });
      assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'open');
      await hooks.release?.(created.paymentHash, 'settled');
      const tracked = await ended(payer, created);
      assert.ok(tracked.kind === 'settled' && Preimage.proves(tracked.preimage, created.paymentHash));
      assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
    },
  ),
  test('a payment that hangs and then fails gives everything back', ['advance', 'hangNext', 'release', 'track', 'balance'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    const { outcome } = await hang(subject, created);
    await hooks.advance?.(5000);
    assert.equal((await outcome).kind, 'unknown');
    assert.ok((await spendable(payer)) <= before - 50_000n);
    await hooks.release?.(created.paymentHash, 'failed');
    assert.equal((await ended(payer, created)).kind, 'failed');
    assert.equal(await spendable(payer), before);
  }),
  test('a payment that ends in time is told as it ended', ['hangNext', 'release', 'track'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const created = await invoiceFor(receiver, 50);
    const { outcome } = await hang(subject, created);
    await hooks.release?.(created.paymentHash, 'settled');
    assert.equal((await outcome).kind, 'settled');
    assert.deepEqual(await payer.trackPayment(created.paymentHash), await outcome);
  }),
  test('a payment under way is never begun again', ['hangNext', 'release', 'track', 'balance'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const created = await invoiceFor(receiver, 50);
    const { outcome: first } = await hang(subject, created);
    const held = await spendable(payer);
    const calling = new AbortController();
    const again = payer.pay({ invoice: created.invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 60 }, calling.signal);
    await underWay(payer, created);
    calling.abort();
    assert.equal((await again).kind, 'unknown');
    assert.equal(await spendable(payer), held);
    await hooks.release?.(created.paymentHash, 'settled');
    assert.equal((await first).kind, 'settled');
    assert.equal(await spendable(payer), held);
  }),
  test('a payment that is called off after it was sent is unknown', ['hangNext', 'release', 'track'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const created = await invoiceFor(receiver, 50);
    const calling = new AbortController();
    const { outcome } = await hang(subject, created, calling.signal);
    calling.abort();
    assert.equal((await outcome).kind, 'unknown');
    assert.deepEqual(await payer.trackPayment(created.paymentHash), { kind: 'pending' });
    await hooks.release?.(created.paymentHash, 'failed');
    assert.equal((await ended(payer, created)).kind, 'failed');
  }),
  test('a payment may settle after its payer gave up', ['advance', 'settleLateNext', 'track', 'lookup'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const created = await invoiceFor(receiver, 50);
    await hooks.settleLateNext?.();
    const outcome = payer.pay({ invoice: created.invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 5 });
    await underWay(payer, created);
    await hooks.advance?.(5000);
    assert.equal((await outcome).kind, 'unknown');
    assert.deepEqual(await payer.trackPayment(created.paymentHash), { kind: 'pending' });
    await hooks.advance?.(60_000);
    const tracked = await ended(payer, created);
    assert.ok(tracked.kind === 'settled' && Preimage.proves(tracked.preimage, created.paymentHash));
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
  }),
];

/** Wallets that do what they must not. */
export const misbehaving: readonly LightningCase[] = [
  test('settled without a preimage is unknown, never settled', ['losePreimageNext', 'track', 'lookup', 'balance'], async ({ receiver, payer, hooks }) => {
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    await hooks.losePreimageNext?.();
    assert.equal((await pay(payer, created)).kind, 'unknown');
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
    assert.equal((await payer.trackPayment(created.paymentHash)).kind, 'unknown');
    assert.ok((await spendable(payer)) <= before - 50_000n);
  }),
  test('a fee above the limit is told as it was', ['overchargeNext', 'balance', 'track'], async ({ receiver, payer, hooks }) => {
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    await hooks.overchargeNext?.();
    const outcome = await pay(payer, created);
    assert.equal(outcome.kind, 'settled');
    assert.ok(outcome.feeMsat > feeLimitMsat);
    assert.equal(await spendable(payer), before - 50_000n - outcome.feeMsat);
    assert.deepEqual(await payer.trackPayment(created.paymentHash), outcome);
  }),
  test('an invoice that was paid after it expired is paid', ['advance', 'payExpiredNext', 'lookup'], async ({ receiver, payer, hooks }) => {
    const created = await invoiceFor(receiver, 50);
    await hooks.advance?.((Bolt11.peek(created.invoice).expirySeconds + 1) * 1000);
    assert.notEqual((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
    await hooks.payExpiredNext?.();
    assert.equal((await pay(payer, created)).kind, 'settled');
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
  }),
];

/** Nodes that cannot be asked. */
export const goingDown: readonly LightningCase[] = [
  test('a payer that is down: nothing is said of payments, and paying is not an error', ['payerDown', 'track', 'balance'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    await hooks.payerDown?.(true);
    await assert.rejects(payer.balance(), isUnavailable);
    await assert.rejects(payer.trackPayment(created.paymentHash), isUnavailable);
    assert.notEqual((await pay(payer, created)).kind, 'settled');
    await hooks.payerDown?.(false);
    assert.equal(await spendable(payer), before);
    assert.notEqual((await payer.trackPayment(created.paymentHash)).kind, 'settled');
  }),
  test('a receiver that is down makes no invoice and calls none unpaid', ['receiverDown', 'lookup'], async ({ receiver, payer, hooks }) => {
    const created = await invoiceFor(receiver, 50);
    await pay(payer, created);
    await hooks.receiverDown?.(true);
    await assert.rejects(invoiceFor(receiver, 50), isUnavailable);
    await assert.rejects(receiver.lookupInvoice(created.paymentHash), isUnavailable);
    await assert.rejects(receiver.info(), isUnavailable);
    await hooks.receiverDown?.(false);
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
  }),
  test('a watch breaks when the node goes down, and goes on behind its cursor', ['receiverDown', 'watch'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const before = await settle(subject);
    const watch = receiver.watchSettlements({ after: before.cursor, signal: new AbortController().signal })[Symbol.asyncIterator]();
    const next = watch.next();
    next.catch(() => {});
    await hooks.receiverDown?.(true);
    await assert.rejects(heard(subject, next), isUnavailable);
    await hooks.receiverDown?.(false);
    const created = await invoiceFor(receiver, 50);
    await pay(payer, created);
    assert.equal((await take(subject, 1, before.cursor))[0]?.paymentHash, created.paymentHash);
  }),
  test('a driver that is closed is closed, once or twice', [], async ({ receiver, payer }) => {
    const created = await invoiceFor(receiver, 50);
    for (const driver of [receiver, payer, receiver, payer]) await driver.close();
    await assert.rejects(invoiceFor(receiver, 50), isUnavailable);
    assert.equal((await pay(payer, created)).kind, 'failed');
  }),
];
