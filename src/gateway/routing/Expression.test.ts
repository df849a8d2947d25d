import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse } from './Expression.ts';

describe('Expression', () => {
  test.each<[string, readonly string[], readonly string[]]>([
    ['/items/[0-9]+', ['/items/1', '/items/007'], ['/items/', '/items/1a', '/items/1/', '/x/items/1', '/Items/1']],
    ['/items/\\d{2,3}', ['/items/12', '/items/123'], ['/items/1', '/items/1234']],
    ['/a(?:/b|/c)?', ['/a', '/a/b', '/a/c'], ['/a/', '/a/b/c']],
    ['/[^/]+\\.json', ['/x.json', '/x.y.json'], ['/.json/a', '/x/y.json', '/xjson']],
    ['/(a|b)*c', ['/c', '/ababc'], ['/', '/abd']],
    ['/x.*', ['/x', '/x/y/z'], ['/', '/y']],
    ['/a|/b', ['/a', '/b'], ['/ab', '/a|/b']],
    ['/[a-c_-]{2}', ['/a-', '/__'], ['/a', '/d-']],
  ])('%s', (source, held, others) => {
    const expression = parse(source);
    for (const path of held) expect(expression.matches(path), path).toBe(true);
    for (const path of others) expect(expression.matches(path), path).toBe(false);
  });

  test('begins with the segments that every path begins with', () => {
    expect(parse('/api/items/[0-9]+').start).toBe('/api/items');
    expect(parse('/api/items/x').start).toBe('/api/items');
    expect(parse('/api(?:/x)?').start).toBe('');
    expect(parse('/a/b|/c').start).toBe('');
    expect(parse('/api/x?/y').start).toBe('/api');
  });

  test('loosely, letters are the same in either case', () => {
    expect(parse('/Items/[a-f]+', true).matches('/iTEMS/AbC')).toBe(true);
    expect(parse('/items/[a-f]+', true).matches('/items/g')).toBe(false);
  });

  test.each([
    ['items', /begins with "\/"/],
    ['/(a', /is not closed/],
    ['/a)', /closes nothing/],
    ['/[a', /is not closed/],
    ['/[]', /holds no character/],
    ['/[b-a]', /a later one/],
    ['/a**', /repeat of a repeat/],
    ['/a+?', /lazy/],
    ['/(?=a)', /look-around/],
    ['/(?<x>a)', /look-around/],
    ['/(a)\\1', /"\\1" is not known/],
    ['/^a', /leave "\^" out/],
    ['/a$', /leave "\$" out/],
    ['/a{1001}', /more than 100 times/],
    ['/a{3,2}', /wrong way round/],
    ['/a;b', /read in two ways/],
    ['/a%20', /read in two ways/],
    ['/a b', /stands in no path/],
    ['/(a{100}){100}', /too large/],
    ['/[ab]*a[ab]{12}', /too many cases/],
    [`/${'a'.repeat(600)}`, /512 characters/],
  ])('%s is refused', (source, expected) => {
    expect(() => parse(source)).toThrow(expected);
  });

  test('what makes others go back for ever costs one look a character', () => {
    const expression = parse('/(a|a)*a*a*a*a*b');
    let looks = 0;
    const path = new Proxy(
      { length: 100_001 },
      {
        get: (target, name) => {
          if (name === 'length') return target.length;
          if (name !== 'charCodeAt') return undefined;
          return (index: number) => {
            looks++;
            return index === 0 ? 47 : 97;
          };
        },
      },
    ) as unknown as string;
    expect(expression.matches(path)).toBe(false);
    expect(looks).toBe(100_001);
  });

  test('holds what the same expression of the language holds', () => {
    const atom = fc.constantFrom('a', 'b', '/', '.', '[ab]', '[^a]', '\\d', '(?:a|b)', '(?:/a)');
    const part = fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}')).map((pieces) => pieces.join(''));
    const source = fc.array(fc.array(part, { maxLength: 4 }), { minLength: 1, maxLength: 3 }).map((all) => `/(?:${all.map((one) => one.join('')).join('|')})`);
    const path = fc.array(fc.constantFrom('a', 'b', 'A', '/', '1'), { maxLength: 6 }).map((parts) => `/${parts.join('')}`);
    fc.assert(
      fc.property(source, path, (text, where) => {
        expect(parse(text).matches(where)).toBe(new RegExp(`^(?:${text})$`).test(where));
        // Looser still: what is not `a` may be `A`.
        if (new RegExp(`^(?:${text})$`, 'i').test(where)) expect(parse(text, true).matches(where)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
