import { describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import type { Principal } from './Offer.ts';
import { createVerifiedTokens, type Demand, type VerifiedPrincipal, type VerifiedTokensLimits } from './VerifiedTokens.ts';

const demand: Demand = { service: 'api', tier: 0, method: 'GET', path: '/a', pattern: '/*', priced: '', nowAt: 1000, capabilities: ['read'] };

const principal: Principal = {
  paymentHash: 'aa'.repeat(32),
  tokenId: 'bb'.repeat(32),
  fingerprint: '00000000',
  mintedAt: 1,
  validUntil: 2000,
  mintedUntil: 2000,
  service: 'api',
  tier: 0,
  capabilities: [],
  amountMsat: Amount.fromSat(1),
  terms: 'pass',
  units: undefined,
  isBound: true,
  parts: [],
  useKey: undefined,
  branches: [],
  topUp: undefined,
};
const verified: VerifiedPrincipal = { kind: 'verified', principal, isTold: false };

/** A credential whose token ends in this. */
const line = (token: string) => `L402 ${token.padStart(40, 'A')}:${'0'.repeat(64)}`;

/** A cache whose tokens hold for every demand but for the path `/denied`, and how often one was held against a demand again. */
function open(limits: VerifiedTokensLimits = {}) {
  let rechecks = 0;
  const tokens = createVerifiedTokens<string>({
    ...limits,
    recheck: (_, { path }) => {
      rechecks++;
      return path === '/denied' ? undefined : { kind: 'verified', principal: { ...principal, paymentHash: path }, isTold: false };
    },
    markOf: (token) => [...token].reduce((sum, character) => (31 * sum + character.charCodeAt(0)) % 2 ** 32, 7),
  });
  const once = (token: string, bytes = 0) => tokens.add(line(token), demand, verified, token, bytes);
  const keep = (token: string, bytes = 0) => {
    once(token, bytes);
    once(token, bytes);
  };
  const find = (token: string, asked: Demand) => tokens.find(line(token), asked);
  return { find, findText: tokens.find, size: tokens.size, once, keep, rechecks: () => rechecks };
}

describe('a hit', () => {
  test('is for the very text and the very demand; only the time may differ', () => {
    const tokens = open();
    tokens.keep('a');
    expect(tokens.find('a', demand)).toBe(verified);
    expect(tokens.find('a', { ...demand, nowAt: 1500, capabilities: ['read'] })).toBe(verified);
    expect(tokens.rechecks()).toBe(0);
    for (const other of [line('A'), `${line('a')} `, ` ${line('a')}`, line('a').toLowerCase(), line('a').slice(1), 'a', '']) {
      expect(tokens.findText(other, demand)).toBe(undefined);
    }
  });

  test('is not for a text that only ends like it', () => {
    const tokens = open();
    const end = 'x'.repeat(200);
    tokens.keep(`a${end}`);
    expect(tokens.find(`a${end}`, demand)).toBe(verified);
    expect([tokens.find(`b${end}`, demand), tokens.find(end, demand), tokens.find(`aa${end}`, demand)]).toEqual([undefined, undefined, undefined]);
    tokens.keep(`b${end}`);
    expect(tokens.find(`b${end}`, demand)).toBe(verified);
    expect(tokens.find(`a${end}`, demand)).toBe(undefined);
    expect(tokens.size().count).toBe(1);
  });

  test.each<[string, Partial<Demand>]>([
    ['service', { service: 'other' }],
    ['tier', { tier: 1 }],
    ['method', { method: 'POST' }],
    ['path', { path: '/b' }],
    ['pattern', { pattern: '/a' }],
    ['no pattern', { pattern: undefined }],
    ['priced inputs', { priced: 'aa' }],
    ['more capabilities', { capabilities: ['read', 'write'] }],
    ['other capabilities', { capabilities: ['write'] }],
    ['no capabilities', { capabilities: [] }],
  ])('with another %s is held against the demand anew', (_, changes) => {
    const tokens = open();
    tokens.keep('a');
    const other = { ...demand, ...changes };
    expect(tokens.find('a', other)?.principal.paymentHash).toBe(other.path);
    expect(tokens.rechecks()).toBe(1);
    expect(tokens.find('a', other)).not.toBe(verified);
    expect(tokens.rechecks()).toBe(1);
  });

  test('that does not hold for a demand is none, and still is one for the demand before', () => {
    const tokens = open();
    tokens.keep('a');
    expect(tokens.find('a', { ...demand, path: '/denied' })).toBe(undefined);
    expect(tokens.find('a', demand)).toBe(verified);
  });

  test('lasts until the second that the principal names, and is forgotten after it', () => {
    const tokens = open();
    tokens.keep('a');
    expect(tokens.find('a', { ...demand, nowAt: 2000 })).toBe(verified);
    expect(tokens.find('a', { ...demand, nowAt: 2001 })).toBe(undefined);
    expect(tokens.size()).toEqual({ count: 0, bytes: 0 });
  });
});

describe('what is kept', () => {
  test('is what was verified twice: ten thousand credentials that come once take no room', () => {
    const tokens = open();
    for (let i = 0; i < 10_000; i++) tokens.once(`once ${i}`);
    expect(tokens.size()).toEqual({ count: 0, bytes: 0 });
    tokens.once('once 9999');
    expect(tokens.find('once 9999', demand)).toBe(verified);
  });

  test('is bounded by number; what is used stays', () => {
    const tokens = open({ count: 100 });
    tokens.keep('used');
    for (let i = 0; i < 1000; i++) {
      tokens.keep(`once ${i}`);
      expect(tokens.find('used', demand)).toBe(verified);
      expect(tokens.size().count).toBeLessThanOrEqual(100);
    }
    expect(tokens.find('once 0', demand)).toBe(undefined);
    expect(tokens.find('once 999', demand)).toBe(verified);
  });

  test('is bounded by bytes, counted with the text and what its token takes', () => {
    const tokens = open({ bytes: 100_000 });
    for (let i = 0; i < 1000; i++) {
      tokens.keep(`${i}`.padStart(1000, 'A'), 3000);
      expect(tokens.size().bytes).toBeLessThanOrEqual(100_000);
    }
    expect(tokens.size().count).toBeGreaterThan(9);
    tokens.keep('huge', 60_000);
    expect(tokens.find('huge', demand)).toBe(undefined);
  });

  test('counts one credential once, however often it is added or moves', () => {
    const tokens = open({ count: 4 });
    for (let i = 0; i < 10; i++) tokens.keep('a');
    expect(tokens.size().count).toBe(1);
    const { bytes } = tokens.size();
    tokens.keep('b');
    tokens.keep('c');
    for (let i = 0; i < 10; i++) expect(tokens.find('a', demand)).toBe(verified);
    expect(tokens.size()).toEqual({ count: 3, bytes: 3 * bytes });
  });
});
