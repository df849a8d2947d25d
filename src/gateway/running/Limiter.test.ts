import { afterEach, describe, expect, test } from 'vitest';
import { ask, type Closing, closeAll, openStage, openUpstream, valuesOf } from '../../../test/gateway/harness.ts';
import { within } from './Limiter.ts';

const closing: Closing = [];
afterEach(() => closeAll(closing));

async function open(options: { readonly routes?: readonly object[]; readonly top?: object }) {
  const upstream = await openUpstream(closing);
  const stage = await openStage(closing, { upstream: upstream.port, ...options });
  const statuses = async (paths: readonly string[], headers: readonly string[] = []) => {
    const got: number[] = [];
    for (const path of paths) got.push((await ask(stage.port, path, { headers })).status);
    return got;
  };
  return { upstream, stage, statuses };
}

const trusted = { trustedProxies: ['127.0.0.1'] };

describe('a client address', () => {
  test('that sends more than it may is told when to ask again, and nothing else happens', async () => {
    const { upstream, stage, statuses } = await open({ top: { limits: { requestsPerClient: '2/10s' } } });
    expect(await statuses(['/a', '/a'])).toEqual([200, 200]);
    const refused = await ask(stage.port, '/a');
    expect([refused.status, valuesOf(refused.lines, 'retry-after'), valuesOf(refused.lines, 'www-authenticate')]).toEqual([429, ['5'], []]);
    expect(JSON.parse(refused.text)).toMatchObject({ code: 'RATE_LIMITED', retryAfterSeconds: 5 });
    expect(upstream.seen).toHaveLength(2);
    stage.clock.advance(5000);
    expect(await statuses(['/a', '/a'])).toEqual([200, 429]);
  });

  test('is one address of IPv4, and a /64 of IPv6', async () => {
    const { statuses } = await open({ top: { ...trusted, limits: { requestsPerClient: '1/m' } } });
    const from = (address: string) => statuses(['/a'], ['X-Forwarded-For', address]);
    expect(await from('192.0.2.1')).toEqual([200]);
    expect(await from('192.0.2.2')).toEqual([200]);
    expect(await from('192.0.2.1')).toEqual([429]);
    expect(await from('2001:db8:0:1::1')).toEqual([200]);
    expect(await from('2001:db8:0:1:ffff::2')).toEqual([429]);
    expect(await from('2001:db8:0:2::1')).toEqual([200]);
  });

  test('may send more at once when the configuration says so, and what it has sent stays counted', async () => {
    const { upstream, stage, statuses } = await open({ top: { limits: { requestsPerClient: '4/m' } } });
    expect(await statuses(['/a', '/a', '/a'])).toEqual([200, 200, 200]);
    stage.reload({ upstream: upstream.port, top: { limits: { requestsPerClient: '2/m' } } });
    expect(await statuses(['/a', '/a'])).toEqual([200, 429]);
    stage.reload({ upstream: upstream.port });
    expect(await statuses(['/a', '/a'])).toEqual([200, 200]);
  });
});

test('a route takes so many of all clients together, and others are not held up by it', async () => {
  const routes = [
    { path: '/slow', price: '1 sat', rate: '2/m' },
    { path: '/free', free: true, rate: '1/m' },
    { path: '/*', price: '1 sat' },
  ];
  const { statuses } = await open({ routes, top: trusted });
  const got = [];
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) got.push(...(await statuses(['/slow', '/free', '/other'], ['X-Forwarded-For', address])));
  expect(got).toEqual([200, 200, 200, 200, 429, 200, 429, 429, 200]);
});

describe('waiting for a limit that is counted elsewhere', () => {
  test('goes on when it is said', async () => {
    const done: unknown[] = [];
    within(
      Promise.resolve(0),
      () => done.push('on'),
      (error) => done.push(error),
    );
    within(
      Promise.resolve(3),
      () => done.push('never'),
      (error) => done.push(error),
    );
    await new Promise(setImmediate);
    expect(done).toEqual(['on', expect.objectContaining({ code: 'RATE_LIMITED', details: { retryAfterSeconds: 3 } })]);
    expect(() => within(2, () => done.push('never'), done.push)).toThrow(expect.objectContaining({ code: 'RATE_LIMITED' }));
  });
});
