import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { openShop, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { createFetch, createMemoryClientStore, interruptedOf, type PaymentInterrupted, parseInterrupted, paymentOf, resumePayment } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  sellOnce(shop.server);
  return shop;
}

/** What the error leaves behind, by way of JSON, as another process gets it. */
async function interruptionOf(call: Promise<unknown>): Promise<PaymentInterrupted> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return JSON.parse(JSON.stringify(interruptedOf(error))) as PaymentInterrupted;
}

describe('an interrupted payment', () => {
  it('is plain data without a secret, and tells another process what became of it', async () => {
    const { fetch, payer, store, clock, url, server } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    const interrupted = await interruptionOf(fetch(url));
    const { paymentHash } = interrupted;
    expect(interrupted).toMatchObject({
      kind: 'payment-interrupted',
      version: 1,
      code: 'PAYMENT_UNKNOWN',
      method: 'GET',
      path: '/v1/translate',
      amount: '50 sat',
    });
    const text = JSON.stringify(interrupted);
    expect([text.includes(server.preimageOf(paymentHash) ?? '?'), text.includes('hello')]).toEqual([false, false]);

    expect((await resumePayment(interrupted, { payer, store, clock })).kind).toBe('unknown');
    payer.end(paymentHash, 'settled');
    expect(await resumePayment(interrupted, { payer, store, clock })).toMatchObject({ kind: 'paid', payment: { state: 'settled', usable: true } });
    const elsewhere = createFetch({ payer, store, clock, maxPerRequest: '60 sat' });
    expect(paymentOf(await elsewhere(url))).toMatchObject({ paymentHash, reused: true });
    expect(payer.paid.length).toBe(1);
    expect((await resumePayment(interrupted, { payer, store, clock })).kind).toBe('paid');
  });

  it('that failed is unpaid, and one that has bought its answer is over', async () => {
    const { fetch, payer, store, clock, url } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    const interrupted = await interruptionOf(fetch(url));
    payer.end(interrupted.paymentHash, 'failed');
    expect((await resumePayment(interrupted, { payer, store, clock })).kind).toBe('unpaid');
    payer.script({ kind: 'unknown', became: 'settled' });
    const second = await interruptionOf(fetch(url));
    expect((await resumePayment(second, { payer, store, clock })).kind).toBe('paid');
    await (await fetch(url)).text();
    expect((await resumePayment(second, { payer, store, clock })).kind).toBe('over');
    expect(payer.paid.length).toBe(2);
  });

  it('that a call is at work on is left to it', async () => {
    const { fetch, payer, store, clock, url } = await setup();
    const open = payer.slow();
    const call = fetch(url);
    await expect.poll(async () => (await store.list(['dispatched'])).length).toBe(1);
    const [{ paymentHash } = { paymentHash: '' }] = await store.list();
    const interrupted = parseInterrupted({ kind: 'payment-interrupted', version: 1, paymentHash, code: 'PAYMENT_UNKNOWN', message: '' });
    expect((await resumePayment(interrupted, { payer, store, clock })).kind).toBe('under-way');
    expect(payer.tracked).toEqual([]);
    open();
    expect((await call).status).toBe(200);
  });

  it('of a server that broke off after it was paid is told, too', async () => {
    const { fetch, server, url } = await setup();
    server.handle(({ paid }, response) => (paid ? void response.destroy() : server.challenge(response)));
    expect(await interruptionOf(fetch(url))).toMatchObject({ code: 'PAYMENT_INTERRUPTED', amount: '50 sat' });
  });

  it('is resumed on its own journal alone', async () => {
    const { fetch, payer, clock, url } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    const interrupted = await interruptionOf(fetch(url));
    const resumed = resumePayment(interrupted, { payer, store: createMemoryClientStore(), clock });
    await expect(resumed).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
  });
});

describe('what is no interrupted payment', () => {
  it('is told from one', () => {
    for (const error of [
      undefined,
      new Error('x'),
      new FareboxError('BUDGET_EXCEEDED', 'x', { details: { paymentHash: 'ab'.repeat(32) } }),
      new FareboxError('STORE_UNAVAILABLE', 'x'),
    ]) {
      expect(interruptedOf(error)).toBeUndefined();
    }
  });

  it('is refused', () => {
    const good = { kind: 'payment-interrupted', version: 1, paymentHash: 'ab'.repeat(32), code: 'PAYMENT_UNKNOWN', message: 'x' };
    expect(parseInterrupted({ ...good, path: '/a', amount: 5, more: 1 })).toEqual({ ...good, path: '/a' });
    for (const change of [{ kind: 'x' }, { version: 2 }, { paymentHash: 'AB'.repeat(32) }, { paymentHash: 5 }, { code: 'BUDGET_EXCEEDED' }, { message: 5 }]) {
      expect(() => parseInterrupted({ ...good, ...change })).toThrow(TypeError);
    }
    fc.assert(fc.property(fc.anything(), (value) => void expect(() => parseInterrupted(value)).toThrow(TypeError)));
  });
});
