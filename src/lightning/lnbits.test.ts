/**
 * What LNbits' answers are taken for, where taking them for something else would lose money. `test/lightning` has all of its API, `test/e2e/lnbits`
 * the real one.
 */
import { describe, expect, test } from 'vitest';
import * as Bolt11 from '../core/Bolt11.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Api, Call, Reply } from './Api.ts';
import { createPayer } from './lnbits/Payer.ts';
import { createReceiver } from './lnbits/Receiver.ts';
import { createLnbitsPayer, createLnbitsReceiver } from './lnbits.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const createdAt = 1_800_000_000;
const expiry = '2027-01-15T08:10:00+00:00';

const invoice = Bolt11.encode(
  { chain: 'regtest', amountMsat: 50_000n as never, paymentHash, paymentSecret: '11'.repeat(32), createdAt, expirySeconds: 600, description: 'x' },
  new Uint8Array(32).fill(5),
);

type Answers = (call: Call) => Reply | Error;

function apiOf(answers: Answers): Api {
  return {
    call: async (call) => {
      const answer = answers(call);
      if (answer instanceof Error) throw answer;
      return answer;
    },
    stream: () => Promise.reject(new Error('LNbits streams nothing')),
  };
}

const ok = (body: object, status = 200): Reply => ({ status, body });
const receiverOf = (answers: Answers) => createReceiver({ api: apiOf(answers), network: 'regtest', clock: FixedClock.create(createdAt) });
const payerOf = (answers: Answers) => createPayer({ api: apiOf(answers), network: 'regtest', clock: FixedClock.create(createdAt) });
const incoming = { amount: 50_000, fee: 0, status: 'pending', preimage: null, expiry, updated_at: '2027-01-15T08:00:05' };
const outgoing = { ...incoming, amount: -50_000, fee: -1500 };
const reserve = ok({ fee_reserve: 2000 });
const unsent = new FareboxError('LIGHTNING_UNAVAILABLE', 'down', { details: { sent: false } });

describe('an invoice', () => {
  test.each<[string, object, unknown]>([
    ['paid', { paid: true, preimage, details: { ...incoming, status: 'success' } }, { kind: 'paid', amountMsat: 50_000n, settledAt: createdAt + 5 }],
    [
      'that its own wallet paid',
      { paid: true, preimage, details: { ...outgoing, status: 'success' } },
      { kind: 'paid', amountMsat: 50_000n, settledAt: createdAt + 5 },
    ],
    ['open', { paid: false, status: 'pending', details: incoming }, { kind: 'open', expiresAt: createdAt + 600 }],
    ['failed before its time', { paid: false, status: 'failed', details: incoming }, { kind: 'cancelled' }],
  ])('%s', async (_, body, expected) => {
    expect(await receiverOf(() => ok(body)).lookupInvoice(paymentHash)).toEqual(expected);
  });

  test.each<[string, object]>([
    ['that LNbits could not ask its node about', { paid: false, details: incoming }],
    ['that its own wallet is paying', { paid: false, status: 'pending', details: outgoing }],
    ['that its own wallet did not manage to pay', { paid: false, status: 'failed', details: outgoing }],
  ])('%s is not to be found out, and never unpaid', async (_, body) => {
    await expect(receiverOf(() => ok(body)).lookupInvoice(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
  });

  test('that was paid is told of by when it was, however long ago it was made', async () => {
    const hashOf = (byte: number) => Preimage.hash(Preimage.fromBytes(new Uint8Array(32).fill(byte)));
    const paid = { ...incoming, status: 'success', payment_hash: paymentHash, memo: 'one answer' };
    const lists = [
      [{ ...paid, payment_hash: hashOf(4), created_at: '2027-01-15T08:00:00', updated_at: '2027-01-15T08:00:05.750000+00:00' }],
      [
        { ...paid, created_at: '2026-12-01T00:00:00', updated_at: '2027-01-15T08:00:06.250000+00:00', memo: null },
        // Passed over, where an LNbits does not know the filters.
        { ...paid, ...outgoing, payment_hash: hashOf(6) },
        { ...paid, payment_hash: hashOf(4), created_at: '2027-01-15T08:00:00', updated_at: '2027-01-15T08:00:05.750000+00:00' },
      ],
    ];
    const asked: string[] = [];
    const clock = FixedClock.create(createdAt);
    const answers = ({ path }: Call) => {
      asked.push(path);
      return ok(lists.shift() ?? []);
    };
    const receiver = createReceiver({ api: apiOf(answers), network: 'regtest', clock });
    const watch = receiver.watchSettlements({ after: `${createdAt}.`, signal: new AbortController().signal })[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ paymentHash: hashOf(4), amountMsat: 50_000n, settledAt: createdAt + 5, description: 'one answer' });
    const next = watch.next();
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    clock.advance(2000);
    expect((await next).value).toMatchObject({ paymentHash, settledAt: createdAt + 6, description: undefined });
    expect(asked[0]).toBe('/api/v1/payments?status=success&amount%5Bgt%5D=0&sortby=updated_at&direction=desc&limit=10&offset=0');
  });

  const isWallet = ({ path }: Call) => path === '/api/v1/wallet';
  const nobody = ok({ detail: 'Wallet not found.' }, 404);

  test.each<[string, Reply]>([
    ['of somebody else’s', ok({ paid: true, preimage })],
    ['never seen', ok({ detail: 'Payment does not exist.' }, 404)],
  ])('%s is absent where the key is right, and nothing is said of it where it is wrong', async (_, reply) => {
    const right = receiverOf((call) => (isWallet(call) ? ok({ name: 'shop', balance: 0 }) : reply));
    expect(await right.lookupInvoice(paymentHash)).toEqual({ kind: 'absent' });
    const wrong = receiverOf((call) => (isWallet(call) ? nobody : reply));
    await expect(wrong.lookupInvoice(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAUTHORIZED' });
  });

  test('over parts of a satoshi is a caller’s mistake', async () => {
    const request = { amountMsat: 50_001n as never, description: 'x', expirySeconds: 600 };
    await expect(receiverOf(() => unsent).createInvoice(request)).rejects.toThrow(RangeError);
  });
});

describe('a payment', () => {
  const request = { invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 };
  const posted = (answer: Reply | Error, later: Reply | Error = ok({ detail: 'Payment does not exist.' }, 404)): Answers => {
    return ({ method, path }) => {
      if (path.startsWith('/api/v1/payments/fee-reserve')) return reserve;
      if (path === '/api/v1/wallet') return ok({ name: 'purse', balance: 0 });
      return method === 'POST' ? answer : later;
    };
  };

  test.each<[string, Answers, object]>([
    ['for which more would be set aside than may be spent', () => ok({ fee_reserve: 10_001 }), { kind: 'failed', reason: 'fee-limit' }],
    ['whose reserve cannot be asked for', () => new Error('reset'), { kind: 'failed', reason: 'rejected' }],
    ['that was never sent', posted(unsent), { kind: 'failed', reason: 'rejected' }],
    ['whose answer broke off', posted(new Error('reset')), { kind: 'unknown' }],
    ['that settled', posted(ok({ ...outgoing, status: 'success', preimage }, 201)), { kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 1500n }],
    ['that settled, without a preimage', posted(ok({ ...outgoing, status: 'success' }, 201)), { kind: 'unknown' }],
    ['that settled, with another preimage', posted(ok({ ...outgoing, status: 'success', preimage: '00'.repeat(32) }, 201)), { kind: 'unknown' }],
    ['whose end is a word that nobody knows', posted(ok({ ...outgoing, status: 'maybe' }, 201)), { kind: 'unknown' }],
    ['that is taken, and then is not to be asked for', posted(ok({ ...outgoing }, 201), unsent), { kind: 'unknown' }],
    ['of less than it sends', posted(ok({ detail: 'Payment amount is too small.', status: 'failed' }, 520)), { kind: 'failed', reason: 'too-small' }],
    ['of more than it sends', posted(ok({ detail: 'Amount in invoice is too high.', status: 'failed' }, 520)), { kind: 'failed', reason: 'too-large' }],
    ['that is refused, and never seen', posted(ok({ detail: 'Insufficient balance.', status: 'failed' }, 520)), { kind: 'failed', reason: 'balance' }],
    ['that is refused, and not to be asked for', posted(ok({ detail: 'boom' }, 500), unsent), { kind: 'unknown' }],
    [
      'that is refused, for it is under way',
      posted(ok({ detail: 'Payment is still pending.' }, 520), ok({ paid: false, status: 'pending', details: outgoing })),
      { kind: 'unknown' },
    ],
    [
      'that is refused, for it was paid',
      posted(ok({ detail: 'Payment already paid.' }, 520), ok({ paid: true, preimage, details: { ...outgoing, status: 'success' } })),
      { kind: 'failed', reason: 'rejected' },
    ],
    ['with a key that may not', posted(new FareboxError('LIGHTNING_UNAUTHORIZED', 'no')), { kind: 'failed', reason: 'rejected' }],
    ['with a key of nobody’s', posted(ok({ detail: 'Wallet not found.' }, 404)), { kind: 'failed', reason: 'rejected' }],
  ])('%s', async (_, answers, expected) => {
    const clock = FixedClock.create(createdAt);
    const payer = createPayer({ api: apiOf(answers), network: 'regtest', clock });
    const outcome = payer.pay(request);
    // One that is taken is asked for again after a second.
    for (let turn = 0; turn < 20; turn++) {
      await new Promise(setImmediate);
      clock.advance(100);
    }
    expect(await outcome).toMatchObject(expected);
  });

  test('that only arrived under a hash says nothing of one that left', async () => {
    const payer = payerOf(() => ok({ paid: true, preimage, details: { ...incoming, status: 'success' } }));
    expect(await payer.trackPayment(paymentHash)).toEqual({ kind: 'absent' });
  });
});

test('a key that is none is refused before anything is sent', () => {
  expect(() => createLnbitsReceiver({ url: 'https://lnbits.example.com', invoiceKey: 'a b' })).toThrow(RangeError);
  expect(() => createLnbitsPayer({ url: 'http://lnbits.example.com', adminKey: 'a'.repeat(32) })).toThrow('Use https');
});

test('wallets of one LNbits are told apart by their keys, which nothing shows', async () => {
  const { fetch } = globalThis;
  globalThis.fetch = async () => Response.json({ name: 'LNbits wallet', balance: 0 });
  const idOf = async (invoiceKey: string) => (await createLnbitsReceiver({ url: 'https://lnbits.example.com', invoiceKey }).info()).walletId;
  try {
    const [one, again, other] = [await idOf('1'.repeat(32)), await idOf('1'.repeat(32)), await idOf('2'.repeat(32))];
    expect([one === again, one === other]).toEqual([true, false]);
    expect(one).toMatch(/^[0-9a-f]{16}$/);
  } finally {
    globalThis.fetch = fetch;
  }
});
