import { describe, expect, test } from 'vitest';
import { mistakesIn } from '../../test/gateway/mistakes.ts';
import { parseConfig } from './Config.ts';
import { invoiceMsat, offerOf } from './ConfigRoutes.ts';
import { explain, toJson } from './Explain.ts';

const mistakesOf = (text: string) => mistakesIn(text, { folder: '/srv', environment: {} });

describe('what is sold', () => {
  const selling = (routes: string, service = '') => `services:\n  - name: a\n    upstream: http://x\n${service}    routes:\n${routes}`;
  const bulk = '    bucket: { units: 1500, price: 1000 sat }\n    credit: { amount: 10000 sat, price: 9000 sat, lasts: 7d }\n';

  test('is a word in the configuration', () => {
    const routes = [
      '{ path: /a, price: 10 sat }',
      '{ path: /b, price: 10 sat, terms: "pass: 1h" }',
      '{ path: /c, price: 100 sat, terms: "bucket: 20" }',
      '{ path: /d, price: 100 sat, terms: { bucket: 20 } }',
      '{ path: /e, terms: bucket, weight: 5 }',
      '{ path: /f, price: 50 sat, terms: credit }',
    ];
    const config = parseConfig(selling(routes.map((one) => `      - ${one}\n`).join(''), bulk));
    expect(config.routes.map(({ sale }) => sale?.terms)).toEqual([
      { kind: 'per-request' },
      { kind: 'pass', seconds: 3600 },
      { kind: 'bucket', units: 20, weight: 1, seconds: 2_592_000, servicePriceMsat: undefined },
      { kind: 'bucket', units: 20, weight: 1, seconds: 2_592_000, servicePriceMsat: undefined },
      { kind: 'bucket', units: 1500, weight: 5, seconds: 2_592_000, servicePriceMsat: 1_000_000n },
      { kind: 'credit', creditMsat: 10_000_000n, creditPriceMsat: 9_000_000n, seconds: 604_800 },
    ]);
    expect(config.routes.map(({ sale }) => sale && invoiceMsat(sale))).toEqual([10_000n, 10_000n, 100_000n, 100_000n, 1_000_000n, 9_000_000n]);
    const told = explain(config);
    expect(told).toMatch(/\/c +100 sat +20 requests within 30 days/);
    expect(told).toMatch(/\/e +1000 sat +1500 units within 30 days .*5 units a request/);
    expect(told).toMatch(/\/f +9000 sat +10000 sat of credit for 7 days .*50 sat a request/);
    expect(JSON.parse(JSON.stringify(toJson(config)))).toMatchObject({ routes: expect.arrayContaining([expect.objectContaining({ pattern: '/f' })]) });
  });

  test('may be preceded by what is given away', () => {
    const config = parseConfig(selling('      - { path: /q, price: 50 sat, free: { requests: 5, per: 1d } }\n      - { path: /h, free: true }\n'));
    expect(config.routes.map(({ sale }) => sale?.free)).toEqual([{ requests: 5, seconds: 86_400, inAll: undefined, clients: undefined }, undefined]);
    const shared = parseConfig(selling('      - { path: /q, price: 50 sat, free: { requests: 5, per: 1d, clients: 4, inAll: 90 } }\n'));
    expect(shared.routes[0]?.sale?.free).toEqual({ requests: 5, seconds: 86_400, inAll: 90, clients: 4 });
    expect(explain(shared)).toMatch(/5 free each 1d for a client, of whom an address may have 4/);
    expect(explain(config)).toMatch(/\/q .*5 free each 1d for a client/);
  });

  test('may be counted ahead: said of a route, or of the service for those that are counted', () => {
    const routes = [
      '{ path: /a, price: 10 sat }',
      '{ path: /c, price: 100 sat, terms: "bucket: 20" }',
      '{ path: /f, price: 50 sat, terms: credit, leased: 5 }',
    ];
    const config = parseConfig(selling(routes.map((one) => `      - ${one}\n`).join(''), `${bulk}    leased: 20\n`));
    expect(config.routes.map(({ sale }) => sale?.leased)).toEqual([undefined, 20, 5]);
    expect(explain(config)).toMatch(/\/c .*20 requests counted ahead/);
    expect(parseConfig(selling('      - { path: /c, price: 1 sat, terms: "bucket: 20" }\n')).routes[0]?.sale?.leased).toBeUndefined();
  });

  test('is charged on success, or on request: said of a route, or of the service for all that sell no pass', () => {
    const routes = ['{ path: /a, price: 10 sat }', '{ path: /b, price: 10 sat, terms: "pass: 1h" }', '{ path: /c, price: 100 sat, terms: "bucket: 20" }'];
    const file = (service: string, more = '') => selling(routes.map((one) => `      - ${one}\n`).join('') + more, service);
    const own = '      - { path: /d, price: 1 sat, consume: on-success }\n';
    const config = parseConfig(file('    consume: on-request\n', own));
    expect(config.routes.map(({ sale }) => sale?.consume)).toEqual(['on-request', 'on-success', 'on-request', 'on-success']);
    expect(explain(config)).toMatch(/\/c .*charged also where it fails/);
    expect(parseConfig(file('')).routes.map(({ sale }) => sale?.consume)).toEqual(['on-success', 'on-success', 'on-success']);
    const one = parseConfig(file('', '      - { path: /d, price: 1 sat, consume: on-request }\n')).routes[3];
    expect(one?.sale && offerOf(one, one.sale).consume).toBe('on-request');
  });

  test.each<[string, string, RegExp]>([
    [
      'a pass that is spent on request',
      selling('      - { path: /a, price: 1 sat, terms: "pass: 1h", consume: on-request }\n'),
      /of a pass nothing is used up/,
    ],
    ['something free that is spent', selling('      - { path: /a, free: true, consume: on-request }\n'), /a route that is free has no `consume`/],
    ['another word for when it is spent', selling('      - { path: /a, price: 1 sat, consume: never }\n'), /write "on-success" or "on-request"/],
    [
      'a credit that one route charges for a failure, and another does not',
      selling('      - { path: /a, price: 1 sat, terms: credit }\n      - { path: /b, price: 1 sat, consume: on-request }\n', bulk),
      /one balance is spent on \/b, which charges what fails \(consume: on-request\), and on \/a, which does not/,
    ],
    [
      'a bucket that one route charges for a failure, and another does not',
      selling('      - { path: /a, terms: bucket, consume: on-request }\n      - { path: /b, terms: bucket }\n', bulk),
      /one balance is spent on \/a, .* and on \/b, which does not/,
    ],
    ['something counted ahead that is not counted', selling('      - { path: /a, price: 1 sat, leased: 5 }\n'), /only what is counted request by request/],
    ['far too much counted ahead', selling('      - { path: /a, price: 1 sat, terms: "bucket: 20", leased: 10001 }\n'), /at most 10000 requests/],
    ['a free route that is counted ahead', selling('      - { path: /a, free: true, leased: 5 }\n'), /a route that is free has no `leased`/],
    ['a quota without a period', selling('      - { path: /q, price: 1 sat, free: { requests: 5 } }\n'), /is not what is given away: write "free: true", or/],
    ['a quota without a price', selling('      - { path: /q, free: { requests: 5, per: 1d } }\n'), /\/q has no price/],
    [
      'a quota for more clients than are told apart',
      selling('      - { path: /q, price: 1 sat, free: { requests: 5, per: 1d, clients: 101 } }\n'),
      /at most 100 clients/,
    ],
    ['a quota of nothing', selling('      - { path: /q, price: 1 sat, free: { requests: 0, per: 1d } }\n'), /not a whole number from 1/],
    ['a quota that is false', selling('      - { path: /q, price: 1 sat, free: false }\n'), /is not what is given away/],
    [
      'a bucket of a service that has none',
      selling('      - { path: /e, terms: bucket }\n'),
      /the service sells no bucket: write "bucket: \{ units: 1500, price: 1000 sat \}" there/,
    ],
    ['a credit of a service that has none', selling('      - { path: /f, price: 1 sat, terms: credit }\n'), /the service sells no credit/],
    ['a price beside the bucket of the service', selling('      - { path: /e, price: 1 sat, terms: bucket }\n', bulk), /the bucket has a price/],
    ['no price of what a credit is spent on', selling('      - { path: /f, terms: credit }\n', bulk), /\/f has no price/],
    ['a request dearer than the credit', selling('      - { path: /f, price: 10001 sat, terms: credit }\n', bulk), /costs more than a whole credit/],
    ['a request that weighs more than the bucket', selling('      - { path: /e, terms: bucket, weight: 1501 }\n', bulk), /more than the whole bucket/],
    ['a weight of what has none', selling('      - { path: /e, price: 1 sat, weight: 2 }\n', bulk), /has a weight/],
    ['a bucket of nothing', selling('      - { path: /e, price: 1 sat, terms: "bucket: 0" }\n'), /not a whole number from 1/],
    ['a bucket too large', selling('      - { path: /e, price: 1 sat, terms: "bucket: 1000000001" }\n'), /not a whole number from 1|at most/],
    ['terms that nobody knows', selling('      - { path: /e, price: 1 sat, terms: lifetime }\n'), /"lifetime" is not what a payment can buy/],
    ['a count without a store', `store: none\n${selling('      - { path: /c, price: 1 sat, terms: "bucket: 5" }\n')}`, /sells bucket: name a store/],
    ['a weight of what is free', selling('      - { path: /e, free: true, weight: 2 }\n'), /a route that is free has no `weight`/],
  ])('%s is a mistake', (_, text, expected) => {
    expect(mistakesOf(text).join('\n')).toMatch(expected);
  });
});
