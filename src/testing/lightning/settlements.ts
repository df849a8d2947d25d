/**
 * Cases of the Lightning contract: watching settlements.
 */
import assert from 'node:assert/strict';
import type { CreatedInvoice } from '../../lightning/Lightning.ts';
import { type LightningCase, test } from './Subject.ts';
import { invoiceFor, pay, settle, take } from './steps.ts';

/** Watches, their cursors and their ends. */
export const watching: readonly LightningCase[] = [
  test('a watch tells of settlements from now on', ['watch'], async (subject) => {
    const seen = await settle(subject);
    assert.equal(seen.amountMsat, 50_000n);
    assert.ok(Number.isSafeInteger(seen.settledAt));
    assert.ok(seen.description === undefined || seen.description === 'one answer', seen.description);
  }),
  test('a watch goes on behind a cursor: nothing twice, nothing left out', ['watch'], async (subject) => {
    const { receiver, payer } = subject;
    const start = await settle(subject);
    const created: CreatedInvoice[] = [];
    for (let i = 0; i < 4; i++) created.push(await invoiceFor(receiver, 50 + i));
    for (const one of created) assert.equal((await pay(payer, one)).kind, 'settled');
    const hashes = created.map(({ paymentHash }) => paymentHash);
    const all = await take(subject, 4, start.cursor);
    assert.deepEqual(
      all.map(({ paymentHash }) => paymentHash),
      hashes,
    );
    assert.deepEqual(
      all.map(({ amountMsat }) => amountMsat),
      [50_000n, 51_000n, 52_000n, 53_000n],
    );
    assert.deepEqual(
      (await take(subject, 2, all[1]?.cursor)).map(({ paymentHash }) => paymentHash),
      hashes.slice(2),
    );
  }),
  test('an invoice is told of when it is paid, whatever was made and paid since it was made', ['watch'], async (subject) => {
    const { receiver, payer } = subject;
    const old = await invoiceFor(receiver, 50);
    const start = await settle(subject);
    await pay(payer, old);
    const [late] = await take(subject, 1, start.cursor);
    assert.equal(late?.paymentHash, old.paymentHash);
    const created = await invoiceFor(receiver, 50);
    await pay(payer, created);
    assert.equal((await take(subject, 1, late.cursor))[0]?.paymentHash, created.paymentHash);
  }),
  test('a watch that waits is woken', ['watch'], async (subject) => {
    const { receiver, payer } = subject;
    const start = await settle(subject);
    const seen = take(subject, 2, start.cursor);
    const created = [await invoiceFor(receiver, 50), await invoiceFor(receiver, 50)];
    for (const one of created) await pay(payer, one);
    assert.deepEqual(
      (await seen).map(({ paymentHash }) => paymentHash),
      created.map(({ paymentHash }) => paymentHash),
    );
  }),
  test('a watch ends when it is called off', ['watch'], async ({ receiver }) => {
    const calling = new AbortController();
    const watch = receiver.watchSettlements({ signal: calling.signal })[Symbol.asyncIterator]();
    const next = watch.next();
    calling.abort();
    assert.deepEqual(await next, { done: true, value: undefined });
    const late = receiver.watchSettlements({ signal: AbortSignal.abort() })[Symbol.asyncIterator]();
    assert.deepEqual(await late.next(), { done: true, value: undefined });
  }),
];
