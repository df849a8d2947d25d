import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { answer } from '../testing/LyingServer.ts';
import { openShop, type ShopOptions } from '../testing/Shop.ts';
import type { ConsentQuestion } from './Budget.ts';
import * as Budget from './Budget.ts';
import { answerOf } from './budget/Consent.ts';
import { createFetch } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  return shop;
}

/** Addresses that have nothing to do with one another. */
const urls = ({ server }: Awaited<ReturnType<typeof setup>>, count: number) => Array.from({ length: count }, (_, index) => `${server.origin}/v1/${index}`);

describe('a limit', () => {
  it('that is used up says whose it is, what of it is spent and held, until when, and what to do', async () => {
    const shop = await setup({ budgets: [{ name: 'agent', limits: [{ per: 'day', max: '120 sat', host: '127.0.0.1' }] }] });
    const [first = '', second = '', third = ''] = urls(shop, 3);
    await shop.fetch(first);
    shop.payer.script({ kind: 'unknown', became: 'pending' });
    await expect(shop.fetch(second)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    const { host } = new URL(third);
    await expect(shop.fetch(third)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message:
        'The invoice asks 50 sat; the budget "agent" allows 120 sat a day to 127.0.0.1, fees included: 50 sat are spent and 60 sat are held for payments ' +
        'whose end is not known yet. 10 sat are left until 2027-01-16 00:00:00 UTC: wait until then, or raise that limit.',
      details: {
        budget: 'agent',
        limit: 'day',
        max: '120 sat',
        only: '127.0.0.1',
        spent: '50 sat',
        held: '60 sat',
        until: '2027-01-16 00:00:00 UTC',
        price: '50 sat',
        host,
      },
    });
    shop.clock.advance(86_400_000);
    shop.payer.script({ kind: 'settle' });
    expect((await shop.fetch(third)).status).toBe(200);
  });

  it('for one request says whose it is, where it is not the client’s own', async () => {
    const shop = await setup({ budgets: [{ name: 'agent', limits: [{ per: 'request', max: '49 sat' }] }] });
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: expect.stringContaining('the limit of the budget "agent" for one request to 127.0.0.1'),
      details: { budget: 'agent', limit: 'request' },
    });
    expect(await shop.store.list()).toEqual([]);
  });

  it('of a standing budget binds a client that knows nothing of it', async () => {
    const shop = await setup();
    await shop.store.budgets.put({ name: '', limits: [{ per: 'total', max: '70 sat' }] });
    const [first = '', second = ''] = urls(shop, 2);
    await shop.fetch(first);
    await expect(shop.fetch(second)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: expect.stringContaining('the standing budget for everything allows 70 sat altogether'),
      details: { budget: '', standing: true, limit: 'total' },
    });
  });

  it('that leaves too little for the fee is the one that is named', async () => {
    const shop = await setup({ budgets: [{ name: 'agent', limits: [{ per: 'hour', max: '52 sat' }] }] });
    shop.payer.script({ kind: 'settle', feeMsat: 3000n as never, refuse: true });
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: expect.stringContaining('more than the 2 sat that the budget "agent" (52 sat an hour, fees included) leaves for it'),
      details: { budget: 'agent', limit: 'hour', feeRoom: '2 sat' },
    });
  });
});

describe('hosts', () => {
  it('that are not allowed, or are denied, are asked and not paid', async () => {
    for (const options of [{ allow: ['example.com'] }, { deny: ['127.0.0.1'] }, { budgets: [{ name: 'agent', deny: ['*'] }] }] as const) {
      const shop = await setup(options);
      await expect(shop.fetch(shop.url)).rejects.toMatchObject({ code: 'BUDGET_HOST_DENIED', message: expect.stringContaining(new URL(shop.url).host) });
      expect([shop.payer.paid.length, await shop.store.list()]).toEqual([0, []]);
    }
    const shop = await setup({ allow: ['127.0.0.1'], budgets: [{ name: 'agent', allow: ['127.0.0.1'] }] });
    expect((await shop.fetch(shop.url)).status).toBe(200);
  });

  it('are not paid where the store says so', async () => {
    const shop = await setup();
    await shop.store.budgets.put({ name: 'house', allow: ['example.com'] });
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({ code: 'BUDGET_HOST_DENIED', details: { budget: 'house' } });
  });
});

describe('consent', () => {
  it('is asked for above its threshold, with what is sold, for how much, and what the budget has left', async () => {
    const asked: ConsentQuestion[] = [];
    const ask = async (question: ConsentQuestion) => {
      asked.push(question);
      expect(await shop.store.list()).toEqual([]);
      return true;
    };
    const shop = await setup({ consent: { above: '49 sat', ask }, budgets: [{ name: 'agent', limits: [{ per: 'day', max: '200 sat' }] }] });
    expect((await shop.fetch(shop.url)).status).toBe(200);
    const [question] = asked;
    expect(question).toMatchObject({
      origin: shop.server.origin,
      method: 'GET',
      path: '/v1/translate',
      amountMsat: 50_000n,
      maxFeeMsat: 10_000n,
      aboveMsat: 49_000n,
    });
    expect(question?.limits.map(({ budget, limit, spentMsat }) => [budget, limit.per, spentMsat])).toEqual([
      ['', 'request', 0n],
      ['agent', 'day', 0n],
    ]);
    expect(asked.length).toBe(1);
  });

  it('is no where it is refused, where nobody can be asked, and where asking fails or answers anything but yes', async () => {
    const fails = () => Promise.reject(new Error('the terminal is gone'));
    const cases = [
      [() => false, 'no'],
      [() => 'yes' as never, 'no'],
      [undefined, 'nobody'],
      [fails, 'failed'],
    ] as const;
    for (const [ask, why] of cases) {
      const shop = await setup({ consent: { above: '49 sat', ...(ask && { ask }) } });
      await expect(shop.fetch(shop.url)).rejects.toMatchObject({ code: 'CONSENT_REFUSED', details: { why, price: '50 sat', above: '49 sat' } });
      expect([shop.payer.paid.length, await shop.store.list()]).toEqual([0, []]);
    }
  });

  it('is not asked for below, and the fee does not reach over the threshold', async () => {
    const shop = await setup({ consent: { above: '52 sat' } });
    expect((await shop.fetch(shop.url)).status).toBe(200);
    expect(shop.payer.paid[0]?.maxFeeMsat).toBe(2000n);
    const tight = await setup({ consent: { above: '52 sat' } });
    tight.payer.script({ kind: 'settle', feeMsat: 3000n as never, refuse: true });
    await expect(tight.fetch(tight.url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', message: expect.stringContaining('may be paid without consent') });
  });

  it('is not asked for what no limit covers', async () => {
    const shop = await setup({ maxTotal: '49 sat', consent: { above: '1 sat', ask: () => expect.fail('asked') } });
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED' });
  });

  it('is for the fee that was said, also where more has become free meanwhile', async () => {
    const asked: ConsentQuestion[] = [];
    const ask = async (question: ConsentQuestion) => {
      asked.push(question);
      shop.payer.end(shop.payer.paid[0]?.paymentHash as never, 'failed');
      await shop.client.resume();
      return true;
    };
    const shop = await setup({ maxTotal: '109 sat', consent: { above: '52 sat', ask } });
    shop.payer.script({ kind: 'unknown', became: 'pending' });
    const [first = '', second = ''] = urls(shop, 2);
    await expect(shop.fetch(first)).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    shop.payer.script({ kind: 'settle' });
    shop.server.handle(({ paid }, response) =>
      paid ? answer(response) : shop.server.challenge(response, shop.server.offer({ amountMsat: 55_000n as never })),
    );
    expect((await shop.fetch(second)).status).toBe(200);
    expect([asked.map(({ maxFeeMsat }) => maxFeeMsat), shop.payer.paid[1]?.maxFeeMsat]).toEqual([[2000n], 2000n]);
  });

  it('that comes when the invoice has expired pays nothing, and says so', async () => {
    const ask = () => {
      shop.clock.advance(595_000);
      return true;
    };
    const shop = await setup({ consent: { above: '1 sat', ask } });
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({ code: 'INVOICE_EXPIRED' });
    expect([shop.payer.paid, await shop.store.list()]).toEqual([[], []]);
  });

  it('leaves nothing behind with the one who waits for it', async () => {
    const { signal } = new AbortController();
    expect(await answerOf(async () => true, {} as ConsentQuestion, signal)).toBe('yes');
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('that nobody waits for any more is worth nothing', async () => {
    const stop = new AbortController();
    const shop = await setup({ consent: { above: '1 sat', ask: () => new Promise(() => stop.abort()) } });
    await expect(shop.fetch(shop.url, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await shop.store.list()).toEqual([]);
  });
});

describe('spending that was stopped', () => {
  it('stops every client of the store at its next payment, and what has not come to its wallet', async () => {
    const shop = await setup();
    const { store, payer, clock } = shop;
    await store.stopSpending('The card is lost.');
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: expect.stringContaining('The card is lost.'),
      details: { limit: 'stopped' },
    });
    await store.allowSpending();
    const reserve: typeof store.reserve = async (request) => {
      const outcome = await store.reserve(request);
      await store.stopSpending('Just now.');
      return outcome;
    };
    const late = createFetch({ payer, clock, maxPerRequest: '60 sat', store: { ...store, reserve } });
    await expect(late(shop.url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { limit: 'stopped' } });
    expect([payer.paid.length, (await store.spending()).heldMsat]).toEqual([0, 0n]);
  });
});

describe('a budget within another', () => {
  const payer = { name: 'scripted', capabilities: { feeLimit: true, track: true, balance: false } };

  it('keeps all that is around it, and its tags', () => {
    const outer = Budget.create({ maxPerRequest: '60 sat', tags: ['a'], budgets: [{ name: 'owner' }], deny: ['x.org'] }, payer);
    const inner = Budget.within(outer, { name: 'task', limits: [{ per: 'request', max: '1000 sat' }], tags: ['b', 'a'] });
    expect(inner.chain.map(({ name }) => name)).toEqual(['', 'owner', 'task']);
    expect(inner.tags).toEqual(['a', 'b']);
    expect(Budget.feeRoom(inner, 50_000n as never, 'https://y.org').maxFeeMsat).toBe(10_000n);
    expect(() => Budget.feeRoom(inner, 50_000n as never, 'https://x.org')).toThrow(expect.objectContaining({ code: 'BUDGET_HOST_DENIED' }));
  });

  it('that is written wrongly is the caller’s mistake', () => {
    const make = (budget: unknown) => () => Budget.create({ maxPerRequest: '60 sat', budgets: [budget as never] }, payer);
    expect(make({ name: '' })).toThrow(TypeError);
    expect(make({ name: 'a/b' })).toThrow(TypeError);
    expect(make({ name: 'a', limits: [{ per: 'year', max: '1 sat' }] })).toThrow(/per/);
    expect(make({ name: 'a', limits: [{ per: 'day', max: '1' }] })).toThrow(expect.objectContaining({ code: 'AMOUNT_MALFORMED' }));
    expect(make({ name: 'a', limits: [{ per: 'day', max: '0 sat' }] })).toThrow(RangeError);
    expect(make({ name: 'a', limits: [{ per: 'day', max: '1 sat', host: 'https://x' }] })).toThrow(TypeError);
    expect(make({ name: 'a', limits: [{ per: 'day', max: '1 sat', tag: '' }] })).toThrow(/tag/);
    expect(() => Budget.create({ maxPerRequest: '60 sat', tags: ['a b'] }, payer)).toThrow(/tag/);
  });
});
