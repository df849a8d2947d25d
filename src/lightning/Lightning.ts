/**
 * What Farebox needs of a Lightning node or wallet: a `Receiver` to sell, a `Payer` to buy. One file a product implements them.
 *
 * "I could not find out" is an answer of its own in both: a lookup that cannot reach the node throws `LIGHTNING_UNAVAILABLE`; a
 * payment whose end is not known is `unknown`, never `failed`.
 */
import type { Msat } from '../core/Amount.ts';
import type { PaymentHash, Preimage } from '../core/Preimage.ts';

/**
 * Which money: the label that enters every token's root key, so that a token paid for on one network is worth nothing on another.
 * `sandbox` invoices are regtest invoices (`lnbcrt…`) of a network that lives on this machine.
 */
export type Network = 'bitcoin' | 'testnet' | 'signet' | 'regtest' | 'sandbox';

/** What a receiver really can do; what it cannot is refused at configuration or chosen by name. */
export type ReceiverCapabilities = {
  /** Can tell the state of an invoice by its payment hash. */
  readonly lookup: boolean;
  /** Can tell it of every invoice, also one that another process made; without it, of those of this driver alone. */
  readonly history: boolean;
  /** Can tell of settlements as they happen, and resume after a cursor. */
  readonly watch: boolean;
  /** Can cancel an unpaid invoice. */
  readonly cancel: boolean;
  /** Can ask for parts of a satoshi. */
  readonly msat: boolean;
  /** Words the invoice as it is asked to, and sets its life; without it, both are the wallet's own. */
  readonly memo: boolean;
};

/** What to ask for. */
export type InvoiceRequest = {
  /** Always set: an invoice without an amount is never made. */
  readonly amountMsat: Msat;
  /** UTF-8, at most 639 bytes. */
  readonly description: string;
  /** From now, in seconds. */
  readonly expirySeconds: number;
};

/** An invoice as made. */
export type CreatedInvoice = {
  /** BOLT 11 text, lower case. */
  readonly invoice: string;
  readonly paymentHash: PaymentHash;
  /** Unix seconds. */
  readonly expiresAt: number;
};

/** What the node says of an invoice. `absent`: the node answered, and has never seen this payment hash. */
export type InvoiceState =
  | { readonly kind: 'open'; readonly expiresAt: number }
  | { readonly kind: 'paid'; readonly amountMsat: Msat; readonly settledAt: number }
  | { readonly kind: 'expired' }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'absent' };

/** One settlement. */
export type Settlement = {
  readonly paymentHash: PaymentHash;
  /** What arrived. */
  readonly amountMsat: Msat;
  /** Unix seconds. */
  readonly settledAt: number;
  /** The invoice's own words, where the product tells them. */
  readonly description: string | undefined;
  /** Hand it back as `after` to go on behind this settlement. */
  readonly cursor: string;
};

/** Who the node is. */
export type NodeInfo = {
  readonly alias: string;
  /** Compressed public key, 66 hex digits, where the product has one. */
  readonly nodeId: string | undefined;
  /** Which of the wallets at this address, where the product keeps several: the same after every start, and nothing that lets one in. */
  readonly walletId?: string | undefined;
  readonly network: Network;
};

/** A node or wallet that can be paid. Every call may throw `LIGHTNING_UNAVAILABLE` or `LIGHTNING_UNAUTHORIZED`. */
export type Receiver = {
  /** The driver's name, such as `sandbox`. */
  readonly name: string;
  readonly network: Network;
  readonly capabilities: ReceiverCapabilities;
  /** Makes an invoice that nobody else has seen. */
  readonly createInvoice: (request: InvoiceRequest, signal?: AbortSignal) => Promise<CreatedInvoice>;
  /** What became of an invoice. */
  readonly lookupInvoice: (paymentHash: PaymentHash, signal?: AbortSignal) => Promise<InvoiceState>;
  /** Settlements behind the cursor (all from now on where there is none), until `signal` aborts. Throws when the node goes away: begin again behind the last cursor. */
  readonly watchSettlements: (options: { readonly after?: string; readonly signal: AbortSignal }) => AsyncIterable<Settlement>;
  readonly info: (signal?: AbortSignal) => Promise<NodeInfo>;
  /** Whether what lets us in could spend as well, which selling needs not; undefined: not to be found out. Nothing is spent to find out. */
  readonly canSpend?: (signal?: AbortSignal) => Promise<boolean | undefined>;
  /** The most that can be paid to it now; undefined: not to be found out. */
  readonly receivable?: (signal?: AbortSignal) => Promise<Msat | undefined>;
  readonly close: () => Promise<void>;
};

/** What a payer really can do. */
export type PayerCapabilities = {
  /** Keeps to `maxFeeMsat`. */
  readonly feeLimit: boolean;
  /** Can tell the end of a payment by its payment hash. */
  readonly track: boolean;
  /** Can tell its balance. */
  readonly balance: boolean;
};

/** What to pay. */
export type PaymentRequest = {
  /** BOLT 11 text with an amount. */
  readonly invoice: string;
  /** The most that may be paid on top of the amount. */
  readonly maxFeeMsat: Msat;
  /** After that long the answer is `unknown` unless the end is known. */
  readonly timeoutSeconds: number;
};

/** How a payment ended, as far as can be known. */
export type PaymentOutcome =
  | {
      readonly kind: 'settled';
      readonly preimage: Preimage;
      /** What the payee got. */
      readonly amountMsat: Msat;
      /** What it cost on top. */
      readonly feeMsat: Msat;
    }
  /** For certain: no money has left and none will. */
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string }
  /** May have been paid, may still be: look it up by payment hash; never pay again. */
  | { readonly kind: 'unknown'; readonly message: string };

/** Every reason by name. */
export const failureReasons = ['balance', 'fee-limit', 'no-route', 'too-small', 'too-large', 'rejected', 'expired', 'malformed'] as const;

/**
 * Why a payment failed for certain.
 *
 * - `balance`: the wallet has too little, or may spend too little now.
 * - `fee-limit`: it would cost more on top than it may.
 * - `no-route`: no way to the payee was found.
 * - `too-small`, `too-large`: the amount is below or above what the wallet, or a channel on the way, sends.
 * - `expired`, `malformed`: the invoice has expired, or cannot be read.
 * - `rejected`: anything else, or nothing that the wallet would say.
 */
export type FailureReason = (typeof failureReasons)[number];

/** What the wallet says of a payment. `pending`: still under way. `absent`: the wallet answered, and has never seen it. */
export type TrackedPayment = PaymentOutcome | { readonly kind: 'pending' } | { readonly kind: 'absent' };

/** A node or wallet that can pay. */
export type Payer = {
  /** The driver's name, such as `sandbox`. */
  readonly name: string;
  readonly network: Network;
  readonly capabilities: PayerCapabilities;
  /** Pays once; never throws for what happens to the payment itself: a lost connection after sending is `unknown`. */
  readonly pay: (request: PaymentRequest, signal?: AbortSignal) => Promise<PaymentOutcome>;
  /** What became of a payment. @throws LIGHTNING_UNAVAILABLE – could not be found out */
  readonly trackPayment: (paymentHash: PaymentHash, signal?: AbortSignal) => Promise<TrackedPayment>;
  /** What can be spent now. @throws LIGHTNING_UNAVAILABLE – could not be found out */
  readonly balance: (signal?: AbortSignal) => Promise<{ readonly spendableMsat: Msat }>;
  readonly close: () => Promise<void>;
};
