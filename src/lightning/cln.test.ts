/**
 * What Core Lightning's answers are taken for, where taking them for something else would lose money. `test/lightning` has all of its API.
 */
import { expect, test } from 'vitest';
import * as Bolt11 from '../core/Bolt11.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Api, Call, Reply } from './Api.ts';
import { createPayer } from './cln/Payer.ts';
import { createReceiver } from './cln/Receiver.ts';
import { createClnReceiver } from './cln.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const createdAt = 1_800_000_000;
const invoice = Bolt11.encode(
  { chain: 'regtest', amountMsat: 50_000n as never, paymentHash, paymentSecret: '11'.repeat(32), createdAt, expirySeconds: 600, description: 'x' },
  new Uint8Array(32).fill(5),
);

/** What each method answers. */
type Answers = Readonly<Record<string, Reply | Error | ((call: Call) => Reply)>>;

function apiOf(answers: Answers): Api {
  return {
    call: async (call) => {
      const answer = answers[call.path.replace('/v1/', '')];
      if (answer instanceof Error) throw answer;
      if (answer === undefined) throw new Error(`${call.path} is not expected`);
      return typeof answer === 'function' ? answer(call) : answer;
    },
    stream: () => Promise.reject(new Error('clnrest streams nothing')),
  };
}

const ok = (body: object): Reply => ({ status: 201, body });
const error = (code: number, message: string, status = 500): Reply => ({ status, body: { code, message } });
const pays = (...list: object[]) => ok({ pays: list });
const complete = { status: 'complete', preimage, amount_msat: 50_000, amount_sent_msat: 51_234 };
const paid = ok({ status: 'complete', payment_preimage: preimage, amount_msat: 50_000, amount_sent_msat: 51_234 });
const settled = { kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 1234n };
const request = { invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 };
const unsent = new FareboxError('LIGHTNING_UNAVAILABLE', 'down', { details: { sent: false } });

/** `listpays` as it is before a payment and after it. */
function then(...replies: readonly (Reply | Error)[]): () => Reply {
  let turn = 0;
  return () => {
    const reply = replies[Math.min(turn++, replies.length - 1)] as Reply | Error;
    if (reply instanceof Error) throw reply;
    return reply;
  };
}

test.each<[string, Answers, object]>([
  ['settles', { listpays: pays(), pay: paid }, settled],
  ['settles after a failure', { listpays: pays({ status: 'failed' }), pay: paid }, settled],
  [
    'was paid before, which `pay` would call settled once more',
    { listpays: pays({ status: 'failed' }, complete), pay: paid },
    { kind: 'failed', reason: 'rejected' },
  ],
  ['is under way already', { listpays: pays({ status: 'pending' }), pay: paid }, { kind: 'unknown' }],
  ['cannot be asked about, and so is not begun', { listpays: unsent, pay: paid }, { kind: 'failed', reason: 'rejected' }],
  ['finds no route', { listpays: pays(), pay: error(205, 'Unable to find a route') }, { kind: 'failed', reason: 'no-route' }],
  ['is too small', { listpays: pays(), pay: error(205, 'No path: 1msat is below htlc_minimum_msat 1000msat') }, { kind: 'failed', reason: 'too-small' }],
  ['is too large', { listpays: pays(), pay: error(205, '50000msat exceeds htlc_maximum_msat 1000msat') }, { kind: 'failed', reason: 'too-large' }],
  ['is too dear', { listpays: pays(), pay: error(206, 'Route too expensive') }, { kind: 'failed', reason: 'fee-limit' }],
  ['has expired', { listpays: pays(), pay: error(207, 'Invoice expired') }, { kind: 'failed', reason: 'expired' }],
  [
    'ends with an error while a part of it is under way',
    { listpays: then(pays(), pays({ status: 'pending' }), unsent), pay: error(210, 'Timed out') },
    { kind: 'unknown' },
  ],
  ['ends with an error, and settled', { listpays: then(pays(), pays(complete)), pay: error(210, 'Timed out') }, settled],
  ['ends with an error, and cannot be asked about', { listpays: then(pays(), unsent), pay: error(203, 'Destination said no') }, { kind: 'unknown' }],
  ['ends with no preimage', { listpays: pays(), pay: ok({ status: 'complete', amount_msat: 50_000, amount_sent_msat: 50_000 }) }, { kind: 'unknown' }],
  ['breaks off', { listpays: pays(), pay: new Error('reset') }, { kind: 'unknown' }],
  ['is not allowed', { listpays: pays(), pay: error(1502, 'Not permitted', 401) }, { kind: 'failed', reason: 'rejected' }],
])('a payment that %s', async (_, answers, expected) => {
  const clock = FixedClock.create(createdAt);
  const outcome = createPayer({ api: apiOf(answers), network: 'regtest', clock }).pay(request);
  for (let turn = 0; turn < 20; turn++) {
    await new Promise(setImmediate);
    clock.advance(100);
  }
  expect(await outcome).toMatchObject(expected);
});

test('of two payments of one invoice at once, one is told that it paid', async () => {
  const payer = createPayer({ api: apiOf({ listpays: pays(), pay: paid }), network: 'regtest', clock: FixedClock.create(createdAt) });
  const outcomes = await Promise.all([payer.pay(request), payer.pay(request)]);
  expect(outcomes.map(({ kind }) => kind)).toEqual(['settled', 'unknown']);
});

test('a balance is what usable channels can spend', async () => {
  const channels = [
    { state: 'CHANNELD_NORMAL', spendable_msat: 1000 },
    { state: 'ONCHAIN', spendable_msat: 5 },
    { state: 'CHANNELD_NORMAL', spendable_msat: 234 },
  ];
  const payer = createPayer({ api: apiOf({ listpeerchannels: ok({ channels }) }), network: 'regtest', clock: FixedClock.create() });
  expect(await payer.balance()).toEqual({ spendableMsat: 1234n });
});

test('a watch without a cursor begins behind the newest payment, found from the end and not by reading everything', async () => {
  const asked: unknown[] = [];
  const answers: Answers = {
    wait: ok({ subsystem: 'invoices', updated: 250 }),
    listinvoices: ({ body }) => {
      asked.push(body);
      const { start } = body as { readonly start: number };
      return ok({ invoices: start === 51 ? [{ pay_index: 7 }, {}, { pay_index: 9 }] : [{}] });
    },
    waitanyinvoice: ({ body }) => {
      asked.push(body);
      return ok({ status: 'paid', pay_index: 10, payment_hash: paymentHash, amount_received_msat: 50_000, paid_at: createdAt, description: 'one answer' });
    },
  };
  const watch = createReceiver({ api: apiOf(answers), network: 'regtest', canSpend: async () => false }).watchSettlements({
    signal: new AbortController().signal,
  });
  for await (const settlement of watch) {
    expect(settlement).toEqual({ paymentHash, amountMsat: 50_000n, settledAt: createdAt, description: 'one answer', cursor: '10' });
    break;
  }
  expect(asked).toEqual([
    { index: 'updated', start: 151, limit: 100 },
    { index: 'updated', start: 51, limit: 100 },
    { lastpay_index: 9, timeout: 60 },
  ]);
});

test('a watch in which nothing happens asks again', async () => {
  const waits = [error(904, 'Timed out'), ok({ status: 'paid', pay_index: 3, payment_hash: paymentHash, amount_received_msat: 50_000, paid_at: createdAt })];
  const receiver = createReceiver({ api: apiOf({ waitanyinvoice: () => waits.shift() as Reply }), network: 'regtest', canSpend: async () => false });
  const first = await receiver.watchSettlements({ after: '2', signal: new AbortController().signal })[Symbol.asyncIterator]().next();
  expect(first.value).toMatchObject({ cursor: '3' });
});

test.each<[string, Parameters<typeof createClnReceiver>[0]]>([
  ['no rune', { url: 'https://127.0.0.1:3010' }],
  ['two runes', { url: 'https://127.0.0.1:3010', rune: 'a'.repeat(48), runePath: 'x' }],
  ['a rune that is none', { url: 'https://127.0.0.1:3010', rune: 'not a rune' }],
  ['plain http to the internet', { url: 'http://node.example.com:3010', rune: 'a'.repeat(48) }],
  ['a certificate that is none', { url: 'https://127.0.0.1:3010', rune: 'a'.repeat(48), certificate: 'x' }],
])('%s is refused before anything is sent', (_, options) => {
  expect(() => createClnReceiver(options)).toThrow(RangeError);
});
