import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as Caveats from './Caveats.ts';
import type { PolicyContext } from './Policy.ts';

const minted = Caveats.write({
  service: 'api',
  tier: 0,
  capabilities: ['read', 'write'],
  method: 'GET',
  pattern: '/data/*',
  priced: '',
  validUntil: 2000,
  amountMsat: Amount.fromSat(50),
  terms: 'pass',
});

const context: PolicyContext = {
  service: 'api',
  tier: 0,
  method: 'GET',
  path: '/data/a',
  pattern: '/data/*',
  priced: '',
  nowAt: 1000,
  capabilities: [],
  preimage: 'ab'.repeat(32),
};

const check = (caveats: readonly string[], changes: Partial<PolicyContext> = {}) => Caveats.check(caveats, { ...context, ...changes });

/** Conditions that a holder may write, with values that hold, that do not, that cannot be read, and nonsense. */
const conditions = [
  'scope',
  'path_prefix',
  'expires',
  'valid_until',
  'method',
  'token_id',
  'budget_id',
  'preimage',
  'services',
  'api_capabilities',
  'api_path',
  'api_method',
  'api_valid_until',
  'api_price',
  'api_terms',
  'other_path',
  'nonsense',
];
const values = [
  '/',
  '/data',
  '/data/a',
  '/data/*',
  '/other',
  '*',
  '0',
  '1500',
  '2000',
  '9999999999',
  '2000-01-01T00:00:00Z',
  '2100-01-01T00:00:00Z',
  'GET',
  'POST',
  'GET,POST',
  'api:0',
  'api:1',
  'api:0,other:0',
  'other:0',
  'read',
  'read,write',
  'read,admin',
  '50 sat',
  '5000 sat',
  'pass',
  'per-request',
  'ab'.repeat(32),
  '',
];
const added = fc.array(
  fc.oneof(
    fc
      .tuple(fc.constantFrom(...conditions), fc.constantFrom(...values), fc.constantFrom('=', ' = ', '="'))
      .map(([condition, value, equals]) => condition + equals + value + (equals === '="' ? '"' : '')),
    fc.string({ maxLength: 12 }),
  ),
  { maxLength: 5 },
);

const requests = fc.record({
  method: fc.constantFrom('GET', 'POST', 'DELETE'),
  path: fc.constantFrom('/data/a', '/data/b/c', '/data/', '/data', '/other', '/'),
  nowAt: fc.constantFrom(0, 1000, 1500, 1501, 2000, 2001, 5_000_000_000),
  capabilities: fc.constantFrom([], ['read'], ['write'], ['admin']),
  service: fc.constantFrom('api', 'other', 'api_valid'),
  priced: fc.constantFrom('', 'aa'),
});

describe('attenuation', () => {
  test('never widens: what holds with more caveats holds with fewer, and says no more of its bearer', () => {
    fc.assert(
      fc.property(added, requests, fc.nat({ max: 5 }), (more, request, kept) => {
        const narrowed = check([...minted, ...more], request);
        const wider = check([...minted, ...more.slice(0, kept)], request);
        if (narrowed.kind === 'holds') {
          if (wider.kind !== 'holds') throw new Error(`widened by ${JSON.stringify(more)}`);
          expect(narrowed.validUntil).toBeLessThanOrEqual(wider.validUntil);
          expect(narrowed.tier).toBeLessThanOrEqual(wider.tier);
          expect(wider.capabilities).toEqual(expect.arrayContaining([...narrowed.capabilities]));
          expect([narrowed.amountMsat, narrowed.terms]).toEqual([wider.amountMsat, wider.terms]);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('what does not hold as minted is never made to hold', () => {
    fc.assert(
      fc.property(added, requests, (more, request) => {
        if (check(minted, request).kind === 'fails') expect(check([...minted, ...more], request)).toMatchObject({ kind: 'fails' });
      }),
      { numRuns: 1000 },
    );
  });

  test("a failure names who wrote the caveat: what was minted is the seller's, what came behind is a holder's", () => {
    fc.assert(
      fc.property(added, requests, (more, request) => {
        const outcome = check([...minted, ...more], request);
        if (outcome.kind === 'fails') expect(outcome.by).toBe(check(minted, request).kind === 'fails' ? 'minted' : 'holder');
      }),
      { numRuns: 1000 },
    );
  });
});

describe('every caveat that is minted is enforced', () => {
  test.each<[string, Partial<PolicyContext>]>([
    ['services', { service: 'other' }],
    ['services', { tier: 1 }],
    ['api_method', { method: 'POST' }],
    ['api_path', { path: '/data' }],
    ['api_path', { pattern: '/data/a' }],
    ['api_path', { pattern: undefined }],
    ['api_valid_until', { nowAt: 2001 }],
    ['api_capabilities', { capabilities: ['admin'] }],
  ])('%s', (condition, changes) => {
    const outcome = check(minted, changes);
    expect(outcome).toMatchObject({ kind: 'fails', by: 'minted', condition });
    expect(check(minted)).toMatchObject({
      kind: 'holds',
      validUntil: 2000,
      terms: { kind: 'pass', units: undefined },
      isBound: true,
      limits: [],
      amountMsat: 50_000n,
    });
  });

  test('none can be left out', () => {
    for (const [index, caveat] of minted.entries()) {
      const without = check(minted.filter((_, other) => other !== index));
      const needed = ['services', 'api_valid_until', 'api_price', 'api_terms'].some((condition) => caveat.startsWith(`${condition}=`));
      expect([caveat, without.kind]).toEqual([caveat, needed ? 'fails' : 'holds']);
    }
  });
});

describe('holders', () => {
  const narrowed = (...caveats: string[]) => check([...minted, ...caveats]);
  test.each([
    ['scope = "/data"', 'holds'],
    ['scope = "/data/a"', 'holds'],
    ['scope = "/data/b"', 'elsewhere'],
    ['scope = "/dat"', 'elsewhere'],
    ['scope = "/data/../other"', 'unreadable'],
    ['scope = "data"', 'unreadable'],
    ['scope = "/data%2fa"', 'unreadable'],
    ['path_prefix=/data/*', 'holds'],
    ['expires = "1970-01-01T00:20:00Z"', 'holds'],
    ['expires=999', 'expired'],
    ['expires=1000', 'holds'],
    ['expires=1h', 'unreadable'],
    ['valid_until=1000000000000', 'unreadable'],
    ['valid_until=-1', 'unreadable'],
    ['method=GET', 'holds'],
    ['method=HEAD', 'holds'],
    ['method=POST,GET', 'holds'],
    ['method=get', 'unreadable'],
    ['method=', 'unreadable'],
    ['token_id=x', 'holds'],
    ['n_uses=1', 'holds'],
    ['n_uses=-1', 'unreadable'],
    ['n_uses=1.5', 'unreadable'],
    ['max_sats=200', 'holds'],
    ['max_sats=200 sat', 'unreadable'],
    ['part=a1B2', 'holds'],
    ['part=', 'unreadable'],
    ['Scope=/data', 'unknown'],
    ['other_path=/x', 'unknown'],
    ['api_unknown=1', 'unknown'],
    ['no equals', 'unreadable'],
    ['services=api:0,other:0', 'widened'],
    ['services=api:1', 'widened'],
    ['services=other:0', 'widened'],
    ['api_capabilities=read', 'holds'],
    ['api_capabilities=read,admin', 'widened'],
    ['api_valid_until=1500', 'holds'],
    ['api_valid_until=2001', 'widened'],
    ['api_path=/data/a', 'holds'],
    ['api_path=/*', 'widened'],
    ['api_price=1 sat', 'widened'],
    ['api_terms=per-request', 'widened'],
    ['api_terms=pass', 'holds'],
    [`preimage=${'AB'.repeat(32)}`, 'holds'],
    [`preimage=${'00'.repeat(32)}`, 'elsewhere'],
  ])('%s: %s', (caveat, outcome) => {
    const got = narrowed(caveat);
    expect(got.kind === 'holds' ? 'holds' : got.failure).toBe(outcome);
    if (got.kind === 'fails') expect(got.by).toBe('holder');
  });

  test("conditions of another service that the token names are that service's", () => {
    const both = ['services=api:0,other:0', ...minted.slice(1), 'other_path=/x', 'other_anything=1'];
    expect(check(both).kind).toBe('holds');
    expect(check([...both, 'third_path=/x'])).toMatchObject({ kind: 'fails', failure: 'unknown' });
  });
});
