import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChallenges, splitList } from './httpAuth.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
const challenge = fc.record({ scheme: name, parameters: fc.array(fc.tuple(name, fc.string()), { minLength: 1, maxLength: 4 }) });
const separator = fc.constantFrom(',', ', ', ' ,\t', ', ,');

/** Text rich in what the grammar is made of. */
const hostile = fc.string({ unit: fc.constantFrom('L402', 'a', ' ', '\t', ',', '=', '"', "'", '\\', '@', '\u00e9', '\n', 'macaroon') });

const quote = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;

describe('parseChallenges', () => {
  it('reads back what was written, whatever the quoted values hold', () => {
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), separator, (challenges, comma) => {
        const text = challenges
          .map(({ scheme, parameters }) => `${scheme} ${parameters.map(([key, value]) => `${key}=${quote(value)}`).join(comma)}`)
          .join(comma);
        expect(parseChallenges(text)).toEqual(challenges.map((one) => ({ ...one, token68: undefined, fault: undefined })));
      }),
      { numRuns: 200 },
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), hostile), (text) => {
        parseChallenges(text);
        splitList(text);
      }),
      { numRuns: 300 },
    );
  });
});
