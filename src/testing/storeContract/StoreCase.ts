/**
 * A case of the store contract, and the material that cases are made of.
 */
import assert from 'node:assert/strict';
import * as Amount from '../../core/Amount.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { ClaimOutcome, ClaimRequest, LedgerEntry, Spending, Store } from '../../store/Store.ts';
import type { FixedClock } from '../FixedClock.ts';

/** One promise of the contract. */
export type StoreCase = {
  readonly name: string;
  /** Throws where the store breaks the promise. */
  readonly run: (store: Store, clock: FixedClock) => Promise<void>;
};

/** How long a lease lasts in the cases. */
export const leaseSeconds = 30;

/** When what is kept in the cases expires: the clock begins at 1,800,000,000. */
export const expiresAt = 1_800_086_400;

/** 64 hex digits that a word stands for. */
export function digest(word: string): string {
  return Array.from(new TextEncoder().encode(word), (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .padEnd(64, '0');
}

/** Asks for the one use of `key`, for one request unless another is named. */
export function claimOf(key: string, change: Partial<ClaimRequest> = {}): ClaimRequest {
  return { key: digest(key), request: digest('GET /a'), leaseSeconds, expiresAt, repeat: { limit: 2, withinSeconds: 600 }, ...change };
}

/** Claims, and fails where that is not granted. */
export async function grant(store: Store, request: ClaimRequest): Promise<ClaimOutcome & { readonly kind: 'granted' }> {
  const outcome = await store.claim(request);
  if (outcome.kind !== 'granted') assert.fail(`the claim was expected to be granted, and is ${outcome.kind}`);
  return outcome;
}

/** Names a granted claim. */
export function refOf(request: ClaimRequest, outcome: { readonly fence: number }): { readonly key: string; readonly fence: number } {
  return { key: request.key, fence: outcome.fence };
}

/** An entry over 50 sat. */
export function entryOf(kind: LedgerEntry['kind'], payment: string, change: Partial<LedgerEntry> = {}): LedgerEntry {
  return {
    kind,
    paymentHash: Preimage.parseHash(digest(payment)),
    nonce: '',
    amountMsat: Amount.fromSat(50),
    service: 'translate',
    route: 'GET /api/v1/translate',
    at: 1_800_000_000,
    note: '',
    ...change,
  };
}

/** What the ledger says of units that are spent under this nonce. */
export function spendingOf(nonce: string): Spending {
  return { nonce, service: 'translate', route: 'GET /api/v1/translate', at: 1_800_000_000, note: '' };
}

/** Every entry there is, by kind. */
export async function kindsOf(store: Store): Promise<readonly LedgerEntry['kind'][]> {
  return (await store.ledger({ after: 0, limit: 1000 })).map(({ kind }) => kind);
}
