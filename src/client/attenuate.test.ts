import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Credential from '../core/Credential.ts';
import * as Identifier from '../core/Identifier.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Preimage from '../core/Preimage.ts';
import { purchaseOf } from '../testing/clientStoreContract.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import { attenuate, type Narrowing } from './attenuate.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';

const now = 1_800_000_000;
const preimage = Preimage.fromBytes(new Uint8Array(32).fill(9));
const options = { clock: FixedClock.create(now), random: (length: number) => new Uint8Array(length).fill(1) };
const rootKey = Uint8Array.of(1);

function keptAs(caveats: readonly string[], change: Partial<Payment> = {}): Payment {
  const identifier = Identifier.create(Preimage.hash(preimage), '00000000', now, new Uint8Array(Identifier.randomLength));
  const token = Macaroon.format(Macaroon.mint(rootKey, Identifier.encode(identifier), caveats));
  const purchase = purchaseOf('x', { token, paymentHash: Preimage.hash(preimage), path: '/v1/a' });
  return {
    ...Journal.from(purchase, { reservedMsat: Amount.fromSat(60), budgets: [], tags: [] }, { owner: '', leaseEndsAt: now }, now),
    state: 'redeemed',
    usable: true,
    preimage,
    ...change,
  };
}

/** What was added, of a credential that its seller would find intact. */
function added(payment: Payment, narrowing: Narrowing): readonly string[] {
  const text = attenuate(payment, narrowing, options);
  const [read] = Credential.parseAuthorization([text]).credentials;
  const bytes = read?.tokens[0];
  if (bytes === undefined) throw new TypeError('no credential');
  const macaroon = Macaroon.decode(bytes);
  expect(Macaroon.verify(macaroon, rootKey)).toBe(true);
  return macaroon.caveats.slice(Macaroon.parse(payment.token).caveats.length);
}

const pass = keptAs(['services=s:0', 's_method=GET', 's_path=/v1/*', 's_valid_until=1800003600', 's_terms=pass']);

describe('a credential that is handed on', () => {
  it('is narrowed as asked, in the words that gateways enforce', () => {
    expect(added(pass, { path: '/v1/papers', methods: ['GET', 'HEAD'], expiresAt: now + 60, uses: 3, maxSpend: '200 sat' })).toEqual([
      'path_prefix=/v1/papers',
      'method=GET',
      'valid_until=1800000060',
      'part=0101010101010101',
      'n_uses=3',
      'max_sats=200',
    ]);
    expect(added(pass, { path: '/v1' })).toEqual(['path_prefix=/v1']);
    expect(added(keptAs(['services=s:0', 's_terms=bucket:10']), { methods: ['DELETE'], path: '/x' })).toEqual(['path_prefix=/x', 'method=DELETE']);
    expect(added(keptAs(['services=s:0', `s_path=sha256:${'ab'.repeat(32)}`]), { path: '/v1/a' })).toEqual(['path_prefix=/v1/a']);
  });

  it.each<[string, Narrowing]>([
    ['nothing', {}],
    ['a path beside the one that was sold', { path: '/v2' }],
    ['a path above it', { path: '/' }],
    ['a path that only looks like one below', { path: '/v10' }],
    ['a path that is not in normal form', { path: '/v1/../v2' }],
    ['a pattern', { path: '/v1/*' }],
    ['a path with a query', { path: '/v1/a?b' }],
    ['another method', { methods: ['GET', 'POST'] }],
    ['no method', { methods: [] }],
    ['a method in small letters', { methods: ['get'] }],
    ['a later end', { expiresAt: now + 3601 }],
    ['an end in the past', { expiresAt: now }],
    ['no use', { uses: 0 }],
    ['half a use', { uses: 1.5 }],
    ['part of a satoshi', { maxSpend: 1500n as Amount.Msat }],
    ['no satoshi', { maxSpend: '0 sat' }],
  ])('is not narrowed to %s', (_, narrowing) => {
    expect(() => attenuate(pass, narrowing, options)).toThrow(RangeError);
  });

  it('is not widened beyond what holders before have made of it', () => {
    const handed = keptAs([
      'services=s:0',
      's_terms=pass',
      's_method=GET',
      'scope=/v1/a',
      'path_prefix=/v1/a/b',
      'expires=1800000100',
      'n_uses=5',
      'max_sats=100',
    ]);
    for (const wrong of [{ path: '/v1/a' }, { path: '/v1/a/bc' }, { expiresAt: now + 101 }, { uses: 6 }, { maxSpend: '101 sat' }, { methods: ['POST'] }]) {
      expect(() => attenuate(handed, wrong, options)).toThrow(RangeError);
    }
    expect(added(handed, { path: '/v1/a/b/c', expiresAt: now + 100, uses: 5, maxSpend: '100 sat' })).toHaveLength(5);
  });

  it('never lets through, whatever is asked, more than it did', () => {
    const word = fc.constantFrom('/', '/v1', '/v1/', '/v1/a', '/v1/a/b', '/v2', '/v1x');
    const asked = fc.record(
      { path: word, expiresAt: fc.integer({ min: now - 10, max: now + 7200 }), uses: fc.integer({ min: -1, max: 9 }) },
      { requiredKeys: [] },
    );
    const limited = keptAs(['services=s:0', 's_path=/v1/*', 's_valid_until=1800003600', 's_terms=pass', 'n_uses=4']);
    fc.assert(
      fc.property(asked, (narrowing) => {
        let caveats: readonly string[];
        try {
          caveats = added(limited, narrowing);
        } catch (error) {
          return void expect(error).toBeInstanceOf(RangeError);
        }
        for (const caveat of caveats) {
          const [, path] = /^path_prefix=(.*)$/.exec(caveat) ?? [];
          const [, number] = /^(?:valid_until|n_uses)=(\d+)$/.exec(caveat) ?? [];
          if (path !== undefined) expect(path).toMatch(/^\/v1(?:\/|$)/);
          if (number !== undefined) expect(Number(number)).toBeLessThanOrEqual(caveat.startsWith('n_uses') ? 4 : now + 3600);
        }
      }),
    );
  });

  it('is there, good, and a macaroon', () => {
    const path = { path: '/v1/a' };
    expect(() => attenuate({ ...pass, preimage: undefined }, path, options)).toThrow(expect.objectContaining({ code: 'JOURNAL_CONFLICT' }));
    expect(() => attenuate({ ...pass, usable: false }, path, options)).toThrow(expect.objectContaining({ code: 'JOURNAL_CONFLICT' }));
    expect(() => attenuate({ ...pass, token: 'opaque.token' }, path, options)).toThrow(expect.objectContaining({ code: 'CREDENTIAL_MALFORMED' }));
    const late = { ...options, clock: FixedClock.create(now + 3601) };
    expect(() => attenuate(pass, path, late)).toThrow(expect.objectContaining({ code: 'CREDENTIAL_EXPIRED' }));
  });
});
