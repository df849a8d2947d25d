/**
 * What a browser's wallet may do with a payment, and what becomes of it.
 */
import { expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Bolt11 from '../core/Bolt11.ts';
import * as Preimage from '../core/Preimage.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { createWeblnPayer, type WeblnProvider } from './webln.ts';

const preimage = Preimage.fromBytes(new Uint8Array(32).fill(3));
const paymentHash = Preimage.hash(preimage);
const createdAt = 1_800_000_000;
const amountMsat = Amount.fromSat(50);
const draft = { chain: 'bitcoin', amountMsat, paymentHash, paymentSecret: '11'.repeat(32), createdAt, expirySeconds: 600, description: 'x' } as const;
const request = { invoice: Bolt11.encode(draft, new Uint8Array(32).fill(5)), maxFeeMsat: Amount.fromSat(5), timeoutSeconds: 60 };

/** A wallet, what it was asked for, and the driver in front of it. */
function setup(provider: Partial<WeblnProvider> = {}) {
  const paid: string[] = [];
  const clock = FixedClock.create(createdAt);
  const sendPayment = async (invoice: string) => {
    paid.push(invoice);
    return provider.sendPayment ? provider.sendPayment(invoice) : { preimage };
  };
  const payer = createWeblnPayer({ provider: { enable: async () => {}, ...provider, sendPayment }, clock });
  return { paid, clock, payer };
}

const fails = (error: Error) => async () => {
  throw error;
};

test('a payment that the wallet makes is settled, its fee reckoned as the most that was assumed', async () => {
  const { payer, paid } = setup();
  expect(await payer.pay(request)).toEqual({ kind: 'settled', preimage, amountMsat, feeMsat: 5000n });
  expect(paid).toEqual([request.invoice]);
});

test('a fee that the wallet tells is taken', async () => {
  const { payer } = setup({ sendPayment: async () => ({ preimage: preimage.toUpperCase(), route: { total_amt: 52, total_fees: 2 } }) });
  expect(await payer.pay(request)).toMatchObject({ kind: 'settled', preimage, feeMsat: 2000n });
});

test.each([
  ['no preimage', {}],
  ['another preimage', { preimage: '00'.repeat(32) }],
  ['nothing', undefined],
  ['a fee that is none', { preimage, route: { total_fees: -1 } }],
])('an answer with %s is unknown', async (_, answer) => {
  expect((await setup({ sendPayment: async () => answer }).payer.pay(request)).kind).toBe('unknown');
});

test.each([new Error('User rejected'), Object.assign(new Error('no'), { name: 'RejectionError' })])('a user who says no: failed for certain', async (error) => {
  expect(await setup({ sendPayment: fails(error) }).payer.pay(request)).toMatchObject({ kind: 'failed', reason: 'rejected' });
});

test.each(['Prompt was closed', 'timeout', 'FAILURE_REASON_TIMEOUT'])('any other end of a call (%s) is unknown, and not repeated in words', async (words) => {
  const outcome = await setup({ sendPayment: fails(new Error(words)) }).payer.pay(request);
  expect(outcome.kind).toBe('unknown');
  expect(JSON.stringify(outcome)).not.toContain(words);
});

test('a page that may not talk to the wallet has paid nothing', async () => {
  const { payer, paid } = setup({ enable: fails(new Error('User rejected')) });
  expect(await payer.pay(request)).toMatchObject({ kind: 'failed', reason: 'rejected' });
  expect(paid).toEqual([]);
});

test('a user who lets the page in after the time is over pays nothing', async () => {
  const letIn = Promise.withResolvers<void>();
  const { payer, paid, clock } = setup({ enable: () => letIn.promise });
  const outcome = payer.pay(request);
  await new Promise(setImmediate);
  await clock.advance(61_000);
  expect(await outcome).toMatchObject({ kind: 'failed', reason: 'rejected' });
  letIn.resolve();
  await new Promise(setImmediate);
  expect(paid).toEqual([]);
});

test('a user who says nothing: unknown after the time, and after the driver is closed', async () => {
  const { payer, clock } = setup({ sendPayment: () => new Promise(() => {}) });
  const outcome = payer.pay(request);
  await new Promise(setImmediate);
  await clock.advance(61_000);
  expect((await outcome).kind).toBe('unknown');
  const second = payer.pay(request);
  await new Promise(setImmediate);
  await payer.close();
  expect((await second).kind).toBe('unknown');
});

test('an invoice on another chain, or a page without a wallet: nothing is paid', async () => {
  const { payer, paid } = setup();
  const invoice = Bolt11.encode({ ...draft, chain: 'regtest' }, new Uint8Array(32).fill(5));
  expect(await payer.pay({ ...request, invoice })).toMatchObject({ kind: 'failed' });
  expect(paid).toEqual([]);
  expect(await createWeblnPayer().pay(request)).toMatchObject({ kind: 'failed', reason: 'rejected' });
});

test('what it cannot tell, it says: no payment afterwards, and a balance only where the wallet has it in bitcoin', async () => {
  const { payer } = setup();
  expect(payer.capabilities).toEqual({ feeLimit: false, track: false, balance: false });
  const unavailable = { code: 'LIGHTNING_UNAVAILABLE' };
  await expect(payer.trackPayment(paymentHash)).rejects.toMatchObject(unavailable);
  await expect(payer.balance()).rejects.toMatchObject(unavailable);
  const rich = setup({ getBalance: async () => ({ balance: 1200, currency: 'sats' }) }).payer;
  expect(rich.capabilities.balance).toBe(true);
  expect(await rich.balance()).toEqual({ spendableMsat: 1_200_000n });
  await expect(setup({ getBalance: async () => ({ balance: 12, currency: 'EUR' }) }).payer.balance()).rejects.toMatchObject(unavailable);
});
