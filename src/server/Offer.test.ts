import { describe, expect, test } from 'vitest';
import * as Offer from './Offer.ts';
import * as Price from './Price.ts';
import { pass } from './terms/Pass.ts';
import { perRequest } from './terms/PerRequest.ts';

const good = { service: 'api', route: 'GET /x', price: Price.fixed('1 sat'), terms: perRequest() };

describe('offers', () => {
  test('the description is title and units, or what is said instead', () => {
    expect(Offer.create(good).description).toBe('api - 1 request');
    expect(Offer.create({ ...good, title: 'Translation API' }).description).toBe('Translation API - 1 request');
    expect(Offer.create({ ...good, title: 'Data', terms: pass({ seconds: 5400 }) }).description).toBe('Data - 90 minutes');
    expect(Offer.create({ ...good, title: 'x', description: 'all of it' }).description).toBe('all of it');
  });

  test('what was paid for is spent on success, or on request where that is said', () => {
    expect([Offer.create(good).consume, Offer.create({ ...good, consume: 'on-request' }).consume]).toEqual(['on-success', 'on-request']);
    expect(Offer.create({ ...good, terms: pass({ seconds: 60 }), consume: 'on-success' }).consume).toBe('on-success');
  });

  test.each([
    ['a service with a colon', { service: 'a:1' }],
    ['a service with a comma', { service: 'a,b' }],
    ['no service', { service: '' }],
    ['a capability with a comma', { capabilities: ['read,admin'] }],
    ['a capability with a space', { capabilities: ['read admin'] }],
    ['a tier below 0', { tier: -1 }],
    ['a tier over 255', { tier: 256 }],
    ['a description that proxies would cut', { description: 'x'.repeat(600) }],
    ['capabilities that proxies would cut', { capabilities: Array.from({ length: 12 }, (_, i) => `${'c'.repeat(60)}${i}`) }],
    ['a pass that is spent on request', { terms: pass({ seconds: 60 }), consume: 'on-request' as const }],
    ['a prefix that proxies would cut', { pattern: `/${'p'.repeat(900)}/*` }],
  ])('%s: not sold', (_, changes) => expect(() => Offer.create({ ...good, ...changes })).toThrow(RangeError));
});
