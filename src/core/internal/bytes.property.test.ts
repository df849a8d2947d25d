import fc from 'fast-check';
import { expect, test } from 'vitest';
import { concat, equal, fromBase64, fromHex, fromUtf8, hexCase, toBase64, toBase64Url, toHex, toUtf8, writeHex, writeUtf8 } from './bytes.ts';

const anyBytes = fc.uint8Array({ maxLength: 100 });

/** Around the lengths that are read and written at once: 4 KB in hex, 6 KB in base64. */
const manyBytes = fc
  .tuple(fc.constantFrom(4096, 6144, 8192, 12_288, 20_000), fc.integer({ min: -4, max: 4 }), fc.nat(255))
  .map(([length, more, seed]) => Uint8Array.from({ length: length + more }, (_, i) => (i * seed + (i >> 5)) & 255));

test('hex, base64 and UTF-8 read back what they wrote, and write what Buffer writes', () => {
  fc.assert(
    fc.property(fc.oneof(anyBytes, manyBytes), (bytes) => {
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
  // What was written last lies in the buffer still, and completes nothing.
  for (const length of [1, 5, 9, 8185]) {
    expect(toBase64(new Uint8Array(6144))).toBe('A'.repeat(8192));
    expect(fromBase64('A'.repeat(length))).toBeUndefined();
  }
  // Whatever was read before: what is left of it must not fill up what is missing here.
  for (const text of ['A', 'AAAAA', 'A'.repeat(8193)]) {
    fromBase64('A'.repeat(8192));
    expect(fromBase64(text)).toBeUndefined();
  }
});

test('a character is never taken for another one that ends in the same eight bits', () => {
  fc.assert(
    fc.property(
      fc.nat(200),
      fc.constantFrom(...'AZaz09+/-_=f'),
      fc.constantFrom(0x100, 0x2100, 0xff00),
      fc.constantFrom(0, 8190, 8192, 16_384),
      (at, character, above, before) => {
        const text = 'A'.repeat(before) + 'A'.repeat(at) + String.fromCharCode(above + character.charCodeAt(0)) + 'A'.repeat(203 - at);
        expect(fromBase64(text)).toBeUndefined();
        expect(fromHex(text)).toBeUndefined();
        expect(hexCase(text)).toBeUndefined();
      },
    ),
  );
});

test('a fault anywhere in a long text is found', () => {
  fc.assert(
    fc.property(manyBytes, fc.nat(), fc.constantFrom('!', '=', ' ', '\0', 'é', '\ud800'), (bytes, place, fault) => {
      for (const [text, read] of [[toBase64Url(bytes), fromBase64] as const, [toHex(bytes), fromHex] as const]) {
        const at = place % text.length;
        expect(read(`${text.slice(0, at)}${fault}${text.slice(at + 1)}`)).toBeUndefined();
      }
    }),
    { numRuns: 30 },
  );
});

test('hex says in which case it is, and writes its bytes where they are wanted', () => {
  fc.assert(
    fc.property(fc.oneof(fc.stringMatching(/^[0-9a-fA-F]{0,70}$/), fc.stringMatching(/^[0-9a-f]{0,70}$/), fc.string()), (text) => {
      const isHex = /^[0-9a-f]*$/i.test(text);
      expect(hexCase(text)).toBe(isHex ? (/[A-F]/.test(text) ? 'mixed' : 'lower') : undefined);
      const to = new Uint8Array(80).fill(7);
      const count = writeHex(text, to);
      expect(count).toBe(isHex && text.length % 2 === 0 ? text.length / 2 : -1);
      if (count >= 0) expect(Buffer.from(to).toString('hex')).toBe(text.toLowerCase() + '07'.repeat(80 - count));
    }),
  );
});

test('UTF-8 is written as far as there is room', () => {
  const to = new Uint8Array(4).fill(9);
  expect([writeUtf8('aé', to), ...to]).toEqual([3, 97, 0xc3, 0xa9, 9]);
  expect([writeUtf8('aaaé', to), ...to]).toEqual([3, 97, 97, 97, 9]);
});

test('equal compares bytes, and concat puts them in order', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (a, b) => {
      expect(equal(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(concat(a, b)).toEqual(Uint8Array.from([...a, ...b]));
    }),
  );
});
