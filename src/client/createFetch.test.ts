import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import type * as Preimage from '../core/Preimage.ts';
import type * as FixedClock from '../testing/FixedClock.ts';
import { answer } from '../testing/LyingServer.ts';
import { createScriptedPayer } from '../testing/ScriptedPayer.ts';
import { openShop, perRequest, type ShopOptions, sellOnce } from '../testing/Shop.ts';
import { createFetch, createMemoryClientStore, type Payment, paymentOf } from './index.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function setup(options: ShopOptions = {}) {
  const shop = await openShop(options);
  closing.push(shop.close);
  return shop;
}

/** Moves time on whenever something waits for it, until the promise ends. */
async function passing<T>(clock: FixedClock.FixedClock, promise: Promise<T>, stepMs = 1000): Promise<T> {
  let over = false;
  const end = promise.finally(() => {
    over = true;
  });
  end.catch(() => undefined);
  while (!over) {
    await new Promise((resolve) => setImmediate(resolve));
    if (clock.timers() > 0) clock.advance(stepMs);
  }
  return end;
}

describe('a purchase', () => {
  it('takes exactly two requests, and says what it cost', async () => {
    const { fetch, server, payer, url, store, events } = await setup();
    payer.script({ kind: 'settle', feeMsat: Amount.fromMsat(1500n) });
    const response = await fetch(url);
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({ ok: true });
    expect(server.requests.map(({ paid }) => paid)).toEqual([undefined, payer.paid[0]?.paymentHash]);
    expect(paymentOf(response)).toEqual({ paymentHash: payer.paid[0]?.paymentHash, amountMsat: 50_000n, feeMsat: 1500n, reused: false });
    expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: 51_500n, stoppedBy: undefined });
    expect(events.map(({ kind }) => kind)).toEqual(['sent', 'answered', 'quoted', 'paying', 'paid', 'sent', 'answered']);
  });

  it('shows the token exactly as it was received, under the scheme that was offered', async () => {
    const { fetch, server, url } = await setup();
    const offer = server.offer({ token: 'eyJh.opaque-token_v1~x.sig' });
    server.handle((request, response) => {
      if (request.paid) return answer(response);
      response.writeHead(402, { 'WWW-Authenticate': `LSAT macaroon="${offer.token}", invoice="${offer.invoice}"` }).end();
    });
    await fetch(url);
    expect(server.requests[1]?.headers.authorization).toBe(`LSAT ${offer.token}:${server.preimageOf(offer.paymentHash)}`);
  });

  it('sends a body of a megabyte again, whole, whatever it came from', async () => {
    const { fetch, server, url } = await setup();
    const body = Uint8Array.from({ length: 1024 * 1024 }, (_, index) => (index * 31) & 255);
    sellOnce(server);
    for (const given of [body, new Blob([body]), new Blob([body]).stream()]) {
      const before = server.requests.length;
      const response = await fetch(url, { method: 'POST', body: given, headers: { 'Content-Type': 'application/octet-stream' } });
      expect(response.status).toBe(200);
      const [bare, paid] = server.requests.slice(before);
      expect(Buffer.compare(bare?.body ?? Buffer.of(), body)).toBe(0);
      expect(Buffer.compare(paid?.body ?? Buffer.of(), body)).toBe(0);
      expect(paid?.headers['content-type']).toBe('application/octet-stream');
      expect(server.requests.length - before).toBe(2);
    }
  });

  it('takes a Request, and leaves every header of the caller in place', async () => {
    const { fetch, server, url } = await setup();
    await fetch(new Request(url, { method: 'PUT', body: 'text', headers: { 'X-Own': 'yes' } }));
    expect(server.requests.map(({ method, headers, body }) => [method, headers['x-own'], String(Buffer.from(body))])).toEqual([
      ['PUT', 'yes', 'text'],
      ['PUT', 'yes', 'text'],
    ]);
  });

  it('refuses a body that is too long to be kept, before anything is sent', async () => {
    const { fetch, server, payer, url } = await setup({ maxBodyBytes: 1000 });
    const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(100)) });
    await expect(fetch(url, { method: 'POST', body: endless })).rejects.toMatchObject({ code: 'REQUEST_UNREPEATABLE' });
    await expect(fetch(url, { method: 'POST', body: 'x'.repeat(1001) })).rejects.toMatchObject({ code: 'REQUEST_UNREPEATABLE' });
    expect([server.requests.length, payer.paid.length]).toEqual([0, 0]);
    expect((await fetch(url, { method: 'POST', body: 'x'.repeat(1000) })).status).toBe(200);
  });

  it('leaves free answers, other refusals and 402s of other schemes as they are', async () => {
    const { fetch, server, payer, url } = await setup();
    for (const [status, headers] of [
      [200, {}],
      [404, {}],
      [503, { 'Retry-After': '1' }],
      [401, { 'WWW-Authenticate': 'Basic realm="x"' }],
      [402, {}],
      [402, { 'WWW-Authenticate': 'Payment id="x", method="card"' }],
    ] as const) {
      server.handle((_, response) => answer(response, status, headers, { invoice: 'lnbc1' }));
      const response = await fetch(url);
      expect(response.status).toBe(status);
      expect(await response.json()).toEqual({ invoice: 'lnbc1' });
      expect(paymentOf(response)).toBeUndefined();
    }
    expect([server.requests.length, payer.paid.length]).toEqual([6, 0]);
  });

  it('does not pay for a request that has an Authorization of its own', async () => {
    const { fetch, server, payer, url } = await setup();
    await expect(fetch(url, { headers: { Authorization: 'Bearer own' } })).rejects.toMatchObject({ code: 'CHALLENGE_REFUSED' });
    expect([server.requests.length, payer.paid.length]).toEqual([1, 0]);
  });

  it('tells an observer no secrets, and is not disturbed by one that throws', async () => {
    const { fetch, server, url, events } = await setup();
    await fetch(url);
    const told = JSON.stringify(events, (_, value) => (typeof value === 'bigint' ? String(value) : value));
    const [token, preimage] = server.requests[1]?.headers.authorization?.slice(5).split(':') ?? [];
    for (const secret of [token, preimage, 'text=hello']) expect(told).not.toContain(secret);
    const { fetch: disturbed, url: other } = await setup({
      onEvent: () => {
        throw new Error('observer');
      },
    });
    expect((await disturbed(other)).status).toBe(200);
  });
});

describe('a credential that is kept', () => {
  it('of one answer is used once, and costs no second round trip', async () => {
    const { fetch, server, payer, url } = await setup();
    sellOnce(server);
    await fetch(url);
    await fetch(url);
    expect(server.requests.map(({ paid }) => paid !== undefined)).toEqual([false, true, false, true]);
    expect(payer.paid.length).toBe(2);
  });

  it('of a pass is used again on everything that it covers, until it expires', async () => {
    const { fetch, server, payer, clock } = await setup();
    const caveats = ['services=shop:0', 'shop_method=GET', 'shop_path=/v1/*', 'shop_valid_until=1800003600', 'shop_terms=pass'];
    server.handle((request, response) => (request.paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    await fetch(`${server.origin}/v1/a`);
    for (const path of ['/v1/a', '/v1/b?x=1', '/v1/c/d']) expect(paymentOf(await fetch(server.origin + path))?.reused).toBe(true);
    expect(paymentOf(await fetch(`${server.origin}/v1/a`, { method: 'HEAD' }))?.reused).toBe(true);
    expect([server.requests.length, payer.paid.length]).toEqual([6, 1]);
    await fetch(`${server.origin}/v2/a`);
    await fetch(`${server.origin}/v1/a`, { method: 'POST' });
    expect(payer.paid.length).toBe(3);
    clock.advance(3_601_000);
    await fetch(`${server.origin}/v1/a`);
    expect([server.requests.length, payer.paid.length]).toEqual([12, 4]);
  });

  it('is set aside for good a day after it has expired', async () => {
    const { fetch, server, store, clock } = await setup();
    const caveats = ['services=shop:0', 'shop_path=/v1/*', `shop_valid_until=${Math.floor(clock.nowMs() / 1000) + 3600}`, 'shop_terms=pass'];
    server.handle((request, response) => (request.paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    const usable = async () => (await store.find({ origin: server.origin })).credentials.length;
    await fetch(`${server.origin}/v1/a`);
    server.handle((_, response) => answer(response));
    for (const [seconds, left] of [
      [3600 + 86_400, 1],
      [1, 0],
    ] as const) {
      clock.advance(seconds * 1000);
      await fetch(`${server.origin}/v1/a`);
      expect(await usable()).toBe(left);
    }
  });

  it('that says nothing of itself is tried where it was bought, and set aside when it is refused', async () => {
    const { fetch, server, payer, url, store } = await setup();
    let good = true;
    server.handle(({ paid }, response) => (paid && good ? answer(response) : server.challenge(response, server.offer({ token: 'opaque' }))));
    await fetch(url);
    expect(paymentOf(await fetch(`${server.origin}/v1/translate?text=other`))?.reused).toBe(true);
    expect(payer.paid.length).toBe(1);
    good = false;
    const bought: string[] = [];
    server.handle(({ paid }, response) => {
      if (paid !== undefined && paid !== payer.paid[0]?.paymentHash) {
        bought.push(paid);
        return answer(response);
      }
      server.challenge(response, server.offer({ token: 'opaque' }));
    });
    expect(paymentOf(await fetch(url))?.reused).toBe(false);
    expect(server.requests.length).toBe(5);
    expect(payer.paid.length).toBe(2);
    expect((await store.list()).map(({ usable, state }) => [usable, state])).toEqual([
      [false, 'redeemed'],
      [true, 'redeemed'],
    ]);
    await fetch(url);
    expect([server.requests.length, bought.length]).toEqual([6, 2]);
  });

  it('is tried three times for one request at most, whatever else is kept', async () => {
    const { clock, server, payer, url } = await setup();
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ token: 'opaque' }))));
    const credentials: Payment[] = [];
    for (let buyers = 0; buyers < 5; buyers++) {
      const store = createMemoryClientStore();
      await createFetch({ payer, maxPerRequest: '60 sat', store, clock })(url);
      credentials.push(...(await store.list()));
    }
    const store = { ...createMemoryClientStore(), find: async () => ({ open: [], credentials }) };
    const fetch = createFetch({ payer, maxPerRequest: '60 sat', store, clock });
    const kept = payer.paid.length;
    const before = server.requests.length;
    server.handle(({ paid }, response) =>
      payer.paid.slice(kept).some(({ paymentHash }) => paymentHash === paid) ? answer(response) : server.challenge(response),
    );
    expect(paymentOf(await fetch(url))?.reused).toBe(false);
    expect([kept, server.requests.length - before, payer.paid.length - kept]).toEqual([5, 4, 1]);
  });

  it('that is refused by a 401 of our scheme is set aside, and the request is sent bare; another 401 is the answer', async () => {
    const { fetch, server, payer, url } = await setup();
    await fetch(url);
    server.handle((_, response) => answer(response, 401, { 'WWW-Authenticate': 'Bearer realm="app"' }));
    expect((await fetch(url)).status).toBe(401);
    server.handle(({ paid }, response) => {
      if (paid === payer.paid[0]?.paymentHash) answer(response, 401, { 'WWW-Authenticate': 'L402 error="CREDENTIAL_TAMPERED"' });
      else if (paid) answer(response);
      else server.challenge(response);
    });
    expect(paymentOf(await fetch(url))?.reused).toBe(false);
    expect([server.requests.length, payer.paid.length]).toEqual([6, 2]);
  });

  it('of one answer stays good after an answer that did not use it up', async () => {
    const { fetch, server, payer, url } = await setup();
    const statuses = [500, 404, 422];
    server.handle(({ paid }, response) => {
      if (!paid) return server.challenge(response, server.offer({ caveats: perRequest }));
      answer(response, statuses.shift() ?? 200);
    });
    for (const status of [500, 404, 422, 200]) expect((await fetch(url)).status).toBe(status);
    expect([server.requests.length, payer.paid.length]).toEqual([5, 1]);
    await fetch(url);
    expect(payer.paid.length).toBe(2);
  });

  it('goes by what the server says of the charge before the status', async () => {
    const { fetch, server, payer, url } = await setup();
    const said = ['not-charged', 'charged'];
    server.handle(({ paid }, response) => {
      if (!paid) return server.challenge(response, server.offer({ caveats: perRequest }));
      const charge = said.shift() ?? 'charged';
      answer(response, charge === 'charged' ? 422 : 200, { 'L402-Payment': charge });
    });
    await fetch(url);
    expect(paymentOf(await fetch(url))?.reused).toBe(true);
    await fetch(url);
    expect(payer.paid.length).toBe(2);
  });

  it('bound to priced inputs is used for the very request only', async () => {
    const { fetch, server, payer, url } = await setup();
    const caveats = ['services=shop:0', 'shop_path=/v1/translate', 'shop_priced=00ff', 'shop_terms=pass'];
    server.handle((request, response) => (request.paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    await fetch(url);
    await fetch(url);
    expect(payer.paid.length).toBe(1);
    await fetch(`${url}&model=dear`);
    expect(payer.paid.length).toBe(2);
  });

  it('is never sent to another origin', async () => {
    const { fetch, server, startServer, payer } = await setup();
    const other = await startServer();
    await fetch(`${server.origin}/a`);
    await fetch(`${other.origin}/a`);
    expect(other.requests[0]?.headers.authorization).toBeUndefined();
    expect(payer.paid.length).toBe(2);
  });

  it('is not taken by a parallel call before its own call has used it', async () => {
    const { fetch, server, payer, url } = await setup();
    sellOnce(server);
    const responses = await Promise.all(Array.from({ length: 8 }, () => fetch(url)));
    expect(responses.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(new Set(responses.map((response) => paymentOf(response)?.paymentHash)).size).toBe(8);
    expect([server.requests.length, payer.paid.length]).toEqual([16, 8]);
  });
});

describe('limits', () => {
  it('refuse a price over the limit for one request, and say what to do', async () => {
    const { fetch, payer, url, server } = await setup({ maxPerRequest: '10 sat' });
    const host = new URL(server.origin).host;
    await expect(fetch(url)).rejects.toMatchObject({
      code: 'BUDGET_EXCEEDED',
      message: `The invoice asks 50 sat; the limit for one request to ${host} is 10 sat, fee included. Raise maxPerRequest to buy it.`,
      details: { limit: 'maxPerRequest', max: '10 sat', price: '50 sat', host },
    });
    expect(payer.paid.length).toBe(0);
  });

  it('give the wallet what is left for the fee, and say so where it is too little', async () => {
    const { fetch, payer, url, store } = await setup({ maxPerRequest: '50 sat' });
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(1), refuse: true });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', message: expect.stringContaining('make room for the fee') });
    expect(payer.paid.map(({ maxFeeMsat }) => maxFeeMsat)).toEqual([0n]);
    expect(await store.spending()).toMatchObject({ heldMsat: 0n, spentMsat: 0n });
    const roomy = await setup({ maxPerRequest: '51 sat' });
    roomy.payer.script({ kind: 'settle', feeMsat: Amount.fromSat(1), refuse: true });
    expect((await roomy.fetch(roomy.url)).status).toBe(200);
    expect(roomy.payer.paid[0]?.maxFeeMsat).toBe(1000n);
  });

  it('hold for everything together, fees included', async () => {
    const { fetch, payer, url, server, store } = await setup({ maxTotal: '120 sat' });
    sellOnce(server);
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(3) });
    await fetch(url);
    await fetch(url);
    expect(payer.paid.map(({ maxFeeMsat }) => maxFeeMsat)).toEqual([10_000n, 10_000n]);
    await expect(fetch(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { limit: 'maxTotal', spent: '106 sat', held: '0 sat' } });
    expect((await store.spending()).spentMsat).toBe(106_000n);
  });

  it('leave a smaller fee where the total leaves less', async () => {
    const { fetch, payer, url, server } = await setup({ maxTotal: '102 sat' });
    sellOnce(server);
    await fetch(url);
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(3), refuse: true });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { limit: 'maxTotal', feeRoom: '2 sat' } });
  });

  it('hold against parallel calls, in one client and in two on one store', async () => {
    const { fetch, payer, url, server, store, clock } = await setup({ maxTotal: '170 sat' });
    const second = createFetch({ payer, maxPerRequest: '60 sat', maxTotal: '170 sat', store, clock });
    sellOnce(server);
    const open = payer.slow();
    const all = Promise.allSettled(Array.from({ length: 10 }, (_, index) => (index % 2 ? fetch : second)(`${url}&n=${index}`)));
    while (payer.paid.length < 2) await new Promise((resolve) => setImmediate(resolve));
    open();
    const codes = (await all).map((one) => (one.status === 'fulfilled' ? 'ok' : one.reason.code));
    expect(codes.filter((code) => code !== 'ok' && code !== 'BUDGET_EXCEEDED')).toEqual([]);
    const { spentMsat } = await store.spending();
    expect(spentMsat).toBe(payer.spentMsat());
    expect(spentMsat <= 170_000n && spentMsat >= 100_000n).toBe(true);
  });

  it('stop all spending after a wallet has charged more than it was allowed, though the answer is delivered', async () => {
    const { fetch, payer, url, server, store, events } = await setup();
    sellOnce(server);
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(11) });
    expect((await fetch(url)).status).toBe(200);
    expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: 61_000n, stoppedBy: payer.paid[0]?.paymentHash });
    expect(events).toContainEqual(expect.objectContaining({ kind: 'paid', overshoot: true }));
    await expect(fetch(url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', details: { limit: 'overshoot' } });
    expect(payer.paid.length).toBe(1);
    await store.allowSpending();
    expect((await fetch(url)).status).toBe(200);
  });

  it('count what the payee got beyond the price, and stop for it', async () => {
    const { fetch, payer, url, store } = await setup();
    payer.script({ kind: 'settle', overpaidMsat: Amount.fromSat(20) });
    expect((await fetch(url)).status).toBe(200);
    expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: 70_000n, stoppedBy: payer.paid[0]?.paymentHash });
  });

  it('refuse a wallet that takes no fee limit, unless a fee is assumed', async () => {
    await expect(setup({ capabilities: { feeLimit: false } })).rejects.toThrow(/assumedMaxFee/);
    const { fetch, payer, url, store } = await setup({ capabilities: { feeLimit: false }, assumedMaxFee: '5 sat', maxPerRequest: '55 sat' });
    payer.script({ kind: 'settle', feeMsat: Amount.fromSat(6) });
    expect((await fetch(url)).status).toBe(200);
    expect((await store.spending()).stoppedBy).toBe(payer.paid[0]?.paymentHash);
    const tight = await setup({ capabilities: { feeLimit: false }, assumedMaxFee: '5 sat', maxPerRequest: '54 sat' });
    await expect(tight.fetch(tight.url)).rejects.toMatchObject({ code: 'BUDGET_EXCEEDED', message: expect.stringContaining('at least 55 sat') });
    expect(tight.payer.paid.length).toBe(0);
  });

  it('are checked when the client is made', () => {
    const payer = createScriptedPayer({ preimageOf: () => undefined });
    expect(() => createFetch({ payer, maxPerRequest: '50' })).toThrow(expect.objectContaining({ code: 'AMOUNT_MALFORMED' }));
    expect(() => createFetch({ payer, maxPerRequest: '0 sat' })).toThrow(RangeError);
    expect(() => createFetch({ payer, maxPerRequest: 50 as never })).toThrow(TypeError);
    expect(() => createFetch({ payer } as never)).toThrow(/maxPerRequest/);
    expect(() => createFetch({ maxPerRequest: '1 sat' } as never)).toThrow(/payer/);
    expect(() => createFetch({ payer, maxPerRequest: '1 sat', maxBodyBytes: -1 })).toThrow(/maxBodyBytes/);
    expect(() => createFetch({ payer, maxPerRequest: '1 sat', paymentTimeoutSeconds: 0 })).toThrow(/paymentTimeoutSeconds/);
  });
});

describe('a seller that cheats', () => {
  it('takes the money and refuses: an error with the proof, and no second payment', async () => {
    const { fetch, server, payer, url, store } = await setup();
    server.handle((_, response) => server.challenge(response));
    const error = await fetch(url).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'PAYMENT_NOT_HONOURED', details: { paymentHash: payer.paid[0]?.paymentHash, amount: '50 sat', status: 402 } });
    const preimage = server.preimageOf(payer.paid[0]?.paymentHash as Preimage.PaymentHash);
    expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toContain(preimage);
    expect([server.requests.length, payer.paid.length]).toEqual([2, 1]);
    expect((await store.list())[0]).toMatchObject({ state: 'rejected', usable: false, preimage });
  });

  it('takes the money and breaks the connection: the credential is used by the next call', async () => {
    const { fetch, server, payer, url } = await setup();
    server.handle(({ paid }, response) => void (paid ? response.destroy() : server.challenge(response)));
    const error = await fetch(url).catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'PAYMENT_INTERRUPTED', details: { paymentHash: payer.paid[0]?.paymentHash } });
    server.handle((_, response) => answer(response));
    expect(paymentOf(await fetch(url))).toMatchObject({ paymentHash: payer.paid[0]?.paymentHash, reused: true });
    expect(payer.paid.length).toBe(1);
  });

  it('offers an invoice a second time: it is not paid again', async () => {
    const { fetch, server, payer, url } = await setup();
    const offer = server.offer();
    server.handle((_, response) => server.challenge(response, offer));
    await expect(fetch(url)).rejects.toMatchObject({ code: 'PAYMENT_NOT_HONOURED' });
    await expect(fetch(url)).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
    await expect(fetch(`${server.origin}/elsewhere`)).rejects.toMatchObject({ code: 'JOURNAL_CONFLICT' });
    expect(payer.paid.length).toBe(1);
  });

  it('streams a 402 for ever: it is cut off', async () => {
    const { fetch, server, payer, url } = await setup();
    const offer = server.offer();
    server.handle(({ paid }, response) => {
      if (paid) return answer(response);
      response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${offer.token}", invoice="${offer.invoice}"`, 'Content-Type': 'application/json' });
      const more = (error?: Error | null) => void (error || response.destroyed || response.write(' '.repeat(10_000), more));
      more();
    });
    expect((await fetch(url)).status).toBe(200);
    expect(payer.paid.length).toBe(1);
  });

  it('dribbles a 402: it is not waited for', async () => {
    const { fetch, server, url, clock } = await setup();
    const offer = server.offer();
    server.handle(({ paid }, response) => {
      if (paid) return answer(response);
      response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${offer.token}", invoice="${offer.invoice}"`, 'Content-Type': 'application/json' });
      response.write('{"a":');
    });
    expect((await passing(clock, fetch(url))).status).toBe(200);
  });
});
