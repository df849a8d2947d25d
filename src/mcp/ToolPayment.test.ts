import { describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as ToolPayment from './ToolPayment.ts';

const invoice = 'lnbc20n1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4js';
const asked: ToolPayment.Asked = {
  resource: 'search',
  amountMsat: Amount.fromMsat(1500n),
  description: 'search - 1 call',
  token: 'AGIAJEemVQUTEyNCR0exk7ek90A=',
  invoice,
  expiresAt: 1_800_000_000,
  buys: { terms: 'per-request' },
};
const wrap = (said: unknown) => ({ [ToolPayment.paymentKey]: said });

describe('an advertisement', () => {
  test('names whole satoshis, rounded up, and the exact price beside them', () => {
    const said = ToolPayment.formatAdvertisement({ amountMsat: Amount.fromMsat(1500n), model: 'prepaid', buys: { calls: 10 } });
    expect(said).toEqual({
      version: '0.1',
      price: { amount: 2, asset: 'sat' },
      model: 'prepaid',
      rails: ['l402'],
      amountMsat: '1500',
      buys: { calls: 10 },
    });
    expect(ToolPayment.parseAdvertisement(wrap(said))).toEqual({ saidSat: 2, model: 'prepaid', rails: ['l402'] });
  });

  test.each([undefined, null, 'x', {}, wrap(1), wrap({ price: { amount: -1, asset: 'sat' } }), wrap({ price: { amount: 1, asset: 'usd' } })])(
    'is not read out of %j',
    (meta) => expect(ToolPayment.parseAdvertisement(meta)).toBeUndefined(),
  );
});

describe('a challenge', () => {
  test('says what the profile says', () => {
    const offer = {
      scheme: 'l402',
      amount: 2,
      asset: 'sat',
      token: asked.token,
      invoice,
      expiresAt: 1_800_000_000_000,
      wwwAuthenticate: `L402 macaroon="${asked.token}", invoice="${invoice}", version="0", token="${asked.token}"`,
    };
    expect(ToolPayment.formatChallenge(asked)).toMatchObject({
      status: 'payment_required',
      version: '0.1',
      price: { amount: 2, asset: 'sat' },
      resource: 'search',
      offers: [offer],
      expiresAt: 1_800_000_000_000,
    });
  });

  test('is read back as it was said', () => {
    expect(ToolPayment.parseChallenge(wrap(ToolPayment.formatChallenge(asked)))).toEqual({
      offers: [{ scheme: 'L402', token: asked.token, invoice }],
      saidSat: 2,
      resource: 'search',
      description: 'search - 1 call',
    });
  });

  test('may hold tokens that are no macaroons, and offers that we cannot pay', () => {
    const token = 'eyJwYXltZW50SGFzaCI6IjAwIn0.00ff';
    const offers = [{ scheme: 'x402', amount: 1 }, null, { scheme: 'l402', token, invoice }, { scheme: 'l402', token: 'a"b', invoice }];
    expect(ToolPayment.parseChallenge(wrap({ status: 'payment_required', offers }))?.offers).toEqual([{ scheme: 'L402', token, invoice }]);
  });

  test('is read by its header where it says no token', () => {
    const offers = [{ scheme: 'l402', wwwAuthenticate: `L402 macaroon="${asked.token}", invoice="${invoice}"` }];
    expect(ToolPayment.parseChallenge(wrap({ status: 'payment_required', offers }))?.offers).toEqual([{ scheme: 'L402', token: asked.token, invoice }]);
  });

  test.each([undefined, {}, wrap({ status: 'paid', offers: [] }), wrap([])])('is not read out of %j', (meta) =>
    expect(ToolPayment.parseChallenge(meta)).toBeUndefined(),
  );
});

describe('a proof', () => {
  test('becomes the value of Authorization', () => {
    const preimage = '0'.repeat(64);
    expect(ToolPayment.parseProof(wrap(ToolPayment.formatProof(asked.token, preimage)))).toBe(`L402 ${asked.token}:${preimage}`);
  });

  test.each([undefined, wrap({ scheme: 'x402', proof: 'a:b' }), wrap({ scheme: 'l402' }), wrap({ scheme: 'l402', proof: 'a'.repeat(65_537) })])(
    'is not read out of what is none (%#)',
    (meta) => expect(ToolPayment.parseProof(meta)).toBeUndefined(),
  );
});

describe('a receipt', () => {
  test('is read back as it was said', () => {
    const receipt = { timestamp: '2026-01-01T00:00:00.000Z', reference: 'ab'.repeat(32), payment: 'charged' };
    expect(ToolPayment.parseReceipt({ [ToolPayment.receiptKey]: ToolPayment.formatReceipt(receipt) })).toEqual(receipt);
  });

  test('without a payment hash is none', () => {
    expect(ToolPayment.parseReceipt({ [ToolPayment.receiptKey]: { timestamp: 'x', reference: 'y' } })).toBeUndefined();
  });
});
