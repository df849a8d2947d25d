/**
 * A payment whose proof is wrong, missing or late: a preimage that does not match, a "paid" without one, a wallet that times out and has paid
 * all the same. Nothing is paid twice, nothing unproven is shown as a proof, and money that may be gone is not free.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createFetch, paymentOf, resumePayments } from '../../src/client/index.ts';
import { createSqliteClientStore } from '../../src/client/sqlite.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import type { PaymentScript, ScriptedPayer } from '../../src/testing/ScriptedPayer.ts';
import type { Shop } from '../../src/testing/Shop.ts';
import { outcomeOf, passing, sendBuyer } from './buyer.ts';

let folder: string | undefined;
afterEach(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true });
  folder = undefined;
});

/** The preimages, and other secrets, that were shown to the seller. */
const shownTo = ({ server }: Shop) => server.requests.map(({ headers }) => headers.authorization).filter((value) => value !== undefined);
const hashOf = (payer: ScriptedPayer) => payer.paid[0]?.paymentHash as Preimage.PaymentHash;

/** What a wallet may say instead of the preimage, where it says that it has paid. */
const lies: readonly (readonly [what: string, preimage: (hash: Preimage.PaymentHash) => unknown])[] = [
  ['none at all', () => undefined],
  ['null', () => null],
  ['an empty one', () => ''],
  ['zeros', () => '00'.repeat(32)],
  ['the payment hash itself', (hash) => hash],
  ['another payment’s', () => 'ab'.repeat(32)],
  ['one cut short', () => 'ab'.repeat(31)],
  ['one that is no hex', () => 'zz'.repeat(32)],
  ['words', () => 'paid, I promise'],
  ['bytes', () => new Uint8Array(32)],
  ['an object', () => ({ preimage: 'ab'.repeat(32) })],
];

describe('a wallet that says paid and shows', () => {
  test.each(lies)('%s: the payment is not known to be made, its money is held, and nobody is shown anything', async (_, lie) => {
    const shop = await sendBuyer();
    const { payer, fetch, url, store, server } = shop;
    const pay = payer.pay;
    Object.assign(payer, {
      pay: async (...given: Parameters<typeof pay>) => ({ ...(await pay(...given)), preimage: lie(hashOf(payer)) }),
      // It says the same when it is asked again.
      trackPayment: async () => ({ kind: 'settled', amountMsat: 50_000n, feeMsat: 0n, preimage: lie(hashOf(payer)) }),
    });
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_UNKNOWN');
    expect(await store.spending()).toEqual({ heldMsat: 60_000n, spentMsat: 0n, stoppedBy: undefined });
    // It is asked for again and again, and never paid again.
    for (let again = 0; again < 3; again++) expect(await outcomeOf(fetch(url))).toBe('PAYMENT_UNKNOWN');
    expect(payer.paid.length).toBe(1);
    expect(shownTo(shop)).toEqual([]);
    expect((await store.list()).map(({ state, usable, preimage }) => [state, usable, preimage])).toEqual([['unknown', false, undefined]]);
    // The truth, once it is told, buys what was paid for.
    Object.assign(payer, { trackPayment: async () => ({ kind: 'settled', amountMsat: 50_000n, feeMsat: 0n, preimage: server.preimageOf(hashOf(payer)) }) });
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.reused, payer.paid.length]).toEqual([200, true, 1]);
    expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: 50_000n, stoppedBy: undefined });
  });

  test('the right one in capitals: it is the same proof, and is shown in lower case', async () => {
    const shop = await sendBuyer();
    const { payer, fetch, url, server } = shop;
    const pay = payer.pay;
    Object.assign(payer, {
      pay: async (...given: Parameters<typeof pay>) => {
        const outcome = await pay(...given);
        return outcome.kind === 'settled' ? { ...outcome, preimage: outcome.preimage.toUpperCase() as Preimage.Preimage } : outcome;
      },
    });
    expect(await outcomeOf(fetch(url))).toBe(200);
    expect(shownTo(shop)[0]).toMatch(new RegExp(`:${server.preimageOf(hashOf(payer))}$`));
  });

  test('less spent than the invoice asks: the books go by the invoice', async () => {
    const { payer, fetch, url, store } = await sendBuyer();
    const pay = payer.pay;
    Object.assign(payer, { pay: async (...given: Parameters<typeof pay>) => ({ ...(await pay(...given)), amountMsat: 1n, feeMsat: -49_000n }) });
    expect(await outcomeOf(fetch(url))).toBe(200);
    expect((await store.spending()).spentMsat).toBe(50_000n);
  });
});

/** Ways of not saying how a payment ended, which has settled. */
const silences: readonly (readonly [what: string, script: PaymentScript])[] = [
  ['says that it does not know', { kind: 'unknown', became: 'settled' }],
  ['never answers', { kind: 'hang', became: 'settled' }],
  ['breaks off', { kind: 'throw' }],
];

describe('a wallet that has paid and', () => {
  test.each(silences)('%s: it is looked up, not paid again, and the proof buys the answer', async (_, script) => {
    const shop = await sendBuyer();
    const { payer, fetch, url, clock, store } = shop;
    payer.script(script);
    expect(await passing(clock, outcomeOf(fetch(url)), 5000)).toBe('PAYMENT_UNKNOWN');
    expect((await store.spending()).heldMsat).toBe(60_000n);
    payer.script({ kind: 'settle' });
    const response = await passing(clock, fetch(url));
    expect([response.status, paymentOf(response)?.reused]).toEqual([200, true]);
    expect([payer.paid.length, payer.spentMsat()]).toEqual([1, 50_000n]);
    expect(await store.spending()).toEqual({ heldMsat: 0n, spentMsat: 50_000n, stoppedBy: undefined });
  });

  test.each(silences)('%s: many calls at once wait for one answer', async (_, script) => {
    const { payer, fetch, url, clock } = await sendBuyer();
    payer.script(script);
    expect(await passing(clock, outcomeOf(fetch(url)), 5000)).toBe('PAYMENT_UNKNOWN');
    payer.setDown(true);
    const during = await passing(clock, Promise.all(Array.from({ length: 8 }, () => outcomeOf(fetch(url)))));
    expect(new Set(during)).toEqual(new Set(['PAYMENT_UNKNOWN']));
    payer.setDown(false);
    payer.script({ kind: 'settle' });
    expect(await passing(clock, outcomeOf(fetch(url)))).toBe(200);
    expect(payer.paid.length).toBe(1);
  });

  test.each(silences)('%s: another process, started later, does not pay again either', async (_, script) => {
    folder = mkdtempSync(join(tmpdir(), 'farebox-proofs-'));
    const path = join(folder, 'client.db');
    const first = createSqliteClientStore({ path });
    const { payer, fetch, url, clock } = await sendBuyer({ store: first });
    payer.script(script);
    expect(await passing(clock, outcomeOf(fetch(url)), 5000)).toBe('PAYMENT_UNKNOWN');
    await first.close();
    payer.script({ kind: 'settle' });
    const second = createSqliteClientStore({ path });
    const later = createFetch({ payer, clock, store: second, maxPerRequest: '60 sat' });
    const response = await passing(clock, later(url));
    expect([response.status, paymentOf(response)?.reused, payer.paid.length]).toEqual([200, true, 1]);
    await second.close();
  });

  test('fails the second time that it is told, for the invoice has been paid: it is looked up before it is believed', async () => {
    const { payer, fetch, url, store } = await sendBuyer();
    const pay = payer.pay;
    Object.assign(payer, {
      pay: async (...given: Parameters<typeof pay>) => {
        await pay(...given);
        return { kind: 'failed', reason: 'rejected', message: 'The invoice has been paid already.' };
      },
    });
    expect(await outcomeOf(fetch(url))).toBe(200);
    expect(payer.paid.length).toBe(1);
    expect((await store.spending()).spentMsat).toBe(50_000n);
  });

  test('answers when nobody waits any more: what it says is written down', async () => {
    const { payer, fetch, url, clock, store } = await sendBuyer();
    const open = payer.slow();
    const call = outcomeOf(fetch(url));
    expect(await passing(clock, call, 5000)).toBe('PAYMENT_UNKNOWN');
    open();
    while ((await store.list(['settled'])).length === 0) await new Promise((resolve) => setImmediate(resolve));
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.reused, payer.paid.length]).toEqual([200, true, 1]);
  });

  test('is given up by the caller in the midst: the payment is written down all the same', async () => {
    const { payer, fetch, url, store } = await sendBuyer();
    const open = payer.slow();
    const stop = new AbortController();
    const call = outcomeOf(fetch(url, { signal: stop.signal }));
    while (payer.paid.length === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await call).toBe('AbortError');
    open();
    while ((await store.list(['settled'])).length === 0) await new Promise((resolve) => setImmediate(resolve));
    const response = await fetch(url);
    expect([response.status, paymentOf(response)?.reused, payer.paid.length]).toEqual([200, true, 1]);
  });
});

test('a wallet that is slow is not told to pay for the same again by the caller who gave it up', async () => {
  const shop = await sendBuyer();
  const open = shop.payer.slow();
  for (let tries = 0; tries < 3; tries++) {
    const stop = new AbortController();
    const given = outcomeOf(shop.fetch(shop.url, { signal: stop.signal }));
    while (tries === 0 ? shop.payer.paid.length === 0 : shop.clock.timers() < 3) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await given).toBe('AbortError');
  }
  const again = shop.fetch(shop.url);
  open();
  expect(paymentOf(await passing(shop.clock, again))).toMatchObject({ reused: true, paymentHash: hashOf(shop.payer) });
  expect(shop.payer.paid.length).toBe(1);
});

describe('a look-up', () => {
  const unknown = async () => {
    const shop = await sendBuyer();
    shop.payer.script({ kind: 'unknown', became: 'pending' });
    expect(await outcomeOf(shop.fetch(shop.url))).toBe('PAYMENT_UNKNOWN');
    shop.payer.script({ kind: 'settle' });
    return shop;
  };

  test('that finds nothing while the invoice can be paid frees no money: the call may yet arrive', async () => {
    const { payer, fetch, url, store, clock } = await unknown();
    payer.end(hashOf(payer), 'absent');
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_UNKNOWN');
    expect((await store.spending()).heldMsat).toBe(60_000n);
    clock.advance(659_000);
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_UNKNOWN');
    // An invoice that has expired for over a minute pays nobody any more.
    clock.advance(2000);
    expect(await outcomeOf(fetch(url))).toBe(200);
    expect([payer.paid.length, payer.spentMsat()]).toEqual([2, 50_000n]);
  });

  test.each([
    ['is under way', (payer: ScriptedPayer) => payer.end(hashOf(payer), 'pending')],
    ['is not answered', (payer: ScriptedPayer) => payer.setDown(true)],
  ])('by which it %s frees no money, however late it is', async (_, prepare) => {
    const { payer, fetch, url, store, clock } = await unknown();
    prepare(payer);
    clock.advance(86_400_000);
    expect(await passing(clock, outcomeOf(fetch(url)))).toBe('PAYMENT_UNKNOWN');
    expect([payer.paid.length, (await store.spending()).heldMsat]).toEqual([1, 60_000n]);
  });

  test('with a proof that is none settles nothing', async () => {
    const { payer, store, clock } = await unknown();
    Object.assign(payer, { trackPayment: async () => ({ kind: 'settled', amountMsat: 50_000n, feeMsat: 0n, preimage: 'ab'.repeat(32) }) });
    expect((await resumePayments({ payer, store, clock })).map(({ state, usable }) => [state, usable])).toEqual([['unknown', false]]);
    expect(Preimage.proves('ab'.repeat(32) as Preimage.Preimage, hashOf(payer))).toBe(false);
  });

  test('that a wallet cannot make leaves the payment held, for a person to resolve', async () => {
    const { payer, fetch, url, clock } = await sendBuyer({ capabilities: { track: false } });
    payer.script({ kind: 'unknown', became: 'settled' });
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_UNKNOWN');
    clock.advance(86_400_000);
    payer.script({ kind: 'settle' });
    expect(await outcomeOf(fetch(url))).toBe('PAYMENT_UNKNOWN');
    expect(payer.paid.length).toBe(1);
  });
});
