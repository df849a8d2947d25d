import { expect, test } from 'vitest';
import { objectOf, readInput } from './input.ts';

const schema = objectOf(
  {
    url: { type: 'string', maxLength: 20, pattern: '^h' },
    method: { type: 'string', enum: ['GET', 'POST'] },
    tries: { type: 'integer', minimum: 1, maximum: 3 },
    headers: { type: 'array', maxItems: 1, items: objectOf({ name: { type: 'string' } }, ['name']) },
  },
  ['url'],
);

test('what the schema says is taken as it is', () => {
  const input = { url: 'http://a', method: 'POST', tries: 3, headers: [{ name: 'a' }] };
  expect(readInput(schema, input)).toEqual(input);
});

test('null is as good as nothing where a property need not be there', () => {
  expect(readInput(schema, { url: 'http://a', method: null, tries: null, headers: null })).toEqual({ url: 'http://a' });
});

test.each([
  [undefined, 'url is missing'],
  [null, 'url is missing'],
  ['text', 'the input is an object'],
  [[], 'the input is an object'],
  [{ url: null }, 'url is a text'],
  [{ url: 'ftp' }, 'url is not of the form ^h'],
  [{ url: `h${'x'.repeat(20)}` }, 'url is longer than 20 characters'],
  [{ url: 'h', method: 'PUT' }, 'method is one of GET, POST'],
  [{ url: 'h', tries: 4 }, 'tries is a whole number from 1 to 3'],
  [{ url: 'h', tries: 1.5 }, 'tries is a whole number from 1 to 3'],
  [{ url: 'h', headers: {} }, 'headers is a list'],
  [{ url: 'h', headers: [{ name: 'a' }, { name: 'b' }] }, 'headers has more than 1 items'],
  [{ url: 'h', headers: [{ name: null }] }, 'headers[0].name is a text'],
  [{ url: 'h', headers: [null] }, 'headers[0] is an object'],
  [{ url: 'h', secretWord: 1 }, 'the input has a property that is none of url, method, tries, headers'],
  [JSON.parse('{"url":"h","__proto__":{"method":"GET"}}'), 'the input has a property that is none of'],
])('%j is refused: %s', (input, fault) => {
  expect(() => readInput(schema, input)).toThrow(expect.objectContaining({ code: 'INPUT_MALFORMED', message: expect.stringContaining(fault) }));
});
