import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FareboxError } from './Errors.ts';
import { fromUtf8, toBase64Url } from './internal/bytes.ts';
import type { PaymentHash } from './Preimage.ts';
import * as Preimage from './Preimage.ts';
import * as Receipt from './Receipt.ts';

const receipt = fc.record({
  status: fc.constant('success' as const),
  method: fc.constant('lightning' as const),
  timestamp: fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true }).map((date) => date.toISOString()),
  reference: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Preimage.fromBytes(bytes) as string as PaymentHash),
});

describe('parse', () => {
  it('reads what format writes', () => {
    fc.assert(
      fc.property(receipt, (one) => {
        expect(Receipt.parse(Receipt.format(one))).toEqual(one);
      }),
      { numRuns: 200 },
    );
  });

  it('throws nothing but its code', () => {
    const json = fc.oneof(
      fc.json(),
      fc
        .tuple(receipt, fc.dictionary(fc.constantFrom('status', 'method', 'timestamp', 'reference', '__proto__'), fc.jsonValue()))
        .map(([one, over]) => JSON.stringify({ ...one, ...over })),
    );
    const mutated = fc.tuple(receipt, fc.nat(), fc.nat(4), fc.string({ maxLength: 4 })).map(([one, at, cut, put]) => {
      const text = Receipt.format(one);
      return text.slice(0, at % text.length) + put + text.slice((at % text.length) + cut);
    });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          json.map((text) => toBase64Url(fromUtf8(text))),
          mutated,
        ),
        (text) => {
          try {
            expect(Receipt.parse(text).reference).toMatch(/^[0-9a-f]{64}$/);
          } catch (error) {
            if (!FareboxError.is(error, 'RECEIPT_MALFORMED')) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});
