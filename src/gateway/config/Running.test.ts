import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../../../test/gateway/mistakes.ts';
import { filesOfConfig, parseConfig } from '../Config.ts';
import { explain, toJson } from '../Explain.ts';

const smallest = `services:
  - name: translate
    upstream: http://localhost:3000
    routes:
      - path: /a
        price: 50 sat
`;
const withTop = (...lines: readonly string[]) => smallest + lines.join('\n');
const parse = (text: string) => parseConfig(text, { folder: '/srv', environment: {} });
const mistakesOf = (text: string) => mistakesIn(text, { folder: '/srv', environment: {} });

describe('logs, health and cors', () => {
  test('are nowhere where nothing is said of them', () => {
    expect(parse(smallest)).toMatchObject({ logs: undefined, health: undefined, cors: undefined });
  });

  test('are completed', () => {
    expect(parse(withTop('logs: {}', 'health: {}', 'cors: { origins: ["https://app.example.com:8443"] }'))).toMatchObject({
      logs: { format: undefined, level: 'info', access: true, requestIds: true },
      health: { listen: { host: '127.0.0.1', port: 8404 } },
      cors: { origins: ['https://app.example.com:8443'], credentials: false, maxAgeSeconds: 600 },
    });
    const whole = parse(withTop('logs: { format: json, level: debug, access: access.log, requestIds: false }', 'cors: { origins: ["*"], maxAge: 1h }'));
    expect(whole).toMatchObject({
      logs: { format: 'json', level: 'debug', access: { path: '/srv/access.log' }, requestIds: false },
      cors: { origins: ['*'], maxAgeSeconds: 3600 },
    });
    expect(parse(withTop('logs: { access: false }')).logs?.access).toBe(false);
  });

  test('are explained, and stand in JSON', () => {
    const config = parse(
      withTop('logs: { access: a.log }', 'health: {}', 'cors: { origins: ["*"] }', 'limits: { requestsPerClient: 20/s, requestsPerToken: 50/10s }'),
    );
    const words = explain(config);
    expect(words).toMatch(/rates +requests: 20\/s a client, 50\/10s a token/);
    expect(words).toMatch(/health +asked on 127\.0\.0\.1:8404 \(this machine alone\)/);
    expect(words).toMatch(/pages +of everybody may ask and read/);
    expect(words).toMatch(/logs +text at a terminal, JSON elsewhere; info and above, requests into \/srv\/a\.log, with ids/);
    expect(JSON.stringify(toJson(config))).toContain('"requestsPerClient":{"requests":20,"perMs":1000}');
  });

  test.each([
    ['logs: { level: loud }', '7:16: `level`: "loud" is not known here: write "debug" or "info" or "warn" or "error"'],
    ['logs: { format: xml }', '7:17: `format`: "xml" is not known here: write "text" or "json"'],
    ['logs: { acess: true }', '7:9: unknown key `acess`: did you mean `access`?'],
    ['logs: { access: 7 }', '7:17: `access`: 7 is not text'],
    [
      'health: { listen: 8404 }',
      '7:19: `listen`: 8404 is not an address to listen on: write "127.0.0.1:8404" for this machine alone, "0.0.0.0:8404" for everybody',
    ],
    ['cors: {}', '7:7: `origins` is missing'],
    ['cors: { origins: [] }', '7:18: `origins` has nothing in it'],
    [
      'cors: { origins: [app.example.com] }',
      '7:19: `origins`: an origin is a scheme, a host and at most a port: write "https://app.example.com", or "*" for everybody',
    ],
    [
      'cors: { origins: ["https://app.example.com/"] }',
      '7:19: `origins`: an origin is a scheme, a host and at most a port: write "https://app.example.com", or "*" for everybody',
    ],
    ['cors: { origins: ["*", "https://a.b"] }', '7:18: "*" is everybody: nobody else is named beside it'],
    ['cors: { origins: ["*"], credentials: true }', '7:18: browsers send cookies to origins that are named, and not where "*" is everybody'],
    ['limits: { requestsPerClient: 20 }', '7:30: `requestsPerClient`: 20 is not text'],
    ['limits: { requestsPerClient: 0/s }', '7:30: `requestsPerClient`: "0/s" is not a rate: write so many in a time, such as "100/s" or "600/m"'],
    ['limits: { requestsPerToken: 5/2d }', '7:29: `requestsPerToken`: "5/2d" counts over more than a day'],
  ])('%s', (line, expected) => {
    expect(mistakesOf(withTop(line))).toEqual([expected]);
  });
});

test('a route has a rate, priced or free', () => {
  const text = smallest.replace('price: 50 sat', 'price: 50 sat\n        rate: 100 / s\n      - { path: /b, free: true, rate: 600/m }');
  expect(parse(text).routes.map(({ rate }) => rate)).toEqual([
    { requests: 100, perMs: 1000 },
    { requests: 600, perMs: 60_000 },
  ]);
  expect(explain(parse(text))).toMatch(/\/a +50 sat +1 request +"translate - 1 request", 100\/s at most\n.*\/b +free +600\/m at most/);
});

test('the files that are read anew with a configuration', () => {
  const text = smallest.replace('http://localhost:3000', '{ url: https://a.b, ca: ca.pem, certificate: c.pem, key: c.key }');
  expect(filesOfConfig(parse(text))).toEqual(['farebox.yaml', '/srv/ca.pem', '/srv/c.pem', '/srv/c.key']);
  const several = smallest
    .replace('upstream: http://localhost:3000', 'upstreams: [http://localhost:3000, { url: https://a.b, ca: ca.pem }]')
    .concat('        requestHeaders: { set: { X-Api-Key: "file:api.key" }, add: { X-A: plain } }\n');
  expect(filesOfConfig(parse(several))).toEqual(['farebox.yaml', '/srv/ca.pem', '/srv/api.key']);
});
