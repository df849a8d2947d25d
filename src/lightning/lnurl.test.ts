/**
 * What a service behind a Lightning address may answer, and what is taken for it. The whole of a service: `test/lightning`.
 */
import { describe, expect, test } from 'vitest';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Exchange, Send } from './Api.ts';
import { createLnurlReceiver, type LnurlOptions } from './lnurl.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const createdAt = 1_800_000_000;
const request = { amountMsat: 50_000n as never, description: 'one answer', expirySeconds: 600 };

function invoiceOf(draft: Partial<Bolt11.InvoiceDraft> = {}): string {
  const base = {
    chain: 'bitcoin',
    amountMsat: 50_000n as never,
    paymentHash,
    paymentSecret: '11'.repeat(32),
    createdAt,
    expirySeconds: 600,
    description: 'x',
  } as const;
  return Bolt11.encode({ ...base, ...draft }, new Uint8Array(32).fill(5));
}

const offer = { tag: 'payRequest', callback: 'https://pay.wallet.com/cb?id=7', minSendable: 1000, maxSendable: 1_000_000, metadata: '[]' };

/** A service: what it offers, what its callback answers, and what its other addresses do. */
function serviceOf(answers: { readonly offer?: unknown; readonly callback?: unknown; readonly verify?: unknown; readonly status?: number }) {
  const asked: Exchange[] = [];
  const send: Send = async (exchange) => {
    asked.push(exchange);
    const { pathname } = new URL(exchange.url);
    const answer = pathname === '/cb' ? (answers.callback ?? { pr: invoiceOf() }) : pathname === '/verify' ? answers.verify : (answers.offer ?? offer);
    async function* body() {
      yield new TextEncoder().encode(typeof answer === 'string' ? answer : JSON.stringify(answer));
    }
    return { status: answers.status ?? 200, body: body() };
  };
  return { asked, send };
}

const receiverOf = (send: Send, options: Partial<LnurlOptions> = {}) =>
  createLnurlReceiver({ to: 'You@wallet.com', send, clock: FixedClock.create(createdAt), ...options });

test('an address leads to its service, and the amount and the words to its callback', async () => {
  const { asked, send } = serviceOf({ offer: { ...offer, commentAllowed: 4 } });
  const receiver = receiverOf(send);
  expect(await receiver.createInvoice(request)).toEqual({ invoice: invoiceOf(), paymentHash, expiresAt: createdAt + 600 });
  expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'GET https://wallet.com/.well-known/lnurlp/you',
    'GET https://pay.wallet.com/cb?id=7&amount=50000&comment=one+',
  ]);
  expect(receiver.capabilities).toMatchObject({ lookup: false, watch: false });
});

test('what the service offers is asked for once, and again after it could not be had', async () => {
  const { asked, send } = serviceOf({});
  let isDown = true;
  const receiver = receiverOf(async (...call) => {
    if (isDown) throw new Error('down');
    return send(...call);
  });
  await expect(receiver.createInvoice(request)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  isDown = false;
  await receiver.createInvoice(request);
  await expect(receiver.createInvoice(request)).rejects.toThrow('payment hash that it had used before');
  expect(asked.filter(({ url }) => url.includes('.well-known'))).toHaveLength(1);
});

// The example of LUD-01.
test.each([
  'LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS',
])('an LNURL is read', async (to) => {
  const { asked, send } = serviceOf({});
  for (const written of [to, to.toLowerCase(), `lightning:${to}`]) await receiverOf(send, { to: written }).createInvoice(request);
  expect(asked[0]?.url).toBe('https://service.com/api?q=3fc3645b439ce8e7f2553a69e5267081d96dcd340693afabe04be7b0ccd178df');
});

describe('a service sells nothing with', () => {
  test.each<[string, Parameters<typeof serviceOf>[0], string]>([
    ['an offer that is no payment', { offer: { ...offer, tag: 'withdrawRequest' } }, 'offers no payment'],
    ['a callback in the clear', { offer: { ...offer, callback: 'http://pay.wallet.com/cb' } }, 'callback that is no https address'],
    ['a callback with a password', { offer: { ...offer, callback: 'https://a:b@pay.wallet.com/cb' } }, 'callback that is no https address'],
    ['no limits', { offer: { ...offer, minSendable: undefined } }, 'cannot be read'],
    ['a page', { offer: '<html>' }, 'cannot be read'],
    ['an error', { offer: { status: 'ERROR', reason: 'No such user\u0007' } }, 'wallet.com refused: No such user'],
    ['an error of its callback', { callback: { status: 'ERROR', reason: 'Busy' } }, 'refused: Busy'],
    ['another status', { status: 404 }, 'answered 404'],
    ['an invoice over another amount', { callback: { pr: invoiceOf({ amountMsat: 49_999n as never }) } }, 'instead of 50000 msat'],
    ['an invoice over any amount', { callback: { pr: invoiceOf({ amountMsat: undefined as never }) } }, 'instead of 50000 msat'],
    ['an invoice on another chain', { callback: { pr: invoiceOf({ chain: 'testnet' }) } }, 'an invoice on testnet'],
    ['an invoice that expires at once', { callback: { pr: invoiceOf({ expirySeconds: 29 }) } }, 'expires at once'],
    ['no invoice', { callback: { pr: 'lnbc1' } }, 'cannot be read'],
  ])('%s', async (_, answers, message) => {
    const failed = receiverOf(serviceOf(answers).send).createInvoice(request);
    await expect(failed).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE', message: expect.stringContaining(message) });
  });
});

test('an amount that the service does not take is the caller’s mistake', async () => {
  const receiver = receiverOf(serviceOf({}).send);
  for (const amountMsat of [999n, 1_000_001n])
    await expect(receiver.createInvoice({ ...request, amountMsat: amountMsat as never })).rejects.toThrow(RangeError);
});

test.each(['you', 'you@', '@wallet.com', 'https://wallet.com', 'lnurl1qqqq', 'a b@wallet.com', 'you@wal/let.com', ''])(
  '"%s" is nobody who can be paid',
  (to) => {
    expect(() => createLnurlReceiver({ to })).toThrow(RangeError);
  },
);

describe('LUD-21', () => {
  const verify = 'https://wallet.com/verify?hash=1';
  const callback = { pr: invoiceOf(), verify };

  test('is demanded where settlements are to be looked up', async () => {
    await expect(receiverOf(serviceOf({}).send, { verify: true }).createInvoice(request)).rejects.toThrow('without a way to ask for its settlement');
    await expect(
      receiverOf(serviceOf({ callback: { ...callback, verify: 'http://evil.example/' } }).send, { verify: true }).createInvoice(request),
    ).rejects.toThrow('LUD-21');
  });

  test.each<[string, object, unknown]>([
    ['open', { settled: false, preimage: null, pr: invoiceOf() }, { kind: 'open', expiresAt: createdAt + 600 }],
    ['paid', { settled: true, preimage, pr: invoiceOf() }, { kind: 'paid', amountMsat: 50_000n, settledAt: createdAt }],
  ])('says that an invoice is %s', async (_, answer, expected) => {
    const receiver = receiverOf(serviceOf({ callback, verify: { status: 'OK', ...answer } }).send, { verify: true });
    await receiver.createInvoice(request);
    expect(await receiver.lookupInvoice(paymentHash)).toEqual(expected);
  });

  test.each<[string, object]>([
    ['paid without a preimage', { settled: true, preimage: null, pr: invoiceOf() }],
    ['paid with another preimage', { settled: true, preimage: '00'.repeat(32), pr: invoiceOf() }],
    ['not found', { status: 'ERROR', reason: 'Not found' }],
  ])('%s is not to be found out, and never unpaid', async (_, answer) => {
    const receiver = receiverOf(serviceOf({ callback, verify: { status: 'OK', ...answer } }).send, { verify: true });
    await receiver.createInvoice(request);
    await expect(receiver.lookupInvoice(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });

  test('an invoice that another process asked for is not to be found out', async () => {
    await expect(receiverOf(serviceOf({}).send, { verify: true }).lookupInvoice(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });
});
