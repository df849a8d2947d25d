import { createPrivateKey, sign, verify as verifyByNode } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as Amount from './Amount.ts';
import { FareboxError } from './Errors.ts';
import { fromHex, toBase64Url } from './internal/bytes.ts';
import { parseHash } from './Preimage.ts';
import * as SignedReceipt from './SignedReceipt.ts';

/** RFC 8032, section 7.1, test 1; its public key as RFC 8037, appendix A.3 names it. */
const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
const publicKey = fromHex('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a') as Uint8Array;
const thumbprint = 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k';
const privateKey = createPrivateKey({ key: Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex'), format: 'der', type: 'pkcs8' });

const statement: SignedReceipt.Statement = {
  paymentHash: parseHash('ab'.repeat(32)),
  amountMsat: Amount.fromMsat(10_000n),
  service: 'api',
  route: 'GET /ünï"code',
  terms: 'per-request',
  network: 'bitcoin',
  realm: 'main',
  issuedAt: 1_800_000_000,
};
const signed = (of: SignedReceipt.Statement = statement, kid = thumbprint): SignedReceipt.SignedReceipt => ({
  ...of,
  kid,
  signature: new Uint8Array(sign(null, SignedReceipt.signedBytes(of, kid), privateKey)),
});
const keys = SignedReceipt.parseKeys(SignedReceipt.formatKeys([publicKey]));

test('a key is named as RFC 8037 names it, whatever a key set calls it', () => {
  expect(SignedReceipt.thumbprintOf(publicKey)).toBe(thumbprint);
  const renamed = JSON.stringify({ keys: [{ kty: 'RSA', n: 'x' }, null, { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey), kid: 'another' }] });
  expect([...SignedReceipt.parseKeys(renamed).keys()]).toEqual([thumbprint]);
  for (const text of ['', '[]', '{"keys":[]}', '{"keys":{}}', '{"keys":[{"kty":"OKP","crv":"X25519","x":"AAAA"}]}'])
    expect(() => SignedReceipt.parseKeys(text)).toThrow(FareboxError);
});

test('what is signed is the canonical form without the signature, as another implementation checks it', () => {
  const { signature } = signed();
  const bytes = Buffer.from(
    `{"amountMsat":"10000","issuedAt":1800000000,"kid":"${thumbprint}","network":"bitcoin","paymentHash":"${'ab'.repeat(32)}","realm":"main","route":"GET /ünï\\"code","service":"api","terms":"per-request","type":"l402-receipt/1"}`,
  );
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: toBase64Url(publicKey) };
  expect(verifyByNode(null, bytes, { key: jwk, format: 'jwk' }, signature)).toBe(true);
});

test('a receipt is proven by its key, as a header and as JSON; unproven without it', () => {
  const receipt = signed();
  for (const text of [SignedReceipt.format(receipt), SignedReceipt.toJson(receipt), ` ${SignedReceipt.toJson(receipt)}\n`]) {
    const read = SignedReceipt.parse(text);
    expect(read).toEqual(receipt);
    expect(SignedReceipt.verify(read, keys)).toMatchObject({ kind: 'proven', receipt: { amountMsat: 10_000n } });
  }
  expect(SignedReceipt.verify(receipt, new Map())).toMatchObject({ kind: 'unproven' });
  expect(SignedReceipt.format(receipt)).toMatch(/^[\w-]{300,1000}$/);
});

describe('what was changed', () => {
  test.each([
    ['the amount', { amountMsat: Amount.fromMsat(10_001n) }],
    ['the payment', { paymentHash: parseHash('ac'.repeat(32)) }],
    ['the time', { issuedAt: 1_800_000_001 }],
    ['the route', { route: 'GET /other' }],
    ['the network', { network: 'sandbox' }],
    ['the realm', { realm: 'other' }],
    ['the terms', { terms: 'pass' }],
    ['the service', { service: 'other' }],
    ['the signature', { signature: new Uint8Array(64) }],
  ] as const)('%s shows', (_, changed) => {
    expect(SignedReceipt.verify({ ...signed(), ...changed }, keys)).toMatchObject({ kind: 'false' });
  });

  test('a field more, less or twice is no receipt, and neither is what is too long', () => {
    const text = SignedReceipt.toJson(signed());
    const fields = JSON.parse(text) as { readonly [name: string]: unknown };
    for (const name of Object.keys(fields)) {
      const { [name]: _, ...rest } = fields;
      expect(() => SignedReceipt.parse(JSON.stringify(rest)), name).toThrow(FareboxError);
      expect(() => SignedReceipt.parse(JSON.stringify({ ...rest, [name]: {} })), name).toThrow(FareboxError);
    }
    expect(() => SignedReceipt.parse(JSON.stringify({ ...fields, paid: true }))).toThrow(/no room/);
    expect(() => SignedReceipt.parse(JSON.stringify({ ...fields, route: 'x'.repeat(5000) }))).toThrow(/4096/);
  });

  test('any text is read, or refused with a code', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.base64String()), (text) => {
        try {
          SignedReceipt.parse(text);
        } catch (error) {
          expect(FareboxError.is(error, 'RECEIPT_MALFORMED')).toBe(true);
        }
      }),
    );
  });

  test('whatever is said is read as it was said', () => {
    const said = fc.record({
      service: fc.string({ unit: 'grapheme', maxLength: 20 }),
      route: fc.string({ unit: 'grapheme', maxLength: 20 }),
      issuedAt: fc.nat(),
    });
    fc.assert(
      fc.property(said, fc.bigInt({ min: 0n, max: 2n ** 60n }), (changed, amount) => {
        const receipt = signed({ ...statement, ...changed, amountMsat: Amount.fromMsat(amount) });
        expect(SignedReceipt.verify(SignedReceipt.parse(SignedReceipt.format(receipt)), keys)).toEqual({ kind: 'proven', receipt });
      }),
      { numRuns: 20 },
    );
  });
});
