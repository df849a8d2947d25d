import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as Caveat from './Caveat.ts';
import { FareboxError } from './Errors.ts';
import * as Identifier from './Identifier.ts';
import * as Macaroon from './Macaroon.ts';
import type { PaymentHash } from './Preimage.ts';

/** Of one byte a character and of several, with a length of one byte and of two. */
const caveat = fc.oneof(
  { arbitrary: fc.string({ unit: 'grapheme', maxLength: 20 }), weight: 4 },
  { arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }), weight: 4 },
  {
    arbitrary: fc
      .tuple(fc.constantFrom('x', 'é', '€', '😀'), fc.constantFrom(30, 31, 32, 42, 63, 64, 127, 128, 129, 300))
      .map(([unit, count]) => unit.repeat(count)),
    weight: 1,
  },
);
const caveats = fc.oneof(fc.array(caveat, { maxLength: 3 }), fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 30 }), { maxLength: 6 }));
const macaroons = fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.uint8Array({ maxLength: 70 }), caveats);

/** One byte changed, put in, taken out, or the end cut off. */
const mutations = fc.record({ at: fc.nat(), byte: fc.integer({ min: 1, max: 255 }), how: fc.constantFrom('flip', 'insert', 'delete', 'cut') });

function mutate(bytes: Uint8Array, { at, byte, how }: { at: number; byte: number; how: string }): Uint8Array {
  const place = at % bytes.length;
  const before = bytes.subarray(0, place);
  const after = bytes.subarray(place + 1);
  if (how === 'flip') return Uint8Array.from([...before, (bytes[place] as number) ^ byte, ...after]);
  if (how === 'insert') return Uint8Array.from([...before, byte, ...bytes.subarray(place)]);
  return how === 'delete' ? Uint8Array.from([...before, ...after]) : Uint8Array.from(before);
}

test('what is encoded is read back, and verifies under its key alone', () => {
  fc.assert(
    fc.property(macaroons, fc.uint8Array({ minLength: 1, maxLength: 40 }), ([key, identifier, texts], other) => {
      const macaroon = Macaroon.mint(key, identifier, texts);
      const read = Macaroon.decode(Macaroon.encode(macaroon));
      expect(read).toEqual(macaroon);
      expect(Macaroon.verify(read, key)).toBe(true);
      if (Buffer.compare(Buffer.from(key), Buffer.from(other)) !== 0) expect(Macaroon.verify(read, other)).toBe(paddedAlike(key, other));
    }),
  );
});

test('the signature is the chain that the specification describes, computed another way', () => {
  const hmac = (key: Uint8Array | string, message: Uint8Array | string) => createHmac('sha256', key).update(message).digest();
  fc.assert(
    fc.property(macaroons, caveats, ([key, identifier, minted], added) => {
      let expected = hmac(hmac('macaroons-key-generator', key), identifier);
      for (const text of minted) expected = hmac(expected, text);
      const macaroon = Macaroon.mint(key, identifier, minted);
      expect(Buffer.from(macaroon.signature)).toEqual(expected);
      for (const text of added) expected = hmac(expected, text);
      expect(Buffer.from(Macaroon.attenuate(macaroon, added).signature)).toEqual(expected);
    }),
  );
});

test('a macaroon with anything changed but its location does not verify', () => {
  fc.assert(
    fc.property(macaroons, mutations, ([key, identifier, texts], mutation) => {
      const macaroon = Macaroon.mint(key, identifier, texts, '');
      try {
        const read = Macaroon.decode(mutate(Macaroon.encode(macaroon), mutation));
        if (read.location === '') expect(Macaroon.verify(read, key)).toBe(JSON.stringify(read) === JSON.stringify(macaroon));
      } catch (error) {
        expect(FareboxError.is(error, 'MACAROON_MALFORMED')).toBe(true);
      }
    }),
    { numRuns: 1000 },
  );
});

test('attenuation adds, in order, and never takes away: no shorter or reordered token verifies', () => {
  fc.assert(
    fc.property(macaroons, caveats, ([key, identifier, minted], added) => {
      const whole = Macaroon.mint(key, identifier, minted);
      const narrowed = Macaroon.attenuate(whole, added);
      expect(narrowed.caveats).toEqual([...minted, ...added]);
      expect(Macaroon.verify(narrowed, key)).toBe(true);
      for (let left = 0; left < narrowed.caveats.length; left++) {
        const fewer = { ...narrowed, caveats: narrowed.caveats.filter((_, index) => index !== left) };
        expect(Macaroon.verify(fewer, key)).toBe(false);
      }
    }),
  );
});

test('any bytes and any text are read or refused with a code', () => {
  const coded = (read: () => unknown, ...codes: ('MACAROON_MALFORMED' | 'IDENTIFIER_MALFORMED' | 'CAVEAT_MALFORMED')[]) => {
    try {
      read();
    } catch (error) {
      expect(FareboxError.is(error, ...codes)).toBe(true);
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, text) => {
      coded(() => Macaroon.decode(bytes), 'MACAROON_MALFORMED');
      coded(() => Macaroon.decode(Uint8Array.from([2, ...bytes])), 'MACAROON_MALFORMED');
      coded(() => Macaroon.parse(text), 'MACAROON_MALFORMED');
      coded(() => Identifier.decode(bytes), 'IDENTIFIER_MALFORMED');
      coded(() => Caveat.parse(text), 'CAVEAT_MALFORMED');
      coded(() => Caveat.parseServices(text), 'CAVEAT_MALFORMED');
      expect(Caveat.parseTime(text) ?? 0).toBeGreaterThanOrEqual(0);
    }),
  );
});

test('identifiers and caveats read back what they wrote', () => {
  const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex') as PaymentHash);
  fc.assert(
    fc.property(hashes, fc.nat({ max: 0xffffffff }), fc.uint8Array({ minLength: 24, maxLength: 24 }), (paymentHash, mintedAt, random) => {
      const identifier = Identifier.create(paymentHash, '0a1b2c3d', mintedAt, random);
      expect(Identifier.decode(Identifier.encode(identifier))).toEqual(identifier);
      expect(Identifier.readTokenId(identifier.tokenId)).toEqual({ fingerprint: '0a1b2c3d', mintedAt });
    }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z][a-z0-9_]{0,10}$/), fc.string(), (condition, value) => {
      let text: string;
      try {
        text = Caveat.format({ condition, value });
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return;
      }
      expect(Caveat.parse(text)).toEqual({ condition, value });
    }),
  );
});

/** HMAC pads short keys with zeros, so keys that differ in trailing zeros alone are one key. */
function paddedAlike(a: Uint8Array, b: Uint8Array): boolean {
  const pad = (key: Uint8Array) => Buffer.concat([key, Buffer.alloc(64 - key.length)]);
  return pad(a).equals(pad(b));
}
