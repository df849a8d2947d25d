import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { systemRandom } from '../../core/Clock.ts';
import { fromHex, fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import { ciphersBetween, conversationKey, decrypt44, encrypt44, maxTextBytes, paddedLength, sharedX } from './Encryption.ts';
import { publicKeyOf } from './Event.ts';

type Vector = { readonly conversation_key: string; readonly nonce: string; readonly plaintext: string; readonly ciphertext: string };
type Keys = { readonly sec1: string; readonly pub2: string; readonly conversation_key: string; readonly note: string };

const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/nip44.json', import.meta.url), 'utf8')) as {
  readonly conversationKeys: readonly Keys[];
  readonly paddedLengths: readonly (readonly [number, number])[];
  readonly encrypted: readonly (Vector & { readonly sec1: string; readonly sec2: string })[];
  readonly long: readonly { readonly length: number; readonly paddedLength: number; readonly payloadSha256: string }[];
  readonly invalid: { readonly conversationKeys: readonly Keys[]; readonly decrypt: readonly (Vector & { readonly note: string })[] };
};

const hex = (text: string) => fromHex(text) as Uint8Array;
const first = vectors.encrypted[0] as Vector;

describe('the vectors of NIP-44', () => {
  test.each(vectors.conversationKeys)('two keys come to the one that they share: $note', ({ sec1, pub2, conversation_key }) => {
    expect(toHex(conversationKey(sharedX(hex(sec1), hex(pub2))))).toBe(conversation_key);
  });

  test.each(vectors.invalid.conversationKeys)('what is no key comes to none: $note', ({ sec1, pub2 }) => {
    expect(() => sharedX(hex(sec1), hex(pub2))).toThrow();
  });

  test.each(vectors.paddedLengths)('a text of %i bytes is made %i long', (length, padded) => {
    expect(paddedLength(length)).toBe(padded);
  });

  test.each(vectors.encrypted)('encrypts and decrypts "$plaintext", by either key', ({ sec1, sec2, conversation_key, nonce, plaintext, ciphertext }) => {
    for (const [mine, theirs] of [
      [sec1, sec2],
      [sec2, sec1],
    ] as const) {
      const key = conversationKey(sharedX(hex(mine), hex(publicKeyOf(hex(theirs)))));
      expect(toHex(key)).toBe(conversation_key);
      expect(encrypt44(key, hex(nonce), plaintext)).toBe(ciphertext);
      expect(decrypt44(key, ciphertext)).toBe(plaintext);
    }
  });

  test.each(vectors.long)('has room for $length bytes', ({ length, paddedLength: padded, payloadSha256 }) => {
    const [key, text] = [hex(first.conversation_key), 'a'.repeat(length)];
    const payload = encrypt44(key, hex(first.nonce), text);
    expect(paddedLength(length)).toBe(padded);
    expect(toHex(sha256(fromUtf8(payload)))).toBe(payloadSha256);
    expect(decrypt44(key, payload)).toBe(text);
  });

  test.each(vectors.invalid.decrypt)('refuses $note', ({ conversation_key, ciphertext }) => {
    expect(decrypt44(hex(conversation_key), ciphertext)).toBeUndefined();
  });
});

test('a payload of which a single bit is another is refused, and so is none, too much, and what is nothing', () => {
  const key = hex(first.conversation_key);
  const bytes = Buffer.from(first.ciphertext, 'base64');
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    expect(decrypt44(key, changed.toString('base64'))).toBeUndefined();
  }
  for (const payload of ['', 'A', 'x'.repeat(3 * maxTextBytes), first.ciphertext.slice(0, 131), `${first.ciphertext}AAAA`]) {
    expect(decrypt44(key, payload)).toBeUndefined();
  }
  for (const text of ['', 'x'.repeat(maxTextBytes + 1)]) expect(() => encrypt44(key, hex(first.nonce), text)).toThrow(RangeError);
});

describe('NIP-04', () => {
  const [mine, theirs] = [hex('11'.repeat(32)), hex('22'.repeat(32))];
  const between = (secret: Uint8Array, other: Uint8Array) => ciphersBetween(secret, hex(publicKeyOf(other)), systemRandom).nip04;

  test('decrypts what Node’s own AES encrypted, and is decrypted by it', async () => {
    const { createCipheriv, createDecipheriv } = await import('node:crypto');
    const key = sharedX(mine, hex(publicKeyOf(theirs)));
    const iv = Buffer.alloc(16, 7);
    const cipher = createCipheriv('aes-256-cbc', key, iv);
    const encrypted = Buffer.concat([cipher.update('Grüße ☂', 'utf8'), cipher.final()]);
    expect(between(mine, theirs).decrypt(`${encrypted.toString('base64')}?iv=${iv.toString('base64')}`)).toBe('Grüße ☂');
    const [body = '', vector = ''] = between(theirs, mine).encrypt('und zurück').split('?iv=');
    const decipher = createDecipheriv('aes-256-cbc', key, Buffer.from(vector, 'base64'));
    expect(Buffer.concat([decipher.update(body, 'base64'), decipher.final()]).toString()).toBe('und zurück');
  });

  test('refuses what is not of its form', () => {
    const cipher = between(mine, theirs);
    const good = cipher.encrypt('x');
    const iv = good.split('?iv=')[1];
    for (const payload of [
      '',
      '?iv=',
      `AAAA?iv=${iv}`,
      good.slice(0, -4),
      `${good}?iv=${iv}`,
      good.replace('?iv=', '?vi='),
      `${'A'.repeat(3 * maxTextBytes)}?iv=${iv}`,
    ]) {
      expect(cipher.decrypt(payload)).toBeUndefined();
    }
    expect(() => cipher.encrypt('x'.repeat(maxTextBytes + 1))).toThrow(RangeError);
  });
});
