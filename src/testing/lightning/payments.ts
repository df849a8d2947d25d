/**
 * Cases of the Lightning contract: payments that settle, and payments that fail for certain.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import * as Preimage from '../../core/Preimage.ts';
import { type LightningCase, test } from './Subject.ts';
import { fails, feeLimitMsat, invoiceFor, pay, randomBytes, spendable, strangersInvoice } from './steps.ts';

/** Payments that settle. */
export const settling: readonly LightningCase[] = [
  test('pays: the preimage proves it, the fee is within its limit', [], async ({ receiver, payer }) => {
    const created = await invoiceFor(receiver, 50);
    const outcome = await pay(payer, created);
    assert.equal(outcome.kind, 'settled');
    assert.ok(Preimage.proves(outcome.preimage, created.paymentHash));
    assert.equal(outcome.amountMsat, 50_000n);
    assert.ok(outcome.feeMsat <= feeLimitMsat);
  }),
  test('an invoice is open, then paid', ['lookup'], async ({ receiver, payer }) => {
    const created = await invoiceFor(receiver, 50);
    assert.deepEqual(await receiver.lookupInvoice(created.paymentHash), { kind: 'open', expiresAt: created.expiresAt });
    await pay(payer, created);
    const state = await receiver.lookupInvoice(created.paymentHash);
    assert.equal(state.kind, 'paid');
    assert.equal(state.amountMsat, 50_000n);
    const { createdAt } = Bolt11.peek(created.invoice);
    assert.ok(state.settledAt <= created.expiresAt && state.settledAt > createdAt - 60);
  }),
  test('a payment takes amount and fee, not more', ['balance'], async ({ receiver, payer }) => {
    const before = await spendable(payer);
    const outcome = await pay(payer, await invoiceFor(receiver, 50));
    assert.equal(outcome.kind, 'settled');
    assert.equal(await spendable(payer), before - 50_000n - outcome.feeMsat);
  }),
  test('a payment that settled is found by its payment hash', ['track'], async ({ receiver, payer }) => {
    const created = await invoiceFor(receiver, 50);
    const outcome = await pay(payer, created);
    assert.deepEqual(await payer.trackPayment(created.paymentHash), outcome);
  }),
  test('what was never seen is absent, which is not an error', ['history', 'track'], async ({ receiver, payer }) => {
    const paymentHash = Preimage.hash(Preimage.fromBytes(randomBytes()));
    assert.deepEqual(await receiver.lookupInvoice(paymentHash), { kind: 'absent' });
    assert.deepEqual(await payer.trackPayment(paymentHash), { kind: 'absent' });
  }),
  test('an invoice that was not paid yet is absent to the payer', ['track'], async ({ receiver, payer }) => {
    assert.deepEqual(await payer.trackPayment((await invoiceFor(receiver, 50)).paymentHash), { kind: 'absent' });
  }),
  test('an invoice is paid once: again fails, and the payment stays found', ['balance', 'track', 'lookup'], async ({ receiver, payer }) => {
    const created = await invoiceFor(receiver, 50);
    const first = await pay(payer, created);
    const before = await spendable(payer);
    assert.equal((await pay(payer, created)).kind, 'failed');
    assert.equal(await spendable(payer), before);
    assert.deepEqual(await payer.trackPayment(created.paymentHash), first);
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'paid');
  }),
  test('an invoice is paid once, by many payments at the same time', ['balance'], async ({ receiver, payer }) => {
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => pay(payer, created)));
    const settled = outcomes.filter((outcome) => outcome.kind === 'settled');
    assert.equal(settled.length, 1);
    assert.equal(await spendable(payer), before - 50_000n - (settled[0]?.feeMsat ?? 0n));
  }),
];

/** Payments that fail for certain. */
export const refusing: readonly LightningCase[] = [
  test('an invoice expires', ['memo', 'advance', 'lookup', 'balance'], async (subject) => {
    const { receiver, payer, hooks } = subject;
    const before = await spendable(payer);
    const created = await receiver.createInvoice({ amountMsat: Amount.fromSat(50), description: 'x', expirySeconds: 60 });
    await hooks.advance?.(59_000);
    assert.equal((await receiver.lookupInvoice(created.paymentHash)).kind, 'open');
    await hooks.advance?.(1000);
    assert.deepEqual(await receiver.lookupInvoice(created.paymentHash), { kind: 'expired' });
    await fails(payer, created.invoice, 'expired');
    assert.equal(await spendable(payer), before);
  }),
  test('an invoice of a stranger fails for certain', ['balance'], async ({ receiver, payer }) => {
    const before = await spendable(payer);
    const own = Bolt11.peek((await invoiceFor(receiver, 1)).invoice);
    await fails(payer, strangersInvoice(own, { amountMsat: Amount.fromSat(50) }));
    assert.equal(await spendable(payer), before);
  }),
  test('an invoice that a stranger signed anew for a known payment hash fails for certain', ['balance'], async ({ receiver, payer }) => {
    const before = await spendable(payer);
    const own = Bolt11.peek((await invoiceFor(receiver, 50)).invoice);
    const { paymentHash, paymentSecret } = own;
    for (const sat of [5, 50]) await fails(payer, strangersInvoice(own, { amountMsat: Amount.fromSat(sat), paymentHash, paymentSecret }));
    assert.equal(await spendable(payer), before);
  }),
  test('an invoice of another chain fails for certain', [], async ({ receiver, payer }) => {
    const own = Bolt11.peek((await invoiceFor(receiver, 1)).invoice);
    const others = (['bitcoin', 'testnet', 'signet', 'regtest'] as const).filter((chain) => chain !== own.chain);
    for (const chain of others) await fails(payer, strangersInvoice(own, { chain, amountMsat: Amount.fromSat(1) }));
  }),
  test('what cannot be read, or names no amount, is malformed', [], async ({ receiver, payer }) => {
    const { invoice } = await invoiceFor(receiver, 1);
    const amountless = strangersInvoice(Bolt11.peek(invoice), {});
    for (const text of ['', 'lnbcrt1', `${invoice}q`, invoice.slice(0, -1), amountless]) await fails(payer, text, 'malformed');
  }),
  test('the fee limit holds', ['feeLimit', 'balance'], async ({ receiver, payer }) => {
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    const outcome = await payer.pay({ invoice: created.invoice, maxFeeMsat: Amount.zero, timeoutSeconds: 60 });
    if (outcome.kind === 'settled') assert.equal(outcome.feeMsat, 0n);
    // Some products know of no dear way but that it is none.
    else assert.ok(outcome.kind === 'failed' && (outcome.reason === 'fee-limit' || outcome.reason === 'no-route'), outcome.kind);
    assert.equal(await spendable(payer), outcome.kind === 'settled' ? before - 50_000n : before);
  }),
  test('more than the wallet has fails for certain, and less goes on working', ['balance'], async ({ receiver, payer }) => {
    const before = await spendable(payer);
    const amountMsat = Amount.ceilToSat(Amount.fromMsat(before + 1000n));
    await fails(payer, (await receiver.createInvoice({ amountMsat, description: 'x', expirySeconds: 600 })).invoice, 'balance', 'no-route', 'fee-limit');
    assert.equal(await spendable(payer), before);
    assert.equal((await pay(payer, await invoiceFor(receiver, 50))).kind, 'settled');
  }),
  test('a payment that was called off before it was sent fails for certain', ['track'], async ({ receiver, payer }) => {
    const created = await invoiceFor(receiver, 50);
    const outcome = await payer.pay({ invoice: created.invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds: 60 }, AbortSignal.abort());
    assert.equal(outcome.kind, 'failed');
    assert.deepEqual(await payer.trackPayment(created.paymentHash), { kind: 'absent' });
  }),
  test('a caller’s mistake is an error, not an outcome', [], async ({ receiver, payer }) => {
    const { invoice } = await invoiceFor(receiver, 1);
    for (const timeoutSeconds of [0, -1, Number.NaN]) await assert.rejects(payer.pay({ invoice, maxFeeMsat: feeLimitMsat, timeoutSeconds }), RangeError);
    await assert.rejects(payer.pay({ invoice, maxFeeMsat: -1n as Amount.Msat, timeoutSeconds: 1 }), RangeError);
  }),
  test('a payment that failed may be tried again', ['failNext', 'track', 'balance'], async ({ receiver, payer, hooks }) => {
    const before = await spendable(payer);
    const created = await invoiceFor(receiver, 50);
    await hooks.failNext?.();
    const failed = await pay(payer, created);
    assert.equal(failed.kind, 'failed');
    assert.equal(await spendable(payer), before);
    assert.equal((await payer.trackPayment(created.paymentHash)).kind, 'failed');
    const settled = await pay(payer, created);
    assert.equal(settled.kind, 'settled');
    assert.deepEqual(await payer.trackPayment(created.paymentHash), settled);
  }),
];
