import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FareboxError } from '../core/Errors.ts';
import * as Path from './Path.ts';

describe('normal form', () => {
  test.each([
    ['/', '/', ''],
    ['/api/v1/translate?text=hello&target=es', '/api/v1/translate', '?text=hello&target=es'],
    ['/a/./b/../c', '/a/c', ''],
    ['/a/%2e%2E/b', '/b', ''],
    ['/a//b///c', '/a/b/c', ''],
    ['/a/', '/a/', ''],
    ['/a/b/..', '/a/', ''],
    ['/a/.', '/a/', ''],
    ['/%41%7e', '/A~', ''],
    ['/%c3%a9', '/%C3%A9', ''],
    ['/a;x=y', '/a;x=y', ''],
    ['/a.', '/a.', ''],
    ['/.well-known/x', '/.well-known/x', ''],
    ['/a*b', '/a%2Ab', ''],
    ['/100%25', '/100%25', ''],
    ['/100%25ab', '/100%25ab', ''],
    ['/a%2520b', '/a%2520b', ''],
    ['/what%3f', '/what%3F', ''],
    ['/a?', '/a', '?'],
    ['/a?b=/../c', '/a', '?b=/../c'],
  ])('%s', (target, path, query) => expect(Path.normalize(target)).toEqual({ path, query, authority: undefined }));

  test.each([
    '/a%2fb',
    '/a%2Fb',
    '/a%5cb',
    '/a\\b',
    '/a%00',
    '/a\u0000',
    '/a%252e%252e/b',
    '/a%25252fb',
    '/a%25%32%66b',
    '/a%25%32e%25%32e/b',
    '/%2541',
    '/%25%34%31',
    '/a%253fb',
    '/a%253bb',
    '/a%0ab',
    '/a%250d',
    '/a%7f',
    '/a%c0%afb',
    '/a/%c0%ae%c0%ae/b',
    '/a/..%20/b',
    '/a/..%3f/b',
    '/..',
    '/a/../..',
    '/%2e%2e/a',
    '/a%',
    '/a%2',
    '/a%zz',
    '/a b',
    '/a#b',
    '/é',
    '/a"b',
    'a',
    '',
    '*',
    'ftp://x/y',
    'http://me@a/b',
    'http://a\\b',
    '//',
    `/${'a'.repeat(9000)}`,
    `/${'*'.repeat(3000)}`,
    '/a?é',
    '/a?b c',
    '/a?b#c',
  ])('refuses %s', (target) => {
    if (target === '//') return expect(Path.normalize(target).path).toBe('/');
    return expect(() => Path.normalize(target)).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
  });

  test('an absolute form is its path; its authority is told', () => {
    expect(Path.normalize('http://Example.com:80/a/../b?c')).toEqual({ path: '/b', query: '?c', authority: 'Example.com:80' });
    expect(Path.normalize('https://example.com')).toEqual({ path: '/', query: '', authority: 'example.com' });
    expect(Path.normalize('https://example.com?x')).toEqual({ path: '/', query: '?x', authority: 'example.com' });
  });

  const segments = fc.stringMatching(/^(%[0-9a-fA-F]{2}|[A-Za-z0-9._~*;=@:%/-]){0,12}$/);
  test('is reached at once, and holds nothing that two servers could read differently', () => {
    fc.assert(
      fc.property(fc.array(segments, { maxLength: 5 }), (parts) => {
        let read: Path.Target;
        try {
          read = Path.normalize(`/${parts.join('/')}`);
        } catch (error) {
          expect(FareboxError.is(error, 'REQUEST_MALFORMED')).toBe(true);
          return;
        }
        expect(Path.normalize(read.path).path).toBe(read.path);
        expect(Path.assertNormal(read.path)).toEqual({ path: read.path, query: '', authority: undefined });
        expect(read.path).not.toMatch(/\/\/|\/\.\.?(\/|$)|%2f|%5c|%00|\\|\*/i);
        expect(new URL(read.path, 'http://a').pathname).toBe(read.path);
      }),
      { numRuns: 1000 },
    );
  });

  test('any text at all is read or refused with a code', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        for (const target of [text, `/${text}`, `http://${text}`]) {
          try {
            expect(Path.normalize(target).path.startsWith('/')).toBe(true);
          } catch (error) {
            expect(FareboxError.is(error, 'REQUEST_MALFORMED')).toBe(true);
          }
        }
      }),
    );
  });
});

describe('patterns', () => {
  test.each([
    ['/a', '/a', true],
    ['/a', '/a/', false],
    ['/a', '/A', false],
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/b/c', true],
    ['/a/*', '/a/', true],
    ['/a/*', '/a', false],
    ['/a/*', '/ab', false],
    ['/*', '/anything', true],
  ])('%s covers %s: %s', (pattern, path, covered) => expect(Path.covers(pattern, path)).toBe(covered));

  test.each([
    ['/a', '/a', true],
    ['/a/*', '/a/b', true],
    ['/a/*', '/a/b/*', true],
    ['/a/*', '/a/*', true],
    ['/a/b/*', '/a/*', false],
    ['/a/b', '/a/*', false],
    ['/a/*', '/a', false],
  ])('%s covers all of %s: %s', (outer, inner, covered) => expect(Path.coversPattern(outer, inner)).toBe(covered));

  test.each([
    ['/api', '/api', true],
    ['/api', '/api/x', true],
    ['/api/', '/api/x', true],
    ['/api', '/apix', false],
    ['/', '/x', true],
  ])('below %s lies %s: %s', (prefix, path, below) => expect(Path.isBelow(prefix, path)).toBe(below));
});

test.each([
  ['/users/{}', '/users/a', true],
  ['/users/{}', '/users/', false],
  ['/users/{}', '/users/a/b', false],
  ['/users/{}', '/users/*', false],
  ['/users/{}/*', '/users/*', false],
  ['/users/{}/*', '/users/a/*', true],
  ['/users/{}/*', '/users/a/', true],
  ['/users/{}/*', '/users/a', false],
  ['/users/*', '/users/{}', true],
  ['/users/*', '/users/{}/*', true],
  ['/{}/*', '/*', false],
  ['/{}/b', '/a/{}', false],
  ['/{}/{}', '/a/{}', true],
  ['/{}', '/{}', true],
  ['/*', '/*', true],
])('%s covers %s: %s', (outer, inner, expected) => expect(Path.coversPattern(outer, inner)).toBe(expected));
