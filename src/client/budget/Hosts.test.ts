import { describe, expect, it } from 'vitest';
import * as Hosts from './Hosts.ts';

const isMeant = (pattern: string, origin: string) => Hosts.matches(Hosts.parse(pattern), origin);

describe('a pattern of hosts', () => {
  it('names one host, at every port', () => {
    expect(isMeant('api.example.com', 'https://api.example.com')).toBe(true);
    expect(isMeant('api.example.com', 'https://api.example.com:8443')).toBe(true);
    for (const other of ['https://example.com', 'https://xapi.example.com', 'https://api.example.com.evil.org', 'https://api-example.com'])
      expect(isMeant('api.example.com', other), other).toBe(false);
  });

  it('names one port where it says so', () => {
    expect(isMeant('localhost:3000', 'http://localhost:3000')).toBe(true);
    expect(isMeant('localhost:3000', 'http://localhost:3001')).toBe(false);
    expect(isMeant('example.com:443', 'https://example.com')).toBe(true);
    expect(isMeant('localhost:80', 'http://localhost')).toBe(true);
    expect(isMeant('localhost:443', 'http://localhost')).toBe(false);
  });

  it('with a star means what is below the name, not the name', () => {
    for (const one of ['https://a.example.com', 'https://a.b.example.com:99']) expect(isMeant('*.example.com', one), one).toBe(true);
    for (const other of ['https://example.com', 'https://notexample.com', 'https://a.example.com.org'])
      expect(isMeant('*.example.com', other), other).toBe(false);
    expect(isMeant('*', 'https://anything.org')).toBe(true);
  });

  it('knows a name in every spelling', () => {
    expect(isMeant('API.Example.com.', 'https://api.example.com')).toBe(true);
    expect(isMeant('api.example.com', 'https://api.example.com.')).toBe(true);
    expect(isMeant('*.example.com', 'https://a.example.com.')).toBe(true);
    expect(isMeant('bücher.example', 'https://xn--bcher-kva.example')).toBe(true);
    expect(isMeant('[::1]:8080', 'http://[::1]:8080')).toBe(true);
    expect(isMeant('[::1]', 'http://[0:0:0:0:0:0:0:1]')).toBe(true);
    expect(isMeant('127.0.0.1', 'http://127.0.0.1:1234')).toBe(true);
  });

  it('stays what it is when it is read again', () => {
    for (const pattern of ['*.example.com:8443', '[::1]:8080', 'xn--bcher-kva.example', '*']) expect(Hosts.parse(pattern)).toBe(pattern);
  });

  it('that is none is refused', () => {
    for (const wrong of [
      '',
      'https://example.com',
      'example.com/path',
      'a b',
      'user@example.com',
      '*example.com',
      'a.*.com',
      '*.',
      '*.127.0.0.1',
      'x:99999',
      '%65xample.com',
      'a?b',
      'a#b',
    ])
      expect(() => Hosts.parse(wrong), wrong).toThrow(TypeError);
    expect(() => Hosts.parse(undefined as never)).toThrow(TypeError);
  });
});
