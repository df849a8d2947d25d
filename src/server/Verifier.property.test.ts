/**
 * What a verifier remembers changes nothing of what it says: beside one that has seen a hundred requests stands one that has seen none.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import * as Identifier from '../core/Identifier.ts';
import { toHex } from '../core/internal/bytes.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Preimage from '../core/Preimage.ts';
import type { RequestView } from '../http/RequestView.ts';
import * as Caveats from './policies/Caveats.ts';
import { createRootKeys, type RootKeys } from './RootKeys.ts';
import type { Demand } from './VerifiedTokens.ts';
import { createVerifier, type Verified } from './Verifier.ts';

const keys = createRootKeys({ masters: [new Uint8Array(32).fill(1)], network: 'sandbox', realm: 'test' });
const strangers = createRootKeys({ masters: [new Uint8Array(32).fill(2)], network: 'sandbox', realm: 'test' });
const preimage = Preimage.fromBytes(new Uint8Array(32).fill(0xab));

function mint(ring: RootKeys, number: number, changes: Partial<Caveats.MintedCaveats> = {}): Macaroon.Macaroon {
  const identifier = Identifier.encode(Identifier.create(Preimage.hash(preimage), ring.mintingAt(1000), 1000, new Uint8Array(24).fill(number)));
  const caveats = Caveats.write({
    service: 'api',
    tier: 1,
    capabilities: ['read', 'write'],
    method: 'GET',
    pattern: '/data/*',
    priced: '',
    validUntil: 2000,
    amountMsat: Amount.fromSat(50),
    terms: 'pass',
    ...changes,
  });
  return Macaroon.mint(ring.derive(ring.mintingAt(1000), identifier) as Uint8Array, identifier, caveats);
}

const wide = mint(keys, 1);
const narrow = mint(keys, 2, { pattern: '/data/a' });
const once = mint(keys, 3, { terms: 'per-request' });
const dear = mint(keys, 4, { priced: 'aa', pattern: '/data/a' });
const forged = mint(strangers, 1);
const broken = { ...wide, signature: new Uint8Array(32) };
const brief = Macaroon.attenuate(wide, ['expires=1500', 'scope=/data/b']);
const quiet = Macaroon.attenuate(wide, ['api_capabilities=read']);

const text = (macaroon: Macaroon.Macaroon) => Macaroon.format(macaroon);
const bare = (macaroon: Macaroon.Macaroon) => text(macaroon).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');

/** Every way in which a credential may come, good and bad, alone and together. */
const lines: readonly string[] = [
  ...[wide, narrow, once, dear, forged, broken, brief, quiet].map((one) => `L402 ${text(one)}:${preimage}`),
  `l402   ${bare(wide)}:${preimage.toUpperCase()}`,
  `LSAT ${text(wide)}:${preimage}`,
  `L402 ${text(wide)}:${'00'.repeat(32)}`,
  `L402 ${text(wide)}`,
  `L402 ${text(forged)},${text(wide)}:${preimage}`,
  `L402 ${text(brief)},${text(quiet)}:${preimage}`,
  `L402 ${text(narrow)}:${preimage}, L402 ${text(wide)}:${preimage}`,
  `L402 ${text(broken)}:${preimage}, L402 ${text(wide)}:${preimage}`,
  `Basic abc, L402 ${text(wide)}:${preimage}`,
  'Bearer abc',
  '',
];

const demand: Demand = { service: 'api', tier: 0, method: 'GET', path: '/data/a', pattern: '/data/*', priced: '', nowAt: 1500, capabilities: [] };

/** One thing that is otherwise than in the demand above, which most tokens meet. */
const changes: readonly Partial<Demand>[] = [
  ...['other', 'ap'].map((service) => ({ service })),
  ...[1, 2].map((tier) => ({ tier })),
  { method: 'POST' },
  ...['/data/b', '/data/b/c', '/data', '/'].map((path) => ({ path })),
  ...['/data/a', '/*', undefined].map((pattern) => ({ pattern })),
  { priced: 'aa' },
  ...[0, 1501, 2000, 2001].map((nowAt) => ({ nowAt })),
  ...[['read'], ['write'], ['read', 'write'], ['admin']].map((capabilities) => ({ capabilities })),
];

const demands = fc.array(fc.constantFrom(...changes), { maxLength: 2 }).map((some): Demand => Object.assign({ ...demand }, ...some));

/** Of the lines above, those that a sequence plays with: few, so that they come again. */
const headers = (some: readonly string[]) =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...some).map((line) => ({ authorization: [line] })) },
    {
      weight: 2,
      arbitrary: fc.record({
        authorization: fc.array(fc.constantFrom(...some), { maxLength: 2 }),
        'l402-authorization': fc.array(fc.constantFrom(...some), { maxLength: 1 }),
        macaroon: fc.constantFrom([], [], [toHex(Macaroon.encode(Macaroon.attenuate(wide, [`preimage=${preimage}`])))]),
      }),
    },
  );

const sequences = fc
  .uniqueArray(fc.constantFrom(...lines), { minLength: 1, maxLength: 3 })
  .chain((some) => fc.array(fc.tuple(headers(some), demands), { minLength: 30, maxLength: 60 }));

function view(headers: { readonly [name: string]: readonly string[] }): RequestView {
  const headerLines = (name: string) => headers[name] ?? [];
  return { method: 'GET', target: '/', clientAddress: '', header: (name) => headerLines(name)[0], headerLines, readBody: async () => undefined };
}

const told = (verified: Verified) => (verified.kind === 'failed' ? [verified.error.code, verified.error.details] : verified);

describe('what a verifier remembers', () => {
  test('changes no answer, whatever was asked before', () => {
    fc.assert(
      fc.property(sequences, fc.constantFrom(2, 1000), fc.boolean(), (sequence, count, skipUnknownCaveats) => {
        const verify = createVerifier(keys, { skipUnknownCaveats, limits: { count } });
        for (const [presented, asked] of sequence) {
          const first = createVerifier(keys, { skipUnknownCaveats })(view(presented), asked);
          expect(told(verify(view(presented), asked))).toEqual(told(first));
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** A verifier, and how often it had to derive a key: for what it remembers it need not. */
function counted() {
  let derived = 0;
  const verify = createVerifier({
    ...keys,
    derive: (...asked) => {
      derived++;
      return keys.derive(...asked);
    },
  });
  const ask = (authorization: string, changes: Partial<Demand> = {}) => verify(view({ authorization: [authorization] }), { ...demand, ...changes }).kind;
  return { ask, derived: () => derived, remembered: verify.remembered };
}

describe('a pass', () => {
  test('is hashed twice: neither its third request nor another path of its route derives a key', () => {
    const { ask, derived } = counted();
    const line = `L402 ${text(wide)}:${preimage}`;
    expect([ask(line), ask(line), ask(line), ask(line, { path: '/data/b' }), ask(line, { capabilities: ['read'] })]).toEqual(Array(5).fill('verified'));
    expect(derived()).toBe(2);
    expect([ask(line, { path: '/other' }), ask(line, { method: 'POST' }), ask(line, { nowAt: 2001 })]).toEqual(Array(3).fill('failed'));
  });

  test('that was narrowed is verified for itself', () => {
    const { ask, derived, remembered } = counted();
    const narrower = [wide, quiet, Macaroon.attenuate(wide, ['scope=/data'])].map((one) => `L402 ${text(one)}:${preimage}`);
    for (let i = 0; i < 3; i++) expect(narrower.map((line) => ask(line))).toEqual(Array(3).fill('verified'));
    // The first of all was not kept: its token had not been seen before.
    expect([derived(), remembered().count]).toEqual([4, 3]);
  });
});

describe('a pass in another spelling', () => {
  test('is verified as well, and takes the place of the other one', () => {
    const { ask, remembered } = counted();
    const spellings = [`L402 ${text(wide)}:${preimage}`, `LSAT ${text(wide)}:${preimage}`, `L402 ${text(wide)}:${preimage.toUpperCase()}`];
    for (let i = 0; i < 3; i++) expect(spellings.map((line) => ask(line))).toEqual(Array(3).fill('verified'));
    expect(remembered().count).toBe(1);
  });
});

describe('what is not remembered', () => {
  test.each<[string, string]>([
    ['single use', `L402 ${text(once)}:${preimage}`],
    ['two tokens', `L402 ${text(forged)},${text(wide)}:${preimage}`],
    ['two credentials', `L402 ${text(wide)}:${preimage}, L402 ${text(narrow)}:${preimage}`],
  ])('%s', (_, line) => {
    const { ask, remembered } = counted();
    expect([ask(line), ask(line), ask(line)]).toEqual(Array(3).fill('verified'));
    expect(remembered()).toEqual({ count: 0, bytes: 0 });
  });

  test.each<[string, string]>([
    ['a forged token', `L402 ${text(forged)}:${preimage}`],
    ['a broken signature', `L402 ${text(broken)}:${preimage}`],
    ['another preimage', `L402 ${text(wide)}:${'00'.repeat(32)}`],
    ['no preimage', `L402 ${text(wide)}`],
    ['a token for another path', `L402 ${text(dear)}:${preimage}`],
  ])('%s', (_, line) => {
    const { ask, remembered } = counted();
    expect([ask(line), ask(line), ask(line)]).toEqual(Array(3).fill('failed'));
    expect(remembered()).toEqual({ count: 0, bytes: 0 });
  });

  test('a line beside another one: it opens nothing where it comes alone', () => {
    const verify = createVerifier(keys);
    const good = `L402 ${text(wide)}:${preimage}`;
    for (const other of ['Bearer abc', `L402 ${text(forged)}:${preimage}`, 'L402 nonsense']) {
      for (const presented of [{ authorization: [other, good] }, { authorization: [other], 'l402-authorization': [good] }]) {
        for (let i = 0; i < 3; i++) expect(verify(view(presented), demand).kind).toBe('verified');
        expect(verify(view({ authorization: [other] }), demand).kind).not.toBe('verified');
      }
    }
    expect(verify.remembered().count).toBe(0);
  });

  test('a hundred thousand forged credentials: they take no room and push nothing out', () => {
    const { ask, derived, remembered } = counted();
    const good = `L402 ${text(wide)}:${preimage}`;
    expect([ask(good), ask(good)]).toEqual(['verified', 'verified']);
    const before = remembered();
    expect(before.count).toBe(1);
    const tail = `:${preimage}`;
    const body = text(wide).slice(0, -12);
    for (let i = 0; i < 100_000; i++) {
      // One in a thousand is a whole token with a wrong signature; the others are cheaper to make, and to refuse.
      const number = String(i).padStart(12, 'A');
      ask(i % 1000 === 0 ? `L402 ${body}${number}${tail}` : `L402 ${number}${tail}`);
    }
    expect(remembered()).toEqual(before);
    const spent = derived();
    expect(ask(good)).toBe('verified');
    expect(derived()).toBe(spent);
  });
});
