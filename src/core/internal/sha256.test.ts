import { createHash, createHmac } from 'node:crypto';
import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, fromUtf8, toHex } from './bytes.ts';
import { beginChain, bytesOf, chainBytes, chainText, equalsBytes, hmac, hmacKey, sha256, sha256OfHex } from './sha256.ts';

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 3)) & 255);
const hex = (text: string) => fromHex(text) as Uint8Array;
const hashOf = (message: Uint8Array) => createHash('sha256').update(message).digest('hex');
const hmacOf = (key: Uint8Array, message: Uint8Array) => createHmac('sha256', key).update(message).digest('hex');

/** Around whole blocks, and around what waits at most before it is compressed. */
const edges = [8127, 8128, 8191, 8192, 8193, 8247, 8248, 8256, 16_383, 16_384, 16_385];

describe('SHA-256', () => {
  test.each([
    ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
    ['abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
    ['abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq', '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1'],
  ])('of "%s" is the one that the standard gives', (text, expected) => {
    expect(toHex(sha256(fromUtf8(text)))).toBe(expected);
  });

  test('agrees with Node and with noble on every length up to 300, whole and in parts', () => {
    for (const length of [...Array(301).keys(), ...edges]) {
      const message = bytes(length, length);
      const expected = hashOf(message);
      expect(toHex(sha256(message))).toBe(expected);
      expect(toHex(nobleSha256(message))).toBe(expected);
      const cut = (length * 7) % (length + 1);
      expect(toHex(sha256(message.subarray(0, cut), message.subarray(cut)))).toBe(expected);
    }
  });

  test('is the same in however many parts', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 90 }),
            fc.nat(9000).map((length) => bytes(length, 2)),
          ),
          { maxLength: 6 },
        ),
        (parts) => {
          expect(toHex(sha256(...parts))).toBe(hashOf(Buffer.concat(parts)));
        },
      ),
    );
  });

  test('agrees on a message of a million bytes', () => {
    const message = bytes(1_000_000, 1);
    expect(toHex(sha256(message))).toBe(hashOf(message));
  });

  test('of hex is that of its bytes, on every length up to 300 and 8 KB', () => {
    const digest = new Int32Array(8);
    for (const length of [...Array(301).keys(), 4096, 8191, 8192]) {
      const message = bytes(length, 4);
      sha256OfHex(toHex(message), digest);
      expect(toHex(bytesOf(digest))).toBe(hashOf(message));
    }
    for (const text of ['0', 'zz', '0g', '00'.repeat(8193)]) expect(() => sha256OfHex(text, digest)).toThrow(TypeError);
  });
});

describe('HMAC-SHA256', () => {
  test('agrees with Node and with noble on keys of every length up to 200', () => {
    for (let length = 0; length <= 200; length++) {
      const key = bytes(length, 3);
      const message = bytes(200 - length, 5);
      const expected = hmacOf(key, message);
      expect(toHex(hmac(hmacKey(key), message))).toBe(expected);
      expect(toHex(nobleHmac(nobleSha256, key, message))).toBe(expected);
    }
  });

  test('agrees with Node and with noble on messages of every length up to 300, whole and in parts', () => {
    for (const length of [...Array(301).keys(), ...edges]) {
      const key = bytes(length % 100, 8);
      const message = bytes(length, 5);
      const expected = hmacOf(key, message);
      const cut = (length * 5) % (length + 1);
      expect(toHex(hmac(hmacKey(key), message))).toBe(expected);
      expect(toHex(hmac(hmacKey(key), message.subarray(0, cut), message.subarray(cut)))).toBe(expected);
      expect(toHex(nobleHmac(nobleSha256, key, message))).toBe(expected);
    }
  });

  // RFC 4231, sections 4.2 to 4.8; the fifth is cut to 128 bits.
  test.each([
    ['0b'.repeat(20), toHex(fromUtf8('Hi There')), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
    [toHex(fromUtf8('Jefe')), toHex(fromUtf8('what do ya want for nothing?')), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
    ['aa'.repeat(20), 'dd'.repeat(50), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
    ['0102030405060708090a0b0c0d0e0f10111213141516171819', 'cd'.repeat(50), '82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b'],
    ['0c'.repeat(20), toHex(fromUtf8('Test With Truncation')), 'a3b6167473100ee06e0c796c2955552b'],
    [
      'aa'.repeat(131),
      toHex(fromUtf8('Test Using Larger Than Block-Size Key - Hash Key First')),
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
    [
      'aa'.repeat(131),
      toHex(
        fromUtf8(
          'This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.',
        ),
      ),
      '9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2',
    ],
  ])('under %s is the one that RFC 4231 gives', (key, message, expected) => {
    expect(toHex(hmac(hmacKey(hex(key)), hex(message))).slice(0, expected.length)).toBe(expected);
  });

  test('a prepared key is used any number of times', () => {
    const key = hmacKey(bytes(32, 9));
    const first = toHex(hmac(key, bytes(10, 1)));
    expect(toHex(hmac(key, bytes(10, 2)))).not.toBe(first);
    expect(toHex(hmac(key, bytes(4, 1), bytes(10, 1).subarray(4)))).toBe(first);
  });
});

describe('a chain of HMACs', () => {
  const begun = (key: Uint8Array, message: Uint8Array) => {
    const digest = new Int32Array(8);
    beginChain(digest, hmacKey(key), message);
    return digest;
  };

  test('agrees with Node link by link, on messages of every length up to 300', () => {
    const root = bytes(32, 6);
    for (const length of [...Array(301).keys(), ...edges]) {
      const message = bytes(length, length);
      const digest = begun(root, message);
      let expected = hmacOf(root, message);
      expect(toHex(bytesOf(digest))).toBe(expected);
      chainBytes(digest, message);
      expected = hmacOf(hex(expected), message);
      expect(toHex(bytesOf(digest))).toBe(expected);
      const text = 'aé€😀'.repeat(length).slice(0, length);
      chainText(digest, text);
      expect(toHex(bytesOf(digest))).toBe(hmacOf(hex(expected), Buffer.from(text)));
    }
  });

  test('takes a text of any length and any characters as the encoder of the platform does', () => {
    const longest = fc
      .constantFrom(2729, 2730, 2731, 4096, 8192, 9000)
      .chain((length) => fc.constantFrom('x', 'é', '€', '😀').map((unit) => unit.repeat(length)));
    const loneSurrogate = fc.string().map((text) => `${text}\ud800${text}`);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), longest, loneSurrogate), (text) => {
        const digest = begun(bytes(32, 1), bytes(66, 1));
        const key = bytesOf(digest);
        chainText(digest, text);
        expect(toHex(bytesOf(digest))).toBe(hmacOf(key, new TextEncoder().encode(text)));
      }),
    );
  });

  test('two chains do not disturb one another', () => {
    const [one, other] = [begun(bytes(32, 1), bytes(66, 1)), begun(bytes(32, 1), bytes(66, 2))];
    chainText(one, 'a=b');
    chainText(other, 'a=b');
    expect(toHex(bytesOf(one))).toBe(hmacOf(hex(hmacOf(bytes(32, 1), bytes(66, 1))), fromUtf8('a=b')));
    expect(toHex(bytesOf(other))).toBe(hmacOf(hex(hmacOf(bytes(32, 1), bytes(66, 2))), fromUtf8('a=b')));
  });
});

test('a digest in words equals its own bytes, and none that differ in a bit or in length', () => {
  const digest = Int32Array.from({ length: 8 }, (_, i) => Math.imul(i + 1, 0x9e3779b9));
  const same = bytesOf(digest);
  expect(equalsBytes(digest, same)).toBe(true);
  for (let bit = 0; bit < 256; bit++) {
    const changed = Uint8Array.from(same);
    changed[bit >> 3] = (same[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(equalsBytes(digest, changed)).toBe(false);
  }
  for (const length of [0, 31, 33, 64])
    expect(
      equalsBytes(
        digest,
        Uint8Array.from({ length }, (_, i) => same[i] ?? 0),
      ),
    ).toBe(false);
});
