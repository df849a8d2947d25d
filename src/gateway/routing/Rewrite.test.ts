import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openStage, openUpstream, valuesOf } from '../../../test/gateway/harness.ts';
import { mistakesIn } from '../../../test/gateway/mistakes.ts';
import { parseConfig } from '../Config.ts';
import { explain, toJson } from '../Explain.ts';
import { createRewrites } from './createRewrite.ts';
import { onwardPath, type Rewrite, returningLocation } from './Rewrite.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const rewriting = (strip: string, prefix: string): Rewrite => ({
  strip,
  prefix,
  origins: ['http://up:3000', 'http://up:3001'],
  request: undefined,
  response: undefined,
});

describe('paths', () => {
  test.each([
    ['', '', '/api/x', '/api/x'],
    ['', '/v2', '/api/x', '/v2/api/x'],
    ['/api', '', '/api/x', '/x'],
    ['/api', '/v2', '/api/x/', '/v2/x/'],
    ['/api', '', '/api', '/'],
    ['/api', '/v2', '/api/', '/v2/'],
    ['/api', '/v2', '/api/%2A;a=b', '/v2/%2A;a=b'],
  ])('without %j, behind %j: %s goes on as %s', (strip, prefix, path, expected) => expect(onwardPath(rewriting(strip, prefix), path)).toBe(expected));

  test.each([
    ['/api', '/v2', '/v2/x?y#z', '/api/x?y#z'],
    ['/api', '/v2', '/v2', '/api'],
    ['/api', '/v2', '/v2/', '/api/'],
    ['', '/v2', '/v2', '/'],
    ['/api', '', '/x', '/api/x'],
    ['/api', '/v2', 'http://up:3000/v2/x', '/api/x'],
    ['', '', 'http://up:3001/x?y', '/x?y'],
    ['', '', 'HTTP://UP:3000', '/'],
    ['', '', '/x', '/x'],
    ['/api', '/v2', 'x/y', 'x/y'],
    ['/api', '/v2', '?page=2', '?page=2'],
  ])('without %j, behind %j: %s comes back as %s', (strip, prefix, location, expected) =>
    expect(returningLocation(rewriting(strip, prefix), location)).toBe(expected),
  );

  test.each([
    ['another host', 'https://elsewhere.example/v2/x'],
    ['another port', 'http://up:3002/v2/x'],
    ['another scheme', 'https://up:3000/v2/x'],
    ['a user', 'http://up:3000@elsewhere.example/v2/x'],
    ['a name at the same host', 'http://me@up:3000/v2/x'],
    ['two slashes', '//elsewhere.example/v2/x'],
    ['a slash and a backslash', '/\\elsewhere.example/v2'],
    ['two slashes behind what is put on', '/v2//elsewhere.example'],
    ['two slashes behind the origin', 'http://up:3000/v2//elsewhere.example'],
    ['what lies beside what is put on', '/v22/x'],
    ['no address', 'http://'],
  ])('%s stays as it is', (_, location) => expect(returningLocation(rewriting('', '/v2'), location)).toBe(location));
});

const file = (route: string, service = '') =>
  `services:\n  - name: a\n    upstream: http://x/base\n${service}    routes:\n      - { path: /api/*, price: 1 sat${route} }\n`;

describe('in the file', () => {
  test('a route has its own keys, or its service’s; nothing secret is shown', () => {
    const service = `    stripPrefix: /api\n    requestHeaders: { set: { X-Key: "\${KEY}" }, add: { X-Via: [a, b] }, remove: [Cookie] }\n    responseHeaders: { remove: Server }\n`;
    const config = parseConfig(file(', addPrefix: /v2', service), { environment: { KEY: 'hunter2' }, folder: '/srv' });
    const [route] = config.routes;
    expect(route && createRewrites()(route)).toEqual({
      strip: '/api',
      prefix: '/base/v2',
      origins: ['http://x'],
      request: { dropped: new Set(['x-key', 'cookie']), lines: ['X-Key', 'hunter2', 'X-Via', 'a', 'X-Via', 'b'] },
      response: { dropped: new Set(['server']), lines: [] },
    });
    const shown = explain(config) + JSON.stringify(toJson(config));
    expect(shown).toMatch(/without \/api, behind \/v2, requests: X-Key set; X-Via added; X-Via added; Cookie removed, answers: Server removed/);
    expect(shown).not.toMatch(/hunter2/);
  });

  test('a value out of a file is read when the gateway is made', () => {
    const folder = mkdtempSync(join(tmpdir(), 'farebox-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'key'), 'hunter2\n');
    writeFileSync(join(folder, 'two'), 'hunter2\r\nX-Evil: 1\n');
    const linesOf = (name: string) => {
      const [route] = parseConfig(file(`, requestHeaders: { set: { X-Key: "file:${name}" } }`), { folder }).routes;
      return route && createRewrites()(route).request?.lines;
    };
    expect(linesOf('key')).toEqual(['X-Key', 'hunter2']);
    expect(() => linesOf('two')).toThrow(/header X-Key, .*two, holds what can stand in no header/);
    expect(() => linesOf('none')).toThrow(/header X-Key, .*none, cannot be read \(ENOENT\)/);
  });

  test.each<[string, string, RegExp]>([
    ['a prefix that is not there', ', stripPrefix: /apis', /"\/apis" cannot be taken off every path of \/api\/\*/],
    ['a prefix that is longer', ', stripPrefix: /api/v1', /cannot be taken off/],
    ['a prefix with a slash at its end', ', addPrefix: /v2/', /is not a prefix: write "\/v2"/],
    ['a prefix with dots', ', addPrefix: /v2/..', /is not a prefix/],
    ['a prefix with a query', ', addPrefix: "/v2?x"', /is not a prefix/],
    ['a line break', ', requestHeaders: { set: { X-A: "b\\r\\nX-C: d" } }', /what stands here for X-A can stand in no header/],
    ['a name with a colon', ', requestHeaders: { set: { "X-A: b": c } }', /is no header's name/],
    ['no value', ', requestHeaders: { set: { X-A: } }', /X-A has no value/],
    ['a rule that is unknown', ', requestHeaders: { append: { X-A: b } }', /unknown key `append`/],
    ['a credential of ours', ', requestHeaders: { set: { Authorization: "L402 a:b" } }', /of the gateway's own kind/],
    ...['Connection', 'Transfer-Encoding', 'TE', 'Upgrade', 'Keep-Alive', 'Proxy-Authorization'].flatMap((name): [string, string, RegExp][] => [
      [`a request’s ${name}`, `, requestHeaders: { set: { ${name}: a } }`, /belongs to one connection/],
      [`an answer’s ${name}`, `, responseHeaders: { add: { ${name}: a } }`, /belongs to one connection/],
    ]),
    ...['Content-Length', 'Host', 'Idempotency-Key', 'Via', 'L402-Payment', 'Macaroon', 'L402_Authorization', 'Sec-WebSocket-Key'].map(
      (name): [string, string, RegExp] => [`a request’s ${name}`, `, requestHeaders: { remove: [${name}] }`, /is the gateway's to say/],
    ),
    ...['Content-Length', 'WWW-Authenticate', 'L402-Price', 'Payment-Receipt', 'Trailer', 'Sec_WebSocket_Accept', 'Grpc-Status'].map(
      (name): [string, string, RegExp] => [`an answer’s ${name}`, `, responseHeaders: { set: { ${name}: a } }`, /is the gateway's to say/],
    ),
    ['a client’s address', ', requestHeaders: { set: { X-Forwarded-For: 1.2.3.4 } }', /says who the client is/],
    ['another method', ', requestHeaders: { set: { X-HTTP-Method-Override: DELETE } }', /another one than was priced/],
    ['a condition on what does not go on', ', headers: { X-Forwarded-Host: a }', /cannot tell routes apart/],
    ['a condition on a credential', ', headers: { authorization: a }', /cannot tell routes apart/],
    ['a condition on nothing', ', headers: {}', /there is no header here/],
    ['a priority that is none', ', priority: high', /not a whole number from -1000/],
  ])('%s is a mistake', (_, route, expected) => expect(mistakesIn(file(route), { folder: '/srv', environment: {} }).join('\n')).toMatch(expected));

  test('a secret is in no message', () => {
    const mistakes = mistakesIn(file(`, requestHeaders: { set: { X-Key: "\${KEY}" } }`), { environment: { KEY: 'hunter2\nX-Evil: 1' } }).join('\n');
    expect(mistakes).toMatch(/X-Key|environment/);
    expect(mistakes).not.toMatch(/hunter2/);
  });
});

describe('on the way', () => {
  test('paths and headers go on changed, and come back changed', async () => {
    const upstream = await openUpstream(closing, (_, response) => {
      response.writeHead(302, { Location: `http://127.0.0.1:${upstream.port}/v2/next?a=b`, 'Content-Location': '/v2/x', Server: 'secret/1.0', 'X-Kept': '1' });
      response.end();
    });
    const routes = [{ path: '/api/*', price: '1 sat', stripPrefix: '/api', addPrefix: '/v2' }];
    const rules = {
      requestHeaders: { set: { 'X-Api-Key': 'k' }, add: { 'X-Seen': 'gateway' }, remove: ['Cookie'] },
      responseHeaders: { set: { Server: 'ours' } },
    };
    const stage = await openStage(closing, { upstream: upstream.port, routes, service: rules });
    const headers = ['X-Api-Key', 'mine', 'x_api_key', 'mine too', 'Cookie', 'a=b', 'X-Seen', 'client', 'Connection', 'close, X-Api-Key'];
    const answer = await ask(stage.port, '/api/a/../x%41?q=1', { headers });
    const lines = upstream.seen[0]?.lines ?? [];
    expect(upstream.seen[0]?.url).toBe('/v2/xA?q=1');
    expect(['x-api-key', 'x_api_key', 'x-seen', 'cookie'].map((name) => valuesOf(lines, name))).toEqual([['k'], [], ['client', 'gateway'], []]);
    expect(['location', 'content-location', 'server', 'x-kept'].map((name) => valuesOf(answer.lines, name))).toEqual([
      ['/api/next?a=b'],
      ['/api/x'],
      ['ours'],
      ['1'],
    ]);
  });

  test('the answers of the gateway’s own stay as they are', async () => {
    const service = { responseHeaders: { add: { 'X-Ours': '1' } } };
    const stage = await openStage(closing, { upstream: 1, routes: [{ path: '/a', price: '1 sat' }], service });
    expect(valuesOf((await ask(stage.port, '/b')).lines, 'x-ours')).toEqual([]);
  });
});
