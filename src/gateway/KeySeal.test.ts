import { createDecipheriv, scryptSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import * as KeySeal from './KeySeal.ts';

const passphrase = 'correct horse battery staple';
const text = `${'ab'.repeat(32)}\n${'cd'.repeat(32)} from=2030-01-01T00:00:00Z\n`;
const quick = { cost: 10 };

/** The line that is no comment. */
const lineOf = (sealed: string) => sealed.split('\n')[1] as string;

test('what is sealed is opened by the passphrase, and shows nothing', async () => {
  const sealed = await KeySeal.seal(text, passphrase, quick);
  expect([KeySeal.isSealed(sealed), KeySeal.isSealed(text)]).toEqual([true, false]);
  expect(sealed).not.toMatch(/abab|cdcd|horse/);
  expect(await KeySeal.unseal(sealed, passphrase, 'it')).toBe(text);
  expect(await KeySeal.unseal(`\r\n${lineOf(sealed)}\r\n`, passphrase, 'it')).toBe(text);
});

test('by default it costs what the file says, and is opened by node:crypto alone as the head of the file tells', async () => {
  const sealed = await KeySeal.seal(text, passphrase);
  const [magic, version, kdf, cost, blockSize, parallel, salt = '', nonce = '', box = ''] = lineOf(sealed).split(':');
  expect([magic, version, kdf, cost, blockSize, parallel]).toEqual(['farebox-sealed-keys', '1', 'scrypt', '17', '8', '1']);
  const key = scryptSync(passphrase, Buffer.from(salt, 'base64url'), 32, { N: 131_072, r: 8, p: 1, maxmem: 256 * 1024 * 1024 });
  const bytes = Buffer.from(box, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url'));
  decipher.setAAD(Buffer.from(lineOf(sealed).slice(0, -box.length - 1)));
  decipher.setAuthTag(bytes.subarray(-16));
  expect(decipher.update(bytes.subarray(0, -16)).toString() + decipher.final().toString()).toBe(text);
});

test('twice the same is two texts', async () => {
  const [one, other] = [await KeySeal.seal(text, passphrase, quick), await KeySeal.seal(text, passphrase, quick)];
  const [a, b] = [KeySeal.parse(one, 'it'), KeySeal.parse(other, 'it')];
  expect([a.salt, a.nonce, a.box]).not.toEqual([b.salt, b.nonce, b.box]);
  for (const part of ['salt', 'nonce', 'box'] as const) expect(a[part]).not.toEqual(b[part]);
});

test('letters that keyboards write in two ways are one passphrase', async () => {
  const sealed = await KeySeal.seal(text, 'B\u00fccherw\u00fcrmer essen', quick);
  expect(await KeySeal.unseal(sealed, 'Bu\u0308cherwu\u0308rmer essen', 'it')).toBe(text);
});

describe('what does not open', () => {
  test('another passphrase: KEYS_LOCKED, and it repeats neither', async () => {
    const sealed = await KeySeal.seal(text, passphrase, quick);
    for (const other of ['correct horse battery stapl', `${passphrase} `, '']) {
      const error = await KeySeal.unseal(sealed, other, 'the file').catch((thrown: unknown) => thrown);
      expect(FareboxError.is(error, 'KEYS_LOCKED') && error.message).toMatch(/^the file does not open/);
      expect(String(error)).not.toMatch(/horse/);
    }
  });

  test('any character changed, in the parameters, the salt, the nonce or the box', async () => {
    const line = lineOf(await KeySeal.seal(text, passphrase, quick));
    const places = fc.integer({ min: 'farebox-sealed-keys:1:scrypt:'.length, max: line.length - 1 });
    await fc.assert(
      fc.asyncProperty(places, fc.constantFrom('1', 'A', 'z', '_'), async (at, other) => {
        fc.pre(line[at] !== other && line[at] !== ':');
        const changed = line.slice(0, at) + other + line.slice(at + 1);
        const error = await KeySeal.unseal(changed, passphrase, 'it').catch((thrown: unknown) => thrown);
        // The last letter of a base64url text may say the same in another spelling; the head is held to the letter.
        if (typeof error === 'string') expect([error, KeySeal.parse(changed, 'it')]).toEqual([text, { ...KeySeal.parse(line, 'it'), head: expect.anything() }]);
        else expect(FareboxError.is(error, 'KEYS_LOCKED', 'KEYS_INVALID')).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    ['cut off', (line: string) => line.slice(0, 60)],
    ['of another version', (line: string) => line.replace(':1:', ':2:')],
    ['made in another way', (line: string) => line.replace('scrypt', 'pbkdf2')],
    ['at a cost that takes a terabyte', (line: string) => line.replace(':10:8:1:', ':30:8:1:')],
    ['at no cost', (line: string) => line.replace(':10:8:1:', ':0:8:1:')],
    ['twice', (line: string) => `${line}\n${line}`],
    ['with something behind it', (line: string) => `${line}:x`],
  ])('%s: KEYS_INVALID', async (_, change) => {
    const line = lineOf(await KeySeal.seal(text, passphrase, quick));
    await expect(KeySeal.unseal(change(line), passphrase, 'it')).rejects.toMatchObject({ code: 'KEYS_INVALID' });
  });
});

test('a short passphrase seals nothing', async () => {
  await expect(KeySeal.seal(text, 'eleven char', quick)).rejects.toThrow(RangeError);
});

test('any text is sealed, or KEYS_INVALID', () => {
  const word = fc.constantFrom(
    'farebox-sealed-keys:',
    '1:',
    'scrypt:',
    '17:',
    '8:',
    'A'.repeat(22),
    'b'.repeat(16),
    'c'.repeat(60),
    ':',
    '\n',
    '#',
    '=',
    '99:',
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 14 }), (words) => {
      try {
        const { salt, nonce, box } = KeySeal.parse(words.join(''), 'it');
        expect([salt.length, nonce.length, box.length >= 16]).toEqual([16, 12, true]);
      } catch (error) {
        if (!FareboxError.is(error, 'KEYS_INVALID')) throw error;
      }
    }),
    { numRuns: 500 },
  );
});
