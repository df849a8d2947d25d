/**
 * What ln.bot's answers are taken for, where its documentation leaves several open and where taking them for something else would lose money.
 * `test/lightning` has all of its API.
 */
import { describe, expect, test } from 'vitest';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Api, Call, Reply } from './Api.ts';
import { createPayer } from './lnbot/Payer.ts';
import { createReceiver } from './lnbot/Receiver.ts';
import { createWallet } from './lnbot/Wallet.ts';
import { createLnbotPayer, createLnbotReceiver } from './lnbot.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const createdAt = 1_800_000_000;
const name = paymentHash.slice(0, 32);

const invoiceOver = (hash: Preimage.PaymentHash) =>
  Bolt11.encode(
    { chain: 'regtest', amountMsat: 50_000n as never, paymentHash: hash, paymentSecret: '11'.repeat(32), createdAt, expirySeconds: 3600, description: 'x' },
    new Uint8Array(32).fill(5),
  );
const invoice = invoiceOver(paymentHash);

const ok = (body: unknown, status = 200): Reply => ({ status, body });
const no = (status: number, message: string): Reply => ok({ message }, status);

/** An ln.bot that answers by method and path below its wallet; a wallet that is there, and nothing in it, where it is told nothing else. */
function lnbotOf(answers: Readonly<Record<string, Reply | readonly Reply[] | ((call: Call) => Reply)>>): Api & { readonly calls: Call[] } {
  const calls: Call[] = [];
  const answer = (call: Call): Reply => {
    const path = call.path.replace('/v1/wallets/wal_1', '').replace(/\?.*/, '');
    const found = answers[`${call.method ?? 'GET'} ${path}`];
    if (typeof found === 'function') return found(call);
    if (Array.isArray(found)) return found.length > 1 ? (found.shift() as Reply) : (found[0] as Reply);
    if (found !== undefined) return found as Reply;
    if (path === '/v1/me') return ok({ walletId: 'wal_1' });
    return path === '' ? ok({ walletId: 'wal_1', name: 'shop', available: 1000 }) : no(404, 'Not found.');
  };
  return {
    calls,
    call: async (call) => {
      calls.push(call);
      return answer(call);
    },
    stream: () => Promise.reject(new Error('ln.bot streams nothing here')),
  };
}

const clock = () => FixedClock.create(createdAt);
const receiverOf = (api: Api) => createReceiver({ wallet: createWallet(api), network: 'regtest', clock: clock() });
const payerOf = (api: Api) => createPayer({ wallet: createWallet(api), network: 'regtest', clock: clock() });
const request = { invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 };
const priced = ok({ type: 'bolt11', amount: 50, networkFeeEstimate: 3, serviceFee: 1, total: 54 });
const paid = { number: 7, status: 'settled', amount: 50, maxFee: 5, serviceFee: 1, actualFee: 2, preimage, reference: name };
const posted = ({ calls }: { readonly calls: readonly Call[] }) => calls.filter(({ method }) => method === 'POST').map(({ body }) => body);

describe('an invoice', () => {
  test('is asked for in satoshis and in its words, of the wallet that the key is of', async () => {
    const api = lnbotOf({ 'POST /invoices': ok({ bolt11: invoice }) });
    const receiver = receiverOf(api);
    for (let made = 0; made < 2; made++) await receiver.createInvoice({ amountMsat: 50_000n as never, description: 'one answer', expirySeconds: 60 });
    expect(api.calls.map(({ path }) => path)).toEqual(['/v1/me', '/v1/wallets/wal_1/invoices', '/v1/wallets/wal_1/invoices']);
    expect(posted(api)[0]).toEqual({ amount: 50, memo: 'one answer' });
  });

  test.each<[string, object, unknown]>([
    ['settled', { status: 'settled', amount: 50, settledAt: '2027-01-15T08:00:05.250Z' }, { kind: 'paid', amountMsat: 50_000n, settledAt: createdAt + 5 }],
    ['pending', { status: 'pending' }, { kind: 'open', expiresAt: createdAt + 3600 }],
    ['expired', { status: 'expired' }, { kind: 'expired' }],
  ])('that is %s', async (_, more, expected) => {
    const api = lnbotOf({ [`GET /invoices/${paymentHash}`]: ok({ bolt11: invoice, ...more }) });
    expect(await receiverOf(api).lookupInvoice(paymentHash)).toEqual(expected);
  });

  test.each<[string, Reply]>([
    ['of a status of tomorrow', ok({ bolt11: invoice, status: 'teleported' })],
    ['that is another one', ok({ bolt11: invoiceOver(Preimage.hash(Preimage.fromBytes(new Uint8Array(32)))), status: 'pending' })],
    ['that cannot be read', ok({ bolt11: 'lnbc1', status: 'pending' })],
    ['behind an error', no(500, 'boom')],
    ['that was asked for too often', no(429, 'Too many requests')],
  ])('%s is not to be found out', async (_, reply) => {
    const api = lnbotOf({ [`GET /invoices/${paymentHash}`]: reply });
    await expect(receiverOf(api).lookupInvoice(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });

  test('is absent where the wallet is there, and not to be found out where it has gone', async () => {
    expect(await receiverOf(lnbotOf({})).lookupInvoice(paymentHash)).toEqual({ kind: 'absent' });
    const gone = lnbotOf({ 'GET ': no(404, 'Wallet not found.') });
    await expect(receiverOf(gone).lookupInvoice(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });

  test('is of the wallet that the key is of, by its id', async () => {
    expect(await receiverOf(lnbotOf({})).info()).toEqual({ alias: 'shop', nodeId: undefined, walletId: 'wal_1', network: 'regtest' });
  });

  test('takes a key of a wallet: one of an account says so', async () => {
    const api = lnbotOf({ 'GET /v1/me': ok({ walletId: null }) });
    await expect(receiverOf(api).info()).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED', message: expect.stringContaining('wk_') });
  });
});

describe('a watch', () => {
  const credit = (number: number, more: object = {}) => ({ number, type: 'credit', amount: 50, paymentHash, createdAt: '2027-01-15T08:00:07Z', ...more });
  const transactions = (all: readonly { readonly number: number }[]) => (call: Call) => {
    const query = new URLSearchParams(call.path.split('?')[1]);
    const below = all.filter(({ number }) => number < Number(query.get('after') ?? Number.POSITIVE_INFINITY)).toReversed();
    return ok(below.slice(0, Math.min(3, Number(query.get('limit')))));
  };
  const first = (receiver: ReturnType<typeof receiverOf>, after: string) =>
    receiver.watchSettlements({ after, signal: new AbortController().signal })[Symbol.asyncIterator]().next();

  test('tells of what was credited for an invoice, and of nothing else', async () => {
    const debit = { ...credit(6), type: 'debit' };
    const others = [debit, credit(7, { paymentHash: null }), credit(8, { paymentHash: 'ab'.repeat(32) }), credit(9)];
    const api = lnbotOf({
      'GET /transactions': transactions([credit(5), ...others]),
      [`GET /invoices/${paymentHash}`]: ok({ bolt11: invoice, status: 'settled', memo: 'one answer', settledAt: '2027-01-15T08:00:05Z' }),
    });
    const { value } = await first(receiverOf(api), '5');
    expect(value).toEqual({ paymentHash, amountMsat: 50_000n, settledAt: createdAt + 5, description: 'one answer', cursor: '9' });
    expect(api.calls.map(({ path }) => path.split('?')[1]).filter(Boolean)).toEqual(['limit=10', 'limit=100&after=7']);
  });

  test('believes no list that goes the wrong way', async () => {
    const api = lnbotOf({ 'GET /transactions': ok([credit(7), credit(8)]) });
    await expect(first(receiverOf(api), '5')).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
    await expect(first(receiverOf(api), 'x')).rejects.toThrow(RangeError);
  });
});

describe('a payment', () => {
  test('is limited to what the service fee leaves, and costs both fees', async () => {
    const api = lnbotOf({ 'GET /payments/resolve': priced, 'POST /payments': ok(paid) });
    expect(await payerOf(api).pay(request)).toEqual({ kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 3000n });
    expect(posted(api)).toEqual([{ target: invoice, maxFee: 9, idempotencyKey: name, reference: name }]);
  });

  test('whose fee is not told costs what was held for it', async () => {
    const api = lnbotOf({ 'GET /payments/resolve': priced, 'POST /payments': ok({ ...paid, actualFee: null }) });
    expect(await payerOf(api).pay(request)).toMatchObject({ kind: 'settled', feeMsat: 6000n });
  });

  test.each<[string, Reply, object]>([
    ['that would cost more than it may', ok({ networkFeeEstimate: 9, serviceFee: 2 }), { kind: 'failed', reason: 'fee-limit' }],
    ['to a recipient that there is not', no(400, 'Recipient not found.'), { kind: 'failed', reason: 'rejected' }],
    ['whose price cannot be had', no(500, 'boom'), { kind: 'failed', reason: 'rejected' }],
    ['whose price cannot be read', ok({}), { kind: 'failed', reason: 'rejected' }],
  ])('%s is not begun', async (_, price, expected) => {
    const api = lnbotOf({ 'GET /payments/resolve': price });
    expect(await payerOf(api).pay(request)).toMatchObject(expected);
    expect(posted(api)).toEqual([]);
  });

  test.each<[string, object, string]>([
    ['paid', paid, 'failed'],
    ['under way', { ...paid, status: 'processing' }, 'unknown'],
    ['something that is not known', { ...paid, status: 'teleported' }, 'unknown'],
  ])('of an invoice that is %s already is not begun', async (_, earlier, kind) => {
    const api = lnbotOf({ 'GET /payments/resolve': priced, [`GET /payments/${paymentHash}`]: ok(earlier) });
    expect((await payerOf(api).pay(request)).kind).toBe(kind);
    expect(posted(api)).toEqual([]);
  });

  test.each<[string, Reply, object]>([
    ['of less than it sends', no(400, 'Amount is below the minimum (1 sat).'), { kind: 'failed', reason: 'too-small' }],
    ['refused, and never seen', no(400, 'Insufficient balance.'), { kind: 'failed', reason: 'balance' }],
    ['refused for what it would cost', no(400, 'Network fee estimate (30 sats) exceeds maxFee (9 sats).'), { kind: 'failed', reason: 'fee-limit' }],
    ['lost on the way, and not seen yet', no(502, 'Bad gateway'), { kind: 'unknown' }],
    ['timed out on the way', no(408, 'Request timeout'), { kind: 'unknown' }],
  ])('that was %s', async (_, reply, expected) => {
    const api = lnbotOf({ 'GET /payments/resolve': priced, 'POST /payments': reply });
    expect(await payerOf(api).pay(request)).toMatchObject(expected);
  });

  test('that is tried again has another name, and is found behind the one that failed', async () => {
    const failed = { ...paid, number: 3, status: 'failed', preimage: null, failureReason: 'No route. Please try again.' };
    const later = [{ ...paid, number: 9, reference: 'another' }, { ...paid, number: 8 }, { ...failed, number: 6 }, failed];
    const api = lnbotOf({
      'GET /payments/resolve': priced,
      [`GET /payments/${paymentHash}`]: ok(failed),
      'GET /payments': [ok([failed]), ok(later)],
      'POST /payments': ok(paid),
    });
    const payer = payerOf(api);
    expect((await payer.pay(request)).kind).toBe('settled');
    expect(posted(api)).toMatchObject([{ idempotencyKey: `${name}.3` }]);
    expect(await payer.trackPayment(paymentHash)).toMatchObject({ kind: 'settled', preimage });
  });

  test('that is asked for twice at a time is begun once', async () => {
    const api = lnbotOf({ 'GET /payments/resolve': priced, 'POST /payments': ok(paid) });
    const payer = payerOf(api);
    const outcomes = await Promise.all([payer.pay(request), payer.pay(request)]);
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['settled', 'unknown']);
    expect(posted(api)).toHaveLength(1);
  });

  test.each<[string, object, object]>([
    ['settled without a preimage', { ...paid, preimage: null }, { kind: 'unknown' }],
    ['settled with another preimage', { ...paid, preimage: '00'.repeat(32) }, { kind: 'unknown' }],
    ['waiting to be sent', { ...paid, status: 'pending' }, { kind: 'pending' }],
    ['failed', { ...paid, status: 'failed', failureReason: 'Invoice expired before it could be paid.' }, { kind: 'failed', reason: 'expired' }],
  ])('that is %s', async (_, body, expected) => {
    const api = lnbotOf({ [`GET /payments/${paymentHash}`]: ok(body), 'GET /payments': ok([]) });
    expect(await payerOf(api).trackPayment(paymentHash)).toMatchObject(expected);
  });
});

test('what is no key is refused before anything is sent', () => {
  for (const key of ['', 'wk_', 'key_0123456789', 'wk_with a space', 'wk_ünicode']) {
    expect(() => createLnbotReceiver({ key })).toThrow(RangeError);
    expect(() => createLnbotPayer({ key })).toThrow(RangeError);
  }
  expect(createLnbotReceiver({ key: 'wk_0123456789' }).network).toBe('bitcoin');
});
