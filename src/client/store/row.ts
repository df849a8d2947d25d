/**
 * A payment as stores write it down: one flat row, its columns named as in SQL. Amounts are decimal text, since no store's numbers hold them all.
 *
 * Token and preimage together are a credential, a secret of a bearer: they alone go through a {@link Seal}.
 */
import type { Msat } from '../../core/Amount.ts';
import type { PaymentHash, Preimage } from '../../core/Preimage.ts';
import type { Network } from '../../lightning/Lightning.ts';
import type { Counter } from '../budget/Counter.ts';
import type { Payment, PaymentState, Spending } from '../Journal.ts';

/** How secrets are written down, and read again. `context` names the place, so that what stands in one is worth nothing in another. */
export type Seal = {
  readonly seal: (secret: string, context: string) => string;
  /** @throws where it was sealed otherwise, or stood elsewhere */
  readonly open: (sealed: string, context: string) => string;
};

/** Writes them as they are. */
export const unsealed: Seal = { seal: (secret) => secret, open: (sealed) => sealed };

/** What a column holds. */
export type Value = string | number | null;

/** A row by column. */
export type Row = { readonly [column in (typeof columns)[number]]: Value };

/** Every column, in order. */
export const columns = [
  'payment_hash',
  'state',
  'resource',
  'origin',
  'method',
  'path',
  'scheme',
  'token',
  'invoice',
  'invoice_expires_at',
  'amount_msat',
  'payer',
  'network',
  'reserved_msat',
  'spent_msat',
  'preimage',
  'usable',
  'owner',
  'lease_ends_at',
  'created_at',
  'dispatched_at',
  'updated_at',
  'seen',
  'bound_to',
  'note',
  'budgets',
  'tags',
] as const;

/** Writes a payment down. */
export function encode(payment: Payment, { seal }: Seal): Row {
  const { paymentHash, preimage } = payment;
  return {
    payment_hash: paymentHash,
    state: payment.state,
    resource: payment.resource,
    origin: payment.origin,
    method: payment.method,
    path: payment.path,
    scheme: payment.scheme,
    token: seal(payment.token, `${paymentHash}/token`),
    invoice: payment.invoice,
    invoice_expires_at: payment.invoiceExpiresAt,
    amount_msat: payment.amountMsat.toString(),
    payer: payment.payer,
    network: payment.network,
    reserved_msat: payment.reservedMsat.toString(),
    spent_msat: payment.spentMsat.toString(),
    preimage: preimage === undefined ? null : seal(preimage, `${paymentHash}/preimage`),
    usable: payment.usable ? 1 : 0,
    owner: payment.owner,
    lease_ends_at: payment.leaseEndsAt,
    created_at: payment.createdAt,
    dispatched_at: payment.dispatchedAt ?? null,
    updated_at: payment.updatedAt,
    seen: payment.seen ? 1 : 0,
    bound_to: payment.boundTo,
    note: payment.note,
    budgets: JSON.stringify(payment.budgets),
    tags: JSON.stringify(payment.tags),
  };
}

/** Reads one; amounts may be numbers of any kind that says itself in decimal. */
export function decode(row: { readonly [column: string]: unknown }, { open }: Seal): Payment {
  const text = (column: keyof Row) => row[column] as string;
  const number = (column: keyof Row) => row[column] as number;
  const msat = (column: keyof Row) => BigInt(row[column] as string) as Msat;
  const list = (column: keyof Row) => JSON.parse(text(column)) as readonly string[];
  const paymentHash = text('payment_hash') as PaymentHash;
  const preimage = row.preimage as string | null;
  return {
    paymentHash,
    state: text('state') as PaymentState,
    resource: text('resource'),
    origin: text('origin'),
    method: text('method'),
    path: text('path'),
    scheme: text('scheme') as Payment['scheme'],
    token: open(text('token'), `${paymentHash}/token`),
    invoice: text('invoice'),
    invoiceExpiresAt: number('invoice_expires_at'),
    amountMsat: msat('amount_msat'),
    payer: text('payer'),
    network: text('network') as Network,
    reservedMsat: msat('reserved_msat'),
    spentMsat: msat('spent_msat'),
    preimage: preimage === null ? undefined : (open(preimage, `${paymentHash}/preimage`) as Preimage),
    usable: row.usable === 1,
    owner: text('owner'),
    leaseEndsAt: number('lease_ends_at'),
    createdAt: number('created_at'),
    dispatchedAt: (row.dispatched_at ?? undefined) as number | undefined,
    updatedAt: number('updated_at'),
    seen: row.seen === 1,
    boundTo: text('bound_to'),
    note: text('note'),
    budgets: list('budgets'),
    tags: list('tags'),
  };
}

/** A row of a table, as a driver hands it over. */
export type Found = { readonly [column: string]: unknown };

/** Reads the sums over the journal. */
export function toSpending(row: Found): Spending {
  return {
    heldMsat: BigInt(row.held_msat as string) as Msat,
    spentMsat: BigInt(row.spent_msat as string) as Msat,
    stoppedBy: (row.stopped_by ?? undefined) as PaymentHash | undefined,
    stopNote: (row.stop_note ?? undefined) as string | undefined,
  };
}

/** Reads what a limit counts. */
export function toCounter(row: Found): Counter {
  return {
    key: row.key as string,
    budget: row.budget as string,
    host: (row.host ?? undefined) as string | undefined,
    tag: (row.tag ?? undefined) as string | undefined,
    startAt: row.start_at as number,
    endAt: (row.end_at ?? undefined) as number | undefined,
    heldMsat: BigInt(row.held_msat as string) as Msat,
    spentMsat: BigInt(row.spent_msat as string) as Msat,
  };
}
