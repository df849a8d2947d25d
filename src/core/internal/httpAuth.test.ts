import { describe, expect, it } from 'vitest';
import { isToken68, parseChallenges, splitList, trim } from './httpAuth.ts';

/** What was read, in short: scheme, token68, parameters; a fault as `!`. */
function short(value: string): unknown {
  return parseChallenges(value).map(({ scheme, token68, parameters, fault }) => [
    scheme,
    ...(token68 === undefined ? [] : [token68]),
    ...parameters.map((parameter) => parameter.join(':')),
    ...(fault === undefined ? [] : ['!']),
  ]);
}

describe('parseChallenges', () => {
  it.each([
    [
      'the example of RFC 9110, section 11.6.1',
      'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""',
      [
        ['basic', 'realm:simple'],
        ['newauth', 'realm:apps', 'type:1', 'title:Login to "apps"'],
      ],
    ],
    ['a token68', 'Negotiate YII=', [['negotiate', 'YII=']]],
    [
      'a token68 between challenges',
      'Negotiate a/b+c== , Basic realm=x',
      [
        ['negotiate', 'a/b+c=='],
        ['basic', 'realm:x'],
      ],
    ],
    ['bare schemes', 'Negotiate, NTLM ,Basic', [['negotiate'], ['ntlm'], ['basic']]],
    ['empty list elements', ', ,Basic realm="x",, ,charset=utf-8,', [['basic', 'realm:x', 'charset:utf-8']]],
    ['space around the equals sign', 'Basic realm \t = "x"', [['basic', 'realm:x']]],
    ['a space for a comma', 'L402 version="0" token="a" invoice=b', [['l402', 'version:0', 'token:a', 'invoice:b']]],
    ['a bare value with base64 in it', 'L402 macaroon=AQ/+-_==, invoice=b', [['l402', 'macaroon:AQ/+-_==', 'invoice:b']]],
    ['single quotes', 'L402 a=\'x, "y"\', b=c', [['l402', 'a:x, "y"', 'b:c']]],
    ['a lone apostrophe', "Basic realm='tis, b=c", [['basic', "realm:'tis", 'b:c']]],
    ['an empty value', 'Basic realm=x, a=, b=""', [['basic', 'realm:x', 'a:', 'b:']]],
    ['escapes', 'X a="\\\\\\"\\a"', [['x', 'a:\\"a']]],
    ['quoted text that looks like a challenge', 'X a="1, L402 macaroon=\\"b\\"", c=d', [['x', 'a:1, L402 macaroon="b"', 'c:d']]],
    ['repeated names', 'X a=1, A=2', [['x', 'a:1', 'a:2']]],
    ['parameters before any scheme', 'a=1, X b=2', [['x', 'b:2']]],
    ['an open quote', 'X a="1, b=2', [['x', '!']]],
    ['an escape at the end', 'X a="1\\', [['x', '!']]],
    [
      'text behind a closed quote',
      'X a="say "hi" now", b=1, Y c=2',
      [
        ['x', 'a:say ', 'b:1', '!'],
        ['y', 'c:2'],
      ],
    ],
    ['a parameter right behind a closed quote', 'X a="1"b=2', [['x', 'a:1', '!']]],
    ['characters out of place', 'X a=1, @b, c=2, Y', [['x', 'a:1', 'c:2', '!'], ['y']]],
    ['other white space', 'X\u00a0a=1', []],
    ['nothing', ' \t, ', []],
  ])('reads %s', (_, value, expected) => {
    expect(short(value)).toEqual(expected);
  });

  it.each([
    ['schemes', 'a '],
    ['commas', ','],
    ['spaces', ' '],
    ['equals signs', '='],
    ['open quotes', '"\\'],
    ['closed quotes', '""'],
    ['apostrophes', "a='"],
    ['lone apostrophes', "a=' b="],
    ['a long token68', 'A'],
    ['long token68s', 'a AAAAAAAAAAAAAAAA===\t\t\t@'],
    ['parameters', 'a="b",'],
  ])('takes linear time over a megabyte of %s', (_, unit) => {
    const value = `X ${unit.repeat(1_000_000 / unit.length)}@`;
    const from = performance.now();
    parseChallenges(value);
    splitList(value);
    trim(value);
    isToken68(value.slice(2));
    expect(performance.now() - from).toBeLessThan(5000);
  });
});

describe('splitList', () => {
  it.each([
    ['a, b ,c', ['a', 'b', 'c']],
    [' ,, a,\t', ['a']],
    ['a="1, 2", b', ['a="1, 2"', 'b']],
    ['a="1\\", 2", b', ['a="1\\", 2"', 'b']],
    ['a="1, 2', ['a="1, 2']],
    ['a="1\\', ['a="1\\']],
    ['a\\, b', ['a\\', 'b']],
    ['', []],
  ])('splits %j', (value, expected) => {
    expect(splitList(value)).toEqual(expected);
  });
});

describe('trim', () => {
  it('takes spaces and tabs alone', () => {
    expect(trim('\t a b \t')).toBe('a b');
    expect(trim('\u00a0a\n')).toBe('\u00a0a\n');
    expect(trim(' \t ')).toBe('');
  });
});

describe('isToken68', () => {
  it('takes base64 and opaque tokens, and nothing that separates', () => {
    for (const text of ['AQ==', 'a-_~.b/+', 'eyJh.3q2-7w.c2ln']) expect(isToken68(text)).toBe(true);
    for (const text of ['', '=', 'a=b', 'a b', 'a,b', 'a:b', 'a"b', 'a\n', 'a\r\nX: y', 'ä']) expect(isToken68(text)).toBe(false);
  });
});
