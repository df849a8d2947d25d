/**
 * What lnd's answers are taken for. The answers are those of lnd 0.21; `test/e2e/lnd` has the real one.
 */
import { describe, expect, test } from 'vitest';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Api, Call, Reply } from './Api.ts';
import type { Payer, Receiver } from './Lightning.ts';
import { createPayer } from './lnd/Payer.ts';
import { createReceiver } from './lnd/Receiver.ts';
import { createLndPayer, createLndReceiver } from './lnd.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const createdAt = 1_800_000_000;

const invoice = Bolt11.encode(
  { chain: 'regtest', amountMsat: 50_000n as never, paymentHash, paymentSecret: '11'.repeat(32), createdAt, expirySeconds: 600, description: 'x' },
  new Uint8Array(32).fill(5),
);

/** What lnd answers to a call; an answer of lines where it is a list. */
type Answers = (call: Call) => Reply | readonly unknown[];

function apiOf(answers: Answers): Api & { readonly calls: Call[] } {
  const calls: Call[] = [];
  const ask = (call: Call) => {
    calls.push(call);
    return answers(call);
  };
  async function* linesOf(lines: readonly unknown[]) {
    yield* lines;
  }
  return {
    calls,
    call: async (call) => ask(call) as Reply,
    stream: async (call) => {
      const answer = ask(call);
      return Array.isArray(answer) ? { status: 200, body: undefined, lines: linesOf(answer) } : { ...(answer as Reply), lines: linesOf([]) };
    },
  };
}

const says = (status: number, message: string): Reply => ({ status, body: { code: 2, message, details: [] } });
const streamed = (status: number, message: string): Reply => ({ status, body: { error: { code: 2, message, details: [] } } });

function receiverOf(answers: Answers, at = createdAt): Receiver {
  const clock = FixedClock.create(at);
  return createReceiver({ api: apiOf(answers), network: 'regtest', clock, routeHints: true, canSpend: async () => false });
}

function payerOf(answers: Answers): Payer {
  return createPayer({ api: apiOf(answers), network: 'regtest', clock: FixedClock.create() });
}

test('a watch of lnd tells what was settled, in the words of its invoice', async () => {
  const settled = (more: object) => ({
    result: { state: 'SETTLED', r_hash: Buffer.from(paymentHash, 'hex').toString('base64'), amt_paid_msat: '50000', settle_date: '5', ...more },
  });
  const lines = [{ result: { state: 'OPEN' } }, settled({ memo: 'one answer', settle_index: '7' }), settled({ settle_index: '8' })];
  const watch = receiverOf(() => lines)
    .watchSettlements({ after: '6', signal: new AbortController().signal })
    [Symbol.asyncIterator]();
  expect((await watch.next()).value).toEqual({ paymentHash, amountMsat: 50_000n, settledAt: 5, description: 'one answer', cursor: '7' });
  expect((await watch.next()).value).toMatchObject({ description: undefined, cursor: '8' });
  await expect(watch.next()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
});

describe('an invoice of lnd', () => {
  const found = (state: string, more: object = {}) => ({
    status: 200,
    body: { state, creation_date: String(createdAt), expiry: '600', amt_paid_msat: '50000', settle_date: String(createdAt + 5), ...more },
  });

  test.each([
    ['open', found('OPEN'), createdAt, { kind: 'open', expiresAt: createdAt + 600 }],
    ['open to lnd, and over its time by our clock', found('OPEN'), createdAt + 600, { kind: 'open', expiresAt: createdAt + 600 }],
    ['with a part of its payment here', found('ACCEPTED'), createdAt, { kind: 'open', expiresAt: createdAt + 600 }],
    ['settled', found('SETTLED'), createdAt + 700, { kind: 'paid', amountMsat: 50_000n, settledAt: createdAt + 5 }],
    ['cancelled by hand', found('CANCELED'), createdAt + 5, { kind: 'cancelled' }],
    ['cancelled by lnd, over its time', found('CANCELED'), createdAt + 600, { kind: 'expired' }],
    ['never seen', says(404, 'unable to locate invoice'), createdAt, { kind: 'absent' }],
  ])('that is %s', async (_, reply, at, expected) => {
    expect(await receiverOf(() => reply, at).lookupInvoice(paymentHash)).toEqual(expected);
  });

  test.each([
    ['a state of tomorrow', found('TELEPORTED'), 'LIGHTNING_UNAVAILABLE'],
    ['an error', says(500, 'database is locked'), 'LIGHTNING_UNAVAILABLE'],
    ['another 404', says(404, 'Not Found'), 'LIGHTNING_UNAVAILABLE'],
    ['a macaroon that may not', says(500, 'permission denied'), 'LIGHTNING_UNAUTHORIZED'],
    ['a macaroon of another node', says(500, 'verification failed: signature mismatch after caveat verification'), 'LIGHTNING_UNAUTHORIZED'],
  ])('is not called unpaid for %s', async (_, reply, code) => {
    await expect(receiverOf(() => reply).lookupInvoice(paymentHash)).rejects.toMatchObject({ code });
  });

  test.each([
    ['over another amount', 49_999n, 'regtest'],
    ['on another chain', 50_000n, 'bitcoin'],
  ])('%s is not handed out', async (_, amountMsat, network) => {
    const answers = () => ({ status: 200, body: { payment_request: invoice } });
    const receiver = createReceiver({
      api: apiOf(answers),
      network: network as 'regtest',
      clock: FixedClock.create(),
      routeHints: true,
      canSpend: async () => false,
    });
    const made = receiver.createInvoice({ amountMsat: amountMsat as never, description: 'x', expirySeconds: 600 });
    await expect(made).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });
});

describe('a payment by lnd', () => {
  const request = { invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 };
  const result = (status: string, more: object = {}) => ({ result: { status, payment_preimage: preimage, value_msat: '50000', fee_msat: '1000', ...more } });
  const absent = streamed(404, "payment isn't initiated");
  /** One answer to the payment, another to the question what became of it. */
  const asked = (send: ReturnType<Answers>, track: ReturnType<Answers>) => payerOf(({ path }) => (path === '/v2/router/send' ? send : track));

  test.each([
    ['succeeds', [result('SUCCEEDED')], absent, { kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 1000n }],
    ['fails', [result('FAILED', { failure_reason: 'FAILURE_REASON_NO_ROUTE' })], absent, { kind: 'failed', reason: 'no-route' }],
    ['has too little', [result('FAILED', { failure_reason: 'FAILURE_REASON_INSUFFICIENT_BALANCE' })], absent, { kind: 'failed', reason: 'balance' }],
    ['succeeds with a preimage that proves nothing', [result('SUCCEEDED', { payment_preimage: '00'.repeat(32) })], absent, { kind: 'unknown' }],
    ['is left in the air', [result('IN_FLIGHT')], absent, { kind: 'unknown' }],
    ['ends in a state of tomorrow', [result('TELEPORTED')], absent, { kind: 'unknown' }],
    ['is refused and never seen', streamed(500, 'invoice expired. Valid until 2026'), absent, { kind: 'failed', reason: 'expired' }],
    [
      'is larger than lnd sends',
      streamed(500, 'payment of 0.1 BTC is too large, max payment allowed is 0.04 BTC'),
      absent,
      { kind: 'failed', reason: 'too-large' },
    ],
    ['is refused within the stream and never seen', [{ error: { message: 'self-payments not allowed' } }], absent, { kind: 'failed', reason: 'rejected' }],
    ['is refused, for it is under way', streamed(500, 'payment is in transition'), [result('IN_FLIGHT')], { kind: 'unknown' }],
    ['is refused, for it was paid', streamed(409, 'invoice is already paid'), [result('SUCCEEDED')], { kind: 'failed', reason: 'rejected' }],
    ['is refused, and nobody can say why', streamed(500, 'boom'), streamed(500, 'boom'), { kind: 'unknown' }],
    ['is refused for its macaroon', streamed(500, 'permission denied'), streamed(500, 'permission denied'), { kind: 'failed', reason: 'rejected' }],
  ])('that %s', async (_, send, track, expected) => {
    expect(await asked(send, track).pay(request)).toMatchObject(expected);
  });

  test('is told a fee limit, and to give up before we do', async () => {
    const api = apiOf(() => [result('SUCCEEDED')]);
    await createPayer({ api, network: 'regtest', clock: FixedClock.create() }).pay(request);
    expect(api.calls).toMatchObject([{ method: 'POST', path: '/v2/router/send', body: { fee_limit_msat: 10_000n, timeout_seconds: 58 } }]);
  });

  test.each([
    ['pending', [result('IN_FLIGHT')], { kind: 'pending' }],
    ['absent', absent, { kind: 'absent' }],
    ['absent, said within the stream', [{ error: { message: "payment isn't initiated" } }], { kind: 'absent' }],
    ['settled without a proof: unknown', [result('SUCCEEDED', { payment_preimage: '00'.repeat(32) })], { kind: 'unknown' }],
  ])('that is looked up is %s', async (_, track, expected) => {
    expect(await payerOf(() => track).trackPayment(paymentHash)).toMatchObject(expected);
  });

  test('that cannot be looked up is not absent', async () => {
    for (const track of [streamed(500, 'boom'), says(404, 'Not Found'), []]) {
      await expect(payerOf(() => track).trackPayment(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    }
  });
});

describe('the options', () => {
  const url = 'https://127.0.0.1:8080';

  test.each([
    ['no macaroon', { url }],
    ['two macaroons', { url, macaroon: '00', macaroonPath: 'x' }],
    ['a macaroon that is no hex', { url, macaroon: 'zz' }],
    ['two certificates', { url, macaroon: '00', certificate: 'x', certificatePath: 'x' }],
    ['a certificate that is none', { url, macaroon: '00', certificate: 'x' }],
    ['plain http to the internet', { url: 'http://node.example.com', macaroon: '00' }],
  ])('%s is refused, and no secret repeated', (_, options) => {
    for (const create of [createLndReceiver, createLndPayer]) expect(() => create(options)).toThrow(RangeError);
  });

  test('a file that is not there is said so, and nothing was sent', async () => {
    const payer = createLndPayer({ url, macaroonPath: '/nowhere/x.macaroon', network: 'regtest' });
    await expect(payer.balance()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE', details: { sent: false } });
    expect(await payer.pay({ invoice, maxFeeMsat: 0n as never, timeoutSeconds: 5 })).toMatchObject({ kind: 'failed' });
  });
});
