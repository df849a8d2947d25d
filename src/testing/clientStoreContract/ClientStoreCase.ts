/**
 * What a case of the client stores' contract is, and what all of them begin with.
 */
import assert from 'node:assert/strict';
import type { ClientStore, ReserveOutcome, ReserveRequest } from '../../client/ClientStore.ts';
import type { Payment, Purchase } from '../../client/Journal.ts';
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import { fromUtf8, toHex } from '../../core/internal/bytes.ts';
import { sha256 } from '../../core/internal/sha256.ts';
import * as Preimage from '../../core/Preimage.ts';

/** One promise of the contract. */
export type ClientStoreCase = {
  readonly name: string;
  /** Throws where the store breaks the promise. */
  readonly run: (store: ClientStore) => Promise<void>;
};

/** When everything happens, where nothing else is said. */
export const now = 1_800_000_000;
export const lease = { owner: 'one.1', leaseEndsAt: now + 15 };
export const other = { owner: 'two.1', leaseEndsAt: now + 15 };
export const sat = (amount: number) => Amount.fromSat(amount);
export const digest = (word: string) => toHex(sha256(fromUtf8(word)));
export const preimageOf = (word: string) => Preimage.fromBytes(sha256(fromUtf8(word)));

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

/** Room for a fee of 10 sat, and no budget. */
export function requestOf(purchase: Purchase, change: Partial<ReserveRequest> = {}): ReserveRequest {
  return { purchase, minFeeMsat: Amount.zero, maxFeeMsat: sat(10), budgets: [], tags: [], ...lease, nowAt: now, ...change };
}

/** A limit for everything together. */
export function totalOf(maxMsat: Msat): Pick<ReserveRequest, 'budgets'> {
  const limit = { per: 'total', maxMsat, host: undefined, tag: undefined, option: 'maxTotal' } as const;
  return { budgets: [{ name: '', limits: [limit], allow: undefined, deny: [], consentAboveMsat: undefined }] };
}

/** A reservation that has to be made. */
export async function reserved(store: ClientStore, request: ReserveRequest): Promise<Payment> {
  const outcome = await store.reserve(request);
  if (outcome.kind !== 'reserved') assert.fail(`the reservation was expected to be made, and is ${outcome.kind}`);
  return outcome.payment;
}

/** A payment whose wallet may be called. */
export async function dispatched(store: ClientStore, word: string, change: Partial<ReserveRequest> = {}, bought: Partial<Purchase> = {}): Promise<Payment> {
  const request = requestOf(purchaseOf(word, bought), change);
  const { paymentHash } = await reserved(store, request);
  const outcome = await store.dispatch({ paymentHash, owner: request.owner, leaseEndsAt: request.leaseEndsAt, nowAt: request.nowAt });
  if (outcome.kind !== 'dispatched') assert.fail(`the payment was expected to be dispatched, and is ${outcome.kind}`);
  return outcome.payment;
}

/** One that has settled. */
export async function settled(store: ClientStore, word: string, spentMsat: Msat = sat(52), bought: Partial<Purchase> = {}): Promise<Payment> {
  const { paymentHash } = await dispatched(store, word, {}, bought);
  const payment = await store.step(paymentHash, { kind: 'settle', preimage: preimageOf(word), spentMsat }, now);
  if (!payment) assert.fail('the payment was expected to settle');
  return payment;
}

/** What is held and spent. */
export async function sums(store: ClientStore): Promise<readonly [held: bigint, spent: bigint]> {
  const { heldMsat, spentMsat } = await store.spending();
  return [heldMsat, spentMsat];
}

export const hashOf = (word: string) => purchaseOf(word).paymentHash;
export const kindOf = ({ kind }: ReserveOutcome) => kind;
