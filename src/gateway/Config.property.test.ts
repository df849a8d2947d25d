import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import { parseConfig } from './Config.ts';

const sound = `listen: 127.0.0.1:8402
store: memory
services:
  - name: api
    upstream: http://localhost:3000
    routes:
      - { path: /a, price: 10 sat }
      - { path: /b/*, methods: [GET], price: 20 sat, terms: pass 1h }
`;

/** A configuration, or mistakes with their places; nothing else, whatever the text. */
function reads(text: string): void {
  try {
    parseConfig(text, { environment: {} });
  } catch (error) {
    if (!FareboxError.is(error, 'CONFIG_INVALID')) throw error;
    for (const line of error.details.mistakes as readonly string[]) expect(line).toMatch(/^farebox\.yaml:\d+:\d+: ./);
  }
}

const piece = fc.constantFrom(
  ' ',
  '\n',
  '-',
  ':',
  '[',
  ']',
  '{',
  '}',
  '&a',
  '*a',
  '!!int',
  '|',
  '>',
  '"',
  '#',
  '<<',
  'null',
  `$\{X}`,
  '0',
  '1e9',
  'routes',
  '\t',
  '---',
  '?',
  '%',
);

test('any text is a configuration or a list of mistakes', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), reads), { numRuns: 200 });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => reads(pieces.join(''))),
    { numRuns: 300 },
  );
});

test('so is a sound one with something in it changed', () => {
  const change = fc.tuple(fc.nat(sound.length), fc.nat(12), piece);
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      reads(changes.reduce((text, [at, length, put]) => text.slice(0, at) + put + text.slice(at + length), sound));
    }),
    { numRuns: 300 },
  );
});
