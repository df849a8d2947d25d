import { describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Identifier from '../core/Identifier.ts';
import * as Macaroon from '../core/Macaroon.ts';
import * as Preimage from '../core/Preimage.ts';
import * as Receipt from '../core/Receipt.ts';
import * as Path from '../http/Path.ts';
import type { RequestView } from '../http/RequestView.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Denial, LedgerEntry, Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { Decision } from './Decision.ts';
import type { PaywallEvent } from './Events.ts';
import type { Principal } from './Offer.ts';
import * as Offer from './Offer.ts';
import { createPaywall } from './Paywall.ts';
import type { PaywallOptions } from './PaywallOptions.ts';
import * as Price from './Price.ts';
import * as Caveats from './policies/Caveats.ts';
import { digest } from './policies/priced.ts';
import { createRootKeys, fingerprintOf } from './RootKeys.ts';
import { receiptHeader } from './receipt.ts';
import { pass } from './terms/Pass.ts';
import { perRequest } from './terms/PerRequest.ts';
import { createVerifier } from './Verifier.ts';

const master = new Uint8Array(32).fill(7);
const keys = createRootKeys({ masters: [master], network: 'sandbox', realm: 'test' });
/** The same master, which another one follows after a second. */
const changingRing = () =>
  createRootKeys({ masters: [{ key: new Uint8Array(32).fill(8), mintsFromAt: 1_800_000_001 }, { key: master }], network: 'sandbox', realm: 'test' });
const once = Offer.create({ service: 'api', route: 'GET /x', pattern: '/x', price: Price.fixed('50 sat'), terms: perRequest() });
const hour = Offer.create({ service: 'api', route: 'GET /pass', pattern: '/pass', price: Price.fixed('500 sat'), terms: pass({ seconds: 3600 }) });

const view = (target: string, headers: { readonly [name: string]: string | readonly string[] } = {}, method = 'GET'): RequestView => {
  const lines = (name: string) => [headers[name] ?? []].flat();
  return { method, target, clientAddress: '192.0.2.1', header: (name) => lines(name)[0], headerLines: lines, readBody: async () => new Uint8Array(0) };
};

async function openDesk(overrides: Partial<PaywallOptions> = {}, change: (store: Store) => Partial<Store> = () => ({})) {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const memory = createMemoryStore({ clock });
  const store: Store = { ...memory, ...change(memory) };
  const paywall = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, inUseWaitMs: 0, ...overrides });
  const idle = clock.timers();
  const told: PaywallEvent[] = [];
  paywall.events.on((event) => told.push(event));
  const ask = async (offer: Offer.Offer, request: RequestView): Promise<Decision> => paywall.check(request, Path.normalize(request.target), offer);
  const buy = async (offer: Offer.Offer, request: RequestView) => {
    const decision = await ask(offer, request);
    if (decision.kind !== 'challenge') throw new Error(decision.kind);
    const { macaroon, invoice } = JSON.parse(String(decision.answer.body)) as { macaroon: string; invoice: string };
    const paid = await sandbox.payer('buyer').pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(paid.kind);
    return { macaroon: Macaroon.parse(macaroon), preimage: paid.preimage, authorization: `L402 ${macaroon}:${paid.preimage}` };
  };
  const close = async () => {
    await paywall.close();
    await memory.close();
    await sandbox.close();
  };
  return { clock, timers: () => clock.timers() - idle, sandbox, store, paywall, told, ask, buy, close };
}

const codeOf = (decision: Decision) => ('answer' in decision ? (JSON.parse(String(decision.answer.body)) as { code: string }).code : decision.kind);
const turns = async () => {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('what a paywall is made from', () => {
  test("keys for another network than the receiver's are a mistake", async () => {
    const regtest = createRootKeys({ masters: [master], network: 'regtest', realm: 'test' });
    await expect(openDesk({ keys: regtest })).rejects.toThrow(TypeError);
  });
});

describe('passes', () => {
  test('bring a receipt, are told, and are written to the ledger once, also where the store fails at first', async () => {
    let fails = 1;
    const written: LedgerEntry[] = [];
    const desk = await openDesk({}, (store) => ({
      append: (entries) => {
        if (fails-- > 0) return Promise.reject(new FareboxError('STORE_UNAVAILABLE', 'gone'));
        written.push(...entries);
        return store.append(entries);
      },
    }));
    const bought = await desk.buy(hour, view('/pass'));
    const paid = view('/pass', { authorization: bought.authorization });
    const decision = await desk.ask(hour, paid);
    if (decision.kind !== 'pass') throw new Error(decision.kind);
    expect([decision.sale, decision.headers.map(([name]) => name)]).toEqual([undefined, ['Payment-Receipt']]);
    await turns();
    expect(written).toEqual([]);
    await desk.ask(hour, paid);
    await desk.paywall.close();
    expect(written.map(({ kind, amountMsat }) => [kind, amountMsat])).toEqual([
      ['received', 500_000n],
      ['earned', 500_000n],
    ]);
    expect(desk.told.map(({ kind }) => kind)).toEqual(['challenged', 'passed', 'trouble', 'passed']);
    await desk.close();
  });
});

describe('how often a token may be used', () => {
  const rated = { ...hour, tokenRate: { requests: 2, perMs: 60_000 } };

  test('is counted on what was verified: beyond it 429, when to come again, and no invoice', async () => {
    const desk = await openDesk();
    const [bought, other] = [await desk.buy(rated, view('/pass')), await desk.buy(rated, view('/pass'))];
    const use = (authorization: string) => desk.ask(rated, view('/pass', { authorization }));
    // Whoever knows the token and not its preimage, or spoils it, takes nothing of it.
    const [token = ''] = bought.authorization.split(':');
    for (let i = 0; i < 5; i++) expect((await use(`${token}:${'0'.repeat(64)}`)).kind).toBe('refuse');
    const narrowed = `L402 ${Macaroon.format(Macaroon.attenuate(bought.macaroon, ['n_uses=9']))}:${bought.preimage}`;
    expect([(await use(bought.authorization)).kind, (await use(narrowed)).kind]).toEqual(['pass', 'pass']);
    const refused = await use(bought.authorization);
    if (refused.kind !== 'refuse') throw new Error(refused.kind);
    expect([refused.answer.status, codeOf(refused)]).toEqual([429, 'RATE_LIMITED']);
    expect(refused.answer.headers.filter(([name]) => /^(retry-after|www-authenticate)$/i.test(name))).toEqual([['Retry-After', '30']]);
    expect((await use(other.authorization)).kind).toBe('pass');
    desk.clock.advance(30_000);
    expect((await use(bought.authorization)).kind).toBe('pass');
    await desk.close();
  });

  test('may be counted elsewhere, and is waited for', async () => {
    const waits = [0, 7];
    const rates = { mint: () => 0, give: () => undefined, take: async () => waits.shift() ?? 0 };
    const desk = await openDesk({ rates });
    const { authorization } = await desk.buy(rated, view('/pass'));
    const [first, second] = [await desk.ask(rated, view('/pass', { authorization })), await desk.ask(rated, view('/pass', { authorization }))];
    expect([first.kind, codeOf(second)]).toEqual(['pass', 'RATE_LIMITED']);
    await desk.close();
  });
});

describe('a pass that is remembered', () => {
  /** A desk whose keys count how often a token was hashed, with a pass that has been used. */
  const openUsed = async (overrides: Partial<PaywallOptions> = {}) => {
    let derived = 0;
    const ring = changingRing();
    const derive: typeof ring.derive = (...asked) => {
      derived++;
      return ring.derive(...asked);
    };
    const desk = await openDesk({ keys: { ...ring, derive }, ...overrides });
    const bought = await desk.buy(hour, view('/pass'));
    const paid = view('/pass', { authorization: bought.authorization });
    for (let i = 0; i < 2; i++) expect((await desk.ask(hour, paid)).kind).toBe('pass');
    const before = derived;
    expect((await desk.ask(hour, paid)).kind).toBe('pass');
    expect(derived).toBe(before);
    return { ...desk, bought, paid, identifier: Identifier.decode(bought.macaroon.identifier) };
  };

  test.each<[Denial['kind'], (identifier: Identifier.Identifier) => string]>([
    ['token', ({ tokenId }) => tokenId],
    ['payment', ({ paymentHash }) => paymentHash],
    ['key', () => keys.mintingAt(0)],
    ['minted-before', ({ tokenId }) => String(Identifier.readTokenId(tokenId).mintedAt + 1)],
  ])('is refused as soon as its %s is', async (kind, name) => {
    const desk = await openUsed();
    await desk.store.deny({ kind, value: name(desk.identifier), expiresAt: 4_000_000_000 });
    await turns();
    desk.clock.advance(2000);
    expect(codeOf(await desk.ask(hour, desk.paid))).toBe('CREDENTIAL_REVOKED');
    await desk.close();
  });

  test('is worth nothing under a ring without its key, and is verified anew under one that has it', async () => {
    const desk = await openUsed();
    const other = new Uint8Array(32).fill(8);
    for (const [masters, outcome] of [
      [[other], 'CREDENTIAL_UNKNOWN_KEY'],
      [[other, master], 'pass'],
    ] as const) {
      const ring = createRootKeys({ masters, network: 'sandbox', realm: 'test' });
      const replaced = await createPaywall({ keys: ring, receiver: desk.sandbox.receiver('seller'), store: desk.store, clock: desk.clock });
      expect(codeOf(await replaced.check(desk.paid, Path.normalize('/pass'), hour))).toBe(outcome);
      await replaced.close();
    }
    await desk.close();
  });

  test('ends with the second until which it was sold, and with the one to which its holder narrowed it', async () => {
    const desk = await openUsed();
    const soon = Math.floor(desk.clock.nowMs() / 1000) + 5;
    const narrowed = view('/pass', {
      authorization: `L402 ${Macaroon.format(Macaroon.attenuate(desk.bought.macaroon, [`expires=${soon}`]))}:${desk.bought.preimage}`,
    });
    for (let i = 0; i < 2; i++) expect((await desk.ask(hour, narrowed)).kind).toBe('pass');
    desk.clock.advance(5000);
    expect((await desk.ask(hour, narrowed)).kind).toBe('pass');
    desk.clock.advance(1000);
    expect(codeOf(await desk.ask(hour, narrowed))).toBe('CREDENTIAL_NARROWED');
    expect((await desk.ask(hour, desk.paid)).kind).toBe('pass');
    desk.clock.advance((600 + 3600) * 1000);
    await turns();
    expect(codeOf(await desk.ask(hour, desk.paid))).toBe('CREDENTIAL_EXPIRED');
    await desk.close();
  });

  test('opens no other route: another service, path, method, tier, priced input or capability', async () => {
    const desk = await openUsed();
    const others: readonly [Partial<Offer.OfferOptions>, string, string][] = [
      [{ service: 'other' }, '/pass', 'GET'],
      [{ pattern: '/dear' }, '/dear', 'GET'],
      [{ pattern: '/*' }, '/dear', 'GET'],
      [{}, '/pass', 'POST'],
      [{ tier: 1 }, '/pass', 'GET'],
      [{ price: { of: () => ({ amountMsat: Amount.fromSat(500), inputs: ['model=dear'] }) } }, '/pass', 'GET'],
      [{ capabilities: ['admin'] }, '/pass', 'GET'],
    ];
    for (const [changes, path, method] of others) {
      const offer = Offer.create({ ...hour, ...changes });
      const request = view(path, { authorization: desk.bought.authorization }, method);
      expect([changes, codeOf(await desk.ask(offer, request))]).toEqual([changes, 'CREDENTIAL_WRONG_SERVICE']);
      expect((await desk.ask(hour, desk.paid)).kind).toBe('pass');
    }
    await desk.close();
  });

  test('is no use of single use: every request with that is claimed', async () => {
    const desk = await openDesk();
    const bought = await desk.buy(once, view('/x'));
    const paid = view('/x', { authorization: bought.authorization });
    const [first, second] = await Promise.all([desk.ask(once, paid), desk.ask(once, paid)]);
    expect([first.kind, codeOf(second)]).toEqual(['pass', 'CREDENTIAL_IN_USE']);
    await desk.close();
  });
});

test('a receipt says what the format of receipts says, every second and for every payment', () => {
  const clock = FixedClock.create();
  for (const reference of ['0'.repeat(64), 'f'.repeat(64), '0123456789abcdef'.repeat(4)]) {
    for (let second = 0; second < 3; second++) {
      const timestamp = new Date(clock.nowMs()).toISOString();
      const [name, value] = receiptHeader({ paymentHash: reference } as Principal, clock);
      expect([name, value]).toEqual([
        'Payment-Receipt',
        Receipt.format({ status: 'success', method: 'lightning', timestamp, reference: Preimage.parseHash(reference) }),
      ]);
      clock.advance(1000);
    }
  }
});

describe('minting', () => {
  test('bad credentials are under the limit as well', async () => {
    const desk = await openDesk({ mintLimits: { perClientPerMinute: 2 } });
    const bought = await desk.buy(once, view('/x'));
    const elsewhere = Offer.create({ ...once, service: 'other' });
    expect(codeOf(await desk.ask(elsewhere, view('/x', { authorization: bought.authorization })))).toBe('CREDENTIAL_WRONG_SERVICE');
    expect(codeOf(await desk.ask(elsewhere, view('/x', { authorization: bought.authorization })))).toBe('RATE_LIMITED');
    await desk.close();
  });

  test('a price that is no whole satoshi is rounded up, unless the route says otherwise', async () => {
    const desk = await openDesk();
    const priced = (exactMsat: boolean) => Offer.create({ ...once, price: Price.fixed('1500 msat'), exactMsat });
    const amounts = [];
    for (const exact of [false, true]) {
      const decision = await desk.ask(priced(exact), view('/x'));
      if (decision.kind !== 'challenge') throw new Error(decision.kind);
      const { amount, amountMsat } = JSON.parse(String(decision.answer.body)) as { amount: number; amountMsat: string };
      amounts.push([amount, amountMsat, decision.answer.headers.find(([name]) => name === 'L402-Price')?.[1]]);
    }
    expect(amounts).toEqual([
      [2, '2000', '2 sat'],
      [2, '1500', '1500 msat'],
    ]);
    await desk.close();
  });

  test('two challenges are two tokens', async () => {
    const desk = await openDesk();
    const [one, other] = [await desk.buy(once, view('/x')), await desk.buy(once, view('/x'))];
    expect(one.macaroon.identifier.subarray(42)).not.toEqual(other.macaroon.identifier.subarray(42));
    await desk.close();
  });

  test('a node that does not answer is not waited for for ever', async () => {
    const receiver = { ...createSandboxNetwork().receiver('seller'), createInvoice: () => new Promise<never>(() => {}) };
    const desk = await openDesk({ receiver, nodeTimeoutMs: 3000 });
    const asked = desk.ask(once, view('/x'));
    await turns();
    desk.clock.advance(3000);
    expect(codeOf(await asked)).toBe('LIGHTNING_UNAVAILABLE');
    await turns();
    expect(desk.timers()).toBe(0);
    await desk.close();
  });

  test('OPTIONS that is no preflight costs what it costs', async () => {
    const desk = await openDesk();
    for (const headers of [{}, { origin: 'http://a' }, { 'access-control-request-method': 'GET' }]) {
      expect((await desk.ask(once, view('/x', headers, 'OPTIONS'))).kind).toBe('challenge');
    }
    await desk.close();
  });
});

describe('credentials', () => {
  test('terms that are not known here are not served', async () => {
    const desk = await openDesk();
    const bought = await desk.buy(once, view('/x'));
    const caveats = bought.macaroon.caveats.map((caveat) => caveat.replace('api_terms=per-request', 'api_terms=bucket'));
    const rootKey = keys.derive(keys.mintingAt(0), bought.macaroon.identifier) as Uint8Array;
    const token = Macaroon.format(Macaroon.mint(rootKey, bought.macaroon.identifier, caveats));
    expect(codeOf(await desk.ask(once, view('/x', { authorization: `L402 ${token}:${bought.preimage}` })))).toBe('CREDENTIAL_WRONG_SERVICE');
    await desk.close();
  });

  test('of several faults the one is told that has a remedy, in any order', async () => {
    const desk = await openDesk();
    const bought = await desk.buy(once, view('/x'));
    const tampered = Macaroon.format({ ...bought.macaroon, signature: new Uint8Array(32) });
    const identifier = Uint8Array.from(bought.macaroon.identifier);
    identifier.set([1, 2, 3, 4], 34);
    const foreign = Macaroon.format(Macaroon.mint(new Uint8Array(32).fill(9), identifier, bought.macaroon.caveats));
    for (const tokens of [
      [foreign, tampered],
      [tampered, foreign],
    ]) {
      const authorization = tokens.map((token) => `L402 ${token}:${bought.preimage}`);
      expect(codeOf(await desk.ask(once, view('/x', { authorization })))).toBe('CREDENTIAL_UNKNOWN_KEY');
    }
    await desk.close();
  });

  test('no more hex macaroons are looked at than credentials', async () => {
    const desk = await openDesk();
    const bought = await desk.buy(once, view('/x'));
    const hex = (macaroon: Macaroon.Macaroon) => Buffer.from(Macaroon.encode(Macaroon.attenuate(macaroon, [`preimage=${bought.preimage}`]))).toString('hex');
    const bad = hex({ ...bought.macaroon, signature: new Uint8Array(32) });
    expect(codeOf(await desk.ask(once, view('/x', { macaroon: [...Array(8).fill(bad), hex(bought.macaroon)] })))).toBe('CREDENTIAL_TAMPERED');
    expect((await desk.ask(once, view('/x', { macaroon: [...Array(7).fill(bad), hex(bought.macaroon)] }))).kind).toBe('pass');
    await desk.close();
  });

  test('the principal says until when its bearer and anybody may use it', async () => {
    const desk = await openDesk();
    const bought = await desk.buy(hour, view('/pass'));
    const soon = Math.floor(desk.clock.nowMs() / 1000) + 5;
    const narrowed = Macaroon.format(Macaroon.attenuate(bought.macaroon, ['valid_until=1900000000', `expires=${soon}`, `api_valid_until=${soon + 60}`]));
    const verified = createVerifier(keys)(view('/pass', { authorization: `L402 ${narrowed}:${bought.preimage}` }), {
      service: 'api',
      tier: 0,
      method: 'GET',
      path: '/pass',
      pattern: '/pass',
      priced: '',
      nowAt: soon - 5,
      capabilities: [],
    } as Parameters<ReturnType<typeof createVerifier>>[1]);
    if (verified.kind !== 'verified') throw new Error(verified.kind);
    expect([verified.principal.validUntil, verified.principal.mintedUntil]).toEqual([soon, soon - 5 + 600 + 3600]);
    await desk.close();
  });

  test('inputs that have a price are told apart by where each one ends', () => {
    const digests = [['ab', 'c'], ['a', 'bc'], ['abc'], ['abc', '']].map((inputs) => pricedDigest(inputs));
    expect(new Set(digests).size).toBe(4);
  });
});

describe('what was revoked', () => {
  const deny = async (kind: 'token' | 'payment' | 'key' | 'minted-before', early: boolean) => {
    const ring = changingRing();
    const desk = await openDesk({ keys: ring });
    const bought = await desk.buy(hour, view('/pass'));
    const { identifier } = bought.macaroon;
    const hex = (from: number, to?: number) => Buffer.from(identifier.subarray(from, to)).toString('hex');
    const now = Math.floor(desk.clock.nowMs() / 1000);
    const value = { token: hex(34), payment: hex(2, 34), key: fingerprintOf(master), 'minted-before': String(now + 1) }[kind];
    const paid = view('/pass', { authorization: bought.authorization });
    expect((await desk.ask(hour, paid)).kind).toBe('pass');
    await desk.store.deny({ kind, value, expiresAt: 2_000_000_000 });
    let { paywall } = desk;
    if (early) paywall = await createPaywall({ keys: ring, receiver: desk.sandbox.receiver('seller'), store: desk.store, clock: desk.clock });
    await turns();
    desk.clock.advance(2000);
    const decision = await paywall.check(paid, Path.normalize('/pass'), hour);
    if (early) await paywall.close();
    await desk.close();
    return codeOf(decision);
  };
  test.each(['token', 'payment', 'key', 'minted-before'] as const)('by %s: while running, and before the start', async (kind) => {
    expect([await deny(kind, false), await deny(kind, true)]).toEqual(['CREDENTIAL_REVOKED', 'CREDENTIAL_REVOKED']);
  });

  test('nothing is sold under a key that is revoked, nor for a time that is', async () => {
    const now = 1_800_000_000;
    for (const [kind, value, secondsLater] of [
      ['key', fingerprintOf(master), 1_000_000],
      ['minted-before', String(now + 30), 30],
    ] as const) {
      const desk = await openDesk();
      await desk.store.deny({ kind, value, expiresAt: 4_000_000_000 });
      await turns();
      for (let i = 0; i < 3; i++) {
        const decision = await desk.ask(once, view('/x'));
        if (decision.kind !== 'refuse') throw new Error(decision.kind);
        expect([decision.answer.status, codeOf(decision)]).toEqual([503, 'KEYS_REVOKED']);
        expect(decision.answer.headers).toContainEqual(['Retry-After', '5']);
      }
      expect(desk.told.filter(({ kind: told }) => told === 'trouble')).toHaveLength(1);
      desk.clock.advance(secondsLater * 1000);
      await turns();
      expect((await desk.ask(once, view('/x'))).kind).toBe(kind === 'key' ? 'refuse' : 'challenge');
      await desk.close();
    }
  });
});

describe('a ring that changes while it runs', () => {
  const next = { key: new Uint8Array(32).fill(8), mintsFromAt: 1_800_000_060 };
  const later = () => view('/pass');

  test('mints with the new key from its time on, and honours what either made', async () => {
    const ring = createRootKeys({ masters: [master], network: 'sandbox', realm: 'test' });
    const desk = await openDesk({ keys: ring });
    const keyOf = (bought: { readonly macaroon: Macaroon.Macaroon }) =>
      Identifier.readTokenId(Identifier.decode(bought.macaroon.identifier).tokenId).fingerprint;
    const first = await desk.buy(hour, later());
    ring.replace([next, { key: master }]);
    const second = await desk.buy(hour, later());
    desk.clock.advance(59_999);
    const third = await desk.buy(hour, later());
    desk.clock.advance(1);
    const fourth = await desk.buy(hour, later());
    expect([first, second, third, fourth].map(keyOf)).toEqual([...Array(3).fill(fingerprintOf(master)), fingerprintOf(next.key)]);
    for (const { authorization } of [first, second, third, fourth]) expect((await desk.ask(hour, view('/pass', { authorization }))).kind).toBe('pass');
    await desk.close();
  });

  test('forgets what it remembered under a key that has gone, and takes no more of it', async () => {
    const ring = createRootKeys({ masters: [{ key: next.key }, { key: master }], network: 'sandbox', realm: 'test' });
    const desk = await openDesk({ keys: ring });
    const paid = view('/pass', { authorization: (await desk.buy(hour, later())).authorization });
    for (let i = 0; i < 3; i++) expect((await desk.ask(hour, paid)).kind).toBe('pass');
    ring.replace([{ key: master }]);
    expect(codeOf(await desk.ask(hour, paid))).toBe('CREDENTIAL_UNKNOWN_KEY');
    ring.replace([{ key: master }, { key: next.key }]);
    expect((await desk.ask(hour, paid)).kind).toBe('pass');
    await desk.close();
  });
});

describe('one use', () => {
  const pending = async (claims: Partial<Store>) => {
    const desk = await openDesk({ inUseWaitMs: 2000 }, () => claims);
    const bought = await desk.buy(once, view('/x'));
    return { desk, bought };
  };

  test('a second request waits for the first one, and is served where that gave its use back', async () => {
    const { desk, bought } = await pending({});
    const paid = view('/x', { authorization: bought.authorization });
    const first = await desk.ask(once, paid);
    if (first.kind !== 'pass' || !first.sale) throw new Error(first.kind);
    const second = desk.ask(once, paid);
    await turns();
    await first.sale.head(500);
    for (let i = 0; i < 10; i++) {
      desk.clock.advance(50);
      await turns();
    }
    expect((await second).kind).toBe('pass');
    await desk.close();
  });

  test('another request under the same Idempotency-Key does not wait', async () => {
    const { desk, bought } = await pending({});
    const headers = { authorization: bought.authorization, 'idempotency-key': 'k' };
    expect((await desk.ask(once, view('/x', headers))).kind).toBe('pass');
    expect(codeOf(await desk.ask(once, view('/x?other', headers)))).toBe('IDEMPOTENCY_CONFLICT');
    await desk.close();
  });

  test('a kept answer whose claim was lost meanwhile is not given again', async () => {
    const answer = { status: 200, headers: [], body: new Uint8Array(0) };
    const bodyDigest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
    const { desk, bought } = await pending({
      claim: async () => ({ kind: 'granted', fence: 2, repeat: 1, record: { request: 'x', bodyDigest }, answer }),
      commit: async () => 'lost',
    });
    expect(codeOf(await desk.ask(once, view('/x', { authorization: bought.authorization })))).toBe('CREDENTIAL_IN_USE');
    expect(desk.timers()).toBe(0);
    await desk.close();
  });

  test('where the first body is not known, no request is the same one', async () => {
    const released: string[] = [];
    const { desk, bought } = await pending({
      claim: async () => ({ kind: 'granted', fence: 2, repeat: 1, record: { request: 'x' } }),
      release: async ({ reason }) => {
        released.push(reason);
        return 'released';
      },
    });
    expect(codeOf(await desk.ask(once, view('/x', { authorization: bought.authorization })))).toBe('CREDENTIAL_USED');
    expect(released).toEqual(['another-request']);
    await desk.close();
  });
});

const pricedDigest = (inputs: readonly string[]) => {
  // Through the caveat, as it is minted.
  const caveats = Caveats.write({
    service: 'api',
    tier: 0,
    capabilities: [],
    method: 'GET',
    pattern: '/x',
    priced: digest(inputs),
    validUntil: 1,
    amountMsat: Amount.fromSat(1),
    terms: 'pass',
  });
  return caveats.find((caveat) => caveat.startsWith('api_priced='));
};

describe('what would be paid for in vain', () => {
  test('is not sold: what is counted, without a store', async () => {
    const desk = await openDesk({ store: undefined });
    const decision = await desk.ask(once, view('/x'));
    expect([decision.kind, 'answer' in decision && decision.answer.status]).toEqual(['refuse', 503]);
    expect((await desk.ask(hour, view('/pass'))).kind).toBe('challenge');
    await desk.close();
  });

  test.each([1_800_000_600_000, Number.NaN, 4_294_967_295])('is not sold: an invoice that ends at %d', async (expiresAt) => {
    const sandbox = createSandboxNetwork();
    const receiver = sandbox.receiver('seller');
    const odd = {
      ...receiver,
      createInvoice: async (...asked: Parameters<typeof receiver.createInvoice>) => ({ ...(await receiver.createInvoice(...asked)), expiresAt }),
    };
    const desk = await openDesk({ receiver: odd });
    const decision = await desk.ask(once, view('/x'));
    expect([decision.kind, 'answer' in decision && decision.answer.status]).toEqual(['refuse', 503]);
    await desk.close();
    await sandbox.close();
  });
});

test('a repetition whose body breaks off lets the next one in at once', async () => {
  const desk = await openDesk();
  const { authorization } = await desk.buy(once, view('/x', {}, 'POST'));
  const request = view('/x', { authorization }, 'POST');
  const first = await desk.ask(once, request);
  if (first.kind !== 'pass') throw new Error(first.kind);
  await first.sale?.head(200);
  await first.sale?.end('client-left');
  const broken = await desk.ask(once, { ...request, readBody: () => Promise.reject(new Error('the client went away')) });
  expect(broken.kind).toBe('refuse');
  const again = await desk.ask(once, request);
  expect(again.kind).toBe('pass');
  if (again.kind === 'pass') await again.sale?.end('delivered');
  await desk.close();
});
