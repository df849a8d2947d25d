/**
 * The lying server by itself, with invoices of a wallet of somebody's own: ours buys from it over the sandbox and is not robbed; a client that believes
 * everything is, wherever that can be seen from the seller's side.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryClientStore } from '../../src/client/index.ts';
import type { Msat } from '../../src/core/Amount.ts';
import type { Payer, Receiver } from '../../src/lightning/Lightning.ts';
import { createSandboxNetwork, type Sandbox } from '../../src/lightning/sandbox.ts';
import { FixedClock, type Liars, startLiars } from '../../src/testing/index.ts';
import { isPassed } from '../../src/testing/liars/Check.ts';
import { scripts, ways } from '../../src/testing/liars/ways.ts';
import { buyThrough } from './liars/buyer.ts';
import { type Paying, robGullible } from './liars/gullible.ts';

const served = ways.filter(({ needs }) => needs === 'server');

/** What a seller cannot see: an order that no wallet carries out, a fee, and what does no harm to it. */
const unseen = [
  'no-lie',
  'creeping-price',
  'no-amount',
  'whole-bitcoin-amount',
  'zero-amount',
  'fraction-of-a-millisatoshi',
  'overflowing-amount',
  'mainnet-invoice',
  'signet-invoice',
  'unreadable-invoice',
  'forged-signature',
  'expired-invoice',
  'expired-by-its-own-clock',
  'same-hash-dearer',
  'one-invoice-for-all',
  'replayed-offer',
  'endless-early-hints',
  'terminal-escapes',
  'dribbling-offer-body',
  'cut-offer-body',
  'nested-offer-body',
  'cut-in-offer-head',
];

let clock: FixedClock.FixedClock;
let sandbox: Sandbox;
let receiver: Receiver;
let payer: Payer;
let liars: Liars;
beforeEach(async () => {
  clock = FixedClock.create();
  sandbox = createSandboxNetwork({ clock });
  receiver = sandbox.receiver('liar');
  payer = sandbox.payer('wallet');
  liars = await startLiars({ clock, receiver });
});
afterEach(async () => {
  await liars.close();
  await sandbox.close();
});

const verdictOn = async (name: string) => (await liars.check()).verdicts.find((one) => one.name === name);

it('plays the ways that need a seller alone, sixty and more, and needs no wallet for them', async () => {
  expect(liars.ways).toEqual(served);
  expect(served.length).toBeGreaterThanOrEqual(60);
  expect(scripts.filter(({ pay, lookUp }) => !pay && !lookUp).map(({ name }) => name)).toEqual(served.map(({ name }) => name));
  expect((await fetch(`${liars.url}/v1/pay`, { method: 'POST', body: '{}' })).status).toBe(404);
  expect(await (await fetch(liars.url)).json()).toMatchObject({ limits: { maxPerRequestMsat: '60000' } });
});

describe('our client is not robbed', () => {
  for (const way of served) {
    it(`${way.name}: ${way.does}`, async () => {
      const { outcomes, spending } = await buyThrough(way, { liars, clock, payer, store: createMemoryClientStore() });
      expect(outcomes.map(({ ending }) => ending)).toEqual(way.steps.flatMap((step) => (step.kind === 'ask' ? [step.ends] : [])));
      const { bought, verdicts } = await liars.check();
      if (way.name === 'no-lie') expect(bought).toBe(true);
      else expect(verdicts.find(({ name }) => name === way.name)).toMatchObject({ verdict: 'unharmed', robbed: [] });
      // Its journal, its wallet's book and what the seller has got say the same.
      const { payments } = await sandbox.audit();
      const settled = payments.filter(({ state }) => state === 'settled');
      expect(spending).toMatchObject({ heldMsat: 0n, spentMsat: settled.reduce((sum, { amountMsat, feeMsat }) => sum + amountMsat + feeMsat, 0n) });
      expect(spending.spentMsat).toBeLessThanOrEqual(500_000n);
      expect(liars.seen(way.name).spentMsat).toBe(settled.reduce((sum, { amountMsat }) => sum + amountMsat, 0n));
    });
  }
});

describe('a client that believes everything is robbed, wherever it can be seen', () => {
  const pay: Paying = ({ invoice, maxFeeMsat, timeoutSeconds }) => payer.pay({ invoice, maxFeeMsat: BigInt(maxFeeMsat) as Msat, timeoutSeconds });
  for (const way of served) {
    it(way.name, async () => {
      const verdict = way.name === 'no-lie' ? undefined : unseen.includes(way.name) ? 'unharmed' : 'robbed';
      await robGullible(way, liars, clock, pay);
      expect((await verdictOn(way.name))?.verdict).toBe(verdict);
    });
  }
});

it('a client that pays nothing passes nothing, and one that was not tried is not passed', async () => {
  await fetch(`${liars.url}/no-lie/a`);
  await fetch(`${liars.url}/refuses-for-ever/a`);
  const came = await liars.check();
  expect([came.bought, isPassed(came), isPassed({ ...came, bought: true })]).toEqual([false, false, false]);
  expect(came.verdicts.filter(({ verdict }) => verdict !== 'untried')).toMatchObject([{ name: 'refuses-for-ever', verdict: 'unharmed' }]);
  const unharmed = came.verdicts.map((one) => ({ ...one, verdict: 'unharmed' as const }));
  expect([isPassed({ bought: true, verdicts: unharmed }), isPassed({ bought: false, verdicts: unharmed })]).toEqual([true, false]);
});

it('a wallet that makes no invoice is said to be away, and a way is not said to be unharmed', async () => {
  await sandbox.setFault({ node: 'liar', kind: 'node-down' });
  const answer = await fetch(`${liars.url}/no-lie/a`);
  expect([answer.status, await answer.json()]).toEqual([500, { message: expect.stringContaining('liar') }]);
  await sandbox.clearFaults();
  await fetch(`${liars.url}/no-lie/a`);
  await sandbox.setFault({ node: 'liar', kind: 'node-down' });
  await expect(liars.check()).rejects.toMatchObject({ code: 'LIGHTNING_UNAVAILABLE' });
});
