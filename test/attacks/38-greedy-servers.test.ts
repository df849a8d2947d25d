/**
 * A server that takes the money and asks again, fails or never ends. A call pays once, waits for so long and reads so much; what was paid
 * for stays good, or the error carries the proof.
 */
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { createServices } from '../../src/client/choice.ts';
import { createClient, createFetch, createMemoryClientStore, type Payment, paymentOf } from '../../src/client/index.ts';
import { FareboxError } from '../../src/core/Errors.ts';
import { answer, type LyingServer } from '../../src/testing/LyingServer.ts';
import { perRequest } from '../../src/testing/Shop.ts';
import { outcomeOf, passing, sendBuyer } from './buyer.ts';
import { soon } from './soon.ts';

/** An answer that goes on for ever, at the pace at which it is read; `sent` counts its bytes. */
function pour(response: ServerResponse, count: (bytes: number) => void): void {
  const chunk = Buffer.alloc(16_384, 'x');
  const more = () => {
    while (!response.destroyed && response.write(chunk)) count(chunk.length);
    response.once('drain', more);
  };
  response.on('error', () => {});
  more();
}

describe('a server that asks for money for ever', () => {
  const asks: readonly (readonly [what: string, ask: (server: LyingServer, response: ServerResponse) => void])[] = [
    ['with a new offer each time', (server, response) => server.challenge(response)],
    [
      'with a cheaper one each time',
      (server, response) => server.challenge(response, server.offer({ amountMsat: BigInt(50_000 - server.requests.length * 1000) as never })),
    ],
    ['with one answer a payment', (server, response) => server.challenge(response, server.offer({ caveats: perRequest }))],
    ['without an offer', (_, response) => answer(response, 402)],
    ['with an offer that cannot be read', (_, response) => answer(response, 402, { 'WWW-Authenticate': 'L402 nothing' })],
  ];

  test.each(asks)('%s: one payment a call, and an error that says what proves it', async (_, ask) => {
    const { server, payer, fetch, url, store } = await sendBuyer();
    server.handle(({ paid }, response) => (paid === undefined ? server.challenge(response) : ask(server, response)));
    const error = await fetch(url).catch((thrown: unknown) => thrown);
    expect(FareboxError.is(error, 'PAYMENT_NOT_HONOURED') && error.details).toMatchObject({
      paymentHash: payer.paid[0]?.paymentHash,
      amount: '50 sat',
      status: 402,
    });
    expect([payer.paid.length, server.requests.length]).toEqual([1, 2]);
    // The proof is kept, and set aside.
    const [payment] = await store.list();
    expect([payment?.state, payment?.usable, payment?.preimage]).toEqual(['rejected', false, server.preimageOf(payer.paid[0]?.paymentHash as never)]);
  });

  test('calls that come back get no further than the limit for all together', async () => {
    const { server, payer, fetch, url, store } = await sendBuyer({ maxTotal: '170 sat' });
    server.handle((_, response) => server.challenge(response));
    const outcomes = [];
    for (let call = 0; call < 8; call++) outcomes.push(await outcomeOf(fetch(url)));
    expect(outcomes).toEqual([...Array(3).fill('PAYMENT_NOT_HONOURED'), ...Array(5).fill('BUDGET_EXCEEDED')]);
    expect([payer.paid.length, await store.spending()]).toEqual([3, { heldMsat: 0n, spentMsat: 150_000n, stoppedBy: undefined }]);
  });

  test('for one and the same invoice: it is paid once', async () => {
    const { server, payer, fetch, url } = await sendBuyer();
    const once = server.offer();
    server.handle((_, response) => server.challenge(response, once));
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_NOT_HONOURED');
    expect(await outcomeOf(fetch(url))).toBe('JOURNAL_CONFLICT');
    expect(await outcomeOf(fetch(`${server.origin}/elsewhere`))).toBe('JOURNAL_CONFLICT');
    expect(payer.paid.length).toBe(1);
  });

  test('that refuses every credential it has sold: a call tries a few, and pays once', async () => {
    const { server, payer, clock } = await sendBuyer();
    const caveats = ['services=shop:0', 'shop_path=/*', 'shop_valid_until=1900000000', 'shop_terms=pass'];
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response, server.offer({ caveats }))));
    // Ten passes that are all good, each bought by somebody who had none, until the server changes its mind.
    const credentials: Payment[] = [];
    for (let index = 0; index < 10; index++) {
      const store = createMemoryClientStore();
      await createFetch({ payer, clock, store, maxPerRequest: '60 sat' })(`${server.origin}/v1/${index}`);
      credentials.push(...(await store.list()));
    }
    const store = { ...createMemoryClientStore(), find: async () => ({ open: [], credentials }) };
    const fetch = createFetch({ payer, clock, store, maxPerRequest: '60 sat' });
    const [paid, asked] = [payer.paid.length, server.requests.length];
    server.handle((_, response) => server.challenge(response));
    expect(await outcomeOf(fetch(`${server.origin}/v1/0`))).toBe('PAYMENT_NOT_HONOURED');
    expect(payer.paid.length).toBe(paid + 1);
    expect(server.requests.length - asked).toBeLessThanOrEqual(5);
  });
});

describe('a server that takes the payment and fails', () => {
  const failures: readonly (readonly [what: string, fail: (response: ServerResponse) => void, outcome: number | string])[] = [
    ['with 500', (response) => answer(response, 500), 500],
    ['with 502', (response) => answer(response, 502), 502],
    ['with 404', (response) => answer(response, 404), 404],
    ['with 429', (response) => answer(response, 429, { 'Retry-After': '1' }), 429],
    ['by hanging up', (response) => void response.destroy(), 'PAYMENT_INTERRUPTED'],
    ['with bytes that are no HTTP', (response) => void response.socket?.end('SSH-2.0-OpenSSH\r\n'), 'PAYMENT_INTERRUPTED'],
  ];

  test.each(failures)('%s: the credential stays good, and the next call uses it', async (_, fail, outcome) => {
    const { server, payer, fetch, url } = await sendBuyer();
    let broken = true;
    server.handle(({ paid }, response) => {
      if (paid === undefined) return server.challenge(response, server.offer({ caveats: perRequest }));
      if (broken) fail(response);
      else answer(response);
    });
    expect(await outcomeOf(fetch(url))).toBe(outcome);
    // As long as the payment has bought no answer, its caller is told of it.
    for (let call = 0; call < 2; call++) expect(await outcomeOf(fetch(url))).toBe(outcome);
    expect(payer.paid.length).toBe(1);
    broken = false;
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.reused, payer.paid.length]).toEqual([200, true, 1]);
  });

  test('and says that it has charged for it: nobody pays a second time by himself in the same call', async () => {
    const { server, payer, fetch, url } = await sendBuyer();
    server.handle(({ paid }, response) =>
      paid ? answer(response, 500, { 'L402-Payment': 'charged' }) : server.challenge(response, server.offer({ caveats: perRequest })),
    );
    expect(await outcomeOf(fetch(url))).toBe(500);
    expect(payer.paid.length).toBe(1);
  });
});

describe('a server that is busy for ever', () => {
  const busy: readonly (readonly [what: string, status: number, headers: Record<string, string>])[] = [
    ['409', 409, { 'Retry-After': '1' }],
    ['409 at once', 409, { 'Retry-After': '0' }],
    ['409 with a date in the past', 409, { 'Retry-After': 'Thu, 01 Jan 1970 00:00:00 GMT' }],
    ['503', 503, { 'Retry-After': '1' }],
    ['503 without a word', 503, {}],
    ['503 with a word that nobody knows', 503, { 'Retry-After': 'soon' }],
    ['503 with a negative time', 503, { 'Retry-After': '-5' }],
  ];

  test.each(busy)('%s: asked a few times, for a minute at most, and never paid again', async (_, status, headers) => {
    const { server, payer, fetch, url, clock } = await sendBuyer();
    server.handle(({ paid }, response) => (paid ? answer(response, status, headers) : server.challenge(response)));
    const begun = clock.nowMs();
    expect(await passing(clock, outcomeOf(fetch(url)), 100)).toBe(status);
    expect([payer.paid.length, server.requests.length]).toEqual([1, 7]);
    expect(clock.nowMs() - begun).toBeLessThanOrEqual(62_000);
    // What was bought is good for when it has time.
    server.handle(({ paid }, response) => (paid ? answer(response) : server.challenge(response)));
    expect(await passing(clock, outcomeOf(fetch(url)), 100)).toBe(200);
    expect(payer.paid.length).toBe(1);
  });

  test.each(['61', '86400', '999999999', 'Fri, 31 Dec 2100 00:00:00 GMT'])('and asks to come back in %s: the answer is handed on at once', async (after) => {
    const { server, payer, fetch, url, clock } = await sendBuyer();
    server.handle(({ paid }, response) => (paid ? answer(response, 503, { 'Retry-After': after }) : server.challenge(response)));
    const begun = clock.nowMs();
    expect(await passing(clock, outcomeOf(fetch(url)), 100)).toBe(503);
    expect([payer.paid.length, server.requests.length]).toEqual([1, 2]);
    expect(clock.nowMs() - begun).toBeLessThan(5000);
  });
});

describe('a server that never ends', () => {
  /** Far more than is read, and far less than a machine's memory. */
  const most = 8 * 1024 * 1024;

  test('the body of its offer: so much is read, and the offer stands by itself', async () => {
    const { server, payer, fetch, url, clock } = await sendBuyer();
    let sent = 0;
    server.handle(({ paid }, response) => {
      if (paid) return answer(response);
      const { token, invoice } = server.offer();
      response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${token}", invoice="${invoice}"`, 'Content-Type': 'application/json' });
      pour(response, (bytes) => {
        sent += bytes;
      });
    });
    // Time passes slowly: it is the length that ends it.
    expect(await passing(clock, outcomeOf(fetch(url)), 50)).toBe(200);
    expect(sent).toBeLessThan(most);
    expect(payer.paid.length).toBe(1);
  });

  test('the body of its offer, drop by drop: so long is waited', async () => {
    const { server, fetch, url, clock, payer } = await sendBuyer();
    server.handle(({ paid }, response) => {
      if (paid) return answer(response);
      const { token, invoice } = server.offer();
      response.writeHead(402, { 'WWW-Authenticate': `L402 macaroon="${token}", invoice="${invoice}"`, 'Content-Type': 'application/json' });
      response.write('{"amount":');
    });
    const begun = clock.nowMs();
    expect(await soon(passing(clock, outcomeOf(fetch(url)), 100))).toBe(200);
    expect(clock.nowMs() - begun).toBeLessThanOrEqual(5000);
    expect(payer.paid.length).toBe(1);
  });

  test.each([
    ['the body of a refusal', (response: ServerResponse) => response.writeHead(402, { 'WWW-Authenticate': 'L402 error="x"' }), 'PAYMENT_NOT_HONOURED'],
    ['the body of a redirect', (response: ServerResponse) => response.writeHead(302, { Location: '/end' }), 200],
    ['the body of a busy answer', (response: ServerResponse) => response.writeHead(409, { 'Retry-After': '1' }), 409],
  ])('%s: so much is read', async (_, head, outcome) => {
    const { server, payer, fetch, url, clock } = await sendBuyer();
    let sent = 0;
    let poured = 0;
    server.handle(({ paid, url: asked }, response) => {
      if (asked === '/end') return answer(response);
      if (paid === undefined) return server.challenge(response);
      head(response);
      poured++;
      pour(response, (bytes) => {
        sent += bytes;
      });
    });
    expect(await passing(clock, outcomeOf(fetch(url)), 100)).toBe(outcome);
    expect(sent).toBeLessThan(most * poured);
    expect(payer.paid.length).toBe(1);
  });

  test('redirects: twenty are followed, and one payment is made', async () => {
    const { server, payer, fetch, url } = await sendBuyer();
    let hops = 0;
    server.handle(({ paid }, response) => {
      if (paid === undefined && hops === 0) return server.challenge(response);
      answer(response, 302, { Location: `/hop/${++hops}` });
    });
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_NOT_HONOURED');
    expect(hops).toBeLessThanOrEqual(21);
    expect(payer.paid.length).toBe(1);
  });

  test('the body of a redirect that leads nowhere: so much is read, and nothing is left running', async () => {
    const { server, payer, fetch, url, clock } = await sendBuyer();
    let [sent, left] = [0, false];
    server.handle(({ paid }, response) => {
      if (paid === undefined) return server.challenge(response, server.offer({ caveats: perRequest }));
      response.on('close', () => {
        left = true;
      });
      response.writeHead(302, { Location: 'file:///etc/hostname' });
      pour(response, (bytes) => {
        sent += bytes;
      });
    });
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_NOT_HONOURED');
    expect(clock.timers()).toBe(0);
    await soon(
      (async () => {
        while (!left) await new Promise((resolve) => setImmediate(resolve));
      })(),
    );
    expect(sent).toBeLessThan(most);
    expect(payer.paid.length).toBe(1);
  });

  test('the answer that was paid for: it is the caller’s to read, as far as he likes, and to leave', async () => {
    const { server, payer, fetch, url } = await sendBuyer();
    let sent = 0;
    let left = false;
    server.handle(({ paid }, response) => {
      if (paid === undefined) return server.challenge(response, server.offer({ caveats: perRequest }));
      response.writeHead(200);
      response.on('close', () => {
        left = true;
      });
      pour(response, (bytes) => {
        sent += bytes;
      });
    });
    const stop = new AbortController();
    const response = await fetch(url, { signal: stop.signal });
    const reader = response.body?.getReader();
    expect((await reader?.read())?.value?.byteLength).toBeGreaterThan(0);
    stop.abort();
    const readOn = async () => {
      while (!(await reader?.read())?.done);
    };
    await expect(readOn()).rejects.toThrow();
    while (!left) await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toBeLessThan(most);
    // An answer that was given is paid for; whoever leaves it does not pay for it twice, nor for another by himself.
    expect(payer.paid.length).toBe(1);
  });

  test('the head of its answer: the caller’s patience ends it, and the credential stays good', async () => {
    const { server, payer, fetch, url } = await sendBuyer();
    let hangs = true;
    const reached = new Promise<void>((resolve) => {
      server.handle(({ paid }, response) => {
        if (paid === undefined) server.challenge(response, server.offer({ caveats: perRequest }));
        else if (hangs) resolve();
        else answer(response);
      });
    });
    const stop = new AbortController();
    const call = outcomeOf(fetch(url, { signal: stop.signal }));
    await reached;
    stop.abort();
    expect(await call).toBe('AbortError');
    hangs = false;
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.reused, payer.paid.length]).toEqual([200, true, 1]);
  });
});

describe('one of several providers that takes the money and gives no answer', () => {
  const manners: readonly (readonly [what: string, give: (response: ServerResponse) => void])[] = [
    ['an error', (response) => answer(response, 500)],
    ['garbage', (response) => void response.writeHead(200, { 'Content-Type': 'application/json' }).end('{')],
    ['half of one', (response) => void response.writeHead(200, { 'Content-Length': 100 }).write('x', () => response.destroy())],
    ['another price', (response) => answer(response, 402)],
    ['nothing', (response) => void response.destroy()],
  ];

  test.each(manners)('but %s is not made up for by paying the next', async (_, give) => {
    const { server, startServer, payer, store, clock } = await sendBuyer();
    const next = await startServer();
    server.handle(({ paid }, response) => (paid === undefined ? server.challenge(response, server.offer({ caveats: perRequest })) : give(response)));
    const providers = [server, next].map(({ origin }, index) => ({ name: `p${index}`, url: `${origin}/v1/translate`, price: `${50 + index} sat` }));
    const client = createClient({ payer, store, clock, maxPerRequest: '60 sat' });
    const services = createServices({ client, services: { services: { translate: { providers } } }, clock, explore: 0 });
    await expect(services.call('translate', { text: 'hello' })).rejects.toThrow();
    expect([payer.paid.length, next.requests.length]).toEqual([1, 0]);
  });

  test('is not either as long as nobody knows whether it was paid', async () => {
    const { server, startServer, payer, store, clock } = await sendBuyer();
    const next = await startServer();
    const providers = [server, next].map(({ origin }, index) => ({ name: `p${index}`, url: `${origin}/v1/translate`, price: `${50 + index} sat` }));
    const client = createClient({ payer, store, clock, maxPerRequest: '60 sat' });
    const services = createServices({ client, services: { services: { translate: { providers } } }, clock, explore: 0 });
    payer.script({ kind: 'unknown', became: 'pending' });
    for (let round = 0; round < 3; round++) {
      await expect(services.call('translate', { text: 'hello' }, { payAgain: true })).rejects.toMatchObject({ code: 'PAYMENT_UNKNOWN' });
    }
    expect([payer.paid.length, next.requests.length]).toEqual([1, 0]);
  });
});
