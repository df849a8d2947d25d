import { expect, test } from 'vitest';
import * as Challenge from '../../core/Challenge.ts';
import { readStrictly } from './grammar.ts';

const offer = { token: 'AgEEbHNhdA==', invoice: 'lnbcrt500n1pqqqq' };

test('what Farebox sends is read, parameters in order', () => {
  const [lsat, l402] = Challenge.formatLines(offer).map(readStrictly);
  expect(lsat).toEqual([
    {
      scheme: 'LSAT',
      parameters: [
        ['macaroon', offer.token],
        ['invoice', offer.invoice],
      ],
    },
  ]);
  expect(l402).toEqual([
    {
      scheme: 'L402',
      parameters: [
        ['macaroon', offer.token],
        ['invoice', offer.invoice],
        ['version', '0'],
        ['token', offer.token],
      ],
    },
  ]);
});

test.each([
  [
    'two challenges',
    'A a="1", B b="2"',
    [
      ['A', ['a']],
      ['B', ['b']],
    ],
  ],
  [
    'a token instead of parameters',
    'Negotiate abc+/==, Basic realm="x"',
    [
      ['Negotiate', []],
      ['Basic', ['realm']],
    ],
  ],
  [
    'schemes alone',
    'Negotiate, NTLM',
    [
      ['Negotiate', []],
      ['NTLM', []],
    ],
  ],
  ['spaces where they may be', 'A  a = "1"\t,\tb =2', [['A', ['a', 'b']]]],
  ['empty elements', ', A a="1",, b="2" ,', [['A', ['a', 'b']]]],
  ['commas, equals signs and quotes in quotes', 'A a="1, B b=\\"2\\"", c=3', [['A', ['a', 'c']]]],
  ['nothing', '', []],
])('%s: read', (_, line, expected) => {
  const read = readStrictly(line);
  if (typeof read === 'string') throw new Error(read);
  expect(read.map(({ scheme, parameters }) => [scheme, parameters.map(([name]) => name)])).toEqual(expected);
});

test('quoted pairs are undone', () => {
  expect(readStrictly('A a="say \\"b\\\\c\\""')).toEqual([{ scheme: 'A', parameters: [['a', 'say "b\\c"']] }]);
});

test.each([
  ['base64 without quotes', 'L402 macaroon=AgE/b+c==, invoice="x"'],
  ['no comma between parameters', 'L402 macaroon="a" invoice="b"'],
  ['a quote left open', 'L402 macaroon="a, invoice="b"'],
  ['single quotes around base64', "L402 macaroon='Ag=='"],
  ['no scheme', 'macaroon="a"'],
  ['a control character', 'L402 macaroon="a\x01"'],
])('%s: refused, without repeating what stood there', (_, line) => {
  const read = readStrictly(line);
  expect(read).toMatch(/^it cannot be read from character \d+ on/);
  expect(read).not.toContain('AgE');
});

test('a line of 64 KB that goes nowhere takes no time to speak of', () => {
  for (const line of [
    `L402 ${'a'.repeat(65_000)}`,
    `L402 ${' '.repeat(65_000)}x=`,
    `L402 a="${'\\'.repeat(65_001)}`,
    'a,'.repeat(32_000),
    'a=b,'.repeat(16_000),
  ])
    readStrictly(line);
});
