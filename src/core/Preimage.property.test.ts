import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FareboxError } from './Errors.ts';
import * as Preimage from './Preimage.ts';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

test('a preimage reads back in either letter case, and proves its own hash alone', () => {
  fc.assert(
    fc.property(bytes32, bytes32, (bytes, other) => {
      const preimage = Preimage.fromBytes(bytes);
      expect(Preimage.parse(preimage.toUpperCase())).toBe(preimage);
      expect(Preimage.toBytes(preimage)).toEqual(bytes);
      const paymentHash = Preimage.parseHash(createHash('sha256').update(bytes).digest('hex'));
      expect(Preimage.hash(preimage)).toBe(paymentHash);
      expect(Preimage.proves(preimage, paymentHash)).toBe(true);
      expect(Preimage.proves(Preimage.fromBytes(other), paymentHash)).toBe(Buffer.compare(bytes, other) === 0);
      expect(Preimage.provesBytes(preimage, Preimage.toBytes(paymentHash))).toBe(true);
      expect(Preimage.provesBytes(Preimage.fromBytes(other), Preimage.toBytes(paymentHash))).toBe(Buffer.compare(bytes, other) === 0);
      expect(Preimage.provesBytes(preimage, Preimage.toBytes(paymentHash).subarray(1))).toBe(false);
    }),
  );
});

test('any other text is refused with a code, and never repeated in the message', () => {
  const nearly = bytes32.chain((bytes) => {
    const text = Buffer.from(bytes).toString('hex');
    return fc
      .nat({ max: 63 })
      .chain((at) => fc.constantFrom(text.slice(at + 1), `${text}${text.slice(0, at + 1)}`, `${text.slice(0, at)}g${text.slice(at + 1)}`, ` ${text}`));
  });
  fc.assert(
    fc.property(fc.oneof(fc.string(), nearly), (text) => {
      for (const parse of [Preimage.parse, Preimage.parseHash]) {
        try {
          expect(parse(text)).toBe(text.toLowerCase());
        } catch (error) {
          expect(FareboxError.is(error, 'PREIMAGE_MALFORMED')).toBe(true);
          if (text.length > 20) expect((error as Error).message).not.toContain(text.slice(0, 20));
        }
      }
    }),
  );
});

test('bytes of another length are a mistake', () => {
  for (const length of [0, 31, 33]) expect(() => Preimage.fromBytes(new Uint8Array(length))).toThrow(RangeError);
});
