/**
 * Buckets, credits, and what holders allow whom they hand a token to, through the paywall.
 */
import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../../core/Amount.ts';
import * as Macaroon from '../../core/Macaroon.ts';
import type { Preimage } from '../../core/Preimage.ts';
import * as Path from '../../http/Path.ts';
import type { RequestView } from '../../http/RequestView.ts';
import { createSandboxNetwork } from '../../lightning/sandbox.ts';
import * as Books from '../../store/Books.ts';
import { createMemoryStore } from '../../store/memory.ts';
import * as FixedClock from '../../testing/FixedClock.ts';
import type { Decision } from '../Decision.ts';
import * as Offer from '../Offer.ts';
import { createPaywall } from '../Paywall.ts';
import * as Price from '../Price.ts';
import { createRootKeys } from '../RootKeys.ts';
import { bucket } from './Bucket.ts';
import { credit } from './Credit.ts';
import { pass } from './Pass.ts';
import { perRequest } from './PerRequest.ts';
import type { Sale, Terms } from './Terms.ts';

const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A route of the service `api`. */
const route = (path: string, price: string, terms: Terms) =>
  Offer.create({ service: 'api', route: `GET ${path}`, pattern: path, price: Price.fixed(price), terms });

const thousand = credit({ creditMsat: Amount.parse('1000 sat'), priceMsat: Amount.parse('900 sat') });
const shared = (weight: number) => bucket({ units: 10, weight, servicePriceMsat: Amount.parse('100 sat') });

const view = (path: string, headers: Readonly<Record<string, string>>): RequestView => ({
  method: 'GET',
  target: path,
  clientAddress: '192.0.2.1',
  header: (name) => headers[name],
  headerLines: (name) => (headers[name] === undefined ? [] : [headers[name]]),
  readBody: async () => new Uint8Array(0),
});

/** A token that was paid for, and what narrows it. */
type Held = { readonly macaroon: Macaroon.Macaroon; readonly preimage: Preimage };
const narrow = ({ macaroon, preimage }: Held, ...caveats: readonly string[]): Held => ({ macaroon: Macaroon.attenuate(macaroon, caveats), preimage });

async function openDesk() {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const store = createMemoryStore({ clock });
  const paywall = await createPaywall({ keys, receiver: sandbox.receiver('seller'), store, clock, inUseWaitMs: 0 });
  closing.push(() => sandbox.close(), store.close, paywall.close);
  const decide = async (offer: Offer.Offer, held?: Held, headers: Readonly<Record<string, string>> = {}): Promise<Decision> => {
    const path = offer.pattern ?? '/';
    const authorization = held && `L402 ${Macaroon.format(held.macaroon)}:${held.preimage}`;
    return paywall.check(view(path, { ...headers, ...(authorization && { authorization }) }), Path.normalize(path), offer);
  };
  const buy = async (offer: Offer.Offer): Promise<Held> => {
    const decision = await decide(offer);
    if (decision.kind !== 'challenge') throw new Error(decision.kind);
    const { macaroon, invoice } = JSON.parse(String(decision.answer.body)) as { macaroon: string; invoice: string };
    const paid = await sandbox.payer('buyer').pay({ invoice, maxFeeMsat: Amount.fromSat(100), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(paid.kind);
    return { macaroon: Macaroon.parse(macaroon), preimage: paid.preimage };
  };
  const begin = async (offer: Offer.Offer, held: Held): Promise<Sale> => {
    const decision = await decide(offer, held);
    if (decision.kind !== 'pass' || !decision.sale) throw new Error(decision.kind);
    return decision.sale;
  };
  /** What is left after a whole call; or the code of its refusal. */
  const call = async (offer: Offer.Offer, held: Held): Promise<string> => {
    const decision = await decide(offer, held);
    if ('answer' in decision) return (JSON.parse(String(decision.answer.body)) as { code: string }).code;
    if (decision.kind !== 'pass' || !decision.sale) return decision.kind;
    const head = await decision.sale.head(200);
    await decision.sale.end('delivered');
    if (head.kind === 'lost') return 'lost';
    return head.headers.find(([name]) => name === 'L402-Remaining')?.[1] ?? head.kind;
  };
  const books = async () => {
    const { columns, discrepancies } = await Books.verify(store.audit());
    expect(discrepancies).toEqual([]);
    return Object.entries(columns)
      .filter(([, { amountMsat }]) => amountMsat !== 0n)
      .map(([name, { amountMsat }]) => `${name} ${amountMsat}`)
      .join(', ');
  };
  return { clock, store, decide, buy, begin, call, books };
}

describe('a bucket', () => {
  const offer = route('/x', '100 sat', bucket({ units: 3 }));

  test('is so many requests for one payment, earned in parts that make up the whole', async () => {
    const { buy, call, books } = await openDesk();
    const held = await buy(offer);
    expect(await call(offer, held)).toBe('2');
    expect(await books()).toBe('received 100000, earned 33333, unspent 66667');
    expect([await call(offer, held), await call(offer, held)]).toEqual(['1', '0']);
    expect(await books()).toBe('received 100000, earned 100000');
    expect(await call(offer, held)).toBe('CREDENTIAL_USED');
  });

  test('is good on the route that it was sold for, and on no other', async () => {
    const { buy, call } = await openDesk();
    const held = await buy(offer);
    expect(await call(route('/y', '100 sat', bucket({ units: 3 })), held)).toBe('CREDENTIAL_WRONG_SERVICE');
    expect(await call(route('/x', '9 sat', perRequest()), held)).toBe('2');
  });

  test('gives a request back that was not answered, and three that broke off; the fourth is spent', async () => {
    const { buy, begin, call, books } = await openDesk();
    const big = route('/x', '100 sat', bucket({ units: 10 }));
    const held = await buy(big);
    const failed = await begin(big, held);
    expect((await failed.head(503)).kind).toBe('not-charged');
    for (let time = 0; time < 4; time++) {
      const sale = await begin(big, held);
      await sale.head(200);
      await sale.end('upstream-broke');
    }
    expect(await books()).toBe('received 100000, earned 10000, unspent 90000');
    expect(await call(big, held)).toBe('8');
  });

  test('is held by its last request while that is under way: others are told to wait, and not to pay again', async () => {
    const { buy, begin, call } = await openDesk();
    const one = route('/x', '100 sat', bucket({ units: 1 }));
    const held = await buy(one);
    const sale = await begin(one, held);
    expect(await call(one, held)).toBe('CREDENTIAL_IN_USE');
    await sale.unanswered('upstream');
    expect(await call(one, held)).toBe('0');
    expect(await call(one, held)).toBe('CREDENTIAL_USED');
  });

  test('of a service is spent on all of its routes by their weight, and by no path that a holder writes at less', async () => {
    const { buy, call, books } = await openDesk();
    const [cheap, dear] = [route('/cheap', '100 sat', shared(1)), route('/dear', '100 sat', shared(6))];
    const held = await buy(cheap);
    expect(await call(dear, held)).toBe('4');
    expect(await call(dear, narrow(held, 'api_path=/dear'))).toBe('CREDENTIAL_USED');
    expect(await call(cheap, held)).toBe('3');
    expect(await call(route('/single', '1 sat', perRequest()), held)).toBe('CREDENTIAL_WRONG_SERVICE');
    expect(await books()).toBe('received 100000, earned 70000, unspent 30000');
  });

  test('is kept alive while a request is under way, and comes back where its gateway died', async () => {
    const { clock, store, buy, begin, call } = await openDesk();
    const one = route('/x', '100 sat', bucket({ units: 1 }));
    const held = await buy(one);
    const sale = await begin(one, held);
    for (let time = 0; time < 6; time++) {
      clock.advance(10_000);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
    expect(await call(one, held)).toBe('CREDENTIAL_IN_USE');
    await sale.unanswered('upstream');
    await store.reserve({ reservation: 'of a gateway that died', leaseSeconds: 30, debits: [{ account: await accountOf(store), units: 1n }] });
    expect(await call(one, held)).toBe('CREDENTIAL_IN_USE');
    clock.advance(30_000);
    expect(await call(one, held)).toBe('0');
  });

  async function accountOf(store: ReturnType<typeof createMemoryStore>): Promise<string> {
    for await (const standing of store.audit()) if (standing.kind === 'account') return standing.account;
    throw new Error('no account');
  }
});

describe('a credit', () => {
  test('is spent at each route’s own price, and earns what was paid for it', async () => {
    const { buy, call, books } = await openDesk();
    const [a, b] = [route('/a', '50 sat', thousand), route('/b', '250 sat', perRequest())];
    const held = await buy(a);
    expect([await call(a, held), await call(b, held)]).toEqual(['950 sat', '700 sat']);
    expect(await books()).toBe('received 900000, earned 270000, unspent 630000');
    expect(await call(route('/c', '701 sat', thousand), held)).toBe('CREDENTIAL_USED');
    expect(await call(route('/c', '700 sat', thousand), held)).toBe('0 sat');
    expect(await books()).toBe('received 900000, earned 900000');
  });

  test('opens no pass, no bucket, and nothing of another service', async () => {
    const { buy, call } = await openDesk();
    const held = await buy(route('/a', '50 sat', thousand));
    expect(await call(route('/p', '50 sat', pass({ seconds: 60 })), held)).toBe('CREDENTIAL_WRONG_SERVICE');
    expect(await call(route('/q', '50 sat', shared(1)), held)).toBe('CREDENTIAL_WRONG_SERVICE');
    const elsewhere = Offer.create({ service: 'other', route: 'GET /a', pattern: '/a', price: Price.fixed('50 sat'), terms: thousand });
    expect(await call(elsewhere, held)).toBe('CREDENTIAL_WRONG_SERVICE');
  });

  test('is charged at the price that the call asks for now, whatever it was bought beside', async () => {
    const { buy, call } = await openDesk();
    const byHeader: Price.Price = {
      of: (request) => {
        const model = request.header('model') ?? 'mini';
        return { amountMsat: Amount.parse(model === 'mini' ? '1 sat' : '500 sat'), inputs: [model] };
      },
    };
    const dynamic = Offer.create({ service: 'api', route: 'GET /m', pattern: '/m', price: byHeader, terms: thousand });
    const held = await buy(dynamic);
    expect(await call(dynamic, held)).toBe('999 sat');
  });

  test('is not sold for a request that it is not enough for', async () => {
    const { buy, call, decide } = await openDesk();
    const byHeader: Price.Price = { of: (request) => ({ amountMsat: Amount.parse(`${request.header('sats') ?? 1} sat`), inputs: [] }) };
    const dynamic = Offer.create({ service: 'api', route: 'GET /m', pattern: '/m', price: byHeader, terms: thousand });
    const said = async (sats: string, held?: Held) => {
      const decision = await decide(dynamic, held, { sats });
      return 'answer' in decision ? `${decision.answer.status} ${(JSON.parse(String(decision.answer.body)) as { code: string }).code}` : decision.kind;
    };
    expect([await said('1000'), await said('1001')]).toEqual(['402 PAYMENT_REQUIRED', '403 REQUEST_TOO_DEAR']);
    const held = await buy(dynamic);
    expect(await said('1001', held)).toBe('403 REQUEST_TOO_DEAR');
    expect(await call(dynamic, held)).toBe('999 sat');
    expect(await said('1000', held)).toBe('402 CREDENTIAL_USED');
  });
});

describe('what a holder hands on', () => {
  const offer = route('/x', '50 sat', thousand);

  test('is counted for each part and for all before it: three helpers with 200 sat each, and one of theirs with less', async () => {
    const { buy, call, books } = await openDesk();
    const held = await buy(offer);
    const helpers = ['one', 'two', 'three'].map((word) => narrow(held, `part=${word}`, 'max_sats=200'));
    const [one, two] = helpers as [Held, Held, Held];
    const below = narrow(one, 'part=below', 'max_sats=100');
    expect([await call(offer, below), await call(offer, below)]).toEqual(['50 sat', '0 sat']);
    expect(await call(offer, below)).toBe('CREDENTIAL_NARROWED');
    expect([await call(offer, one), await call(offer, one)]).toEqual(['50 sat', '0 sat']);
    expect(await call(offer, one)).toBe('CREDENTIAL_NARROWED');
    expect(await call(offer, below)).toBe('CREDENTIAL_NARROWED');
    expect(await call(offer, two)).toBe('150 sat');
    expect(await call(offer, held)).toBe('700 sat');
    expect(await books()).toBe('received 900000, earned 270000, unspent 630000');
  });

  test('with equal limits is one part or two, as its word says', async () => {
    const { buy, call } = await openDesk();
    const held = await buy(offer);
    const same = [narrow(held, 'n_uses=1'), narrow(held, 'n_uses=1')] as const;
    expect([await call(offer, same[0]), await call(offer, same[1])]).toEqual(['0', 'CREDENTIAL_NARROWED']);
    const apart = [narrow(held, 'part=a', 'n_uses=1'), narrow(held, 'part=b', 'n_uses=1')] as const;
    expect([await call(offer, apart[0]), await call(offer, apart[1])]).toEqual(['0', '0']);
  });

  test('never exceeds what is left of the whole', async () => {
    const { buy, call } = await openDesk();
    const held = await buy(offer);
    const rich = narrow(held, 'max_sats=100000');
    for (let time = 0; time < 20; time++) await call(offer, rich);
    expect(await call(offer, rich)).toBe('CREDENTIAL_USED');
  });

  test('cannot be widened again, and says so to whoever tries', async () => {
    const { buy, call } = await openDesk();
    const held = await buy(offer);
    expect(await call(offer, narrow(held, 'n_uses=1', 'n_uses=2'))).toBe('CREDENTIAL_NARROWED');
    expect(await call(offer, narrow(held, ...Array.from({ length: 17 }, () => 'n_uses=5')))).toBe('CREDENTIAL_NARROWED');
  });

  test('of a request not answered goes back to every part', async () => {
    const { buy, begin, call } = await openDesk();
    const held = await buy(offer);
    const part = narrow(held, 'part=a', 'n_uses=1', 'max_sats=50');
    const sale = await begin(offer, part);
    expect(await call(offer, part)).toBe('CREDENTIAL_IN_USE');
    await sale.head(500);
    expect(await call(offer, part)).toBe('0 sat');
    expect(await call(offer, part)).toBe('CREDENTIAL_NARROWED');
  });

  test('under an idempotency key of one holder is no other holder’s: the upstream would give one the answer of the other', async () => {
    const { buy, decide } = await openDesk();
    const held = await buy(offer);
    const [one, two] = [narrow(held, 'part=one', 'n_uses=5'), narrow(held, 'part=two', 'n_uses=5')] as const;
    const said = async (by: Held, key: string) => {
      const decision = await decide(offer, by, { 'idempotency-key': key });
      if (decision.kind !== 'pass' || !decision.sale) throw new Error(decision.kind);
      await decision.sale.unanswered('upstream');
      return decision.sale.idempotencyKey;
    };
    expect(await said(one, 'a')).toBe(await said(one, 'a'));
    expect(new Set([await said(one, 'a'), await said(two, 'a'), await said(held, 'a'), await said(one, 'b')]).size).toBe(4);
  });

  test('of a pass is counted in uses; in money it is worth what was paid for it', async () => {
    const { buy, call, books } = await openDesk();
    const hour = route('/p', '100 sat', pass({ seconds: 3600 }));
    const held = await buy(hour);
    const twice = narrow(held, 'n_uses=2');
    expect([await call(hour, twice), await call(hour, twice), await call(hour, twice)]).toEqual(['1', '0', 'CREDENTIAL_NARROWED']);
    expect(await call(hour, narrow(held, 'max_sats=99'))).toBe('CREDENTIAL_NARROWED');
    expect(await call(hour, narrow(held, 'max_sats=100'))).toBe('pass');
    expect(await call(hour, held)).toBe('pass');
    expect(await books()).toBe('received 100000, earned 100000');
  });

  test('of a single request is that request, or nothing', async () => {
    const { buy, call } = await openDesk();
    const once = route('/o', '100 sat', perRequest());
    const held = await buy(once);
    expect(await call(once, narrow(held, 'n_uses=0'))).toBe('CREDENTIAL_NARROWED');
    expect(await call(once, narrow(held, 'max_sats=99'))).toBe('CREDENTIAL_NARROWED');
    expect(await call(once, narrow(held, 'n_uses=5', 'max_sats=100'))).toBe('charged');
    expect(await call(once, held)).toBe('CREDENTIAL_USED');
  });

  test('is named in the store by nothing that a bearer could use', async () => {
    const { store, buy, call } = await openDesk();
    const held = await buy(offer);
    const part = narrow(held, 'part=a', 'n_uses=5');
    await call(offer, part);
    const names: string[] = [];
    for await (const standing of store.audit()) if (standing.kind === 'account') names.push(standing.account);
    expect(names).toHaveLength(2);
    const signatures = [held, part, narrow(held, 'part=a')].map(({ macaroon }) => Buffer.from(macaroon.signature).toString('hex'));
    for (const signature of signatures) expect(names).not.toContain(signature);
  });
});

test('terms that make no sense are mistakes', () => {
  for (const options of [{ units: 0 }, { units: 1.5 }, { units: 2e9 }, { units: 5, weight: 0 }, { units: 5, weight: 6 }, { units: 5, seconds: 0 }]) {
    expect(() => bucket(options)).toThrow(RangeError);
  }
  expect(() => credit({ creditMsat: Amount.zero })).toThrow(RangeError);
  expect(() => credit({ creditMsat: Amount.fromSat(1), priceMsat: Amount.zero })).toThrow(RangeError);
});

describe('a call that its client has named', () => {
  const named = { 'idempotency-key': 'k' };

  test('is another one with dearer inputs, and is not answered again with them', async () => {
    const { buy, decide, store } = await openDesk();
    const priceOf = (model: string) => ({ amountMsat: Amount.parse(model === 'huge' ? '500 sat' : '1 sat'), inputs: [model] });
    const price = { of: (request: RequestView) => priceOf(request.header('x-model') ?? 'mini') };
    const offer = Offer.create({ service: 'api', route: 'GET /x', pattern: '/x', price, terms: thousand });
    const held = await buy(offer);
    const cheap = await decide(offer, held, { ...named, 'x-model': 'mini' });
    if (cheap.kind !== 'pass' || !cheap.sale) throw new Error(cheap.kind);
    await cheap.sale.head(200);
    await cheap.sale.end('client-left');
    const dear = await decide(offer, held, { ...named, 'x-model': 'huge' });
    expect('answer' in dear && JSON.parse(String(dear.answer.body))).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT' });
    expect((await decide(offer, held, { ...named, 'x-model': 'mini' })).kind).toBe('pass');
    expect((await store.totals()).earnedMsat).toBe(900n);
  });

  test('is its holder’s: whoever was handed the same narrowed otherwise is given no answer of it', async () => {
    const { buy, decide } = await openDesk();
    const offer = route('/x', '1 sat', bucket({ units: 9 }));
    const held = await buy(offer);
    const [one, other] = [narrow(held, 'valid_until=4102444800'), narrow(held, 'part=other')];
    const first = await decide(offer, one, named);
    if (first.kind !== 'pass' || !first.sale) throw new Error(first.kind);
    await first.sale.absent(200, { status: 200, headers: [], body: new TextEncoder().encode('for one alone') });
    expect([(await decide(offer, other, named)).kind, (await decide(offer, held, named)).kind]).toEqual(['pass', 'pass']);
    expect((await decide(offer, one, named)).kind).toBe('repeat');
  });
});
