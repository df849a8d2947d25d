/**
 * `farebox/client/receipts`: what was paid, for what, and the proof of it, out of the client's journal.
 */
import type { ClientStore } from './ClientStore.ts';
import type { Payment } from './Journal.ts';
import * as PurchaseReceipt from './receipts/PurchaseReceipt.ts';
import type { RateSource } from './receipts/Rate.ts';

export { parse as parseSignedReceipt, parseKeys as parseReceiptKeys, type SignedReceipt, verify as verifySignedReceipt } from '../core/SignedReceipt.ts';
export type { Bought, FiatValue, PurchaseReceipt } from './receipts/PurchaseReceipt.ts';
export { from as receiptOf, redact as redactReceipt } from './receipts/PurchaseReceipt.ts';
export { createRateBook, fixedRate, type NotedRate, type Rate, type RateBook, type RateBookOptions, type RateSource } from './receipts/Rate.ts';
export { type ExportOptions, formatCsv, formatJsonLines, parseJsonLines } from './receipts/text.ts';
export { type Stated, type Verified, verify as verifyReceipt } from './receipts/verify.ts';

/** Which receipts, and with what. */
export type ListReceiptsOptions = {
  /** What bitcoin cost then. Without it receipts name no value in other money. */
  readonly rate?: RateSource | undefined;
  /** Paid at this time or later, Unix seconds. */
  readonly since?: number | undefined;
  /** Paid before this time, Unix seconds. */
  readonly until?: number | undefined;
};

/**
 * The receipts of everything that a journal knows to be paid, oldest first. They hold preimages: see `redactReceipt`, and the exports.
 * @throws STORE_UNAVAILABLE – the journal could not be read
 * @example
 * const receipts = await listReceipts(store, { rate: fixedRate('USD', '67012.50') });
 * writeFileSync('receipts.csv', formatCsv(receipts));
 */
export async function listReceipts(
  store: Pick<ClientStore, 'list'>,
  { rate, since = 0, until = Number.POSITIVE_INFINITY }: ListReceiptsOptions = {},
): Promise<readonly PurchaseReceipt.PurchaseReceipt[]> {
  const payments = await store.list(['settled', 'redeemed', 'rejected']);
  // What another program has bought, and was imported, is in that program's books.
  const isIn = ({ preimage, dispatchedAt, invoice }: Payment) =>
    invoice !== '' && preimage !== undefined && dispatchedAt !== undefined && dispatchedAt >= since && dispatchedAt < until;
  const receipts: PurchaseReceipt.PurchaseReceipt[] = [];
  for (const payment of payments.filter(isIn)) receipts.push(PurchaseReceipt.from(payment, await rate?.(payment.dispatchedAt as number)));
  return receipts;
}
