import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasPassword, parseAddress, placeOf } from './address.ts';

test.each([
  ['redis://127.0.0.1:6380', { host: '127.0.0.1', port: 6380, db: 0, tls: false }],
  ['redis://cache.example', { host: 'cache.example', port: 6379, db: 0, tls: false }],
  ['redis://[::1]:6380/3', { host: '::1', port: 6380, db: 3, tls: false }],
  ['rediss://:p%40ss@cache.example', { host: 'cache.example', port: 6379, db: 0, tls: true, password: 'p@ss' }],
  ['redis://shop:secret@cache.example/?db=2', { host: 'cache.example', port: 6379, db: 2, tls: false, username: 'shop', password: 'secret' }],
  ['unix:///run/redis.sock?db=1', { path: '/run/redis.sock', db: 1, tls: false }],
])('%s is read', (url, address) => {
  expect(parseAddress(url)).toEqual(address);
});

test.each([
  undefined,
  7,
  '',
  'cache.example:6379',
  'http://cache.example',
  'redis://',
  'unix://',
  'redis://cache.example/three',
  'redis://cache.example/1/2',
  'redis://cache.example/1#top',
  'redis://:%zz@cache.example',
  // What the client library would take for its own options.
  'redis://cache.example?enableOfflineQueue=true',
  'redis://cache.example?db=1&db=2',
])('%s is none', (url) => {
  expect(() => parseAddress(url)).toThrow(TypeError);
});

test('no text throws anything else, and what is wrong with a text does not tell it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.string().map((text) => `redis://user:very-secret@${text}`),
      ),
      (text) => {
        try {
          parseAddress(text);
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          expect(String(error)).not.toContain('very-secret');
        }
      },
    ),
  );
});

test('what may be said of an address is where it leads', () => {
  expect(placeOf('rediss://shop:hunter2@cache.example/2')).toBe('cache.example:6379/2');
  expect(placeOf('redis://:hunter2@[::1]:6380')).toBe('[::1]:6380/0');
  expect(placeOf('unix:///run/redis.sock?db=1')).toBe('/run/redis.sock, database 1');
  expect(placeOf('hunter2')).toBeUndefined();
  expect(['redis://:hunter2@localhost', 'redis://shop@localhost', 'redis://localhost', 'hunter2'].map(hasPassword)).toEqual([true, false, false, false]);
});
