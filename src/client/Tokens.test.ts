import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Identifier from '../core/Identifier.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Preimage from '../core/Preimage.ts';
import { purchaseOf } from '../testing/clientStoreContract.ts';
import type { Payment } from './Journal.ts';
import * as Journal from './Journal.ts';
import * as Outgoing from './Outgoing.ts';
import * as Tokens from './Tokens.ts';

const now = 1_800_000_000;
const paymentHash = Preimage.parseHash('ab'.repeat(32));

function tokenOf(caveats: readonly string[]): string {
  const identifier = Identifier.create(paymentHash, '00000000', now, new Uint8Array(Identifier.randomLength));
  return Macaroon.format(Macaroon.mint(Uint8Array.of(1), Identifier.encode(identifier), caveats));
}

function keptAs(word: string, token: string, change: Partial<Payment> = {}): Payment {
  const reserved = Journal.from(purchaseOf(word, { token }), { reservedMsat: Amount.fromSat(60), budgets: [], tags: [] }, { owner: '', leaseEndsAt: now }, now);
  return { ...reserved, state: 'redeemed', usable: true, ...change };
}

const request = (url: string, init: RequestInit = {}) => Outgoing.from(url, init, 1000);

describe('what a token says of itself', () => {
  it('is read under the services that it names', () => {
    const caveats = [
      'services=a:0,b:1',
      'a_path=/v1/*',
      'b_path=/v1/x',
      'c_path=/v2/*',
      'a_method=GET, POST',
      'a_valid_until=1800000100',
      'b_valid_until=1800000050',
    ];
    expect(Tokens.read(tokenOf([...caveats, 'a_priced=00', 'a_terms=pass']))).toEqual({
      services: ['a', 'b'],
      terms: 'pass',
      validUntil: 1_800_000_050,
      paths: ['/v1/*', '/v1/x'],
      methods: [['GET', 'POST']],
      priced: true,
    });
    expect(Tokens.paymentHashOf(tokenOf([]))).toBe(paymentHash);
  });

  it.each([
    ['bucket:1500', 'bucket'],
    ['credit:10000000', 'credit'],
    ['bucket', 'unknown'],
    ['credit:many', 'unknown'],
  ])('sold as %s is %s', (terms, expected) => {
    expect(Tokens.read(tokenOf(['services=a:0', `a_terms=${terms}`])).terms).toBe(expected);
  });

  it('of a whole service is tried wherever its origin asks to be paid, and not given up for what another service says', async () => {
    const credit = keptAs('credit', tokenOf(['services=a:0', 'a_terms=credit:10000000']));
    const outgoing = await request(`${credit.origin}/anywhere`, { method: 'POST', body: 'x' });
    expect(Tokens.candidates([credit], outgoing, now)).toEqual([credit]);
    const refusal = (service: string) => {
      const line = `L402 macaroon="${tokenOf([`services=${service}:0`])}", invoice="lnbcrt500n1p4srxzesp"`;
      return new Response(null, { status: 402, headers: { 'WWW-Authenticate': line } });
    };
    expect([Tokens.isForAnother(credit, refusal('b')), Tokens.isForAnother(credit, refusal('a'))]).toEqual([true, false]);
    expect(Tokens.isForAnother(credit, new Response(null, { status: 402 }))).toBe(false);
    const offer = (...caveats: readonly string[]) => {
      const line = `L402 macaroon="${tokenOf(['services=a:0', ...caveats])}", invoice="lnbcrt500n1p4srxzesp"`;
      return new Response(null, { status: 402, headers: { 'WWW-Authenticate': line } });
    };
    const shared = keptAs('bucket', tokenOf(['services=a:0', 'a_terms=bucket:5']));
    const isKept = (...caveats: readonly string[]) => [credit, shared].map((kept) => Tokens.isForAnother(kept, offer(...caveats)));
    expect(isKept('a_terms=credit:5')).toEqual([false, true]);
    expect(isKept('a_terms=bucket:9')).toEqual([true, false]);
    expect(isKept('a_method=GET', 'a_path=/x', 'a_terms=bucket:9')).toEqual([true, true]);
    expect(isKept('a_method=GET', 'a_path=/x', 'a_terms=pass')).toEqual([true, true]);
    expect(isKept('a_method=GET', 'a_path=/x', 'a_terms=per-request')).toEqual([false, true]);
    expect(isKept('a_terms=anything')).toEqual([false, false]);
    const bound = keptAs('bound', tokenOf(['services=a:0', 'a_method=GET', 'a_path=/x', 'a_terms=bucket:5']));
    expect(Tokens.isForAnother(bound, refusal('b'))).toBe(false);
  });

  it('is nothing where it cannot be read, whatever it is', () => {
    const nothing = { services: expect.any(Array), terms: 'unknown', validUntil: undefined, paths: [], methods: [], priced: false };
    for (const token of ['opaque.token', '', tokenOf([]), tokenOf(['a_terms=pass']), tokenOf(['services=x', 'x_terms=pass']), tokenOf(['no condition'])]) {
      expect(Tokens.read(token)).toEqual(nothing);
    }
    expect(Tokens.paymentHashOf('opaque.token')).toBeUndefined();
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(fc.string({ maxLength: 30 }), { maxLength: 5 }).map(tokenOf)), (token) => {
        Tokens.read(token);
        Tokens.paymentHashOf(token);
      }),
    );
  });
});

describe('the credentials to try', () => {
  it('are of the request’s origin, whatever a store hands out', async () => {
    const kept = [keptAs('a', 'opaque')];
    expect(Tokens.candidates(kept, await request('https://api.example.com/a'), now)).toEqual(kept);
    for (const url of ['http://api.example.com/a', 'https://api.example.com:444/a', 'https://api.example.com.evil.example/a']) {
      expect(Tokens.candidates(kept, await request(url), now)).toEqual([]);
    }
  });

  it('begin with what was bought for this very request, then the newest', async () => {
    const outgoing = await request('https://api.example.com/a');
    const { resource } = outgoing;
    const old = keptAs('old', 'opaque', { createdAt: now - 2 });
    const young = keptAs('young', 'opaque', { createdAt: now - 1 });
    const same = keptAs('same', 'opaque', { resource, createdAt: now - 3 });
    const unanswered = keptAs('unanswered', 'opaque', { resource, state: 'settled', createdAt: now - 4 });
    expect(Tokens.candidates([old, young, same, unanswered], outgoing, now)).toEqual([unanswered, same, young, old]);
  });

  it('leave out what another call uses alone, what has expired, and what was bought for elsewhere', async () => {
    const outgoing = await request('https://api.example.com/a');
    const leased = { owner: 'one.1', leaseEndsAt: now + 1 };
    const single = tokenOf(['services=s:0', 's_path=/a', 's_terms=per-request']);
    const pass = tokenOf(['services=s:0', 's_path=/a', 's_valid_until=1800000000', 's_terms=pass']);
    expect(Tokens.candidates([keptAs('x', single, leased)], outgoing, now)).toEqual([]);
    expect(Tokens.candidates([keptAs('x', 'opaque', { ...leased, state: 'settled' })], outgoing, now)).toEqual([]);
    expect(Tokens.candidates([keptAs('x', single, leased)], outgoing, now + 1).length).toBe(1);
    expect(Tokens.candidates([keptAs('x', pass, leased)], outgoing, now).length).toBe(1);
    expect(Tokens.candidates([keptAs('x', pass)], outgoing, now + 1)).toEqual([]);
    expect(Tokens.candidates([keptAs('x', 'opaque', { path: '/b' })], outgoing, now)).toEqual([]);
    expect(Tokens.candidates([keptAs('x', 'opaque')], await request('https://api.example.com/a', { method: 'POST' }), now)).toEqual([]);
  });
});
