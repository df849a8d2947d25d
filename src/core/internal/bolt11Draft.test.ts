import { describe, expect, it } from 'vitest';
import vectors from '../../../test/vectors/bolt11.json' with { type: 'json' };
import { fromMsat, type Msat } from '../Amount.ts';
import * as Bolt11 from '../Bolt11.ts';
import type { PaymentHash } from '../Preimage.ts';
import { fromHex } from './bytes.ts';

/** The key that signed every example of BOLT 11. */
const privateKey = fromHex('e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734') as Uint8Array;
const payee = '03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad';
const draft = {
  chain: 'bitcoin',
  paymentHash: '0001020304050607080900010203040506070809000102030405060708090102' as PaymentHash,
  paymentSecret: '11'.repeat(32),
  createdAt: 1496314658,
  description: '1 cup coffee',
} as const satisfies Bolt11.InvoiceDraft;
const hop = {
  nodeId: '029e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255',
  shortChannelId: '66051x263430x1800',
  feeBaseMsat: fromMsat(1n),
  feeProportionalMillionths: 20,
  cltvExpiryDelta: 3,
};

describe('encode', () => {
  // The text is equal only where the fields stand in the order in which we write them.
  const cases = vectors.valid.filter(({ invoice }) =>
    /^ln[a-z0-9]+1pvjluezsp5zyg3[a-z0-9]+?pp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypq[dh]/.test(invoice),
  );

  it.each(cases.filter(({ payee: signer }) => signer === payee))('writes the example: $title', ({ invoice }) => {
    const { payee: _, text: __, expirySeconds, minFinalCltvExpiry: ___, ...fieldsOf } = Bolt11.decode(invoice);
    expect(Bolt11.encode({ ...fieldsOf, expirySeconds: expirySeconds === 3600 ? undefined : expirySeconds }, privateKey)).toBe(invoice);
  });

  it('has examples to write', () => {
    expect(cases.length).toBeGreaterThan(5);
  });

  it.each([
    [1n, '10p'],
    [99n, '990p'],
    [100n, '1n'],
    [1_000n, '10n'],
    [50_000n, '500n'],
    [100_000n, '1u'],
    [250_000_000n, '2500u'],
    [2_000_000_000n, '20m'],
    [100_000_000_000n, '1'],
    [2_100_000_000_000_000_000n, '21000000'],
    [2_099_999_999_999_999_999n, '20999999999999999990p'],
  ])('writes %s msat as %s', (amountMsat, amount) => {
    const invoice = Bolt11.encode({ ...draft, amountMsat: amountMsat as Msat }, privateKey);
    expect(invoice.slice(0, invoice.lastIndexOf('1'))).toBe(`lnbc${amount}`);
    expect(Bolt11.decode(invoice).amountMsat).toBe(amountMsat);
  });

  it('requires var_onion_optin and payment_secret unless told otherwise', () => {
    expect(Bolt11.decode(Bolt11.encode(draft, privateKey)).features).toEqual([8, 14]);
    expect(Bolt11.decode(Bolt11.encode({ ...draft, features: [] }, privateKey)).features).toEqual([]);
  });

  it('names the payee where asked', () => {
    const invoice = Bolt11.encode({ ...draft, payee }, privateKey);
    expect(invoice.length).toBe(Bolt11.encode(draft, privateKey).length + 56);
    expect(Bolt11.decode(invoice).payee).toBe(payee);
  });

  it('fills a description to the last byte', () => {
    const description = `${'é'.repeat(319)}e`;
    expect(Bolt11.decode(Bolt11.encode({ ...draft, description }, privateKey)).description).toBe(description);
  });

  it.each<[string, object, ErrorConstructor]>([
    ['another chain', { chain: 'sandbox' }, RangeError],
    ['a chain that every object has', { chain: 'constructor' }, RangeError],
    ['an amount of zero', { amountMsat: 0n }, RangeError],
    ['a negative amount', { amountMsat: -1n }, RangeError],
    ['more than all bitcoin', { amountMsat: 2_100_000_000_000_000_001n }, RangeError],
    ['an amount as a number', { amountMsat: 1000 }, TypeError],
    ['a short payment hash', { paymentHash: '00' }, RangeError],
    ['a payment hash that is not hex', { paymentHash: 'zz'.repeat(32) }, RangeError],
    ['no payment hash', { paymentHash: undefined }, TypeError],
    ['a long secret', { paymentSecret: '11'.repeat(33) }, RangeError],
    ['no time', { createdAt: undefined }, TypeError],
    ['a time in milliseconds', { createdAt: 1_496_314_658_000 }, RangeError],
    ['a time before all time', { createdAt: -1 }, RangeError],
    ['half a second', { createdAt: 1.5 }, RangeError],
    ['an expiry without end', { expirySeconds: Number.MAX_SAFE_INTEGER }, RangeError],
    ['an expiry past every date', { expirySeconds: 8_640_000_000_001 - draft.createdAt }, RangeError],
    ['a negative expiry', { expirySeconds: -1 }, RangeError],
    ['an expiry that is no number', { expirySeconds: Number.NaN }, RangeError],
    ['both descriptions', { descriptionHash: '22'.repeat(32) }, TypeError],
    ['no description', { description: undefined }, TypeError],
    ['a description that is no text', { description: 7 }, TypeError],
    ['a long description', { description: 'é'.repeat(320) }, RangeError],
    ['half a surrogate pair', { description: '\ud800' }, RangeError],
    ['a CLTV expiry past every block', { minFinalCltvExpiry: 2 ** 32 }, RangeError],
    ['a feature that readers refuse', { features: [8, 14, 100] }, RangeError],
    ['basic_mpp alone', { features: [17] }, RangeError],
    ['a feature past the field', { features: [5115] }, RangeError],
    ['metadata of half a byte', { metadata: '0' }, RangeError],
    ['long metadata', { metadata: '00'.repeat(640) }, RangeError],
    ['another payee', { payee: hop.nodeId }, RangeError],
    ['an empty route hint', { routeHints: [[]] }, RangeError],
    ['a route hint of 13 hops', { routeHints: [Array(13).fill(hop)] }, RangeError],
    ['a hop from a key that is none', { routeHints: [[{ ...hop, nodeId: `02${'ff'.repeat(32)}` }]] }, RangeError],
    ['a hop through no channel', { routeHints: [[{ ...hop, shortChannelId: '1x2' }]] }, RangeError],
    ['a hop through a block past every block', { routeHints: [[{ ...hop, shortChannelId: '16777216x0x0' }]] }, RangeError],
    ['a hop with a fee past 32 bits', { routeHints: [[{ ...hop, feeBaseMsat: 2n ** 32n }]] }, RangeError],
    ['a fallback of 19 bytes', { fallbacks: [{ kind: 'pubkey-hash', hash: '00'.repeat(19) }] }, RangeError],
    ['a fallback of version 17', { fallbacks: [{ kind: 'witness', version: 17, program: '00'.repeat(20) }] }, RangeError],
    ['more than a QR code holds', { routeHints: Array(8).fill(Array(12).fill(hop)) }, RangeError],
  ])('refuses %s', (_, change, error) => {
    expect(() => Bolt11.encode({ ...draft, ...change }, privateKey)).toThrow(error);
  });

  it('writes an expiry up to the last date that there is', () => {
    const expirySeconds = 8_640_000_000_000 - draft.createdAt;
    const { expiresAt } = Bolt11.decode(Bolt11.encode({ ...draft, expirySeconds }, privateKey));
    expect(new Date(expiresAt * 1000).toISOString()).toBe('+275760-09-13T00:00:00.000Z');
  });

  it('refuses what is not a private key, and shows no secret', () => {
    expect(() => Bolt11.encode(draft, new Uint8Array(32))).toThrow(RangeError);
    expect(() => Bolt11.encode(draft, new Uint8Array(31).fill(1))).toThrow(RangeError);
    expect(() => Bolt11.encode(draft, 'e1'.repeat(32) as unknown as Uint8Array)).toThrow(TypeError);
    expect(() => Bolt11.encode({ ...draft, paymentSecret: 'abcdef'.repeat(11) }, privateKey)).toThrow(/^((?!abcdef).)*$/);
  });
});
