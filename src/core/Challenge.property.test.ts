import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Challenge from './Challenge.ts';
import { FareboxError } from './Errors.ts';
import { toBase64 } from './internal/bytes.ts';

const token = fc.uint8Array({ minLength: 1, maxLength: 600 }).map(toBase64);
const invoice = fc
  .tuple(
    fc.constantFrom('lnbc', 'lntb', 'lntbs', 'lnbcrt'),
    fc.integer({ min: 1 }),
    fc.constantFrom('m', 'u', 'n', 'p', ''),
    fc.stringMatching(/^[02-9ac-hj-np-z]{1,300}$/),
  )
  .map(([prefix, amount, multiplier, data]) => `${prefix}${amount}${multiplier}1${data}`);
const offer = fc.record({ token, invoice });

/** A good header with pieces cut out, put in or doubled. */
const mutated = fc
  .tuple(
    offer,
    fc.array(fc.tuple(fc.nat(), fc.nat(12), fc.oneof(fc.string(), fc.constantFrom('"', "'", ',', '=', ' ', '\\', 'L402 ', '\r\n'))), { maxLength: 4 }),
  )
  .map(([one, edits]) =>
    edits.reduce((text, [at, cut, put]) => {
      const from = at % (text.length + 1);
      return text.slice(0, from) + put + text.slice(from + cut);
    }, Challenge.formatLines(one).join(', ')),
  );

function parseOrCode(values: string | readonly string[]): readonly Challenge.Challenge[] {
  try {
    return Challenge.parse(values);
  } catch (error) {
    if (FareboxError.is(error, 'CHALLENGE_MALFORMED')) return [];
    throw error;
  }
}

describe('parse', () => {
  it('reads what formatLines writes, as lines and joined', () => {
    fc.assert(
      fc.property(offer, (one) => {
        const lines = Challenge.formatLines(one);
        const expected = [
          { scheme: 'LSAT', ...one },
          { scheme: 'L402', ...one, version: '0' },
        ];
        expect(Challenge.parse(lines)).toEqual(expected);
        expect(Challenge.parse(lines.join(', '))).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('throws nothing but its code, and returns only what can be sent back', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((text) => `L402 ${text}`),
          mutated,
          fc.array(mutated),
        ),
        (values) => {
          for (const challenge of parseOrCode(values)) {
            expect(challenge.token).toMatch(/^[A-Za-z0-9._~+/=-]+$/);
            expect(challenge.invoice).toMatch(/^ln[a-z0-9]+$/);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('formatLines', () => {
  it('lets nothing into a header that could end it', () => {
    fc.assert(
      fc.property(fc.oneof(token, fc.string()), fc.oneof(invoice, fc.string()), (a, b) => {
        let lines: readonly string[] = [];
        try {
          lines = Challenge.formatLines({ token: a, invoice: b });
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
        }
        for (const line of lines) expect(line).toMatch(/^(?:LSAT|L402) [!-~ ]+$/);
      }),
      { numRuns: 300 },
    );
  });
});
