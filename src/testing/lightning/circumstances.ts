/**
 * Cases of the Lightning contract: a wallet behind an API that is slow, does not let us in, or has another time; and one whose owner cancels.
 */
import assert from 'node:assert/strict';
import { FareboxError } from '../../core/Errors.ts';
import { type LightningCase, type LightningHooks, test } from './Subject.ts';
import { ended, feeLimitMsat, invoiceFor, isUnavailable, pay } from './steps.ts';

/** Longer than any driver waits for an answer that comes at once, and than the payment here may take. */
const patienceMs = 11_000;

/** Lets a driver run out of patience, also one that asks more than one question. */
async function passTime(hooks: Partial<LightningHooks>): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    await new Promise(setImmediate);
    await hooks.advance?.(patienceMs);
  }
}

/** What surrounds a wallet. */
export const circumstances: readonly LightningCase[] = [
  test('an invoice that its owner cancelled is cancelled, and nobody can pay it', ['cancelInvoice', 'lookup'], async ({ receiver, payer, hooks }) => {
    const created = await invoiceFor(receiver, 50);
    await hooks.cancelInvoice?.(created.paymentHash);
    assert.deepEqual(await receiver.lookupInvoice(created.paymentHash), { kind: 'cancelled' });
    assert.equal((await pay(payer, created)).kind, 'failed');
    assert.deepEqual(await receiver.lookupInvoice(created.paymentHash), { kind: 'cancelled' });
  }),
  test('a receiver that does not answer is unavailable, and its invoices are what they are once it does', ['receiverSlow', 'lookup'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const created = await invoiceFor(receiver, 50);
    await pay(payer, created);
    await hooks.receiverSlow?.(true);
    const asked = [invoiceFor(receiver, 50), receiver.lookupInvoice(created.paymentHash)].map((one) => assert.rejects(one, isUnavailable));
    await Promise.all([...asked, passTime(hooks)]);
    await hooks.receiverSlow?.(false);
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
  }),
  test('a payer that does not answer: the payment is unknown, and found again', ['payerSlow', 'track'], async ({ receiver, payer, hooks }) => {
    const created = await invoiceFor(receiver, 50);
    await hooks.payerSlow?.(true);
    const outcome = payer.pay({ invoice: created.invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 5 });
    const asked = assert.rejects(payer.trackPayment(created.paymentHash), isUnavailable);
    await passTime(hooks);
    // Failed only where nothing was sent: then nothing is known of it afterwards.
    const { kind } = await outcome;
    assert.ok(kind === 'unknown' || kind === 'failed', kind);
    await asked;
    await hooks.payerSlow?.(false);
    const tracked = await ended(payer, created);
    if (kind === 'failed') assert.notEqual(tracked.kind, 'settled');
  }),
  test(
    'what lets nobody in says so, and never that something is unpaid or unknown',
    ['lettingNobodyIn', 'lookup', 'track'],
    async ({ receiver, payer, hooks }) => {
      const created = await invoiceFor(receiver, 50);
      const nobody = hooks.lettingNobodyIn?.();
      assert.ok(nobody);
      const isUnauthorized = (error: unknown) => FareboxError.is(error, 'LIGHTNING_UNAUTHORIZED');
      for (const ask of [
        () => nobody.receiver.info(),
        () => nobody.receiver.lookupInvoice(created.paymentHash),
        () => invoiceFor(nobody.receiver, 50),
        () => nobody.payer.trackPayment(created.paymentHash),
        () => nobody.payer.balance(),
      ]) {
        await assert.rejects(ask(), isUnauthorized);
      }
      assert.equal((await pay(nobody.payer, created)).kind, 'failed');
      assert.equal((await pay(payer, created)).kind, 'settled');
      await Promise.all([nobody.receiver.close(), nobody.payer.close()]);
    },
  ),
  test('a machine whose clock is an hour off sells and buys as any other', ['skewed', 'lookup', 'track'], async ({ receiver, hooks }) => {
    for (const ms of [3_600_000, -3_600_000]) {
      const off = hooks.skewed?.(ms);
      assert.ok(off);
      const created = await invoiceFor(off.receiver, 50);
      assert.equal((await off.receiver.lookupInvoice(created.paymentHash)).kind, 'open');
      const settled = await pay(off.payer, created);
      assert.equal(settled.kind, 'settled');
      assert.deepEqual(await off.payer.trackPayment(created.paymentHash), settled);
      const seen = await off.receiver.lookupInvoice(created.paymentHash);
      assert.equal(seen.kind, 'paid');
      if (receiver.capabilities.history) assert.deepEqual(seen, await receiver.lookupInvoice(created.paymentHash));
      await Promise.all([off.receiver.close(), off.payer.close()]);
    }
  }),
];
