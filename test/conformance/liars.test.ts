/**
 * Our client at the liars': every way to rob it, and what comes of it on both ends. What the client says and what its journal has stand in
 * a table; what the liars have seen is their own verdict, and a client that believes everything shows that they can tell.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch as fetchWith } from 'undici';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ClientStore, createFetch, createMemoryClientStore } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import type { Payer } from '../../src/lightning/Lightning.ts';
import { createSandboxPayer } from '../../src/lightning/sandbox.ts';
import { FixedClock, type Liars, startLiars, type Way } from '../../src/testing/index.ts';
import { createBareWallet } from './liars/bareWallet.ts';
import { buyThrough, outcomeOf } from './liars/buyer.ts';
import { robGullible } from './liars/gullible.ts';

/** Way → what our client says at each step; what its journal has spent and holds then, in sat. */
const ours: { readonly [way: string]: readonly [said: string, spentSat: number, heldSat: number] } = {
  'no-lie': ['200', 51, 0],
  'lower-price-in-body': ['CHALLENGE_REFUSED', 0, 0],
  'lower-price-in-header': ['CHALLENGE_REFUSED', 0, 0],
  'two-prices-within-the-limit': ['CHALLENGE_REFUSED', 0, 0],
  'price-without-a-unit': ['BUDGET_EXCEEDED', 0, 0],
  'dear-beside-cheap': ['CHALLENGE_REFUSED', 0, 0],
  'dear-beside-cheap-within-the-limit': ['CHALLENGE_REFUSED', 0, 0],
  'free-in-body': ['CHALLENGE_REFUSED', 0, 0],
  'one-millisatoshi-over': ['BUDGET_EXCEEDED', 0, 0],
  'no-room-for-the-fee': ['BUDGET_EXCEEDED', 0, 0],
  'creeping-price': ['200 200 200 200 200 BUDGET_EXCEEDED BUDGET_EXCEEDED', 155, 0],
  'no-amount': ['CHALLENGE_REFUSED', 0, 0],
  'whole-bitcoin-amount': ['BUDGET_EXCEEDED', 0, 0],
  'zero-amount': ['INVOICE_MALFORMED', 0, 0],
  'fraction-of-a-millisatoshi': ['INVOICE_MALFORMED', 0, 0],
  'overflowing-amount': ['INVOICE_MALFORMED', 0, 0],
  'mainnet-invoice': ['CHALLENGE_REFUSED', 0, 0],
  'signet-invoice': ['CHALLENGE_REFUSED', 0, 0],
  'unreadable-invoice': ['INVOICE_MALFORMED', 0, 0],
  'forged-signature': ['INVOICE_MALFORMED', 0, 0],
  'expired-invoice': ['INVOICE_EXPIRED', 0, 0],
  'expiring-invoice': ['INVOICE_EXPIRED', 0, 0],
  'expired-by-its-own-clock': ['INVOICE_EXPIRED', 0, 0],
  'another-payee': ['CHALLENGE_REFUSED', 0, 0],
  'foreign-payment-hash': ['CHALLENGE_REFUSED', 0, 0],
  'same-hash-dearer': ['200 JOURNAL_CONFLICT', 6, 0],
  'paid-by-another': ['PAYMENT_FAILED', 0, 0],
  'one-invoice-for-all': ['200 JOURNAL_CONFLICT', 51, 0],
  'unknown-scheme': ['402', 0, 0],
  'offer-in-a-200': ['200', 0, 0],
  'unsendable-token': ['CHALLENGE_MALFORMED', 0, 0],
  'control-characters': ['TypeError', 0, 0],
  'huge-header': ['TypeError', 0, 0],
  'ten-thousand-challenges': ['TypeError', 0, 0],
  'token-of-a-megabyte': ['TypeError', 0, 0],
  'terminal-escapes': ['200', 51, 0],
  'challenge-in-a-trailer': ['402', 0, 0],
  'challenge-in-a-realm': ['402', 0, 0],
  'offer-in-a-401': ['401', 0, 0],
  'offer-in-early-hints': ['200', 0, 0],
  'endless-early-hints': ['AbortError', 0, 0],
  'challenge-without-an-invoice': ['CHALLENGE_MALFORMED', 0, 0],
  'two-invoices-in-one-challenge': ['CHALLENGE_MALFORMED', 0, 0],
  'dear-last-of-ten': ['CHALLENGE_REFUSED', 0, 0],
  'dear-first-of-ten': ['CHALLENGE_REFUSED', 0, 0],
  'quote-left-open': ['CHALLENGE_MALFORMED', 0, 0],
  'both-lengths': ['TypeError', 0, 0],
  'endless-offer-body': ['200', 51, 0],
  'dribbling-offer-body': ['200', 51, 0],
  'cut-offer-body': ['200', 51, 0],
  'gzip-bomb-offer': ['200', 51, 0],
  'nested-offer-body': ['200', 51, 0],
  'cut-in-offer-head': ['TypeError', 0, 0],
  'endless-redirect': ['TypeError', 0, 0],
  'plain-http-offer': ['CHALLENGE_REFUSED', 0, 0],
  'paid-without-preimage': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'wrong-preimage': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'preimage-of-another': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'silent-has-paid': ['PAYMENT_UNKNOWN 200', 51, 0],
  'silent-has-not-paid': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200', 51, 0],
  'says-failed-has-paid': ['200', 51, 0],
  'unknown-for-ever': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'under-way-for-ever': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'says-failed-is-under-way': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200', 51, 0],
  'says-unauthorized-has-paid': ['PAYMENT_UNKNOWN 200', 51, 0],
  'nonsense-for-ever': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'contradicts-itself': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'answers-for-another': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  overcharges: ['200 BUDGET_EXCEEDED', 550, 0],
  overpays: ['200 BUDGET_EXCEEDED', 5001, 0],
  'charges-all-there-is': ['200 BUDGET_EXCEEDED', 2_000_000_000_000_050, 0],
  underpays: ['200', 51, 0],
  'negative-fee': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN', 0, 60],
  'known-to-look-ups-only': ['PAYMENT_UNKNOWN 200', 51, 0],
  'cut-after-order': ['PAYMENT_UNKNOWN 200', 51, 0],
  'reply-lost': ['PAYMENT_UNKNOWN 200', 51, 0],
  'reply-cut-in-head': ['PAYMENT_UNKNOWN 200', 51, 0],
  'reply-cut-in-body': ['PAYMENT_UNKNOWN 200', 51, 0],
  'reply-dribbles': ['PAYMENT_UNKNOWN 200', 51, 0],
  'reply-floods': ['PAYMENT_UNKNOWN 200', 51, 0],
  'wallet-redirects': ['PAYMENT_UNKNOWN 200', 51, 0],
  'order-lost': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200', 51, 0],
  'down-midway': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200', 51, 0],
  'settles-an-hour-later': ['PAYMENT_UNKNOWN PAYMENT_UNKNOWN PAYMENT_UNKNOWN 200', 51, 0],
  'reply-twice': ['200', 51, 0],
  'order-delivered-twice': ['200', 51, 0],
  'refuses-for-ever': ['PAYMENT_NOT_HONOURED', 51, 0],
  'cheap-then-dear': ['PAYMENT_NOT_HONOURED', 6, 0],
  'tampered-after-payment': ['PAYMENT_NOT_HONOURED', 51, 0],
  'other-scheme-after-payment': ['PAYMENT_NOT_HONOURED', 51, 0],
  'replayed-offer': ['PAYMENT_NOT_HONOURED JOURNAL_CONFLICT', 51, 0],
  'token-for-elsewhere': ['PAYMENT_NOT_HONOURED', 51, 0],
  'charges-for-failures': ['500 500 500 500 500 500 500 500 500 BUDGET_EXCEEDED', 459, 0],
  'too-many-after-payment': ['429 429', 51, 0],
  'login-after-payment': ['401 401', 51, 0],
  'fails-after-payment': ['500 500', 51, 0],
  'forgets-the-pass': ['200 200 200 200 200 200 200 200 200 BUDGET_EXCEEDED BUDGET_EXCEEDED', 459, 0],
  'hangs-up-after-payment': ['PAYMENT_INTERRUPTED PAYMENT_INTERRUPTED', 51, 0],
  'silent-after-payment': ['AbortError AbortError', 51, 0],
  'busy-for-a-year': ['409 409', 51, 0],
  'away-for-a-year': ['503 503', 51, 0],
  'away-for-ever': ['503', 51, 0],
  'busy-for-ever': ['409', 51, 0],
  'away-at-once': ['503', 51, 0],
  'away-until-nonsense': ['503', 51, 0],
  'stalls-in-the-answer': ['AbortError AbortError', 51, 0],
  'endless-answer': ['200', 51, 0],
  'nothing-for-money': ['204', 51, 0],
  'lies-about-its-encoding': ['TypeError TypeError', 51, 0],
  'lies-about-its-length': ['200', 51, 0],
  'redirect-to-a-thief': ['200', 51, 0],
  'redirect-to-plain-http': ['CHALLENGE_REFUSED', 51, 0],
  'redirects-to-a-thief-by-steps': ['200', 51, 0],
  'refreshes-to-a-thief': ['200', 51, 0],
  'redirects-into-a-file': ['PAYMENT_NOT_HONOURED', 51, 0],
  'redirects-for-ever-after-payment': ['PAYMENT_NOT_HONOURED', 51, 0],
  'pay-again-behind-a-redirect': ['CHALLENGE_REFUSED', 51, 0],
  'proof-lost-once': ['PAYMENT_INTERRUPTED 200', 51, 0],
  'captive-portal': ['511 200', 51, 0],
  'answer-cut-in-head': ['PAYMENT_INTERRUPTED 200', 51, 0],
  'answer-cut-in-body': ['TypeError 200', 51, 0],
};

/** What does harm that the liars cannot see: to a terminal, to patience, to nobody. */
const unseen = [
  'no-lie',
  'endless-early-hints',
  'terminal-escapes',
  'dribbling-offer-body',
  'cut-offer-body',
  'nested-offer-body',
  'cut-in-offer-head',
  'endless-answer',
  'underpays',
];

const listed = await startLiars();
await listed.close();
const { ways } = listed;

const folder = mkdtempSync(join(tmpdir(), 'farebox-liars-'));
afterAll(() => rmSync(folder, { recursive: true }));

let liars: Liars;
let clock: FixedClock.FixedClock;
beforeEach(async () => {
  clock = FixedClock.create();
  liars = await startLiars({ clock });
});
afterEach(() => liars.close());

/** Takes our client through a way and looks at both ends. */
async function expectUnharmed(way: Way, payer: Payer, store: ClientStore): Promise<void> {
  const { outcomes, spending, timers } = await buyThrough(way, { liars, clock, payer, store });
  const [said, spentSat, heldSat] = ours[way.name] ?? ['', 0, 0];
  expect(outcomes.map((outcome) => outcome.said).join(' ')).toBe(said);
  expect(outcomes.map(({ ending }) => ending)).toEqual(way.steps.flatMap((step) => (step.kind === 'ask' ? [step.ends] : [])));
  const seen = liars.seen(way.name);
  expect(seen.robbed).toEqual([]);
  expect([spending.spentMsat, spending.heldMsat]).toEqual([BigInt(spentSat) * 1000n, BigInt(heldSat) * 1000n]);
  expect(seen.spentMsat <= spending.spentMsat + spending.heldMsat).toBe(true);
  if (heldSat === 0) expect(seen.spentMsat).toBe(spending.spentMsat);
  expect(timers).toBe(0);
  await payer.close();
}

it('the catalogue and the table name the same ways', () => {
  expect(ways.map(({ name }) => name)).toEqual(Object.keys(ours));
  for (const liar of ['server', 'wallet', 'network']) expect(ways.some((way) => way.liar === liar)).toBe(true);
});

describe('our client is not robbed, with its journal in memory', () => {
  for (const way of ways) {
    it(`${way.name}: ${way.does}`, () => expectUnharmed(way, createSandboxPayer({ ...liars.wallet, node: 'wallet', clock }), createMemoryClientStore()));
  }
});

describe('our client is not robbed, with its journal in a file, which has it all when it is opened again', () => {
  for (const way of ways) {
    it(way.name, async () => {
      const path = join(folder, `${way.name}.db`);
      const store = createSqliteClientStore({ path });
      await expectUnharmed(way, createSandboxPayer({ ...liars.wallet, node: 'wallet', clock }), store);
      const before = [await store.spending(), await store.list()];
      await store.close();
      const again = createSqliteClientStore({ path });
      expect([await again.spending(), await again.list()]).toEqual(before);
      await again.close();
    });
  }
});

describe('our client is not robbed by a wallet whose driver checks nothing', () => {
  for (const way of ways.filter(({ liar, name }) => liar === 'wallet' && name !== 'negative-fee')) {
    it(way.name, () => expectUnharmed(way, createBareWallet(liars.wallet, clock), createMemoryClientStore()));
  }

  it('negative-fee: a payment never counts as less than its invoice', async () => {
    const store = createMemoryClientStore();
    const fetch = createFetch({ payer: createBareWallet(liars.wallet, clock), store, clock, maxPerRequest: '60 sat' });
    expect(await outcomeOf(fetch(`${liars.url}/negative-fee/a`))).toEqual({ ending: 'answered', said: '200' });
    expect(await store.spending()).toMatchObject({ spentMsat: 50_000n, heldMsat: 0n });
  });
});

describe('a client that believes everything is robbed', () => {
  for (const way of ways.filter(({ name }) => !unseen.includes(name))) {
    it(way.name, async () => {
      await robGullible(way, liars, clock);
      expect(liars.seen(way.name).robbed).not.toEqual([]);
    });
  }
});

describe('where fetch reads heads of any size, our client', () => {
  for (const [way, said] of [
    ['ten-thousand-challenges', 'CHALLENGE_MALFORMED'],
    ['token-of-a-megabyte', 'CHALLENGE_MALFORMED'],
  ] as const) {
    it(`still has a limit of its own: ${way}`, async () => {
      const dispatcher = new Agent({ maxHeaderSize: 64 * 1024 * 1024 });
      const payer = createSandboxPayer({ ...liars.wallet, node: 'wallet', clock });
      const roomy = (url: string, init?: object) => fetchWith(url, { ...init, dispatcher }) as unknown as Promise<Response>;
      const fetch = createFetch({ payer, clock, maxPerRequest: '60 sat', fetch: roomy });
      expect((await outcomeOf(fetch(`${liars.url}/${way}/a`))).said).toBe(said);
      await payer.close();
      await dispatcher.close();
    });
  }
});

it('a second client that is offered an invoice which the first has paid takes no harm, and the wallet pays once', async () => {
  const payer = createSandboxPayer({ ...liars.wallet, node: 'wallet', clock });
  const said: string[] = [];
  for (const path of ['a', 'b']) {
    const fetch = createFetch({ payer, clock, maxPerRequest: '60 sat', store: createMemoryClientStore() });
    said.push((await outcomeOf(fetch(`${liars.url}/one-invoice-for-all/${path}`))).said);
  }
  expect(said).toEqual(['200', 'PAYMENT_NOT_HONOURED']);
  expect(liars.seen('one-invoice-for-all')).toMatchObject({ spentMsat: 51_000n, payments: [{ orders: 2, state: 'settled' }] });
  await payer.close();
});
