/**
 * A receipt for one payment: what was paid, for what, to whom, and what proves it. It is made from the journal's row, and can be checked by
 * anybody, later and offline.
 *
 * Whoever has preimage and invoice can show that this invoice was paid; together with the token the preimage is also the credential. So a receipt
 * for other people's eyes is redacted: it holds no preimage. No receipt holds a token.
 *
 * @see BOLT 11; docs/guide/buying.md, "Receipts"
 */
import * as Amount from '../../core/Amount.ts';
import * as Bolt11 from '../../core/Bolt11.ts';
import { FareboxError } from '../../core/Errors.ts';
import type { PaymentHash, Preimage } from '../../core/Preimage.ts';
import type { Network } from '../../lightning/Lightning.ts';
import type { Payment } from '../Journal.ts';
import * as Journal from '../Journal.ts';
import * as Tokens from '../Tokens.ts';
import type { Rate } from './Rate.ts';
import { valueAt } from './Rate.ts';

/** One payment that was made. */
export type PurchaseReceipt = {
  readonly paymentHash: PaymentHash;
  /** When the wallet was called, Unix seconds. */
  readonly paidAt: number;
  /** What the invoice asked. */
  readonly amountMsat: Amount.Msat;
  /** What it cost on top. */
  readonly feeMsat: Amount.Msat;
  /** Amount and fee in other money, by the rate of that time; undefined where no rate is known. */
  readonly fiat: FiatValue | undefined;
  readonly method: string;
  readonly origin: string;
  /** Without the query, which may hold secrets. */
  readonly path: string;
  readonly bought: Bought;
  /** `answered`: it has bought an answer. `unanswered`: not yet. `refused`: the seller refuses the credential all the same. */
  readonly outcome: 'answered' | 'unanswered' | 'refused';
  /** The wallet's driver, such as `lnd`. */
  readonly payer: string;
  readonly network: Network;
  /** The node that was paid: a compressed public key, 66 hex digits; undefined where the invoice is not known. */
  readonly payee: string | undefined;
  /** BOLT 11 text; '' where it is not known, as of a token that was imported. */
  readonly invoice: string;
  /** With the invoice, the proof of payment; undefined in a redacted receipt. A secret. */
  readonly preimage: Preimage | undefined;
};

/** What was bought, as the seller stated it in invoice and token. Whatever the seller wrote: escape it before it is shown. */
export type Bought = {
  /** The invoice's own words. */
  readonly description: string | undefined;
  readonly services: readonly string[];
  readonly terms: Tokens.Reading['terms'];
  readonly methods: readonly string[];
  readonly paths: readonly string[];
  /** Unix seconds. */
  readonly validUntil: number | undefined;
};

/** A value in other money. */
export type FiatValue = {
  /** Such as `USD`. */
  readonly currency: string;
  /** Decimal text. */
  readonly amount: string;
  /** Of one bitcoin, as it was asked for; decimal text. */
  readonly rate: string;
};

/**
 * The receipt of a payment.
 * @param rate - of the time of the payment
 * @throws TypeError – it has not been made, as far as the journal knows
 */
export function from(payment: Payment, rate?: Rate): PurchaseReceipt {
  if (payment.preimage === undefined || payment.dispatchedAt === undefined) throw new TypeError('payment: it has not settled');
  const invoice = invoiceOf(payment.invoice);
  const { services, terms, methods, paths, validUntil } = Tokens.readingOf(payment);
  const feeMsat = Journal.feeMsatOf(payment);
  return {
    paymentHash: payment.paymentHash,
    paidAt: payment.dispatchedAt,
    amountMsat: payment.amountMsat,
    feeMsat,
    fiat: rate && valueAt(Amount.fromMsat(payment.amountMsat + feeMsat), rate),
    method: payment.method,
    origin: payment.origin,
    path: payment.path,
    bought: { description: invoice?.description, services, terms, methods: methods.flat(), paths, validUntil },
    outcome: payment.state === 'redeemed' ? 'answered' : payment.state === 'rejected' ? 'refused' : 'unanswered',
    payer: payment.payer,
    network: payment.network,
    payee: invoice?.payee,
    invoice: payment.invoice,
    preimage: payment.preimage,
  };
}

/** The receipt without what makes a credential good. */
export function redact(receipt: PurchaseReceipt): PurchaseReceipt {
  return { ...receipt, preimage: undefined };
}

function invoiceOf(text: string): Bolt11.Invoice | undefined {
  try {
    return Bolt11.decode(text);
  } catch (error) {
    if (FareboxError.is(error, 'INVOICE_MALFORMED')) return undefined;
    throw error;
  }
}
