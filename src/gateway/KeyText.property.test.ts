import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { fingerprintOf, type Master } from '../server/RootKeys.ts';
import * as KeyText from './KeyText.ts';

const time = fc.integer({ min: 0, max: 0xffffffff });
const master = fc.record({ key: fc.uint8Array({ minLength: 32, maxLength: 64 }), mintsFromAt: fc.option(time, { nil: undefined }) });
const ring = fc.uniqueArray(master, { minLength: 1, maxLength: 6, selector: ({ key }) => fingerprintOf(key) });

/** The text of a ring. */
const written = (masters: readonly Master[]) => masters.reduceRight((text, one) => KeyText.withKey(text, one), '');
const plain = (masters: readonly Master[]) => masters.map(({ key, mintsFromAt }) => ({ key: [...key], mintsFromAt }));

test('what is written is read again, in its order', () => {
  fc.assert(
    fc.property(ring, (masters) => {
      expect(plain(KeyText.parse(written(masters), 'it'))).toEqual(plain(masters));
    }),
  );
});

test('a key that is taken out is gone, and nothing else is, comments neither', () => {
  fc.assert(
    fc.property(ring, fc.nat(5), (masters, index) => {
      const gone = masters[index % masters.length] as Master;
      const text = `# mine, since 2026\n\n${written(masters)}# the end\n`;
      const left = KeyText.withoutKey(text, fingerprintOf(gone.key), 'it');
      const others = masters.filter((one) => one !== gone);
      expect(left).toBe(`# mine, since 2026\n\n${written(others)}# the end\n`);
      if (others.length > 0) expect(plain(KeyText.parse(left, 'it'))).toEqual(plain(others));
    }),
  );
});

test('any text is a ring or KEYS_INVALID, and no message repeats it', () => {
  const word = fc.constantFrom(
    'ab'.repeat(32),
    'CD'.repeat(40),
    'ef'.repeat(31),
    ' from=2030-01-01T00:00:00Z',
    ' from=',
    '#',
    ',',
    '\n',
    '\r\n',
    ' ',
    '0x',
    'horse',
  );
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.array(word, { maxLength: 12 }).map((words) => words.join('')),
  );
  fc.assert(
    fc.property(text, (input) => {
      try {
        for (const { key } of KeyText.parse(input, 'it')) expect(key.length).toBeGreaterThanOrEqual(32);
      } catch (error) {
        if (!FareboxError.is(error, 'KEYS_INVALID')) throw error;
        expect(error.message).not.toMatch(/horse|[0-9a-f]{16}/i);
      }
    }),
    { numRuns: 500 },
  );
});

describe('what is refused', () => {
  const key = 'ab'.repeat(32);
  test.each([
    ['nothing', ''],
    ['a comment alone', '# a\n'],
    ['31 bytes', 'ab'.repeat(31)],
    ['half a byte', `${key}a`],
    ['a letter', `${'ab'.repeat(31)}xy`],
    ['one key twice', `${key}\n${key}`],
    ['a word behind it', `${key} old`],
    ['a time without a zone', `${key} from=2030-01-01T00:00:00`],
    ['a day that no month has', `${key} from=2030-02-30T00:00:00Z`],
    ['two times', `${key} from=2030-01-01T00:00:00Z from=2031-01-01T00:00:00Z`],
  ])('%s', (_, text) => {
    expect(() => KeyText.parse(text, 'it')).toThrow(expect.objectContaining({ code: 'KEYS_INVALID' }));
  });
});

test('several keys stand between commas, as an environment variable has them', () => {
  const read = KeyText.parse(`${'ab'.repeat(32)} from=2030-01-01T00:00:00Z, ${'CD'.repeat(32)}  # both, mine\r\n`, 'it');
  expect(read.map(({ key, mintsFromAt }) => [key[0], mintsFromAt])).toEqual([
    [0xab, 1_893_456_000],
    [0xcd, undefined],
  ]);
});
