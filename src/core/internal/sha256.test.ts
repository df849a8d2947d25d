import { createHash, createHmac } from 'node:crypto';
import { hmac as nobleHmac } from '@noble/hashes/hmac.js';
import { sha256 as nobleSha256 } from '@noble/hashes/sha2.js';
import { describe, expect, test } from 'vitest';
import { toHex } from './bytes.ts';
import { hmac, hmacKey, hmacOnce, sha256 } from './sha256.ts';

const bytes = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 3)) & 255);

describe('SHA-256', () => {
  test('agrees with Node and with noble on every length up to 300, whole and in parts', () => {
    for (let length = 0; length <= 300; length++) {
      const message = bytes(length, length);
      const expected = createHash('sha256').update(message).digest('hex');
      expect(toHex(sha256(message))).toBe(expected);
      expect(toHex(nobleSha256(message))).toBe(expected);
      const cut = (length * 7) % (length + 1);
      expect(toHex(sha256(message.subarray(0, cut), message.subarray(cut)))).toBe(expected);
    }
  });

  test('agrees on a message of a million bytes', () => {
    const message = bytes(1_000_000, 1);
    expect(toHex(sha256(message))).toBe(createHash('sha256').update(message).digest('hex'));
  });
});

describe('HMAC-SHA256', () => {
  test('agrees with Node and with noble on keys of every length up to 200', () => {
    for (let length = 0; length <= 200; length++) {
      const key = bytes(length, 3);
      const message = bytes(200 - length, 5);
      const expected = createHmac('sha256', key).update(message).digest('hex');
      expect(toHex(hmacOnce(key, message))).toBe(expected);
      expect(toHex(nobleHmac(nobleSha256, key, message))).toBe(expected);
    }
  });

  test('a prepared key is used any number of times', () => {
    const key = hmacKey(bytes(32, 9));
    const first = toHex(hmac(key, bytes(10, 1)));
    expect(toHex(hmac(key, bytes(10, 2)))).not.toBe(first);
    expect(toHex(hmac(key, bytes(4, 1), bytes(10, 1).subarray(4)))).toBe(first);
  });
});
