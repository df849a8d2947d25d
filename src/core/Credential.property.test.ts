import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Credential from './Credential.ts';
import { toBase64, toBase64Url, toHex } from './internal/bytes.ts';
import * as Preimage from './Preimage.ts';

const bytes = fc.uint8Array({ minLength: 1, maxLength: 400 });
const preimage = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(Preimage.fromBytes);
const scheme = fc.constantFrom('L402' as const, 'LSAT' as const);
const one = fc.record({ scheme, tokens: fc.array(bytes, { minLength: 1, maxLength: 4 }), preimage });

/** A credential as some client might spell it. */
const spelt = fc
  .tuple(one, fc.constantFrom(toBase64, toBase64Url), fc.boolean(), fc.constantFrom(' ', '   ', '\t '), fc.constantFrom(',', ', ', ' ,'))
  .map(([credential, encode, upper, gap, comma]) => {
    const proof = upper ? credential.preimage.toUpperCase() : credential.preimage;
    const word = upper ? credential.scheme : credential.scheme.toLowerCase();
    return { credential, text: `${word}${gap}${credential.tokens.map(encode).join(comma)}:${proof}` };
  });

const mutated = fc.tuple(spelt, fc.nat(), fc.nat(8), fc.string({ maxLength: 8 })).map(([{ text }, at, cut, put]) => {
  const from = at % (text.length + 1);
  return text.slice(0, from) + put + text.slice(from + cut);
});

describe('parseAuthorization', () => {
  it('reads what format writes', () => {
    fc.assert(
      fc.property(scheme, bytes, preimage, (word, token, proof) => {
        const parsed = Credential.parseAuthorization([Credential.format({ scheme: word, token: toBase64(token), preimage: proof })]);
        expect(parsed).toEqual({ credentials: [{ scheme: word, tokens: [token], preimage: proof }], malformed: undefined });
      }),
      { numRuns: 200 },
    );
  });

  it('reads every spelling, alone, joined and on lines of their own', () => {
    fc.assert(
      fc.property(fc.array(spelt, { minLength: 1, maxLength: 5 }), (all) => {
        const expected = { credentials: all.map(({ credential }) => credential), malformed: undefined };
        expect(Credential.parseAuthorization(all.map(({ text }) => text))).toEqual(expected);
        expect(Credential.parseAuthorization([all.map(({ text }) => text).join(', ')])).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('never throws, and reads only what keeps to the limits', () => {
    const line = fc.oneof(
      fc.string(),
      fc.string().map((text) => `L402 ${text}`),
      mutated,
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 4 }), (lines) => {
        const { credentials, malformed } = Credential.parseAuthorization(lines);
        expect(malformed?.code ?? 'CREDENTIAL_MALFORMED').toBe('CREDENTIAL_MALFORMED');
        for (const { tokens, preimage: proof } of credentials) {
          expect(proof).toMatch(/^[0-9a-f]{64}$/);
          expect(tokens.length).toBeLessThanOrEqual(Credential.maxTokens);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('parseHexMacaroon', () => {
  it('reads every hex and throws at nothing', () => {
    fc.assert(
      fc.property(bytes, fc.string(), (token, text) => {
        expect(Credential.parseHexMacaroon(toHex(token)).credentials[0]?.tokens).toEqual([token]);
        Credential.parseHexMacaroon(text);
      }),
      { numRuns: 200 },
    );
  });
});
