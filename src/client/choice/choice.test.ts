import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import { answer, type LyingServer } from '../../testing/LyingServer.ts';
import { openShop, type ShopOptions } from '../../testing/Shop.ts';
import { type CallOptions, createServices, readServices, type ServicesOptions } from '../choice.ts';
import { createClient } from '../index.ts';
import * as Observations from './Observations.ts';
import * as Owed from './Owed.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const perAnswer = ['services=s:0', 's_path=/s', 's_valid_until=1800086400', 's_terms=per-request'];
const once = (name: string, priceSat: number) => ({ name, price: `${priceSat} sat` });
const never = { explore: 0 } as const;

type Options = Partial<ServicesOptions> & ShopOptions & { readonly maxPrice?: string };

/** Two sellers, `a` for 10 sat and `b` for 20, behind one service. */
async function setup({ maxPrice, maxPerRequest = '60 sat', ...options }: Options = {}) {
  const shop = await openShop();
  closing.push(shop.close);
  const [a, b] = [shop.server, await shop.startServer()];
  sell(a, 10);
  sell(b, 20);
  const { clock, payer, store } = shop;
  const client = createClient({ payer, store, clock, maxPerRequest });
  const providers = [
    { ...once('a', 10), url: `${a.origin}/s` },
    { ...once('b', 20), url: `${b.origin}/s` },
  ];
  const services = createServices({ client, services: { services: { sentiment: { providers, ...(maxPrice && { maxPrice }) } } }, clock, ...never, ...options });
  const call = (callOptions?: CallOptions) => services.call('sentiment', { text: 'BTC to the moon' }, callOptions);
  return { ...shop, a, b, client, services, call, providers };
}

/** Sells one answer for each payment. */
function sell(
  server: LyingServer,
  priceSat: number,
  give: Parameters<LyingServer['handle']>[0] = (_, response) => answer(response, 200, {}, { by: priceSat }),
): void {
  const used = new Set<string>();
  server.handle(async (request, response) => {
    const { paid } = request;
    if (paid === undefined || used.has(paid)) return server.challenge(response, server.offer({ amountMsat: Amount.fromSat(priceSat), caveats: perAnswer }));
    await give(request, response);
    if (response.statusCode < 400) used.add(paid);
  });
}

const fail = (status: number) => (_: unknown, response: Parameters<typeof answer>[0]) => answer(response, status, {}, {});

describe('a service', () => {
  it('is called with a name and an input, and answers with what the cheapest provider says', async () => {
    const { services, a, b, payer } = await setup();
    expect(await services.call('sentiment', { text: 'BTC to the moon' })).toEqual({ by: 10 });
    expect(JSON.parse(Buffer.from(a.requests[0]?.body ?? []).toString())).toEqual({ text: 'BTC to the moon' });
    expect([a.requests.length, b.requests.length, payer.paid.length]).toEqual([2, 0, 1]);
    const bought = await services.buy('sentiment', { text: 'x' });
    expect(bought).toMatchObject({ provider: 'a', status: 200, payment: { amountMsat: 10_000n, reused: false }, passedOver: [] });
    await expect(services.call('no-such-thing')).rejects.toThrow(/sentiment/);
  });

  it('asks by query, form and body', async () => {
    const { clock, client, a } = await setup();
    const at = (more: object) => ({ providers: [{ url: `${a.origin}/s?v=1`, ...more }] });
    const services = createServices({
      client,
      clock,
      services: { services: { q: at({ method: 'GET' }), f: at({ input: 'form' }), h: at({ headers: { 'X-Key': 'k' } }) } },
    });
    for (const name of ['q', 'f', 'h']) await services.call(name, { text: 'a&b', n: 5, list: [1] });
    const seen = a.requests.filter(({ paid }) => paid).map(({ method, url, body, headers }) => [method, url, Buffer.from(body).toString(), headers['x-key']]);
    expect(seen).toEqual([
      ['GET', '/s?v=1&text=a%26b&n=5&list=%5B1%5D', '', undefined],
      ['POST', '/s?v=1', 'text=a%26b&n=5&list=%5B1%5D', undefined],
      ['POST', '/s?v=1', '{"text":"a&b","n":5,"list":[1]}', 'k'],
    ]);
  });
});

describe('a provider that fails before it is paid', () => {
  it.each<[string, (server: LyingServer) => void]>([
    ['says 500', (server) => server.handle(fail(500))],
    ['breaks off', (server) => server.handle((_, response) => void response.destroy())],
    ['offers what cannot be read', (server) => server.handle((_, response) => void response.writeHead(402, { 'WWW-Authenticate': 'L402 macaroon="x"' }).end())],
    ['asks for bitcoin of another network', (server) => server.handle((_, response) => server.challenge(response, server.offer({ chain: 'bitcoin' })))],
    ['asks for more than a call may cost', (server) => sell(server, 61)],
    [
      'asks for money in another way',
      (server) => server.handle((_, response) => void response.writeHead(402, { 'WWW-Authenticate': 'Payment id="x"' }).end('{}')),
    ],
  ])('because it %s costs nothing, and the next one answers', async (_, lie) => {
    const { call, a, payer } = await setup();
    lie(a);
    expect(await call()).toEqual({ by: 20 });
    expect(payer.paid.map(({ paymentHash }) => paymentHash).length).toBe(1);
  });

  it('by saying too low a price is found out before it is paid, and from then on', async () => {
    const { call, a, b, payer, services } = await setup();
    sell(a, 40);
    expect(await call()).toEqual({ by: 20 });
    expect([a.requests.length, payer.spentMsat()]).toEqual([1, 20_000n]);
    expect((await services.ranking('sentiment')).map(({ provider }) => provider)).toEqual(['b', 'a']);
    expect(await call()).toEqual({ by: 20 });
    expect([a.requests.length, b.requests.length]).toEqual([1, 4]);
  });

  it('by asking for more than the service may cost is passed over', async () => {
    const { call, a, b } = await setup({ maxPrice: '15 sat' });
    sell(a, 16);
    await expect(call()).rejects.toMatchObject({ code: 'PROVIDERS_EXHAUSTED', message: expect.stringContaining('15 sat') });
    sell(b, 15);
    expect(await call()).toEqual({ by: 15 });
  });

  it('by a payment that fails for certain leads on to the next', async () => {
    const { call, payer, services } = await setup();
    payer.script({ kind: 'fail', reason: 'no-route' });
    await expect(call()).rejects.toMatchObject({ code: 'PROVIDERS_EXHAUSTED', message: expect.stringContaining('PAYMENT_UNROUTABLE') });
    expect(payer.paid.length).toBe(2);
    payer.script({ kind: 'settle' });
    expect((await services.buy('sentiment', { text: 'x' })).payment?.reused).toBe(false);
  });

  it('by saying nothing is not waited for', async () => {
    const { call, a, clock } = await setup();
    a.handle(() => undefined);
    const called = call();
    await expect.poll(() => a.requests.length).toBe(1);
    clock.advance(10_000);
    expect(await called).toEqual({ by: 20 });
  });
});

describe('a provider that takes the money and gives no answer', () => {
  it.each<[string, Parameters<typeof sell>[2], string]>([
    ['says 500', fail(500), 'ANSWER_MISSING'],
    ['says 404', fail(404), 'ANSWER_MISSING'],
    ['breaks off', (_, response) => void response.destroy(), 'PAYMENT_INTERRUPTED'],
    ['sends garbage as JSON', (_, response) => void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{'), 'ANSWER_MISSING'],
    ['asks to be paid once more', (_, response) => void response.writeHead(402).end(), 'PAYMENT_NOT_HONOURED'],
  ])('and %s is not made up for by paying another, unless it is said', async (_, give, code) => {
    const { call, a, b, payer } = await setup();
    sell(a, 10, give);
    await expect(call()).rejects.toMatchObject({ code });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
    expect(await call({ payAgain: true })).toEqual({ by: 20 });
    expect(b.requests.length).toBe(2);
  });

  it('is asked first when the same is asked again, also by another process, and not paid twice', async () => {
    let kept: unknown;
    const save = (value: unknown) => {
      kept = JSON.parse(JSON.stringify(value));
    };
    const observations = { load: () => kept, save };
    const { call, a, b, client, clock, payer, providers } = await setup({ observations });
    sell(a, 10, fail(503));
    // It is waited for a server that is busy.
    let isOver = false;
    const failing = call().finally(() => {
      isOver = true;
    });
    failing.catch(() => undefined);
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve));
      if (clock.timers() > 0 && a.requests.length > 1) clock.advance(1000);
    }
    await expect(failing).rejects.toMatchObject({ code: 'ANSWER_MISSING' });
    sell(a, 10);
    sell(b, 1);
    const elsewhere = createServices({ client, services: { services: { sentiment: { providers } } }, clock, ...never, observations });
    expect(await elsewhere.buy('sentiment', { text: 'BTC to the moon' })).toMatchObject({ provider: 'a', payment: { reused: true } });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
    expect(JSON.stringify(kept)).not.toContain('moon');
  });

  it('is one whose answer is not accepted, too', async () => {
    const { call, payer, services } = await setup();
    await expect(call({ accept: () => false })).rejects.toMatchObject({ code: 'ANSWER_MISSING', details: { provider: 'a', amount: '10 sat' } });
    expect(payer.paid.length).toBe(1);
    expect((await services.ranking('sentiment'))[0]?.provider).toBe('a');
  });
});

describe('a provider that was paid for an answer', () => {
  it('and did not give it is not paid again for it, unless it is said', async () => {
    const { call, payer, b } = await setup();
    await expect(call({ accept: () => false })).rejects.toMatchObject({ code: 'ANSWER_MISSING' });
    await expect(call()).rejects.toMatchObject({ code: 'ANSWER_MISSING', message: expect.stringContaining('payAgain') });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
    expect(await call({ payAgain: true })).toEqual({ by: 10 });
    expect(payer.paid.length).toBe(2);
  });

  it('and did not give it is named where nobody else gives one either', async () => {
    const { call, a, b, payer } = await setup();
    sell(a, 10, fail(500));
    b.handle(fail(500));
    await expect(call({ payAgain: true })).rejects.toMatchObject({ code: 'ANSWER_MISSING', details: { provider: 'a' } });
    payer.script({ kind: 'fail', reason: 'no-route' });
    sell(b, 20);
    await expect(call({ payAgain: true })).rejects.toMatchObject({ code: 'ANSWER_MISSING', details: { provider: 'a' } });
    await expect(call()).rejects.toMatchObject({ code: 'ANSWER_MISSING', details: { provider: 'a' } });
  });

  it('and refuses what it has sold is asked for its price like any other: nothing above the most that the service may cost is paid', async () => {
    const { services, a, b, payer } = await setup({ maxPrice: '15 sat' });
    const passes = ['services=s:0', 's_path=/s', 's_valid_until=1800086400', 's_terms=pass'];
    a.handle(({ paid }, response) => {
      if (paid) answer(response, 200, {}, { by: 10 });
      else a.challenge(response, a.offer({ amountMsat: Amount.fromSat(10), caveats: passes }));
    });
    expect(await services.call('sentiment', { text: '1' })).toEqual({ by: 10 });
    a.handle((_, response) => a.challenge(response, a.offer({ amountMsat: Amount.fromSat(50), caveats: passes })));
    sell(b, 15);
    expect(await services.buy('sentiment', { text: '2' })).toMatchObject({
      provider: 'b',
      passedOver: [{ provider: 'a', why: expect.stringContaining('50 sat') }],
    });
    expect(payer.spentMsat()).toBe(25_000n);
  });

  it('is known to have been, though the process ended before it answered', async () => {
    let kept: unknown;
    const observations = {
      load: () => kept,
      save: (value: unknown) => {
        kept = JSON.parse(JSON.stringify(value));
      },
    };
    const { a, b, client, clock, payer, providers, store } = await setup();
    sell(a, 10, () => undefined);
    const file = { services: { sentiment: { providers } } };
    // Its clock stands still: nobody hears of it any more.
    const dead = createClient({ payer, store, clock: FixedClock.create(), maxPerRequest: '60 sat' });
    const first = createServices({ client: dead, services: file, clock, ...never, observations });
    void first.call('sentiment', { text: 'BTC to the moon' }).catch(() => undefined);
    await expect.poll(() => a.requests.length).toBe(2);
    const atTheEnd: unknown = kept;
    sell(a, 10);
    sell(b, 1);
    clock.advance(15_000);
    const elsewhere = createServices({ client, services: file, clock, ...never, observations: { load: () => atTheEnd, save: () => {} } });
    expect(await elsewhere.buy('sentiment', { text: 'BTC to the moon' })).toMatchObject({ provider: 'a', payment: { reused: true } });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
  });
});

describe('what is owed', () => {
  it('is not forgotten where another process writes down what it has seen', async () => {
    let kept: unknown;
    const observations = {
      load: () => kept,
      save: (value: unknown) => {
        kept = JSON.parse(JSON.stringify(value));
      },
    };
    const { a, b, client, clock, payer, providers } = await setup();
    const file = { services: { sentiment: { providers } } };
    const elsewhere = createClient({ payer, clock, maxPerRequest: '60 sat' });
    const [one, other, third] = [client, elsewhere, client].map((each) => createServices({ client: each, services: file, clock, ...never, observations }));
    await other?.call('sentiment', { text: '0' });
    sell(a, 10, fail(404));
    await expect(one?.call('sentiment', { text: '1' })).rejects.toMatchObject({ code: 'ANSWER_MISSING' });
    sell(a, 10);
    await other?.call('sentiment', { text: '2' });
    sell(b, 1);
    expect(await third?.buy('sentiment', { text: '1' })).toMatchObject({ provider: 'a', payment: { reused: true } });
    expect([payer.paid.length, b.requests.length]).toEqual([3, 0]);
  });
});

describe('what was bought for one question', () => {
  it('and has answered another leaves no debt', async () => {
    const { services, a, b, payer } = await setup();
    sell(a, 10, fail(404));
    await expect(services.call('sentiment', { text: '1' })).rejects.toMatchObject({ code: 'ANSWER_MISSING' });
    sell(a, 10);
    expect(await services.buy('sentiment', { text: '2' })).toMatchObject({ provider: 'a', payment: { reused: true } });
    sell(b, 5);
    expect(await services.buy('sentiment', { text: '1' })).toMatchObject({ payment: { reused: false } });
    expect(payer.paid.length).toBe(2);
  });
});

describe('a payment that nobody has made', () => {
  it.each<[string, ShopOptions]>([
    ['was refused by somebody who was asked', { consent: { above: '5 sat', ask: ({ amountMsat }) => amountMsat > 15_000n } }],
    ['went to a host that is not paid', { deny: ['127.0.0.1'] }],
  ])('because it %s is nobody’s debt', async (_, limits) => {
    const { clock, payer, store, providers } = await setup();
    let kept: { readonly owed?: readonly unknown[] } = {};
    const client = createClient({ payer, store, clock, maxPerRequest: '60 sat', ...limits });
    const save = (value: unknown) => {
      kept = value as typeof kept;
    };
    const services = createServices({ client, services: { services: { s: { providers } } }, clock, ...never, observations: { load: () => undefined, save } });
    await services.call('s', { text: '1' }).catch(() => undefined);
    expect(kept.owed).toEqual([]);
  });

  it('because its caller went away before is nobody’s debt when the same is asked again', async () => {
    const { clock, payer, store, providers, a, b } = await setup();
    const stop = new AbortController();
    const onEvent = ({ kind }: { readonly kind: string }) => kind === 'quoted' && stop.abort(new Error('enough'));
    const client = createClient({ payer, store, clock, maxPerRequest: '60 sat', onEvent });
    const services = createServices({ client, services: { services: { s: { providers } } }, clock, ...never });
    await expect(services.call('s', { text: '1' }, { signal: stop.signal })).rejects.toThrow('enough');
    a.handle(fail(500));
    expect(await services.call('s', { text: '1' })).toEqual({ by: 20 });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 2]);
  });
});

describe('a payment whose end is not known', () => {
  it('because its caller lost patience is waited for when the same is asked again', async () => {
    const { call, payer, b, clock, store } = await setup();
    const open = payer.slow();
    const stop = new AbortController();
    const called = call({ signal: stop.signal });
    await expect.poll(() => payer.paid.length).toBe(1);
    stop.abort(new Error('enough'));
    await expect(called).rejects.toThrow('enough');
    const before = clock.timers();
    const again = call();
    while (clock.timers() === before && payer.paid.length === 1) await new Promise((resolve) => setImmediate(resolve));
    open();
    while ((await store.list(['dispatched'])).length > 0) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(250);
    expect(await again).toEqual({ by: 10 });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
  });

  it('lets nobody else be paid, whatever is said, until it is', async () => {
    const { call, payer, b } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    for (const payAgain of [false, true, true]) await expect(call({ payAgain })).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
    payer.end(payer.paid[0]?.paymentHash as never, 'settled');
    expect(await call()).toEqual({ by: 10 });
    expect(payer.paid.length).toBe(1);
  });

  it('that failed in the end leaves everything open', async () => {
    const { call, payer, a } = await setup();
    payer.script({ kind: 'unknown', became: 'pending' });
    await expect(call()).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    payer.end(payer.paid[0]?.paymentHash as never, 'failed');
    payer.script({ kind: 'settle' });
    a.handle(fail(500));
    expect(await call()).toEqual({ by: 20 });
    expect(payer.spentMsat()).toBe(20_000n);
  });

  it('because its caller lost patience is remembered as well', async () => {
    const { call, payer, b } = await setup();
    const open = payer.slow();
    const stop = new AbortController();
    const called = call({ signal: stop.signal });
    await expect.poll(() => payer.paid.length).toBe(1);
    stop.abort(new Error('enough'));
    await expect(called).rejects.toThrow('enough');
    open();
    expect(await call({ payAgain: true })).toEqual({ by: 10 });
    expect([payer.paid.length, b.requests.length]).toEqual([1, 0]);
  });
});

describe('whoever is asked first', () => {
  it('changes with what is seen: one that fails falls behind, also a cheap one', async () => {
    const { call, a, services } = await setup();
    a.handle(fail(500));
    for (let i = 0; i < 3; i++) await call();
    const [first, second] = await services.ranking('sentiment');
    expect([first?.provider, second?.provider]).toEqual(['b', 'a']);
    expect(a.requests.length).toBeLessThan(3);
  });

  it('is now and then one that little is known of, as chance has it', async () => {
    const bytes = [0, 255, 0, 0];
    const { services, b } = await setup({ explore: 0.5, random: (length) => new Uint8Array(length).fill(bytes.shift() ?? 255) });
    expect((await services.buy('sentiment', { text: '1' })).provider).toBe('a');
    expect(b.requests.length).toBe(1);
    expect((await services.buy('sentiment', { text: '2' })).provider).toBe('a');
    expect((await services.buy('sentiment', { text: '3' })).provider).toBe('a');
  });

  it('counts time: what is slow has to be cheaper', async () => {
    const { services, a, clock } = await setup({ secondIsWorth: '100 sat' });
    sell(a, 10, (_, response) => {
      clock.advance(30_000);
      answer(response, 200, {}, { by: 10 });
    });
    await services.call('sentiment', { text: '1' });
    expect((await services.ranking('sentiment'))[0]?.provider).toBe('b');
  });
});

describe('whatever providers do', () => {
  it('one call pays one of them at most', async () => {
    const { clock, client, a, b, payer, providers } = await setup();
    const manners = {
      good: undefined,
      error: fail(500),
      gone: (_: unknown, response: Parameters<typeof answer>[0]) => void response.destroy(),
      again: fail(402),
    } as const;
    const manner = fc.constantFrom(...(Object.keys(manners) as (keyof typeof manners)[]));
    let calls = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(manner, manner),
        fc.tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 })),
        async ([first, second], [pa, pb]) => {
          sell(a, pa, manners[first]);
          sell(b, pb, manners[second]);
          const before = payer.paid.length;
          const services = createServices({ client, services: { services: { s: { providers } } }, clock, ...never });
          await services.call('s', { n: calls++ }).catch(() => undefined);
          expect(payer.paid.length - before).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a file of services', () => {
  const good = { services: { s: { providers: [{ url: 'https://a.example.com/s' }] } } };

  it('is read with its defaults', () => {
    expect(readServices(good).get('s')).toEqual({
      maxPriceMsat: undefined,
      providers: [{ name: 'a.example.com', url: 'https://a.example.com/s', method: 'POST', input: 'json', priceMsat: undefined, headers: {} }],
    });
  });

  it.each<[string, unknown]>([
    ['nothing', undefined],
    ['a list', []],
    ['no services', {}],
    ['a service without providers', { services: { s: { providers: [] } } }],
    ['a misspelt field', { services: { s: { providers: [{ url: 'https://a', prize: '5 sat' }] } } }],
    ['a price without a unit', { services: { s: { providers: [{ url: 'https://a', price: '5' }] } } }],
    ['another scheme', { services: { s: { providers: [{ url: 'file:///etc/passwd' }] } } }],
    ['two of one name', { services: { s: { providers: [{ url: 'https://a/1' }, { url: 'https://a/2' }] } } }],
    ['a body of GET', { services: { s: { providers: [{ url: 'https://a', method: 'GET', input: 'json' }] } } }],
    ['an Authorization of its own', { services: { s: { providers: [{ url: 'https://a', headers: { authorization: 'x' } }] } } }],
    ['a header that breaks out', { services: { s: { providers: [{ url: 'https://a', headers: { 'a\r\nb': 'x' } }] } } }],
  ])('with %s is refused', (_, wrong) => {
    expect(() => readServices(wrong)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    fc.assert(
      fc.property(fc.anything(), (value) => void expect(() => readServices(value)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))),
      { numRuns: 20 },
    );
  });
});

describe('what was seen', () => {
  it('is bounded, and what cannot be read of it is nothing', () => {
    const seen = Observations.create(undefined);
    for (let i = 0; i < 50; i++) seen.noteTime('s', 'p', { ok: i % 2 === 0, ms: i });
    seen.notePrice('s', 'p', Amount.fromSat(5));
    const again = Observations.create(JSON.parse(JSON.stringify(seen)));
    expect(again.of('s', 'p')).toEqual(seen.of('s', 'p'));
    expect(again.of('s', 'p').times.length).toBe(20);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.anything(),
          fc.anything().map((one) => ({ version: 1, seen: [one, { key: 'k', times: [one] }] })),
        ),
        (value) => {
          expect(Observations.create(value).of('s', 'p').times).toEqual([]);
          expect(Owed.create(value).to('q')).toBeUndefined();
        },
      ),
    );
  });

  it('names a question by its fields in any order', () => {
    expect(Owed.questionOf('s', { a: 1, b: 2 })).toBe(Owed.questionOf('s', { b: 2, a: 1 }));
    expect(Owed.questionOf('s', { a: 1 })).not.toBe(Owed.questionOf('t', { a: 1 }));
  });
});
