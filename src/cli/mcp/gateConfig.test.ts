import { describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import { FareboxError } from '../../core/Errors.ts';
import { createGateConfig, type GateConfig, parseGateConfig } from './gateConfig.ts';

const surroundings = { file: 'farebox-mcp.yaml', folder: '/etc', environment: { SECRET: 'hunter2' } };
const read = (text: string) => parseGateConfig(text, surroundings);
const pricesOf = (config: GateConfig) => config.pricesFor({});

const whole = `
server: { command: npx, args: ["-y", "some-server"], env: { API_KEY: "\${SECRET}" } }
service: { name: files, title: Files, credit: { amount: 1000 sat } }
price: 1 sat
tools:
  read_file: 10 sat
  "search_*": { price: 5 sat, free: { requests: 3, per: 1d }, title: A search }
  month: { price: 500 sat, terms: "pass: 30d" }
  bulk: { price: 2 sat, terms: credit }
  ping: free
keys: file:mine.keys
store: memory
`;

test('a file says what is sold, in the words of the gateway', () => {
  const config = read(whole);
  expect(config.server).toEqual({ kind: 'command', command: 'npx', args: ['-y', 'some-server'], env: { API_KEY: 'hunter2' } });
  expect([config.listen, config.gateway.keys, config.gateway.store.kind]).toEqual([undefined, { kind: 'file', path: '/etc/mine.keys' }, 'memory']);
  const prices = pricesOf(config);
  expect(prices).toMatchObject({
    read_file: { price: Amount.fromSat(10), service: 'files', terms: { kind: 'per-request' } },
    'search_*': { free: { requests: 3, seconds: 86_400 }, title: 'A search' },
    month: { terms: { kind: 'pass' } },
    bulk: { terms: { kind: 'credit' } },
    ping: 'free',
    '*': { price: Amount.fromSat(1) },
  });
  // A tool that is not given a title is called by its name.
  expect(prices.read_file).not.toHaveProperty('title');
});

test('a price for every tool is none for those that a pattern of theirs means', () => {
  expect(Object.keys(pricesOf(read('server: { url: "http://localhost:3000/mcp" }\nprice: 1 sat\ntools: { "*": free, a: 2 sat }')))).toEqual(['*', 'a']);
});

test('over HTTP it listens where it is told', () => {
  expect(read('server: { url: "http://localhost:3000/mcp" }\nprice: 1 sat\nlisten: 127.0.0.1:8410').listen).toEqual({ host: '127.0.0.1', port: 8410 });
});

describe('a mistake is told with its place', () => {
  test.each([
    ['server: { command: a }\ntools:\n  a: { prize: 1 sat }', '3:8: unknown key `prize`: did you mean `price`?'],
    ['server: { command: a }\ntools:\n  a: 10', '3:6: '],
    ['server: { command: a }\ntools:\n  a: 0 sat', '3:6: '],
    ['server: { command: a }\nprice: ten', '2:8: '],
    ['server: { command: a }', 'nothing is sold'],
    ['server: { url: "ftp://x" }\nprice: 1 sat', 'the address of an MCP server'],
    ['server: { command: a, url: "http://a" }\nprice: 1 sat', '1:9: a server has'],
    ['price: 1 sat', '`server` is missing'],
    ['server: { command: a }\nprice: 1 sat\nservices: []', '3:1: `services` means nothing to a gate of tools'],
    ['server: { command: a }\nprice: 1 sat\nlisten: 0.0.0.0:8410\nsandbox: public', 'under which host names'],
    ['server: { command: a }\nprice: 1 sat\nlisten: 0.0.0.0:8410\nhosts: [a.example]', 'the sandbox takes play money'],
    ['server: { command: a }\nservice: { name: "a b" }\nprice: 1 sat', '2:18: '],
    ['- a', 'a file of keys'],
  ])('%j', (text, message) => {
    expect(() => read(text)).toThrow(FareboxError);
    expect(() => read(text)).toThrow(message);
  });

  test('and without repeating what came from the environment', () => {
    const secret = ['$', '{SECRET}'].join('');
    expect(() => read(`server: { url: "${secret}" }\nprice: 1 sat`)).not.toThrow('hunter2');
    expect(() => read(`server: { url: "http://user:${secret}@localhost/mcp" }\nprice: 1 sat`)).toThrow('what the environment says here cannot be used');
  });

  test('on the command line too', () => {
    const value = { server: { command: 'a' }, tools: { a: 'ten' } };
    expect(() => createGateConfig(value, { ...surroundings, file: 'the command line' })).toThrow('the command line: tools.a: ');
  });
});
