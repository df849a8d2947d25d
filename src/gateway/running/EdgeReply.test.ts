import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, letThrough, openStage, openUpstream, recordSale, sellWith, valuesOf } from '../../../test/gateway/harness.ts';
import * as Answers from '../../server/Answers.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

const logs = { format: 'json' };
const made = /^[0-9a-f]{16}-[0-9a-z]+$/;

describe('the id of a request', () => {
  test('is made here, told to upstream and client, and stands in the outcome', async () => {
    const upstream = await openUpstream(closing, (_, response) => response.writeHead(200, { 'X-Request-Id': 'of-the-upstream' }).end('ok'));
    const stage = await openStage(closing, { upstream: upstream.port, top: { logs } });
    const answer = await ask(stage.port, '/a', { headers: ['X-Request-Id', 'of-a-stranger', 'x_request_id', 'of-a-stranger'] });
    const [id = ''] = valuesOf(answer.lines, 'x-request-id');
    expect(id).toMatch(made);
    expect(valuesOf(answer.lines, 'x-request-id')).toHaveLength(1);
    expect(upstream.seen[0]?.lines.filter(([name]) => /^x[-_]request/i.test(name))).toEqual([['X-Request-Id', id]]);
    expect(await stage.over(1)).toMatchObject([{ requestId: id, client: '127.0.0.1', answerBytes: 2, payment: undefined }]);
  });

  test('differs from request to request, and stands on refusals as well', async () => {
    const stage = await openStage(closing, { upstream: 1, routes: [{ path: '/a', price: '1 sat' }], top: { logs } });
    const ids = new Set<string | undefined>();
    for (const [path, headers] of [
      ['/none', []],
      ['/a', []],
      ['/a', ['Host', 'a second']],
    ] as const)
      ids.add(valuesOf((await ask(stage.port, path, { headers })).lines, 'x-request-id')[0]);
    expect([ids.size, ids.has(undefined)]).toEqual([3, false]);
  });

  test.each([
    ['one of a trusted proxy is kept', ['127.0.0.1'], ['X-Request-Id', 'a1B2:c3/d4+e5=._~@-'], /^a1B2:c3\/d4\+e5=\._~@-$/],
    ['unless it could not stand in a log', ['127.0.0.1'], ['X-Request-Id', 'a b'], made],
    ['or is longer than any', ['127.0.0.1'], ['X-Request-Id', 'a'.repeat(129)], made],
    ['or there are two', ['127.0.0.1'], ['X-Request-Id', 'a', 'X-Request-Id', 'b'], made],
    ['of another proxy it is not', ['10.0.0.1'], ['X-Request-Id', 'a'], made],
  ])('%s', async (_, trustedProxies, headers, expected) => {
    const upstream = await openUpstream(closing);
    const stage = await openStage(closing, { upstream: upstream.port, top: { logs, trustedProxies } });
    expect(valuesOf((await ask(stage.port, '/a', { headers })).lines, 'x-request-id')).toEqual([expect.stringMatching(expected)]);
  });

  test('is not made where nobody asks for logs, or for ids: then the client’s passes by', async () => {
    const upstream = await openUpstream(closing);
    for (const top of [{}, { logs: { requestIds: false } }]) {
      const stage = await openStage(closing, { upstream: upstream.port, top });
      const answer = await ask(stage.port, '/a', { headers: ['X-Request-Id', 'mine'] });
      expect(valuesOf(answer.lines, 'x-request-id')).toEqual([]);
      expect(valuesOf(upstream.seen.at(-1)?.lines ?? [], 'x-request-id')).toEqual(['mine']);
    }
  });
});

test('what an answer says of its charge, and its length, stand in the outcome', async () => {
  const upstream = await openUpstream(closing, (_, response) => response.write('1234') && response.end('56'));
  const stage = await openStage(closing, { upstream: upstream.port, check: sellWith(recordSale()), top: { logs } });
  await ask(stage.port, '/a');
  expect(await stage.over(1)).toMatchObject([{ answerBytes: 6, payment: 'charged', chargedMsat: undefined }]);
});

describe('cors', () => {
  const allowed = 'https://app.example.com';
  const preflight = (origin: string) => ['Origin', origin, 'Access-Control-Request-Method', 'PUT', 'Access-Control-Request-Headers', 'authorization, x-b'];
  const said = (lines: readonly (readonly [string, string])[]) =>
    Object.fromEntries(lines.filter(([name]) => /^(access-control|vary)/i.test(name)).map(([name, value]) => [name.toLowerCase(), value]));

  async function open(cors: object | undefined, routes = [{ path: '/a', price: '1 sat' } as object, { path: '/free', free: true }]) {
    const upstream = await openUpstream(closing, (_, response) =>
      response.writeHead(200, { 'Access-Control-Allow-Origin': 'https://of-the-upstream.example', 'Access-Control-Allow-Credentials': 'true' }).end('ok'),
    );
    const stage = await openStage(closing, { upstream: upstream.port, routes, top: { ...(cors && { cors }) }, check: letThrough });
    return { upstream, stage };
  }

  test('a preflight is answered before anything is sold or asked, on routes that are free as well', async () => {
    const { upstream, stage } = await open({ origins: [allowed], maxAge: '5m', credentials: true });
    for (const path of ['/a', '/free']) {
      const answer = await ask(stage.port, path, { method: 'OPTIONS', headers: preflight(allowed) });
      expect([answer.status, said(answer.lines)]).toEqual([
        204,
        {
          'access-control-allow-origin': allowed,
          'access-control-allow-credentials': 'true',
          'access-control-allow-methods': 'PUT',
          'access-control-allow-headers': 'authorization, x-b',
          'access-control-max-age': '300',
          vary: 'Origin',
        },
      ]);
    }
    expect(upstream.seen).toEqual([]);
  });

  test('an origin that is not named learns nothing, and its page reads nothing', async () => {
    const { stage } = await open({ origins: [allowed] });
    for (const origin of ['https://evil.example', 'https://app.example.com.evil.example', 'http://app.example.com', 'null']) {
      const asked = await ask(stage.port, '/a', { method: 'OPTIONS', headers: preflight(origin) });
      expect(Object.keys(said(asked.lines))).toEqual(['vary']);
      expect(said((await ask(stage.port, '/a', { headers: ['Origin', origin] })).lines)).toEqual({ vary: 'Origin' });
    }
  });

  test('every answer says who may read it, and what: the upstream’s word on that is left out', async () => {
    const { stage } = await open({ origins: [allowed] });
    const read = { 'access-control-allow-origin': allowed, vary: 'Origin' };
    const answer = await ask(stage.port, '/a', { headers: ['Origin', allowed] });
    expect([answer.text, said(answer.lines)]).toEqual(['ok', { ...read, 'access-control-expose-headers': Answers.exposedHeaders }]);
    expect(said((await ask(stage.port, '/none', { headers: ['Origin', allowed] })).lines)).toEqual(read);
    const everybody = await open({ origins: ['*'] });
    expect(said((await ask(everybody.stage.port, '/none')).lines)).toEqual({ 'access-control-allow-origin': '*' });
  });

  test('where nothing is said of it, upstreams answer as before', async () => {
    const { upstream, stage } = await open(undefined);
    expect(said((await ask(stage.port, '/a', { headers: ['Origin', allowed] })).lines)).toMatchObject({
      'access-control-allow-origin': 'https://of-the-upstream.example',
    });
    await ask(stage.port, '/free', { method: 'OPTIONS', headers: preflight(allowed) });
    expect(upstream.seen.at(-1)?.method).toBe('OPTIONS');
  });
});
