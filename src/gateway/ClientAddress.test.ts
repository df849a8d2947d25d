import { expect, test } from 'vitest';
import { clientAddress, createTrust, plainAddress } from './ClientAddress.ts';

const trust = createTrust(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);
const read = (peer: string, headers: Record<string, string[]>) => clientAddress(peer, trust, (name) => headers[name] ?? []);

test('a connection that is no trusted proxy is the client, whatever it says', () => {
  expect(read('203.0.113.9', { 'x-forwarded-for': ['10.0.0.1'], forwarded: ['for=10.0.0.1'] })).toBe('203.0.113.9');
});

test('a trusted proxy is believed, and the ones behind it as far as they are trusted', () => {
  expect(read('10.0.0.1', { 'x-forwarded-for': ['198.51.100.1'] })).toBe('198.51.100.1');
  expect(read('10.0.0.1', { 'x-forwarded-for': ['1.1.1.1, 198.51.100.1, 192.0.2.7'] })).toBe('198.51.100.1');
  expect(read('10.0.0.1', { 'x-forwarded-for': ['1.1.1.1', '198.51.100.1:4711', '[fd00::5]:80'] })).toBe('198.51.100.1');
  expect(read('10.0.0.1', { 'x-forwarded-for': ['10.2.2.2, 10.3.3.3'] })).toBe('10.2.2.2');
  expect(read('10.0.0.1', {})).toBe('10.0.0.1');
});

test('what cannot be read ends the walk at the last address that somebody vouched for', () => {
  expect(read('10.0.0.1', { 'x-forwarded-for': ['1.1.1.1, unknown, 192.0.2.7'] })).toBe('192.0.2.7');
  expect(read('10.0.0.1', { 'x-forwarded-for': ['1.1.1.1, 999.1.1.1'] })).toBe('10.0.0.1');
});

test('Forwarded is read where X-Forwarded-For is missing', () => {
  expect(read('10.0.0.1', { forwarded: ['for=1.1.1.1, for="[2001:db8::1]:4711";proto=https, For=192.0.2.7'] })).toBe('2001:db8::1');
  expect(read('10.0.0.1', { forwarded: ['for=_hidden'] })).toBe('10.0.0.1');
});

test('addresses in their plain form', () => {
  expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
});

test('what is no block is refused', () => {
  for (const bad of ['10.0.0.0/33', '10.0.0', 'proxy.example', '10.0.0.0/8/8', '10.0.0.0/', '::1/129', '10.0.0.0/-1'])
    expect(() => createTrust([bad])).toThrow(RangeError);
});
