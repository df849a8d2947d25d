/**
 * What a wallet says over NWC: a transaction, and a no.
 *
 * @see NIP-47, Commands and Error codes
 */
import type * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { FareboxError } from '../../core/Errors.ts';
import { saidIn } from '../Api.ts';
import type { Reading } from '../Reading.ts';

/** The product's name, as messages say it: which wallet it is, NWC does not tell before it has answered. */
export const product = 'the NWC wallet';

/** Its answer: what was asked for, or a no. */
export type Answer =
  | {
      readonly kind: 'result';
      readonly result: Reading;
      /** When the wallet answered, by its own clock. Unix seconds. */
      readonly at: number;
    }
  | { readonly kind: 'error'; readonly code: string; readonly said: string };

/** A payment in either direction, as the wallet keeps it. */
export type Transaction = {
  readonly isOutgoing: boolean;
  /** In lower case; where the wallet names none, what its other fields come to. */
  readonly state: string;
  /** 64 hex digits in lower case; anything else of what was not paid over Lightning. */
  readonly paymentHash: string;
  readonly amountMsat: Amount.Msat;
  /** Undefined where the wallet does not say. */
  readonly feeMsat: Amount.Msat | undefined;
  readonly preimage: string | undefined;
  readonly invoice: string | undefined;
  readonly description: string | undefined;
  /** Unix seconds, as the next one. */
  readonly settledAt: number | undefined;
  readonly expiresAt: number | undefined;
};

/**
 * Reads a transaction. A wallet that names no state has settled what has a time of settlement, and is silent about the rest.
 * @throws LIGHTNING_UNAVAILABLE – it cannot be read
 */
export function transactionIn(reading: Reading): Transaction {
  const type = reading.text('type').toLowerCase();
  if (type !== 'incoming' && type !== 'outgoing') throw unavailable(`it calls a payment "${type.slice(0, 20)}"`);
  const settledAt = timeIn(reading, 'settled_at');
  return {
    isOutgoing: type === 'outgoing',
    state: textIn(reading, 'state')?.toLowerCase() ?? (settledAt === undefined ? '' : 'settled'),
    paymentHash: reading.text('payment_hash').toLowerCase(),
    amountMsat: reading.msat('amount'),
    feeMsat: reading.has('fees_paid') ? reading.msat('fees_paid') : undefined,
    preimage: textIn(reading, 'preimage'),
    invoice: textIn(reading, 'invoice'),
    description: textIn(reading, 'description'),
    settledAt,
    expiresAt: timeIn(reading, 'expires_at'),
  };
}

/** Its no, as an error. What it said of it is for the operator, shortened. */
export function refused(method: string, { code, said }: Answer & { readonly kind: 'error' }): FareboxError {
  const why = `${code}${said === '' ? '' : `: ${said}`}`;
  if (code === 'UNAUTHORIZED' || code === 'RESTRICTED') {
    return new FareboxError('LIGHTNING_UNAUTHORIZED', `${product} does not let us ${method} (${why}). Make a connection that may.`);
  }
  return unavailable(`it answered ${why}`);
}

/** What a wallet says with its error code, in words that can be shown. */
export function wordsOf(message: unknown): string {
  return saidIn({ message }) ?? '';
}

/** @param details - `sent: false` where the wallet cannot have been asked */
export function unavailable(why: string, details: { readonly sent?: false } = {}, cause?: unknown): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `${product} cannot be asked: ${why}.`, { details, cause });
}

/** Many wallets leave a text empty where there is none. */
function textIn(reading: Reading, name: string): string | undefined {
  const text = reading.has(name) ? reading.text(name) : '';
  return text === '' ? undefined : text;
}

/** Likewise 0 for a time that has not come. One that is no second of ours is no time. */
function timeIn(reading: Reading, name: string): number | undefined {
  const at = reading.has(name) ? reading.seconds(name) : 0;
  if (at > latestAt) throw unavailable(`it tells a time that is none (${name})`);
  return at === 0 ? undefined : at;
}

/** The year 5138: larger numbers are milliseconds. */
const latestAt = 100_000_000_000;

/** What the invoice of a transaction says, where the wallet kept it; undefined where it did not, or kept something else. */
export function invoiceOf({ invoice, paymentHash }: Pick<Transaction, 'invoice' | 'paymentHash'>): Bolt11.InvoiceFields | undefined {
  if (invoice === undefined) return undefined;
  try {
    const fields = Bolt11.peek(invoice);
    return fields.paymentHash === paymentHash ? fields : undefined;
  } catch (error) {
    if (FareboxError.is(error, 'INVOICE_MALFORMED')) return undefined;
    throw error;
  }
}
