import { expect, test } from 'vitest';
import { printable, table, toJson } from './Terminal.ts';

test('a tone takes no room in a table', () => {
  expect(
    table(
      [
        ['\u001b[31mred\u001b[39m', '1'],
        ['plain', '200'],
      ],
      [1],
    ),
  ).toEqual(['\u001b[31mred\u001b[39m      1', 'plain  200']);
});

test('what could steer a terminal is escaped, in text and in JSON', () => {
  const evil = 'a\u001b[2J\u009b2J\u202e\u{e0001}z ü';
  expect(printable(evil)).toBe('a\\u{1b}[2J\\u{9b}2J\\u{202e}\\u{e0001}z ü');
  expect(toJson({ evil })).toBe('{"evil":"a\\u001b[2J\\u009b2J\\u202e\\udb40\\udc01z ü"}');
  expect(JSON.parse(toJson({ evil }))).toEqual({ evil });
});

test('JSON has amounts as decimal strings', () => {
  expect(toJson({ amountMsat: 50_000n, none: undefined })).toBe('{"amountMsat":"50000"}');
});
