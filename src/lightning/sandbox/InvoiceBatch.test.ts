import { expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import type { CreatedInvoice, InvoiceRequest } from '../Lightning.ts';
import { createInvoiceBatch, maxOrders } from './InvoiceBatch.ts';

const order = (description: string): InvoiceRequest => ({ amountMsat: Amount.fromSat(1), description, expirySeconds: 60 });
const made = ({ description }: InvoiceRequest): CreatedInvoice => ({ invoice: description, paymentHash: 'a'.repeat(64) as PaymentHash, expiresAt: 1 });

/** A maker of invoices that answers when it is told to. */
function byHand() {
  const calls: { readonly orders: readonly string[]; readonly answer: () => void; readonly fail: (error: unknown) => void }[] = [];
  const place = createInvoiceBatch(
    (orders) =>
      new Promise((resolve, reject) => {
        calls.push({ orders: orders.map(({ description }) => description), answer: () => resolve(orders.map(made)), fail: reject });
      }),
  );
  /** The call of that number, once it has been made. */
  const call = async (number: number) => {
    for (let turns = 0; turns < 50 && calls.length < number; turns++) await Promise.resolve();
    const found = calls[number - 1];
    if (!found) throw new Error(`there were ${calls.length} calls`);
    return found;
  };
  return { place: (description: string, signal?: AbortSignal) => place(order(description), signal), calls, call };
}

test('what is wanted while a call is under way goes with the next one, each to whoever asked', async () => {
  const { place, call, calls } = byHand();
  const first = place('a');
  (await call(1)).orders;
  const others = [place('b'), place('c'), place('d')];
  await Promise.resolve();
  expect(calls).toHaveLength(1);
  (await call(1)).answer();
  expect((await first).invoice).toBe('a');
  expect((await call(2)).orders).toEqual(['b', 'c', 'd']);
  (await call(2)).answer();
  expect((await Promise.all(others)).map(({ invoice }) => invoice)).toEqual(['b', 'c', 'd']);
});

test('a call that fails fails its own, and the next is made', async () => {
  const { place, call } = byHand();
  const first = place('a');
  await call(1);
  const second = place('b');
  (await call(1)).fail(new Error('down'));
  await expect(first).rejects.toThrow('down');
  (await call(2)).answer();
  expect((await second).invoice).toBe('b');
});

test('whoever leaves is let go of at once, before and after the call', async () => {
  const { place, call } = byHand();
  const leaving = new AbortController();
  const [asked, stays] = [place('a', leaving.signal), place('b')];
  await call(1);
  const waits = place('c', leaving.signal);
  const late = place('d');
  leaving.abort(new Error('gone'));
  await expect(asked).rejects.toThrow('gone');
  await expect(waits).rejects.toThrow('gone');
  await expect(place('e', leaving.signal)).rejects.toThrow('gone');
  (await call(1)).answer();
  expect((await stays).invoice).toBe('b');
  expect((await call(2)).orders).toEqual(['d']);
  (await call(2)).answer();
  expect((await late).invoice).toBe('d');
});

test('a call asks for no more than the sandbox takes', async () => {
  const { place, call } = byHand();
  const many = Array.from({ length: maxOrders + 1 }, (_, index) => place(String(index)));
  expect((await call(1)).orders).toHaveLength(maxOrders);
  (await call(1)).answer();
  expect((await call(2)).orders).toHaveLength(1);
  (await call(2)).answer();
  await Promise.all(many);
  const long = Array.from({ length: 14 }, () => place('é'.repeat(639)));
  expect((await call(3)).orders).toHaveLength(12);
  (await call(3)).answer();
  (await call(4)).answer();
  await Promise.all(long);
});
