import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemRandom } from '../../core/Clock.ts';
import { fromHex } from '../../core/internal/bytes.ts';
import { ciphersBetween, conversationKey, decrypt44, encrypt44, paddedLength } from './Encryption.ts';
import { publicKeyOf } from './Event.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const secrets = ['11', '22'].map((byte) => fromHex(byte.repeat(32)) as Uint8Array) as [Uint8Array, Uint8Array];
const [mine, theirs] = secrets.map((secret, index) =>
  ciphersBetween(secret, fromHex(publicKeyOf(secrets[1 - index] as Uint8Array)) as Uint8Array, systemRandom),
);
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 2000 });

test('what one key encrypts the other decrypts, in either way', () => {
  fc.assert(
    fc.property(text, fc.constantFrom('nip44_v2', 'nip04'), (said, scheme) => {
      expect(theirs?.[scheme].decrypt(mine?.[scheme].encrypt(said) ?? '')).toBe(said);
    }),
  );
});

test('whatever comes instead of a payload is no text, and never an error', () => {
  const base64 = fc.base64String({ minLength: 132, maxLength: 600 });
  const anything = fc.oneof(
    fc.string(),
    base64,
    fc.tuple(base64, base64).map((parts) => parts.join('?iv=')),
    fc.string({ unit: 'binary' }),
  );
  fc.assert(fc.property(anything, (payload) => void expect(mine?.nip44_v2.decrypt(payload)).toBeUndefined()));
  fc.assert(fc.property(anything, (payload) => void expect(['string', 'undefined']).toContain(typeof mine?.nip04.decrypt(payload))));
});

test('a payload that is changed anywhere is none', () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), text, fc.nat(), fc.integer({ min: 1, max: 255 }), (shared, nonce, said, at, change) => {
      const key = conversationKey(shared);
      const payload = Buffer.from(encrypt44(key, nonce, said), 'base64');
      payload[at % payload.length] = (payload[at % payload.length] as number) ^ change;
      expect(decrypt44(key, payload.toString('base64'))).toBeUndefined();
    }),
  );
});

test('a longer text is never made shorter, and by no more than itself, or to 32', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 262_144 }), (length) => {
      const padded = paddedLength(length);
      expect(padded).toBeGreaterThanOrEqual(length);
      expect(padded).toBeLessThanOrEqual(Math.max(32, 2 * length));
      expect(paddedLength(length + 1)).toBeGreaterThanOrEqual(padded);
    }),
  );
});
