import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concat, equal, fromBase64, fromHex, fromUtf8, toBase64, toBase64Url, toHex, toUtf8 } from './bytes.ts';

const anyBytes = fc.uint8Array({ maxLength: 100 });

test('hex, base64 and UTF-8 read back what they wrote, and write what Buffer writes', () => {
  fc.assert(
    fc.property(anyBytes, (bytes) => {
      const buffer = Buffer.from(bytes);
      expect(toHex(bytes)).toBe(buffer.toString('hex'));
      expect(toBase64(bytes)).toBe(buffer.toString('base64'));
      expect(toBase64Url(bytes)).toBe(buffer.toString('base64url'));
      for (const text of [toBase64(bytes), toBase64Url(bytes), toBase64(bytes).replace(/=+$/, '')]) expect(fromBase64(text)).toEqual(bytes);
      expect(fromHex(toHex(bytes))).toEqual(bytes);
      expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(toUtf8(fromUtf8(text))).toBe(text);
    }),
  );
});

test('any text is read or refused, never guessed: what is read writes itself back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.stringMatching(/^[A-Za-z0-9+/_=-]{0,20}$/)), (text) => {
      const bytes = fromBase64(text);
      if (bytes) expect([toBase64(bytes), toBase64(bytes).replace(/=+$/, '')]).toContain(text.replaceAll('-', '+').replaceAll('_', '/'));
      const hex = fromHex(text);
      if (hex) expect(toHex(hex)).toBe(text.toLowerCase());
    }),
  );
});

test('base64 with bits left over, half padding or padding inside is refused', () => {
  for (const text of ['AB==', 'AAB=', 'A', 'AA=', 'AAA==', 'AA==AA==', 'AA\n', 'A A=', 'AAAA=', '====']) {
    expect([text, fromBase64(text)]).toEqual([text, undefined]);
  }
  expect(fromBase64('')).toEqual(new Uint8Array(0));
});

test('equal compares bytes, and concat puts them in order', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (a, b) => {
      expect(equal(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(concat(a, b)).toEqual(Uint8Array.from([...a, ...b]));
    }),
  );
});
