import { afterEach, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import { FareboxError } from '../core/Errors.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { InvoiceRequest, Receiver } from './Lightning.ts';
import { type ReadyOptions, withReadyInvoices } from './ready.ts';
import { createSandboxNetwork } from './sandbox.ts';

const request: InvoiceRequest = { amountMsat: Amount.fromSat(50), description: 'one answer', expirySeconds: 600 };
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A wallet that counts what it is asked, and can be away. */
function createShop(options: ReadyOptions = {}) {
  const clock = FixedClock.create();
  const node = createSandboxNetwork({ clock }).receiver('shop');
  const asked: InvoiceRequest[] = [];
  let isAway = false;
  const counting: Receiver = {
    ...node,
    createInvoice: async (order, signal) => {
      asked.push(order);
      if (isAway) throw new FareboxError('LIGHTNING_UNAVAILABLE', 'away');
      return node.createInvoice(order, signal);
    },
  };
  const receiver = withReadyInvoices(counting, { clock, ...options });
  closing.push(receiver.close);
  const settle = async () => {
    clock.advance(10);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  };
  return { clock, asked, receiver, settle, goAway: (away: boolean) => (isAway = away) };
}

test('what is asked for a second time is ready from then on, and nobody waits for the node', async () => {
  const { asked, receiver, settle } = createShop();
  await receiver.createInvoice(request);
  await settle();
  expect(asked).toHaveLength(1);
  await receiver.createInvoice(request);
  await settle();
  expect(asked).toEqual([request, request, { ...request, expirySeconds: 1200 }]);
  const before = asked.length;
  const third = receiver.createInvoice(request);
  // Taken from what is ready: the node has been asked for nothing that anybody waits for.
  const invoice = Bolt11.peek((await third).invoice);
  expect(invoice.expirySeconds).toBe(1200);
  expect(asked.slice(before).every(({ expirySeconds }) => expirySeconds === 1200)).toBe(true);
});

test('no invoice is handed out twice, and each is the one that was asked for', async () => {
  const { receiver, settle } = createShop({ keep: 4 });
  const hashes = new Set<string>();
  for (let round = 0; round < 10; round++) {
    const orders = [request, { ...request, amountMsat: Amount.fromSat(7) }, { ...request, description: 'another' }];
    const made = await Promise.all([...orders, ...orders].map((order) => receiver.createInvoice(order)));
    made.forEach(({ invoice }, index) => {
      const { amountMsat, description, paymentHash } = Bolt11.peek(invoice);
      expect({ amountMsat, description }).toEqual({ amountMsat: orders[index % 3]?.amountMsat, description: orders[index % 3]?.description });
      hashes.add(paymentHash);
    });
    await settle();
  }
  expect(hashes.size).toBe(60);
});

test('one that has not all of its life left is handed to nobody, and fewer are kept', async () => {
  const { clock, asked, receiver, settle } = createShop();
  for (let turn = 0; turn < 5; turn++) {
    await receiver.createInvoice(request);
    await settle();
  }
  clock.advance(601_000);
  const before = asked.length;
  const { expiresAt } = await receiver.createInvoice(request);
  expect(expiresAt).toBeGreaterThanOrEqual(Math.floor(clock.nowMs() / 1000) + 600);
  expect(asked[before]).toEqual(request);
  await settle();
  expect(asked.length).toBe(before + 1);
});

test('as many are kept as were asked for lately, and never more than said', async () => {
  const { asked, receiver, settle } = createShop({ keep: 3 });
  for (let turn = 0; turn < 20; turn++) await receiver.createInvoice(request);
  await settle();
  expect(asked.length - 20).toBeLessThanOrEqual(3);
});

test('prices that move are not kept, and leave nothing behind', async () => {
  const { asked, receiver, settle } = createShop();
  for (let sat = 1; sat <= 50; sat++) await receiver.createInvoice({ ...request, amountMsat: Amount.fromSat(sat) });
  await settle();
  expect(asked).toHaveLength(50);
});

test('the node is asked no more than so many times a second, whatever arrives', async () => {
  const { clock, asked, receiver, settle } = createShop({ perSecond: 10, keep: 16 });
  const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => receiver.createInvoice(request)));
  await settle();
  // Half of what the node may be asked for is theirs who wait, at the least.
  expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(5);
  for (const one of outcomes) if (one.status === 'rejected') expect(one.reason).toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  expect(asked.length).toBeLessThanOrEqual(10);
  clock.advance(1000);
  await settle();
  expect(asked.length).toBeLessThanOrEqual(20);
  await receiver.createInvoice(request);
});

test('a node that is away is told of by whoever asks, and the keeping goes on when it is back', async () => {
  const { asked, receiver, settle, goAway } = createShop();
  for (let turn = 0; turn < 3; turn++) await receiver.createInvoice(request);
  await settle();
  goAway(true);
  // What is ready is ready: a short absence is not noticed.
  const { length } = asked;
  await receiver.createInvoice(request);
  for (let turn = 0; turn < 20; turn++) await receiver.createInvoice(request).catch(() => undefined);
  await expect(receiver.createInvoice(request)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  await settle();
  goAway(false);
  await receiver.createInvoice(request);
  await settle();
  expect(asked.length).toBeGreaterThan(length);
  await receiver.createInvoice(request);
});

test('closed, it keeps nothing up', async () => {
  const { clock, receiver, settle } = createShop({ perSecond: 2 });
  for (let turn = 0; turn < 3; turn++) await receiver.createInvoice(request).catch(() => undefined);
  await receiver.close();
  await settle();
  expect(clock.timers()).toBe(0);
  await expect(receiver.createInvoice(request)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
});

test.each([{ keep: 0 }, { keep: 1.5 }, { perSecond: 0 }, { perSecond: Number.NaN }])('%j is refused', (options) => {
  expect(() => createShop(options)).toThrow(RangeError);
});
