import { afterEach, describe, expect, it } from 'vitest';
import type * as FixedClock from '../testing/FixedClock.ts';
import { answer } from '../testing/LyingServer.ts';
import { openShop, perRequest, type ShopOptions } from '../testing/Shop.ts';
import { createClient, createMemoryClientStore, paymentOf } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions) {
  const shop = await openShop(options);
  closing.push(shop.close);
  return shop;
}

/** Moves time on, so much whenever something waits for it, until the promise ends. */
async function passing<T>(clock: FixedClock.FixedClock, promise: Promise<T>, ready: () => boolean = () => true): Promise<T> {
  let over = false;
  const end = promise.finally(() => {
    over = true;
  });
  end.catch(() => undefined);
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!over && clock.timers() > 0 && ready()) clock.advance(100);
  }
  return end;
}

describe('the first byte', () => {
  it('of what is not paid for: the phase is named, and nothing was paid', async () => {
    const { fetch, server, payer, clock, url } = await setup({ timeouts: { firstByteMs: 500 } });
    server.handle(() => {});
    await expect(passing(clock, fetch(url), () => server.requests.length > 0)).rejects.toMatchObject({
      code: 'REQUEST_TIMED_OUT',
      message: expect.stringContaining('Nothing was paid'),
      details: { phase: 'first-byte', limitMs: 500 },
    });
    expect(payer.paid.length).toBe(0);
  });

  it('after a payment: the error says what was paid, and the next call uses it', async () => {
    const { fetch, server, payer, clock, url } = await setup({ timeouts: { firstByteMs: 500 } });
    let isSlow = true;
    server.handle(({ paid }, response) => {
      if (paid === undefined) server.challenge(response, server.offer({ caveats: perRequest }));
      else if (!isSlow) answer(response);
    });
    const call = passing(clock, fetch(url), () => server.requests.length > 1);
    await expect(call).rejects.toMatchObject({
      code: 'PAYMENT_INTERRUPTED',
      message: expect.stringContaining('50 sat'),
      details: { phase: 'first-byte', limitMs: 500, amount: '50 sat' },
    });
    isSlow = false;
    expect(paymentOf(await fetch(url))).toMatchObject({ reused: true, paymentHash: payer.paid[0]?.paymentHash });
    expect(payer.paid.length).toBe(1);
  });
});

describe('the wallet', () => {
  it('is not waited for longer, goes on by itself, and what it bought is used by the next call', async () => {
    const { fetch, payer, store, clock, url } = await setup({ timeouts: { payMs: 2000 } });
    const open = payer.slow();
    await expect(passing(clock, fetch(url), () => payer.paid.length > 0)).rejects.toMatchObject({
      code: 'PAYMENT_UNKNOWN',
      details: { phase: 'pay', limitMs: 2000, amount: '50 sat' },
    });
    expect(payer.paid[0]?.timeoutSeconds).toBe(2);
    open();
    await until(async () => (await store.list())[0]?.state === 'settled');
    expect(paymentOf(await fetch(url))).toMatchObject({ reused: true });
    expect(payer.paid.length).toBe(1);
  });

  it('is not called where time is up before', async () => {
    const kept = createMemoryClientStore();
    let isSlow = true;
    const store: typeof kept = {
      ...kept,
      dispatch: async (request) => {
        while (isSlow) await new Promise((resolve) => setImmediate(resolve));
        return kept.dispatch(request);
      },
    };
    const { fetch, payer, clock, url } = await setup({ store, timeouts: { payMs: 2000 } });
    const call = fetch(url);
    call.catch(() => undefined);
    await until(async () => (await kept.list()).length > 0);
    clock.advance(2000);
    isSlow = false;
    await expect(call).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', details: { phase: 'pay' } });
    expect(payer.paid.length).toBe(0);
    expect((await kept.list()).map(({ state }) => state)).toEqual(['failed']);
  });
});

describe('an answer that stands still', () => {
  it('breaks off, and what buys one answer is good for the same request', async () => {
    const { fetch, server, payer, clock, store, url } = await setup({ timeouts: { idleMs: 300 } });
    let isSlow = true;
    server.handle(({ paid }, response) => {
      if (paid === undefined) return server.challenge(response, server.offer({ caveats: perRequest }));
      response.writeHead(200, { 'Content-Type': 'text/plain' });
      response.write('half ');
      if (!isSlow) response.end('of it');
    });
    const response = await fetch(url);
    const text = response.text();
    text.catch(() => undefined);
    await expect(passing(clock, text)).rejects.toMatchObject({
      code: 'REQUEST_TIMED_OUT',
      details: { phase: 'idle', limitMs: 300, paymentHash: payer.paid[0]?.paymentHash },
    });
    await until(async () => (await store.list())[0]?.owner === '');
    isSlow = false;
    expect(await (await fetch(url)).text()).toBe('half of it');
    expect(payer.paid.length).toBe(1);
  });

  it('is not broken off while its reader takes his time', async () => {
    const { fetch, server, clock, url } = await setup({ timeouts: { idleMs: 300 } });
    server.handle((_, response) => answer(response));
    const response = await fetch(url);
    clock.advance(60_000);
    expect(await response.json()).toEqual({ ok: true });
  });
});

describe('connecting', () => {
  it('has a limit where the fetch can tell', async () => {
    const broken = async () => {
      throw new TypeError('fetch failed', { cause: Object.assign(new Error('too long'), { code: 'UND_ERR_CONNECT_TIMEOUT' }) });
    };
    const limits: number[] = [];
    const fetch = Object.assign(async () => new Response(), {
      withConnectLimit: (ms: number) => {
        limits.push(ms);
        return broken;
      },
    });
    const shop = await setup({ fetch, timeouts: { connectMs: 250 } });
    await expect(shop.fetch(shop.url)).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', details: { phase: 'connect', limitMs: 250 } });
    expect(limits).toEqual([250]);
  });

  it('has none where it cannot', async () => {
    const { payer } = await setup({});
    expect(() => createClient({ payer, maxPerRequest: '60 sat', timeouts: { connectMs: 250 } })).toThrow(TypeError);
  });
});

it.each([[{ payMs: 0 }], [{ idleMs: 1.5 }], [{ firstByteMs: 86_400_001 }], [{ bodyMs: 5 } as object]])('refuses the limits %o', async (timeouts) => {
  const { payer } = await setup({});
  expect(() => createClient({ payer, maxPerRequest: '60 sat', timeouts })).toThrow(/timeouts\./);
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}
