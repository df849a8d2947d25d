import { afterEach, expect, test } from 'vitest';
import * as Amount from '../core/Amount.ts';
import { FareboxError } from '../core/Errors.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import { createSandboxNetwork } from '../lightning/sandbox.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/Store.ts';
import * as FixedClock from '../testing/FixedClock.ts';
import type { SaleFacts } from './Events.ts';
import { followSettlements } from './Settlements.ts';

const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const turns = async () => {
  for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
};

/** A wallet that can go away, what it is paid, and what was written down and told of that. */
function openWallet() {
  const clock = FixedClock.create();
  const sandbox = createSandboxNetwork({ clock });
  const store = createMemoryStore({ clock });
  const node = sandbox.receiver('seller');
  const payer = sandbox.payer('buyer');
  const told: SaleFacts[] = [];
  const troubles: unknown[] = [];
  const begun: (string | undefined)[] = [];
  const state = { isAway: false, hangUp: () => {} };
  const away = () => new FareboxError('LIGHTNING_UNAVAILABLE', 'away');
  const receiver: Receiver = {
    ...node,
    info: async () => {
      if (state.isAway) throw away();
      return node.info();
    },
    watchSettlements: async function* (options) {
      begun.push(options.after);
      if (state.isAway) throw away();
      const broken = new AbortController();
      state.hangUp = () => broken.abort();
      yield* node.watchSettlements({ ...options, signal: AbortSignal.any([options.signal, broken.signal]) });
      if (broken.signal.aborted) throw away();
    },
  };
  closing.push(() => sandbox.close(), store.close);
  const follow = (over: Partial<{ store: Store | undefined; receiver: Receiver }> = {}) => {
    const following = followSettlements({
      wallets: [{ identity: 'the wallet', receiver }],
      store,
      clock,
      soldAs: (description) => (description === 'Translation - 1 request' ? { service: 'translate', route: 'GET /t' } : undefined),
      onSettled: (settled) => told.push(settled),
      onTrouble: (error) => troubles.push(error),
      ...over,
      ...(over.receiver && { wallets: [{ identity: 'the wallet', receiver: over.receiver }] }),
    });
    closing.push(following.close);
    return following;
  };
  const pay = async (description = 'Translation - 1 request') => {
    const { invoice, paymentHash } = await node.createInvoice({ amountMsat: Amount.fromSat(50), description, expirySeconds: 600 });
    await payer.pay({ invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    await turns();
    return paymentHash;
  };
  const rows = async () => (await store.ledger({ after: 0, limit: 1000 })).map(({ kind, paymentHash }) => ({ kind, paymentHash }));
  return { clock, store, receiver, told, troubles, begun, state, follow, pay, rows };
}

test('what arrives is written down and told, with the route that it was for', async () => {
  const { store, told, follow, pay } = openWallet();
  follow();
  await turns();
  const paymentHash = await pay();
  const sold = { paymentHash, amountMsat: 50_000n, service: 'translate', route: 'GET /t' };
  expect(told).toEqual([sold]);
  expect(await store.ledger({ after: 0, limit: 10 })).toEqual([{ ...sold, kind: 'settled', nonce: '', at: expect.any(Number), note: 'sandbox', seq: 1 }]);
  expect((await store.totals()).settledMsat).toBe(50_000n);
});

test('what the wallet is paid for other things is passed over, and not read again and again after a restart', async () => {
  const { told, begun, follow, pay, rows } = openWallet();
  const first = follow();
  await turns();
  for (let turn = 0; turn < 101; turn++) await pay('rent');
  expect([told, await rows()]).toEqual([[], []]);
  await first.close();
  follow();
  await turns();
  expect(begun[0]).toBeUndefined();
  expect(begun[1]).not.toBeUndefined();
});

test('after a restart it goes on behind what it has read, and misses nothing of the time between', async () => {
  const { told, follow, pay, rows } = openWallet();
  const first = follow();
  await turns();
  const seen = await pay();
  await first.close();
  const missed = await pay();
  follow();
  await turns();
  expect(told.map(({ paymentHash }) => paymentHash)).toEqual([seen, missed]);
  expect((await rows()).map(({ paymentHash }) => paymentHash)).toEqual([seen, missed]);
});

test('a wallet that goes away is taken up again a second after it is back, behind the same place; its absence is told once a minute', async () => {
  const { clock, told, troubles, begun, state, follow, pay } = openWallet();
  follow();
  await turns();
  const before = await pay();
  state.isAway = true;
  state.hangUp();
  await turns();
  for (let second = 0; second < 30; second++) {
    clock.advance(1000);
    await turns();
  }
  expect(troubles).toHaveLength(1);
  for (let second = 0; second < 31; second++) {
    clock.advance(1000);
    await turns();
  }
  expect(troubles).toHaveLength(2);
  const between = await pay();
  state.isAway = false;
  clock.advance(1000);
  await turns();
  expect(told.map(({ paymentHash }) => paymentHash)).toEqual([before, between]);
  expect(new Set(begun.slice(1)).size).toBe(1);
});

test('a wallet that is away at the start is followed once it is there', async () => {
  const { clock, told, state, follow, pay } = openWallet();
  state.isAway = true;
  follow();
  await turns();
  state.isAway = false;
  clock.advance(1000);
  await turns();
  await pay();
  expect(told).toHaveLength(1);
});

test('what could not be written down is not told, and is read again', async () => {
  const { clock, store, told, troubles, follow, pay, rows } = openWallet();
  let isBroken = true;
  const breaking: Store = {
    ...store,
    append: async (...entries) => {
      if (isBroken) throw new FareboxError('STORE_UNAVAILABLE', 'the disk is full');
      return store.append(...entries);
    },
  };
  // Somebody has read up to here before.
  const before = follow();
  await turns();
  await pay();
  await before.close();
  follow({ store: breaking });
  await turns();
  const paymentHash = await pay();
  expect([told.length, troubles.length]).toEqual([1, 1]);
  isBroken = false;
  clock.advance(1000);
  await turns();
  expect(told.map((sold) => sold.paymentHash)).toContain(paymentHash);
  expect(await rows()).toHaveLength(2);
});

test('without a store it is told, and nothing is written', async () => {
  const { told, follow, pay, rows } = openWallet();
  follow({ store: undefined });
  await turns();
  await pay();
  expect([told.length, await rows()]).toEqual([1, []]);
});

test.each([
  ['node', { nodeId: `02${'ab'.repeat(32)}` }],
  ['wallet', { nodeId: undefined, walletId: 'wal_2' }],
])('another %s at the same address has a bookmark of its own', async (_, who) => {
  const { receiver, begun, follow, pay } = openWallet();
  const first = follow();
  await turns();
  await pay();
  await first.close();
  follow({ receiver: { ...receiver, info: async () => ({ alias: 'other', network: 'sandbox', ...who }) } });
  await turns();
  expect(begun).toEqual([undefined, undefined]);
});

test('a wallet that cannot be watched is left alone, and closing leaves no timer', async () => {
  const { clock, receiver, begun, follow } = openWallet();
  const blind = follow({ receiver: { ...receiver, capabilities: { ...receiver.capabilities, watch: false } } });
  await turns();
  expect(begun).toEqual([]);
  await blind.close();
  expect(clock.timers()).toBe(0);
});
