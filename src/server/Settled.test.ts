/**
 * `verify: settled`: a preimage that proves a payment, and a wallet that has the last word on it.
 */
import { afterEach, describe, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import * as Path from '../http/Path.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { InvoiceState, Receiver } from '../lightning/Lightning.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import { createMemoryStore } from '../store/memory.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { PaywallEvent } from './Events.ts';
import * as Offer from './Offer.ts';
import { createPaywall } from './Paywall.ts';
import * as Price from './Price.ts';
import { createRootKeys } from './RootKeys.ts';
import { pass } from './terms/Pass.ts';
import { perRequest } from './terms/PerRequest.ts';

const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

const view = (authorization?: string): RequestView => {
  const lines = (name: string) => (name === 'authorization' && authorization !== undefined ? [authorization] : []);
  return {
    method: 'GET',
    target: '/x',
    clientAddress: '192.0.2.1',
    header: (name) => lines(name)[0],
    headerLines: lines,
    readBody: async () => new Uint8Array(0),
  };
};

/** A paywall whose wallet says of invoices what a test wants it to; undefined: the truth. */
async function openDesk(terms = perRequest(), payee?: 'another') {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const store = createMemoryStore({ clock });
  const asked: string[] = [];
  const says: { answer: (() => Promise<InvoiceState>) | undefined } = { answer: undefined };
  const walletOf = (name: string): Receiver => {
    const node = sandbox.receiver(name);
    const lookupInvoice: Receiver['lookupInvoice'] = async (paymentHash) => {
      asked.push(name);
      return says.answer ? says.answer() : node.lookupInvoice(paymentHash);
    };
    return { ...node, lookupInvoice };
  };
  const paywall = await createPaywall({ keys, receiver: walletOf('seller'), store, clock, inUseWaitMs: 0 });
  closing.push(() => sandbox.close(), store.close, paywall.close);
  const idle = clock.timers();
  const told: PaywallEvent[] = [];
  paywall.events.on((event) => told.push(event));
  const receiver = payee && walletOf(payee);
  const offer = Offer.create({ service: 'api', route: 'GET /x', pattern: '/x', price: Price.fixed('50 sat'), terms, verify: 'settled', receiver });
  const ask = async (authorization?: string) => {
    const decision = await paywall.check(view(authorization), Path.normalize('/x'), offer);
    if (!('answer' in decision)) return { kind: decision.kind, status: 200, body: {} as Readonly<Record<string, string>>, headers: [] };
    const { status, body, headers } = decision.answer;
    return { kind: decision.kind, status, body: JSON.parse(String(body)) as Readonly<Record<string, string>>, headers };
  };
  const buy = async () => {
    const { macaroon, invoice = '' } = (await ask()).body;
    const paid = await sandbox.payer('buyer').pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(paid.kind);
    return `L402 ${macaroon}:${paid.preimage}`;
  };
  return {
    clock,
    timers: () => clock.timers() - idle,
    asked,
    told,
    says,
    ask,
    buy,
    ledger: async () => (await store.ledger({ after: 0, limit: 10 })).map(({ kind }) => kind),
  };
}

test('what its wallet has settled is served, and the wallet is asked once a payment', async () => {
  const { asked, ask, buy } = await openDesk(pass({ seconds: 3600 }));
  const credential = await buy();
  expect(asked).toEqual([]);
  for (let turn = 0; turn < 3; turn++) expect((await ask(credential)).kind).toBe('pass');
  expect(asked).toEqual(['seller']);
});

test('of many at once with one credential, the wallet hears once', async () => {
  const { asked, ask, buy } = await openDesk(pass({ seconds: 3600 }));
  const credential = await buy();
  const all = await Promise.all([1, 2, 3, 4].map(() => ask(credential)));
  expect(all.map(({ kind }) => kind)).toEqual(['pass', 'pass', 'pass', 'pass']);
  expect(asked).toHaveLength(1);
});

test('the wallet that is asked is the one that is paid for the route', async () => {
  const { asked, ask, buy } = await openDesk(perRequest(), 'another');
  expect((await ask(await buy())).kind).toBe('pass');
  expect(asked).toEqual(['another']);
});

test('nobody is asked about a credential that does not hold', async () => {
  const { asked, ask, buy } = await openDesk();
  const credential = await buy();
  expect((await ask(`${credential.slice(0, -64)}${'0'.repeat(64)}`)).status).toBe(401);
  expect((await ask()).status).toBe(402);
  expect(asked).toEqual([]);
});

describe.each<InvoiceState['kind']>(['expired', 'cancelled'])('an invoice that is %s', (kind) => {
  test('was not paid, whoever knows its preimage: 402 with a new challenge, and nothing is claimed', async () => {
    const { says, ask, buy, ledger } = await openDesk();
    const credential = await buy();
    says.answer = async () => ({ kind }) as InvoiceState;
    const { status, body } = await ask(credential);
    expect([status, body.code]).toEqual([402, 'CREDENTIAL_UNSETTLED']);
    expect(body.invoice).toMatch(/^lnbcrt/);
    expect(await ledger()).toEqual([]);
  });
});

test('a payment of less than was asked is none', async () => {
  const { says, ask, buy } = await openDesk();
  const credential = await buy();
  says.answer = async () => ({ kind: 'paid', amountMsat: Amount.fromMsat(49_999n), settledAt: 0 });
  expect((await ask(credential)).body.code).toBe('CREDENTIAL_UNSETTLED');
});

test('an invoice that is still open is looked at a moment longer, and served once it is paid', async () => {
  const { clock, asked, says, ask, buy } = await openDesk();
  const credential = await buy();
  says.answer = async () => ({ kind: 'open', expiresAt: 0 });
  const answer = ask(credential);
  await turns();
  expect(asked).toHaveLength(1);
  says.answer = undefined;
  clock.advance(50);
  expect((await answer).kind).toBe('pass');
});

test('one that stays open is neither paid nor unpaid: 503, ask again, do not pay again, and nothing is claimed', async () => {
  const { clock, timers, says, ask, buy, ledger } = await openDesk();
  const credential = await buy();
  says.answer = async () => ({ kind: 'open', expiresAt: 0 });
  const answer = ask(credential);
  for (let turn = 0; turn < 20; turn++) {
    await turns();
    clock.advance(500);
  }
  const { status, body, headers } = await answer;
  expect([status, body.code, body.invoice]).toEqual([503, 'PAYMENT_PENDING', undefined]);
  expect(headers).toContainEqual(['Retry-After', '2']);
  expect(await ledger()).toEqual([]);
  await turns();
  expect(timers()).toBe(0);
  says.answer = undefined;
  expect((await ask(credential)).kind).toBe('pass');
});

describe('a wallet that cannot say', () => {
  test.each<[string, () => Promise<InvoiceState>]>([
    ['it is away', async () => Promise.reject(new FareboxError('LIGHTNING_UNAVAILABLE', 'lnd cannot be asked: ECONNREFUSED.'))],
    ['it does not let us in', async () => Promise.reject(new FareboxError('LIGHTNING_UNAUTHORIZED', 'lnd does not let us do this.'))],
    ['it has never seen the invoice, as another wallet made it', async () => ({ kind: 'absent' })],
    ['it answers nonsense', async () => Promise.reject(new TypeError('nonsense'))],
  ])('%s: 503, never unpaid, and the operator is told why', async (_, answer) => {
    const { says, told, ask, buy, ledger } = await openDesk();
    const credential = await buy();
    says.answer = answer;
    const { status, body } = await ask(credential);
    expect([status, body.code, body.invoice]).toEqual([503, 'LIGHTNING_UNAVAILABLE', undefined]);
    expect(body.detail).toBe('It could not be found out whether this was paid. Ask again in a moment; do not pay again.');
    // A node that is asked in vain about a payment may still give invoices.
    expect(told.filter(({ kind }) => kind === 'trouble')).toMatchObject([{ what: 'asking about a payment' }]);
    expect(await ledger()).toEqual([]);
    says.answer = undefined;
    expect((await ask(credential)).kind).toBe('pass');
  });

  test('nor does it answer: 503 in bounded time', async () => {
    const { clock, timers, says, ask, buy } = await openDesk();
    const credential = await buy();
    says.answer = () => new Promise(() => {});
    const answer = ask(credential);
    await turns();
    clock.advance(10_000);
    expect((await answer).status).toBe(503);
    await turns();
    expect(timers()).toBe(0);
  });
});
