import { describe, expect, test } from 'vitest';
import { createConfig, filesOfConfig, parseConfig } from '../Config.ts';
import { createTargets } from '../ConfigUpstreams.ts';
import { explain, toJson } from '../Explain.ts';
import type { GroupConfig } from './ConfigGroups.ts';

const file = (service: object) => ({ services: [{ name: 'api', routes: [{ path: '/*', price: '1 sat' }], ...service }] });
const configOf = (service: object) => createConfig(file(service), { folder: '/etc/shop' });
const groupOf = (service: object) => configOf(service).routes[0]?.group as GroupConfig;

describe('several upstreams in the configuration', () => {
  const two = { upstreams: ['http://a/v2', { url: 'https://b/v2', ca: 'ca.pem' }] };

  test('with every default filled in, and the paths of their files beside the configuration', () => {
    expect(groupOf(two)).toEqual({
      upstreams: [
        { origin: 'http://a', basePath: '/v2' },
        { origin: 'https://b', basePath: '/v2', tls: { caPath: '/etc/shop/ca.pem', certificatePath: undefined, key: undefined } },
      ],
      balance: 'round-robin',
      retries: 1,
      breaker: { failures: 3, pauseMs: 1000, longestPauseMs: 60_000, statuses: [502, 503, 504] },
      health: undefined,
    });
    expect(filesOfConfig(configOf(two))).toContain('/etc/shop/ca.pem');
    expect(groupOf({ ...two, health: { path: '/health?deep=1' } }).health).toEqual({
      path: '/v2/health?deep=1',
      everyMs: 5000,
      timeoutMs: 2000,
      healthy: 2,
      unhealthy: 3,
      statuses: [],
    });
    const all = {
      balance: 'least-busy',
      retries: 0,
      breaker: { failures: 9, pause: '2m', status: [] },
      health: { path: '/', every: '1s', status: [200, 204] },
    };
    expect(groupOf({ ...two, ...all })).toMatchObject({
      balance: 'least-busy',
      retries: 0,
      breaker: { failures: 9, pauseMs: 120_000, longestPauseMs: 120_000, statuses: [] },
      health: { everyMs: 1000, statuses: [200, 204] },
    });
  });

  test('one by itself is no group, unless it is looked after as one', () => {
    expect(groupOf({ upstream: 'http://x' })).toBeUndefined();
    expect(groupOf({ upstream: 'http://x', breaker: {} }).upstreams.length).toBe(1);
    expect(groupOf({ upstream: 'http://x', health: { path: '/up' } }).health?.path).toBe('/up');
  });

  test('are shown as they hold, without a key', () => {
    const text = `services:
  - name: api
    upstreams: [http://a, { url: "https://b", certificate: me.pem, key: "\${KEY}" }]
    health: { path: /health, status: 200 }
    routes: [{ path: /a, price: 1 sat }]
`;
    const config = parseConfig(text, { environment: { KEY: 'a secret' }, folder: '/' });
    expect(JSON.stringify(toJson(config)) + explain(config)).not.toContain('a secret');
    expect(explain(config)).toContain(`api -> http://a, https://b
  each in its turn, 1 more tried where one fails and it does no harm
  left out after 3 failures in a row (502, 503, 504 among them), for 1s up to 1m
  asked for /health every 5s, 200 within 2s is good; 3 others leave one out, 2 good ones bring it back
`);
  });

  test.each([
    [{ upstreams: ['http://a', 'http://a'] }, 'http://a stands here twice'],
    [{ upstreams: ['http://a', 'http://b/v2'] }, 'all upstreams of a service have the same path'],
    [{ upstreams: [] }, '`upstreams` has nothing in it'],
    [{ upstreams: 'http://a' }, '`upstreams` is a list'],
    [{ upstreams: [{ url: 'http://a', cb: 'x' }] }, 'unknown key `cb`: did you mean `ca`?'],
    [{ upstreams: ['http://a'], upstream: 'http://b' }, 'not both'],
    [{ upstream: 'http://a', balance: 'least-busy' }, 'there is one upstream'],
    [{ upstream: 'http://a', retries: 1 }, 'there is one upstream'],
    [{}, '`upstream` is missing'],
    [{ upstreams: ['http://a'], retries: 11 }, 'at most 10 others are asked'],
    [{ upstreams: ['http://a'], balance: 'random' }, '"random" is not known here'],
    [{ upstreams: ['http://a'], helth: {} }, 'unknown key `helth`: did you mean `health`?'],
    [{ upstreams: ['http://a'], health: {} }, '`path` is missing'],
    [{ upstreams: ['http://a'], health: { path: 'x' } }, 'this is a path, such as "/healthz"'],
    [{ upstreams: ['http://a'], breaker: { status: 99 } }, 'a status is a number from 200 to 599'],
    [{ upstreams: Array.from({ length: 65 }, (_, index) => `http://a${index}`) }, 'at most 64 of them'],
  ])('%j: %s', (upstream, message) => {
    expect(() => createConfig(file(upstream))).toThrow(message);
  });

  test('a group that several services name is one, and stays so in another configuration where nothing of it has changed', () => {
    const plain = { upstreams: ['http://a', 'http://b'] };
    const first = createTargets();
    const target = first.ofGroup(groupOf(plain));
    const alone = first.of({ origin: 'http://a', basePath: '' });
    expect([first.ofGroup(groupOf(plain)) === target, alone === target.group?.members[0]]).toEqual([true, true]);
    const second = createTargets(first.known);
    expect([second.ofGroup(groupOf(plain)) === target, second.ofGroup(groupOf({ ...plain, retries: 2 })) === target]).toEqual([true, false]);
  });
});
