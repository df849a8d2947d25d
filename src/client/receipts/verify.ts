/**
 * Checks a receipt with nothing but the receipt: no wallet, no seller, no network.
 *
 * Proven is that somebody who knew the preimage paid this invoice of this node for this amount. Fee, method, path, terms and value are the buyer's
 * own word, and no receipt over Lightning can prove who paid.
 *
 * @see BOLT 11, Requirements of a reader
 */
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import * as Preimage from '../../core/Preimage.ts';
import type { PurchaseReceipt } from './PurchaseReceipt.ts';

/** What the check found. */
export type Verified =
  /** Paid. */
  | (Stated & { readonly kind: 'proven' })
  /** Nothing contradicts it, and the preimage, or the invoice, is not in it. */
  | (Partial<Stated> & { readonly kind: 'unproven'; readonly missing: 'preimage' | 'invoice' })
  /** It contradicts itself. */
  | { readonly kind: 'false'; readonly why: string };

/** What the payee has signed. */
export type Stated = {
  readonly paymentHash: PaymentHash;
  readonly amountMsat: Amount.Msat;
  /** Compressed public key, 66 hex digits. */
  readonly payee: string;
  /** Whatever the payee wrote. */
  readonly description: string | undefined;
  /** When the invoice was made, Unix seconds. */
  readonly invoicedAt: number;
};

/** Checks a receipt; see the head of this file. */
export function verify(receipt: PurchaseReceipt): Verified {
  const { preimage, paymentHash } = receipt;
  if (preimage !== undefined && !isProof(preimage, paymentHash)) return falsehood('the preimage does not hash to the payment hash');
  if (receipt.invoice === '') return { kind: 'unproven', missing: 'invoice' };
  const stated = read(receipt);
  if (typeof stated === 'string') return falsehood(stated);
  return preimage === undefined ? { kind: 'unproven', missing: 'preimage', ...stated } : { kind: 'proven', ...stated };
}

/** What the invoice states, or how it contradicts the receipt. */
function read(receipt: PurchaseReceipt): Stated | string {
  let invoice: Bolt11.Invoice;
  try {
    invoice = Bolt11.decode(receipt.invoice);
  } catch (error) {
    if (FareboxError.is(error, 'INVOICE_MALFORMED')) return 'the invoice cannot be read, or its signature is wrong';
    throw error;
  }
  const { amountMsat, paymentHash, payee, description, createdAt } = invoice;
  if (paymentHash !== receipt.paymentHash) return 'the invoice has another payment hash';
  if (amountMsat === undefined) return 'the invoice names no amount';
  if (amountMsat !== receipt.amountMsat) return `the invoice asks ${Amount.format(amountMsat)}, and the receipt says ${Amount.format(receipt.amountMsat)}`;
  if (payee !== receipt.payee) return 'the invoice was signed by another node';
  if (description !== receipt.bought.description) return 'the invoice describes something else';
  if (invoice.chain !== (receipt.network === 'sandbox' ? 'regtest' : receipt.network)) return 'the invoice is for another network';
  return { paymentHash, amountMsat, payee, description, invoicedAt: createdAt };
}

function isProof(text: string, paymentHash: PaymentHash): boolean {
  try {
    return Preimage.proves(Preimage.parse(text), paymentHash);
  } catch (error) {
    if (FareboxError.is(error, 'PREIMAGE_MALFORMED')) return false;
    throw error;
  }
}

function falsehood(why: string): Verified {
  return { kind: 'false', why };
}
