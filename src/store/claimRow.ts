/**
 * A claim as a row of a table, in every store that has tables: columns are named as the types of Store.ts are, money is text in decimal
 * msat, points in time are Unix seconds.
 */
import type { ClaimLife } from './claimLife.ts';

/** A row of `claims`. */
export type ClaimRow = {
  readonly key: string;
  readonly state: ClaimLife['state'];
  readonly fence: number;
  readonly request: string;
  readonly idempotency_key: string | null;
  readonly body_digest: string | null;
  readonly expires_at: number;
  readonly lease_ends_at: number | null;
  readonly lease_seconds: number;
  readonly repeat_seconds: number;
  readonly committed_at: number;
  readonly committed_fence: number;
  readonly repeats: number;
  readonly given_back: number;
  readonly lapses: number;
  readonly releases: string;
  readonly payment_hash: string | null;
  readonly amount_msat: string | null;
};

/** Its columns, the key first. */
export const columns = [
  'key',
  'state',
  'fence',
  'request',
  'idempotency_key',
  'body_digest',
  'expires_at',
  'lease_ends_at',
  'lease_seconds',
  'repeat_seconds',
  'committed_at',
  'committed_fence',
  'repeats',
  'given_back',
  'lapses',
  'releases',
  'payment_hash',
  'amount_msat',
] as const satisfies readonly (keyof ClaimRow)[];

/** A claim, to be kept under its key. */
export function toRow(key: string, life: ClaimLife): ClaimRow {
  return {
    key,
    state: life.state,
    fence: life.fence,
    request: life.record.request,
    idempotency_key: life.record.idempotencyKey ?? null,
    body_digest: life.record.bodyDigest ?? null,
    expires_at: life.expiresAt,
    lease_ends_at: life.leaseEndsAt ?? null,
    lease_seconds: life.leaseSeconds,
    repeat_seconds: life.repeatSeconds,
    committed_at: life.committedAt,
    committed_fence: life.committedFence,
    repeats: life.repeats,
    given_back: life.givenBack,
    lapses: life.lapses,
    releases: JSON.stringify(life.releases),
    payment_hash: life.payment?.paymentHash ?? null,
    amount_msat: life.payment === undefined ? null : `${life.payment.amountMsat}`,
  };
}

/** A claim as it is kept. */
export function fromRow(row: ClaimRow): ClaimLife {
  return {
    state: row.state,
    fence: row.fence,
    record: {
      request: row.request,
      ...(row.idempotency_key !== null && { idempotencyKey: row.idempotency_key }),
      ...(row.body_digest !== null && { bodyDigest: row.body_digest }),
    },
    expiresAt: row.expires_at,
    leaseEndsAt: row.lease_ends_at ?? undefined,
    leaseSeconds: row.lease_seconds,
    repeatSeconds: row.repeat_seconds,
    committedAt: row.committed_at,
    committedFence: row.committed_fence,
    repeats: row.repeats,
    givenBack: row.given_back,
    lapses: row.lapses,
    releases: JSON.parse(row.releases),
    ...(row.payment_hash !== null && { payment: { paymentHash: row.payment_hash, amountMsat: BigInt(row.amount_msat ?? 0) } }),
  };
}
