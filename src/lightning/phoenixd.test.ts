/**
 * What phoenixd's answers are taken for, where its versions differ and where taking them for something else would lose money. `test/lightning` has
 * all of its API.
 */
import { expect, test } from 'vitest';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Preimage from '../core/Preimage.ts';
import { createPhoenixdPayer, createPhoenixdReceiver } from './phoenixd.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const invoice = Bolt11.encode(
  {
    chain: 'regtest',
    amountMsat: 50_000n as never,
    paymentHash,
    paymentSecret: '11'.repeat(32),
    createdAt: 1_800_000_000,
    expirySeconds: 600,
    description: 'x',
  },
  new Uint8Array(32).fill(5),
);

type Asked = { readonly path: string; readonly query: string; readonly init: RequestInit };

/** Runs with a phoenixd in place of the network. */
async function withPhoenixd<T>(answers: (asked: Asked) => Response | Error, run: (asked: Asked[]) => Promise<T>): Promise<T> {
  const { fetch } = globalThis;
  const all: Asked[] = [];
  globalThis.fetch = async (url, init = {}) => {
    const { pathname: path, search: query } = new URL(String(url));
    const asked = { path, query, init };
    all.push(asked);
    const answer = answers(asked);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  try {
    return await run(all);
  } finally {
    globalThis.fetch = fetch;
  }
}

const payer = () => createPhoenixdPayer({ password: 'secret', network: 'regtest' });
const json = (body: unknown, status = 200) => Response.json(body, { status });
const request = { invoice, maxFeeMsat: 10_000n as never, timeoutSeconds: 60 };
const sent = { isPaid: true, preimage, sent: 51, fees: 1234, invoice, completedAt: 1, createdAt: 1 };

test('a payment is asked for in a form, with the password and nothing else', async () => {
  const answers = ({ path }: Asked) =>
    path === '/payinvoice' ? json({ recipientAmountSat: 50, routingFeeSat: 1, paymentId: '0', paymentHash, paymentPreimage: preimage }) : json(sent);
  await withPhoenixd(answers, async (asked) => {
    // Its books have the fee to the millisatoshi.
    expect(await payer().pay(request)).toEqual({ kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 1234n });
    expect(asked[0]).toMatchObject({ path: '/payinvoice', init: { method: 'POST', body: `invoice=${invoice}` } });
    expect(asked[0]?.init.headers).toMatchObject({ authorization: `Basic ${btoa(':secret')}` });
  });
});

test.each([
  ['not enough funds in wallet to afford payment', 'balance'],
  ['the payment amount is too small', 'too-small'],
  ['the payment amount is too large', 'too-large'],
  ['routing fees are insufficient', 'no-route'],
  ['the recipient was offline or did not have enough liquidity to receive the payment', 'no-route'],
  ['this invoice has expired', 'expired'],
  ['payment could not be sent through existing channels, check individual failures for more details', 'rejected'],
])('a payment that failed because %s', async (why, reason) => {
  const answers = ({ path }: Asked) =>
    path === '/payinvoice' ? json({ type: 'payment_failed', paymentHash, reason: why }) : new Response(null, { status: 204 });
  await withPhoenixd(answers, async () => expect(await payer().pay(request)).toMatchObject({ kind: 'failed', reason }));
});

test('settled stays settled where its books cannot be asked', async () => {
  const answers = ({ path }: Asked) => (path === '/payinvoice' ? json({ routingFeeSat: 1, paymentPreimage: preimage }) : new TypeError('reset'));
  await withPhoenixd(answers, async () => expect(await payer().pay(request)).toEqual({ kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 1000n }));
});

test.each<[string, Response, unknown]>([
  ['settled', json(sent), { kind: 'settled', preimage, amountMsat: 50_000n, feeMsat: 1234n }],
  ['under way', json({ isPaid: false, sent: 0, fees: 0, createdAt: 1 }), { kind: 'pending' }],
  ['failed', json({ isPaid: false, sent: 0, fees: 0, completedAt: 1, createdAt: 1 }), { kind: 'failed', reason: 'rejected' }],
  [
    'paid to an older version, which says that of failures as well',
    json({ isPaid: true, sent: 0, fees: 0, completedAt: 1, createdAt: 1 }),
    { kind: 'unknown' },
  ],
  ['never seen, in version 0.8', new Response(null, { status: 204 }), { kind: 'absent' }],
])('a payment that is %s', async (_, answer, expected) => {
  await withPhoenixd(
    () => answer,
    async () => expect(await payer().trackPayment(paymentHash)).toMatchObject(expected as object),
  );
});

test('never seen and never heard of are told apart: a version that cannot look payments up has not said that there is none', async () => {
  const missing = () => new Response('Unknown endpoint (check api doc)', { status: 404 });
  const knows = ({ path }: Asked) => (path.endsWith('/none') ? new Response('no hex32', { status: 400 }) : missing());
  await withPhoenixd(knows, async () => expect(await payer().trackPayment(paymentHash)).toEqual({ kind: 'absent' }));
  await withPhoenixd(missing, async () => {
    await expect(payer().trackPayment(paymentHash)).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE', message: expect.stringContaining('0.5') });
    expect((await payer().pay(request)).kind).toBe('unknown');
  });
});

test('a description that is too long for it is cut between characters', async () => {
  const answers = () => json({ serialized: invoice });
  await withPhoenixd(answers, async (asked) => {
    const receiver = createPhoenixdReceiver({ password: 'limited', network: 'regtest' });
    for (const description of ['x'.repeat(128), '☂'.repeat(150), '😀'.repeat(100)])
      await receiver.createInvoice({ amountMsat: 50_000n as never, description, expirySeconds: 60 });
    const told = asked.map(({ init }) => new URLSearchParams(String(init.body)).get('description') ?? '');
    expect(told).toEqual(['x'.repeat(128), `${'☂'.repeat(127)}…`, `${'😀'.repeat(63)}…`]);
  });
});

test('a watch reads what was received from a time on, in the words of its invoice; what came over the chain is no settlement', async () => {
  const received = { subType: 'lightning', paymentHash, isPaid: true, receivedSat: 50, fees: 0, completedAt: 1_800_000_000_250, createdAt: 1_700_000_000_000 };
  const onChain = { subType: 'on_chain', isPaid: true, receivedSat: 9, txId: 'ab', completedAt: 1_800_000_000_300, createdAt: 1_800_000_000_000 };
  const answers = () => json([onChain, { ...received, description: 'one answer' }]);
  await withPhoenixd(answers, async (asked) => {
    const receiver = createPhoenixdReceiver({ password: 'limited', network: 'regtest' });
    const watch = receiver.watchSettlements({ after: '1799999995.', signal: new AbortController().signal });
    const [settlement] = [(await watch[Symbol.asyncIterator]().next()).value];
    expect(settlement).toMatchObject({ paymentHash, amountMsat: 50_000n, settledAt: 1_800_000_000, description: 'one answer' });
    expect(asked.map(({ path, query }) => path + query)).toEqual(['/payments/incoming?from=1799999985000&limit=100&offset=0']);
  });
});

test('no password is refused before anything is sent', () => {
  for (const password of ['', 'a b', 'ü']) expect(() => createPhoenixdReceiver({ password })).toThrow(RangeError);
});
