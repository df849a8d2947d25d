import { describe, expect, test } from 'vitest';
import * as Identifier from './Identifier.ts';
import type { PaymentHash } from './Preimage.ts';

const paymentHash = 'ab'.repeat(32) as PaymentHash;

describe('identifiers', () => {
  test('66 bytes: version, payment hash, fingerprint, time, random', () => {
    const identifier = Identifier.create(paymentHash, '01020304', 1_800_000_000, new Uint8Array(24).fill(5));
    const bytes = Identifier.encode(identifier);
    expect(Buffer.from(bytes).toString('hex')).toBe(`0000${'ab'.repeat(32)}010203046b49d200${'05'.repeat(24)}`);
    expect(Identifier.decode(bytes)).toEqual(identifier);
    expect(Identifier.readTokenId(identifier.tokenId)).toEqual({ fingerprint: '01020304', mintedAt: 1_800_000_000 });
  });

  test.each([
    ['another version', [0, 1]],
    ['a version in the high byte', [1, 0]],
  ])('%s is not read', (_, version) => {
    const bytes = new Uint8Array(66);
    bytes.set(version);
    expect(() => Identifier.decode(bytes)).toThrow(expect.objectContaining({ code: 'IDENTIFIER_MALFORMED' }));
  });

  test.each([0, 65, 67])('%i bytes are none', (length) => {
    expect(() => Identifier.decode(new Uint8Array(length))).toThrow(expect.objectContaining({ code: 'IDENTIFIER_MALFORMED' }));
  });

  test('parts of another form are a mistake', () => {
    const random = new Uint8Array(24);
    expect(() => Identifier.create(paymentHash, 'ABCDEF01', 1, random)).toThrow(RangeError);
    expect(() => Identifier.create(paymentHash, '01020304', 2 ** 32, random)).toThrow(RangeError);
    expect(() => Identifier.create(paymentHash, '01020304', 1.5, random)).toThrow(RangeError);
    expect(() => Identifier.create(paymentHash, '01020304', 1, new Uint8Array(23))).toThrow(RangeError);
  });
});
