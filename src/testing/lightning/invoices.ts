/**
 * Cases of the Lightning contract: what an invoice is.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { type LightningCase, test } from './Subject.ts';
import { invoiceFor } from './steps.ts';

/** Identity and invoices. */
export const invoices: readonly LightningCase[] = [
  test('says who it is, and on which network', [], async ({ receiver, payer }) => {
    assert.ok(receiver.name.length > 0);
    assert.equal(payer.network, receiver.network);
    const info = await receiver.info();
    assert.equal(info.network, receiver.network);
    if (info.nodeId !== undefined) assert.match(info.nodeId, /^0[23][0-9a-f]{64}$/);
  }),
  test('makes the invoice that it was asked for', [], async ({ receiver }) => {
    const created = await receiver.createInvoice({ amountMsat: Amount.fromSat(51), description: 'x', expirySeconds: 600 });
    const invoice = Bolt11.decode(created.invoice);
    assert.equal(created.invoice, created.invoice.toLowerCase());
    assert.equal(invoice.amountMsat, 51_000n);
    assert.equal(invoice.paymentHash, created.paymentHash);
    assert.equal(invoice.expiresAt, created.expiresAt);
    assert.equal(invoice.chain, receiver.network === 'sandbox' ? 'regtest' : receiver.network);
    const { nodeId } = await receiver.info();
    if (nodeId !== undefined) assert.equal(invoice.payee, nodeId);
  }),
  test('words an invoice and sets its life as it is asked to', ['memo'], async ({ receiver }) => {
    const created = await receiver.createInvoice({ amountMsat: Amount.fromSat(51), description: 'Grüße ☂', expirySeconds: 321 });
    const invoice = Bolt11.decode(created.invoice);
    assert.equal(invoice.description, 'Grüße ☂');
    assert.equal(invoice.expirySeconds, 321);
  }),
  test('asks for parts of a satoshi', ['msat'], async ({ receiver }) => {
    const created = await receiver.createInvoice({ amountMsat: Amount.fromMsat(50_001n), description: 'x', expirySeconds: 600 });
    assert.equal(Bolt11.decode(created.invoice).amountMsat, 50_001n);
  }),
  test('never makes the same invoice twice', [], async ({ receiver }) => {
    const invoices = await Promise.all(Array.from({ length: 8 }, () => invoiceFor(receiver, 1)));
    assert.equal(new Set(invoices.map(({ paymentHash }) => paymentHash)).size, 8);
    assert.equal(new Set(invoices.map(({ invoice }) => Bolt11.peek(invoice).paymentSecret)).size, 8);
  }),
  test('takes no invoice without an amount, with a description that does not fit, or that never lasts', [], async ({ receiver }) => {
    const good = { amountMsat: Amount.fromSat(1), description: 'x', expirySeconds: 60 };
    for (const bad of [{ amountMsat: Amount.zero }, { description: 'é'.repeat(320) }, { expirySeconds: 0 }, { expirySeconds: 1.5 }]) {
      await assert.rejects(receiver.createInvoice({ ...good, ...bad }), (error) => error instanceof RangeError || error instanceof TypeError);
    }
    await receiver.createInvoice({ ...good, description: 'é'.repeat(319) });
  }),
];
