import { describe, expect, test } from 'vitest';
import * as Canonical from './Canonical.ts';
import { FareboxError } from './Errors.ts';

/** RFC 8785, appendix B: an IEEE 754 double in hex, and how it is written. */
const numbers: readonly (readonly [string, string])[] = [
  ['0000000000000000', '0'],
  ['8000000000000000', '0'],
  ['0000000000000001', '5e-324'],
  ['8000000000000001', '-5e-324'],
  ['7fefffffffffffff', '1.7976931348623157e+308'],
  ['ffefffffffffffff', '-1.7976931348623157e+308'],
  ['4340000000000000', '9007199254740992'],
  ['c340000000000000', '-9007199254740992'],
  ['4430000000000000', '295147905179352830000'],
  ['44b52d02c7e14af5', '9.999999999999997e+22'],
  ['44b52d02c7e14af6', '1e+23'],
  ['44b52d02c7e14af7', '1.0000000000000001e+23'],
  ['444b1ae4d6e2ef4e', '999999999999999700000'],
  ['444b1ae4d6e2ef4f', '999999999999999900000'],
  ['444b1ae4d6e2ef50', '1e+21'],
  ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
  ['3eb0c6f7a0b5ed8d', '0.000001'],
  ['41b3de4355555553', '333333333.3333332'],
  ['41b3de4355555554', '333333333.33333325'],
  ['41b3de4355555555', '333333333.3333333'],
  ['41b3de4355555556', '333333333.3333334'],
  ['41b3de4355555557', '333333333.33333343'],
  ['becbf647612f3696', '-0.0000033333333333333333'],
  ['43143ff3c1cb0959', '1424953923781206.2'],
];

test.each(numbers)('appendix B: %s is %s', (hex, written) => {
  expect(Canonical.format(Buffer.from(hex, 'hex').readDoubleBE())).toBe(written);
});

test('section 3.2.2: the sample', () => {
  const input = String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`;
  const output = String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`;
  expect(Canonical.format(JSON.parse(input))).toBe(output);
});

test('section 3.2.3: members are sorted by UTF-16 code units', () => {
  const input = String.raw`{
    "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
    "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
  }`;
  const order = Canonical.format(JSON.parse(input)).match(/(?<=:")[^"]+/g);
  expect(order).toEqual([
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

describe('what others make one of two', () => {
  test('a member that is called __proto__ is a member', () => {
    expect(Canonical.format(JSON.parse('{"__proto__":{"dear":true},"a":1}'))).toBe('{"__proto__":{"dear":true},"a":1}');
  });

  test('a member that is called toJSON is no method', () => {
    expect(Canonical.format(JSON.parse('{"toJSON":"x"}'))).toBe('{"toJSON":"x"}');
  });

  test.each([
    ['half of a surrogate pair', '"\\ud83d"'],
    ['half of one in a name', '{"\\ude00":1}'],
    ['a number beyond a double', '[1e400]'],
  ])('%s is refused', (_, text) => {
    expect(() => Canonical.format(JSON.parse(text))).toThrow(FareboxError);
  });

  test.each([undefined, () => 1, 1n, Symbol('x'), Number.NaN, { a: undefined }, [undefined], new Array(1)])('what is no JSON is refused (%#)', (value) => {
    expect(() => Canonical.format(value)).toThrow(FareboxError);
  });

  test('depth has an end that is told', () => {
    const deep = (levels: number) => JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown;
    expect(Canonical.format(deep(150))).toHaveLength(300);
    expect(() => Canonical.format(deep(100_000))).toThrow(/nested/);
  });
});
