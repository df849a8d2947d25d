import { describe, expect, test } from 'vitest';
import * as Caveat from './Caveat.ts';

describe('reading', () => {
  test.each([
    ['scope = "/api/v1/translate"', 'scope', '/api/v1/translate'],
    ["scope='x'", 'scope', 'x'],
    ['a=b=c', 'a', 'b=c'],
    ['a=', 'a', ''],
    ['a="', 'a', '"'],
    ['a="x', 'a', '"x'],
    ['  a  =  b  ', 'a', 'b'],
  ])('%s', (text, condition, value) => expect(Caveat.parse(text)).toEqual({ condition, value }));

  test.each(['', '=x', '  = x', 'no equals sign'])('refuses "%s"', (text) => {
    expect(() => Caveat.parse(text)).toThrow(expect.objectContaining({ code: 'CAVEAT_MALFORMED' }));
  });
});

describe('writing', () => {
  test.each([
    ['a=b', 'x'],
    ['a b', 'x'],
    ['', 'x'],
    ['a', ' x'],
    ['a', 'x\n'],
    ['a', '"x"'],
    ['a', '"x\u2028y"'],
    ['a', 'x\u0000'],
  ])('refuses %s = %s', (condition, value) => expect(() => Caveat.format({ condition, value })).toThrow(RangeError));

  test.each(['a,b', 'a:b', 'a=b', 'a b', '', '/x', 'é', 'x'.repeat(65)])('a service cannot be named "%s"', (name) => {
    expect(() => Caveat.formatServices([{ name, tier: 0 }])).toThrow(RangeError);
  });

  test('a tier is a small whole number', () => {
    for (const tier of [-1, 0.5, 256, Number.NaN]) expect(() => Caveat.formatServices([{ name: 'a', tier }])).toThrow(RangeError);
    expect(() => Caveat.formatServices([])).toThrow(RangeError);
  });
});

describe('times', () => {
  test.each([
    ['1893456000', 1893456000],
    ['2030-01-01T00:00:00Z', 1893456000],
    ['2030-01-01T01:00:00+01:00', 1893456000],
    ['2030-01-01T00:00:00.999Z', 1893456000],
    ['2030-01-01T00:00Z', 1893456000],
  ])('%s', (text, at) => expect(Caveat.parseTime(text)).toBe(at));

  test.each([
    '1893456000000',
    '-1',
    '1h',
    'PT1H',
    '2030-01-01',
    '2030-01-01T00:00:00',
    '2030-13-01T00:00:00Z',
    '',
    'soon',
    '99999999999',
    '4294967296',
    '1e9',
    '0x10',
    '1893456000.5',
    ' 1',
  ])('refuses "%s"', (text) => expect(Caveat.parseTime(text)).toBeUndefined());
});
