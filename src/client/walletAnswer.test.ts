import { afterEach, describe, expect, it } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import type { Payer, PaymentOutcome, TrackedPayment } from '../lightning/Lightning.ts';
import { openShop, type ShopOptions } from '../testing/Shop.ts';
import type { ClientStore } from './ClientStore.ts';
import { createFetch, paymentOf, resumePayments } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  const states = async () => (await shop.store.list()).map(({ state }) => state);
  /** A client with parts that behave otherwise. */
  const fetchWith = (payer: Partial<Payer>, store: Partial<ClientStore> = {}) =>
    createFetch({ payer: { ...shop.payer, ...payer }, store: { ...shop.store, ...store }, maxPerRequest: '60 sat', clock: shop.clock });
  return { ...shop, states, fetchWith };
}

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
};

describe('a wallet that has said that a payment is under way', () => {
  it('is not believed when it has never seen it later, after a failure that it told of', async () => {
    const { fetchWith, url, payer, clock, store, states } = await setup();
    payer.script({ kind: 'fail', reason: 'rejected' });
    let says: TrackedPayment = { kind: 'pending' };
    const trackPayment = async () => says;
    await expect(fetchWith({ trackPayment })(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    says = { kind: 'absent' };
    clock.advance(700_000);
    await resumePayments({ payer: { ...payer, trackPayment }, store, clock });
    expect(await states()).toEqual(['unknown']);
  });

  it('is not believed either after its own late word that it does not know', async () => {
    const { fetchWith, url, payer, clock, store, states } = await setup();
    let says: TrackedPayment = { kind: 'pending' };
    let late: (outcome: PaymentOutcome) => void = () => {};
    const odd = { pay: () => new Promise<PaymentOutcome>((resolve) => (late = resolve)), trackPayment: async () => says };
    const called = fetchWith(odd)(url);
    const ends = expect(called).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    while ((await states())[0] !== 'dispatched') await turns(1);
    await turns();
    clock.advance(65_000);
    await ends;
    const resume = () => resumePayments({ payer: { ...payer, ...odd }, store, clock });
    await resume();
    late({ kind: 'unknown', message: 'The connection was lost.' });
    await turns();
    says = { kind: 'absent' };
    clock.advance(700_000);
    await resume();
    expect(await states()).toEqual(['unknown']);
  });
});

describe('a driver whose answers nobody checked', () => {
  it.each([undefined, null, 'paid', {}, { kind: 'paid' }])('that answers %j may have paid', async (answer) => {
    const { fetchWith, url, clock, states } = await setup();
    await expect(fetchWith({ pay: async () => answer as never })(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect(await states()).toEqual(['unknown']);
    expect(clock.timers()).toBe(0);
  });

  it('that writes its fee as a number is understood, and keeps the proof', async () => {
    const { fetchWith, url, payer, store } = await setup();
    const response = await fetchWith({ pay: async (request) => ({ ...(await payer.pay(request)), feeMsat: 1000 }) as never })(url);
    expect([response.status, paymentOf(response)?.feeMsat]).toEqual([200, 1000n]);
    expect((await store.spending()).heldMsat).toBe(0n);
  });

  it('that names no fee is taken to have charged all that it might', async () => {
    const { fetchWith, url, payer } = await setup();
    const response = await fetchWith({ pay: async (request) => ({ ...(await payer.pay(request)), feeMsat: 'little' }) as never })(url);
    expect(paymentOf(response)?.feeMsat).toBe(10_000n);
  });
});

it('a proof that comes late, while the store is away, is written down by the next call', async () => {
  const { fetchWith, url, payer, clock, store } = await setup({ capabilities: { track: false } });
  let isAway = false;
  const fetch = fetchWith(
    {},
    {
      step: async (paymentHash, step, nowAt) => {
        if (isAway && step.kind === 'settle') throw new FareboxError('STORE_UNAVAILABLE', 'away');
        return store.step(paymentHash, step, nowAt);
      },
    },
  );
  const goOn = payer.slow();
  const ends = expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
  while (payer.paid.length === 0) await turns(1);
  clock.advance(65_000);
  await ends;
  isAway = true;
  goOn();
  await turns();
  isAway = false;
  expect(paymentOf(await fetch(url))?.reused).toBe(true);
  expect(payer.paid).toHaveLength(1);
});

it('a pass that has just been bought serves another call at once', async () => {
  const { fetch, server, payer } = await setup();
  const caveats = ['services=shop:0', 'shop_path=/v1/*', 'shop_valid_until=1800003600', 'shop_terms=pass'];
  const held: (() => void)[] = [];
  server.handle((request, response) => {
    if (request.paid) held.push(() => response.end('{}'));
    else server.challenge(response, server.offer({ caveats }));
  });
  const first = fetch(`${server.origin}/v1/a`);
  while (held.length < 1) await turns(1);
  const second = fetch(`${server.origin}/v1/b`);
  while (held.length < 2) await turns(1);
  for (const goOn of held) goOn();
  await Promise.all([first, second]);
  expect(payer.paid).toHaveLength(1);
});
