/**
 * What every client store has to do, as a list of cases that need no test runner: each gets a new, empty store.
 *
 * @see src/client/ClientStore.ts
 */
import assert from 'node:assert/strict';
import type { ClientStore, ReserveOutcome, ReserveRequest } from '../client/ClientStore.ts';
import type { Payment, Purchase } from '../client/Journal.ts';
import type { Msat } from '../core/Amount.ts';
import * as Amount from '../core/Amount.ts';
import { fromUtf8, toHex } from '../core/internal/bytes.ts';
import { sha256 } from '../core/internal/sha256.ts';
import * as Preimage from '../core/Preimage.ts';

/** One promise of the contract. */
export type ClientStoreCase = {
  readonly name: string;
  /** Throws where the store breaks the promise. */
  readonly run: (store: ClientStore) => Promise<void>;
};

const now = 1_800_000_000;
const lease = { owner: 'one.1', leaseEndsAt: now + 15 };
const other = { owner: 'two.1', leaseEndsAt: now + 15 };
const sat = (amount: number) => Amount.fromSat(amount);
const digest = (word: string) => toHex(sha256(fromUtf8(word)));
const preimageOf = (word: string) => Preimage.fromBytes(sha256(fromUtf8(word)));

/** A purchase for 50 sat; the word names its payment. */
export function purchaseOf(word: string, change: Partial<Purchase> = {}): Purchase {
  return {
    paymentHash: Preimage.hash(preimageOf(word)),
    resource: digest('GET /a'),
    origin: 'https://api.example.com',
    method: 'GET',
    path: '/a',
    scheme: 'L402',
    token: `token-${word}`,
    invoice: `lnbcrt500n1${word}`,
    invoiceExpiresAt: now + 600,
    amountMsat: sat(50),
    payer: 'scripted',
    network: 'sandbox',
    ...change,
  };
}

/** Room for a fee of 10 sat, and no total limit. */
export function requestOf(purchase: Purchase, change: Partial<ReserveRequest> = {}): ReserveRequest {
  return { purchase, minFeeMsat: Amount.zero, maxFeeMsat: sat(10), maxTotalMsat: undefined, ...lease, nowAt: now, ...change };
}

async function reserved(store: ClientStore, request: ReserveRequest): Promise<Payment> {
  const outcome = await store.reserve(request);
  if (outcome.kind !== 'reserved') assert.fail(`the reservation was expected to be made, and is ${outcome.kind}`);
  return outcome.payment;
}

async function dispatched(store: ClientStore, word: string, change: Partial<ReserveRequest> = {}, bought: Partial<Purchase> = {}): Promise<Payment> {
  const request = requestOf(purchaseOf(word, bought), change);
  const { paymentHash } = await reserved(store, request);
  const outcome = await store.dispatch({ paymentHash, owner: request.owner, leaseEndsAt: request.leaseEndsAt, nowAt: request.nowAt });
  if (outcome.kind !== 'dispatched') assert.fail(`the payment was expected to be dispatched, and is ${outcome.kind}`);
  return outcome.payment;
}

async function settled(store: ClientStore, word: string, spentMsat: Msat = sat(52), bought: Partial<Purchase> = {}): Promise<Payment> {
  const { paymentHash } = await dispatched(store, word, {}, bought);
  const payment = await store.step(paymentHash, { kind: 'settle', preimage: preimageOf(word), spentMsat }, now);
  if (!payment) assert.fail('the payment was expected to settle');
  return payment;
}

async function sums(store: ClientStore): Promise<readonly [held: bigint, spent: bigint]> {
  const { heldMsat, spentMsat } = await store.spending();
  return [heldMsat, spentMsat];
}

const hashOf = (word: string) => purchaseOf(word).paymentHash;
const kindOf = ({ kind }: ReserveOutcome) => kind;

/** The suite. A case fails by throwing. */
export const clientStoreContract: readonly ClientStoreCase[] = [
  {
    name: 'a payment goes from reserved to redeemed, and its money from held to spent',
    run: async (store) => {
      assert.deepEqual(await sums(store), [0n, 0n]);
      await reserved(store, requestOf(purchaseOf('a')));
      assert.deepEqual(await sums(store), [60_000n, 0n]);
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now + 1 })).kind, 'dispatched');
      const paid = await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(52), claim: lease }, now + 2);
      assert.deepEqual(paid, {
        ...purchaseOf('a'),
        ...lease,
        state: 'settled',
        reservedMsat: sat(60),
        spentMsat: sat(52),
        preimage: preimageOf('a'),
        usable: true,
        createdAt: now,
        dispatchedAt: now + 1,
        updatedAt: now + 2,
        seen: false,
        boundTo: '',
        note: '',
      });
      assert.deepEqual(await store.get(hashOf('a')), paid);
      assert.deepEqual(await sums(store), [0n, 52_000n]);
      const used = await store.step(hashOf('a'), { kind: 'redeem', owner: lease.owner, last: true }, now + 3);
      assert.deepEqual([used?.state, used?.usable, used?.owner], ['redeemed', false, '']);
      assert.deepEqual(await sums(store), [0n, 52_000n]);
    },
  },
  {
    name: 'a payment that failed gives its money back',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now))?.state, 'failed');
      assert.deepEqual(await sums(store), [0n, 0n]);
    },
  },
  {
    name: 'a payment whose end is unknown holds its money until it is known',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'doubt', note: 'lost' }, now))?.state, 'unknown');
      assert.deepEqual(await sums(store), [60_000n, 0n]);
      await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50) }, now);
      assert.deepEqual(await sums(store), [0n, 50_000n]);
    },
  },
  {
    name: 'one payment hash is paid once, whatever became of it',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('a', { resource: digest('GET /b') })))), 'known');
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now })).kind, 'dispatched');
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: now })).kind, 'lost');
      await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now);
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('a')))), 'known');
    },
  },
  {
    name: 'a reservation that never came to its wallet may be made again',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      await store.step(hashOf('a'), { kind: 'fail', note: 'called off' }, now);
      await dispatched(store, 'a');
      assert.deepEqual(await sums(store), [60_000n, 0n]);
    },
  },
  {
    name: 'a reservation whose owner is gone is given up when the next one is made, and cannot be dispatched',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      const late = now + 15;
      await reserved(store, requestOf(purchaseOf('b'), { ...other, leaseEndsAt: late + 15, nowAt: late, maxTotalMsat: sat(60) }));
      assert.deepEqual(await sums(store), [60_000n, 0n]);
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...lease, nowAt: late })).kind, 'lost');
    },
  },
  {
    name: 'a reservation that is not extended cannot be dispatched, and not by another owner',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), ...other, nowAt: now })).kind, 'lost');
      assert.equal(await store.step(hashOf('a'), { kind: 'extend', ...other }, now), undefined);
      assert.equal((await store.step(hashOf('a'), { kind: 'extend', owner: lease.owner, leaseEndsAt: now + 30 }, now))?.leaseEndsAt, now + 30);
      assert.equal((await store.dispatch({ paymentHash: hashOf('a'), owner: lease.owner, leaseEndsAt: now + 45, nowAt: now + 30 })).kind, 'lost');
    },
  },
  {
    name: 'an unknown payment stands in the way of its resource, and of no other',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('b')));
      await dispatched(store, 'a');
      await store.step(hashOf('a'), { kind: 'doubt', note: 'lost' }, now);
      const outcome = await store.reserve(requestOf(purchaseOf('c')));
      assert.equal(outcome.kind === 'blocked' && outcome.payment.paymentHash, hashOf('a'));
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'blocked');
      await dispatched(store, 'd', {}, { resource: digest('GET /other') });
      await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now);
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'dispatched');
    },
  },
  {
    name: 'a payment under way stands in the way of other clients, and of its own when its call is gone',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('b'), other))), 'blocked');
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('b'), { owner: 'one.2' }))), 'reserved');
      assert.equal(kindOf(await store.reserve(requestOf(purchaseOf('c'), { owner: 'one.3', leaseEndsAt: now + 30, nowAt: now + 15 }))), 'blocked');
    },
  },
  {
    name: 'the total limit covers what is spent and what is held, and leaves less for the fee where less is left',
    run: async (store) => {
      await settled(store, 'a');
      await dispatched(store, 'b');
      const limited = (max: number, word = 'c') => requestOf(purchaseOf(word, { resource: digest(word) }), { maxTotalMsat: sat(max) });
      const refused = await store.reserve(limited(161));
      assert.deepEqual(refused, { kind: 'exceeded', spending: { spentMsat: sat(52), heldMsat: sat(60), stoppedBy: undefined } });
      assert.equal(await store.get(hashOf('c')), undefined);
      assert.equal(kindOf(await store.reserve({ ...limited(163), minFeeMsat: sat(2) })), 'exceeded');
      assert.equal((await reserved(store, limited(165))).reservedMsat, sat(53));
      assert.equal(kindOf(await store.reserve(limited(165, 'd'))), 'exceeded');
    },
  },
  {
    name: 'of many parallel reservations as many are made as the total limit covers',
    run: async (store) => {
      const words = Array.from({ length: 20 }, (_, index) => `word-${index}`);
      const outcomes = await Promise.all(words.map((word) => store.reserve(requestOf(purchaseOf(word), { maxTotalMsat: sat(250), maxFeeMsat: Amount.zero }))));
      assert.equal(outcomes.filter(({ kind }) => kind === 'reserved').length, 5);
      assert.deepEqual(await sums(store), [250_000n, 0n]);
    },
  },
  {
    name: 'a payment that cost more than was set aside stops spending until a person allows it',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('b')));
      await settled(store, 'a', sat(61));
      assert.deepEqual(await store.spending(), { heldMsat: sat(60), spentMsat: sat(61), stoppedBy: hashOf('a') });
      assert.deepEqual(await store.reserve(requestOf(purchaseOf('c'))), { kind: 'stopped', by: hashOf('a') });
      assert.deepEqual(await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now }), { kind: 'stopped', by: hashOf('a') });
      await store.allowSpending();
      assert.equal((await store.dispatch({ paymentHash: hashOf('b'), ...lease, nowAt: now })).kind, 'dispatched');
    },
  },
  {
    name: 'a payment that was said to have failed and settles after all is counted, and stops spending',
    run: async (store) => {
      await dispatched(store, 'a');
      await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now);
      await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50) }, now);
      assert.deepEqual(await store.spending(), { heldMsat: 0n, spentMsat: sat(50), stoppedBy: hashOf('a') });
    },
  },
  {
    name: 'a payment settles once; later words on its end change nothing',
    run: async (store) => {
      await settled(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(59) }, now))?.spentMsat, sat(52));
      assert.equal(await store.step(hashOf('a'), { kind: 'fail', note: 'no-route' }, now), undefined);
      assert.equal(await store.step(hashOf('a'), { kind: 'doubt', note: 'lost' }, now), undefined);
      assert.deepEqual(await sums(store), [0n, 52_000n]);
    },
  },
  {
    name: 'a payment that no wallet was called for does not settle, nor does one that is not there',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      const step = { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50) } as const;
      assert.equal(await store.step(hashOf('a'), step, now), undefined);
      assert.equal(await store.step(hashOf('nobody'), step, now), undefined);
      assert.equal(await store.get(hashOf('nobody')), undefined);
    },
  },
  {
    name: 'a credential is taken by one call, until it is released or its lease has ended',
    run: async (store) => {
      const { paymentHash } = await settled(store, 'a');
      await store.step(paymentHash, { kind: 'release', owner: lease.owner }, now);
      const takes = await Promise.all(
        Array.from({ length: 10 }, (_, index) => store.step(paymentHash, { kind: 'take', owner: `three.${index}`, leaseEndsAt: now + 15 }, now)),
      );
      const [winner] = takes.filter((payment) => payment !== undefined);
      assert.equal(takes.filter((payment) => payment !== undefined).length, 1);
      assert.equal(await store.step(paymentHash, { kind: 'release', owner: 'three.99' }, now), undefined);
      await store.step(paymentHash, { kind: 'release', owner: winner?.owner ?? '' }, now);
      assert.equal((await store.step(paymentHash, { kind: 'take', ...lease }, now))?.owner, lease.owner);
      assert.equal(await store.step(paymentHash, { kind: 'take', ...other }, now + 14), undefined);
      assert.equal((await store.step(paymentHash, { kind: 'take', owner: other.owner, leaseEndsAt: now + 30 }, now + 15))?.owner, other.owner);
    },
  },
  {
    name: 'a credential that is settled by somebody else stays with the call that waits for it',
    run: async (store) => {
      await dispatched(store, 'a');
      const found = await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50), claim: other }, now);
      assert.equal(found?.owner, lease.owner);
      assert.equal((await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50), claim: lease }, now))?.owner, lease.owner);
    },
  },
  {
    name: 'what a call says of a payment is worth nothing once another call works on it',
    run: async (store) => {
      await reserved(store, requestOf(purchaseOf('a')));
      assert.equal(await store.step(hashOf('a'), { kind: 'fail', note: 'late', by: 'two.1' }, now), undefined);
      assert.equal(await store.step(hashOf('a'), { kind: 'abandon' }, now), undefined);
      assert.equal((await store.step(hashOf('a'), { kind: 'fail', note: 'mine', by: lease.owner }, now))?.state, 'failed');
      await reserved(store, requestOf(purchaseOf('b')));
      assert.equal((await store.step(hashOf('b'), { kind: 'abandon' }, lease.leaseEndsAt + 1))?.state, 'failed');
      await dispatched(store, 'c');
      assert.equal(await store.step(hashOf('c'), { kind: 'abandon' }, lease.leaseEndsAt + 1), undefined);
      assert.equal(await store.step(hashOf('c'), { kind: 'fail', note: 'by hand', by: '' }, lease.leaseEndsAt - 1), undefined);
      assert.equal((await store.step(hashOf('c'), { kind: 'fail', note: 'by hand', by: '' }, lease.leaseEndsAt))?.state, 'failed');
    },
  },
  {
    name: 'a credential that has expired is found no more, unless a call is at work with it',
    run: async (store) => {
      await dispatched(store, 'a');
      await store.step(hashOf('a'), { kind: 'settle', preimage: preimageOf('a'), spentMsat: sat(50), claim: lease }, now);
      assert.equal(await store.step(hashOf('a'), { kind: 'expire' }, lease.leaseEndsAt - 1), undefined);
      const expired = await store.step(hashOf('a'), { kind: 'expire' }, lease.leaseEndsAt);
      assert.deepEqual([expired?.state, expired?.usable, expired?.owner], ['settled', false, '']);
      assert.deepEqual((await store.find({ origin: purchaseOf('a').origin })).credentials, []);
      assert.equal(await store.step(hashOf('a'), { kind: 'expire' }, lease.leaseEndsAt), undefined);
    },
  },
  {
    name: 'a wallet that has once said that it has a payment is remembered for it',
    run: async (store) => {
      await dispatched(store, 'a');
      assert.equal((await store.step(hashOf('a'), { kind: 'doubt', note: 'under way', seen: true }, now))?.seen, true);
      assert.equal((await store.step(hashOf('a'), { kind: 'doubt', note: 'no answer' }, now))?.seen, true);
      assert.equal((await store.get(hashOf('a')))?.seen, true);
    },
  },
  {
    name: 'a credential whose one answer has begun is bound to that request',
    run: async (store) => {
      await settled(store, 'a');
      await store.step(hashOf('a'), { kind: 'take', ...lease }, now);
      assert.equal(await store.step(hashOf('a'), { kind: 'bind', owner: 'two.1', resource: digest('GET /b') }, now), undefined);
      assert.equal((await store.step(hashOf('a'), { kind: 'bind', owner: lease.owner, resource: digest('GET /b') }, now))?.boundTo, digest('GET /b'));
      assert.equal((await store.step(hashOf('a'), { kind: 'release', owner: lease.owner }, now))?.usable, true);
      assert.equal((await store.get(hashOf('a')))?.boundTo, digest('GET /b'));
    },
  },
  {
    name: 'a refused credential is set aside: kept, and never used again',
    run: async (store) => {
      const { paymentHash } = await settled(store, 'a');
      assert.equal((await store.step(paymentHash, { kind: 'reject', note: '402' }, now))?.state, 'rejected');
      assert.equal(await store.step(paymentHash, { kind: 'take', ...lease }, now), undefined);
      const good = await settled(store, 'b');
      await store.step(good.paymentHash, { kind: 'redeem', owner: lease.owner, last: false }, now);
      assert.equal((await store.find({ origin: good.origin })).credentials.length, 1);
      const aside = await store.step(good.paymentHash, { kind: 'reject', note: '402' }, now);
      assert.deepEqual([aside?.state, aside?.usable, aside?.preimage], ['redeemed', false, preimageOf('b')]);
      assert.deepEqual((await store.find({ origin: good.origin })).credentials, []);
    },
  },
  {
    name: 'what bears on an origin: its open payments and its usable credentials, oldest first',
    run: async (store) => {
      await dispatched(store, 'old');
      await settled(store, 'elsewhere', sat(50), { origin: 'https://other.example.com' });
      await settled(store, 'new', sat(50), { resource: digest('GET /b') });
      await store.step(hashOf('old'), { kind: 'settle', preimage: preimageOf('old'), spentMsat: sat(50) }, now);
      await reserved(store, requestOf(purchaseOf('reserved')));
      await dispatched(store, 'b-elsewhere', {}, { resource: digest('GET /b') });
      await dispatched(store, 'open');
      await dispatched(store, 'doubt', { owner: 'one.2' });
      await store.step(hashOf('doubt'), { kind: 'doubt', note: 'lost' }, now);
      const { open, credentials } = await store.find({ origin: purchaseOf('a').origin });
      assert.deepEqual(
        open.map(({ paymentHash }) => paymentHash),
        [hashOf('b-elsewhere'), hashOf('open'), hashOf('doubt')],
      );
      assert.deepEqual(
        credentials.map(({ paymentHash }) => paymentHash),
        [hashOf('old'), hashOf('new')],
      );
    },
  },
  {
    name: 'what bears on an origin is as it stands now',
    run: async (store) => {
      const { paymentHash, origin } = await settled(store, 'a');
      const kept = async () => (await store.find({ origin })).credentials.map(({ state, owner }) => [state, owner]);
      await store.step(paymentHash, { kind: 'release', owner: lease.owner }, now);
      assert.deepEqual(await kept(), [['settled', '']]);
      await store.step(paymentHash, { kind: 'take', ...other }, now);
      assert.deepEqual(await kept(), [['settled', other.owner]]);
      await store.step(paymentHash, { kind: 'redeem', owner: other.owner, last: false }, now);
      assert.deepEqual(await kept(), [['redeemed', '']]);
      await store.step(paymentHash, { kind: 'redeem', owner: '', last: true }, now);
      assert.deepEqual(await kept(), []);
    },
  },
  {
    name: 'payments are listed by state, oldest first',
    run: async (store) => {
      await settled(store, 'a');
      await dispatched(store, 'b');
      await reserved(store, requestOf(purchaseOf('c')));
      const words = async (...states: Payment['state'][]) => (await store.list(states)).map(({ token }) => token);
      assert.deepEqual(await words('reserved', 'settled'), ['token-a', 'token-c']);
      assert.deepEqual(
        (await store.list()).map(({ token }) => token),
        ['token-a', 'token-b', 'token-c'],
      );
    },
  },
  {
    name: 'a closed store answers nothing',
    run: async (store) => {
      await store.close();
      await store.close();
      await assert.rejects(store.spending(), { code: 'STORE_UNAVAILABLE' });
      await assert.rejects(store.reserve(requestOf(purchaseOf('a'))), { code: 'STORE_UNAVAILABLE' });
    },
  },
];
