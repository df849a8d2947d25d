import { afterEach, describe, expect, test } from 'vitest';
import { closeAll, openHouse, yaml } from '../../../test/admin/harness.ts';
import { FareboxError } from '../../core/Errors.ts';
import { authoritiesOf, createGuard, type GuardOptions } from './Guard.ts';

const closing: (() => unknown)[] = [];
afterEach(() => closeAll(closing));

const usual: GuardOptions = { listen: { host: '127.0.0.1', port: 8406 }, url: undefined, origins: [], isProxy: () => false };

function passes(options: Partial<GuardOptions>, headers: { readonly [name: string]: string }, more: object = {}): boolean {
  const all: { readonly [name: string]: string } = { host: '127.0.0.1:8406', ...headers };
  const arriving = {
    method: 'GET',
    path: '/v1/routes/list',
    version: '1.1',
    peer: '127.0.0.1',
    header: (name: string) => all[name],
    names: Object.keys(all),
    ...more,
  };
  try {
    createGuard({ ...usual, ...options })(arriving);
    return true;
  } catch (error) {
    expect(FareboxError.is(error, 'ADMIN_ORIGIN_REFUSED')).toBe(true);
    return false;
  }
}

test('a listener is called by its address; on this machine by its names as well, and everywhere by those alone', () => {
  expect(authoritiesOf({ host: '127.0.0.1', port: 8406 })).toEqual(['127.0.0.1:8406', 'localhost:8406', '[::1]:8406']);
  expect(authoritiesOf({ host: '::1', port: 80 })).toEqual(['[::1]:80', '[::1]', '127.0.0.1:80', '127.0.0.1', 'localhost:80', 'localhost']);
  expect(authoritiesOf({ host: '192.0.2.1', port: 8406 })).toEqual(['192.0.2.1:8406']);
  expect(authoritiesOf({ host: '0.0.0.0', port: 8406 })).toEqual(['127.0.0.1:8406', 'localhost:8406', '[::1]:8406']);
});

describe('what is let through', () => {
  const url = 'https://admin.example.com';
  test.each<[string, boolean, Partial<GuardOptions>, { readonly [name: string]: string }, object?]>([
    ['a program of this machine', true, {}, {}],
    ['its own page', true, {}, { origin: 'http://127.0.0.1:8406', 'sec-fetch-site': 'same-origin' }],
    ['an address that a person typed', true, {}, { 'sec-fetch-site': 'none' }],
    ['a link to a page of ours', true, {}, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }, { path: '/' }],
    ['a frame in a page of others', false, {}, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' }, { path: '/' }],
    ['a link to a call', false, {}, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }],
    ['no host', false, {}, { host: '' }],
    ['HTTP/1.0, as proxies speak it', false, {}, {}, { version: '1.0' }],
    [
      'a page that the configuration names',
      true,
      { origins: ['https://tools.example.com'] },
      { origin: 'https://tools.example.com', 'sec-fetch-site': 'cross-site' },
    ],
    [
      'the name outside, by a proxy that is named',
      true,
      { url, isProxy: () => true },
      { host: 'admin.example.com', 'x-forwarded-for': '192.0.2.1', origin: url },
    ],
    ['the name outside, without its proxy', true, { url }, { host: 'admin.example.com' }],
    ['marks of a proxy that is not named', false, { url }, { host: 'admin.example.com', via: '1.1 other' }],
    ['another port of the name outside', false, { url }, { host: 'admin.example.com:8443' }],
  ])('%s: %s', (_, expected, options, headers, more) => {
    expect(passes(options, headers, more)).toBe(expected);
  });
});

test('a page that the configuration names is let ask by its browser, with a token, and no other is', async () => {
  const house = await openHouse(closing, yaml.replace('admin: {', 'admin: { origins: ["https://tools.example.com"],'));
  const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization,content-type' };
  const first = await house.ask('/v1/routes/change', { method: 'OPTIONS', headers: { origin: 'https://tools.example.com', ...asks } });
  expect([first.status, first.headers.get('access-control-allow-origin'), first.headers.get('access-control-allow-credentials')]).toEqual([
    204,
    'https://tools.example.com',
    null,
  ]);
  const headers = { origin: 'https://tools.example.com', authorization: `Bearer ${house.token()}` };
  const seen = await house.ask('/v1/routes/list', { headers });
  expect([seen.status, seen.headers.get('access-control-allow-origin')]).toEqual([200, 'https://tools.example.com']);
  const other = await house.ask('/v1/routes/change', { method: 'OPTIONS', headers: { origin: 'https://evil.example', ...asks } });
  expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null]);
});
