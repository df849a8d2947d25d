/**
 * Where a buyer's memory is kept: the journal of payments, the credentials that they bought, and the money that is set aside.
 *
 * Every call is atomic and durable when it returns, against all calls in this and in other processes. A call that cannot know its
 * outcome throws `STORE_UNAVAILABLE`. One store belongs to one wallet: another one could not say what became of its payments. One
 * contract suite (`farebox/testing`) runs against every implementation; what a change does stands in `Journal.ts` and `Budget.ts`.
 */
import type { Msat } from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Lease, Payment, PaymentState, Purchase, Spending, Step } from './Journal.ts';

/** What a store promises beyond the contract. */
export type ClientStoreCapabilities = {
  /** Survives the end of the process. */
  readonly durable: boolean;
  /** Can be opened by several processes at once. */
  readonly shared: boolean;
};

/** Asks for money to be set aside for a payment. */
export type ReserveRequest = Lease & {
  readonly purchase: Purchase;
  /** The least that must be set aside on top of the amount. */
  readonly minFeeMsat: Msat;
  /** The most that is set aside on top of the amount; less where the total limit leaves less. */
  readonly maxFeeMsat: Msat;
  /** All that the journal may ever hold and have spent, fees included; undefined for no such limit. */
  readonly maxTotalMsat: Msat | undefined;
  /** Unix seconds. */
  readonly nowAt: number;
};

/** What came of asking. Nothing was written unless it is `reserved`. */
export type ReserveOutcome =
  | { readonly kind: 'reserved'; readonly payment: Payment }
  /** The journal has this payment hash already: it is not paid again. */
  | { readonly kind: 'known'; readonly payment: Payment }
  /** The end of this payment for the same resource is not known. */
  | { readonly kind: 'blocked'; readonly payment: Payment }
  /** The total limit does not cover amount and least fee. */
  | { readonly kind: 'exceeded'; readonly spending: Spending }
  /** A payment cost more than was set aside; see {@link Spending}. */
  | { readonly kind: 'stopped'; readonly by: PaymentHash };

/** What came of asking to call the wallet. */
export type DispatchOutcome =
  /** Written down: call it now. */
  | { readonly kind: 'dispatched'; readonly payment: Payment }
  /** The end of this payment for the same resource is not known: do not call it. */
  | { readonly kind: 'blocked'; readonly payment: Payment }
  /** A payment cost more than was set aside since: do not call it. */
  | { readonly kind: 'stopped'; readonly by: PaymentHash }
  /** The reservation has ended: do not call it. */
  | { readonly kind: 'lost' };

/** What the journal knows that bears on requests to an origin. */
export type Bearing = {
  /** Payments whose wallet was called and whose end is not known, oldest first. */
  readonly open: readonly Payment[];
  /** Usable credentials, oldest first. */
  readonly credentials: readonly Payment[];
};

/** See the head of this file. */
export type ClientStore = {
  /** The implementation's name, such as `sqlite`. */
  readonly name: string;
  readonly capabilities: ClientStoreCapabilities;

  readonly find: (query: { readonly origin: string }) => Promise<Bearing>;
  readonly get: (paymentHash: PaymentHash) => Promise<Payment | undefined>;
  /** Payments in these states, or all, oldest first. */
  readonly list: (states?: readonly PaymentState[]) => Promise<readonly Payment[]>;

  /** Sets money aside and opens the payment's row, or says why not. Reservations whose owner is gone are given up first. */
  readonly reserve: (request: ReserveRequest) => Promise<ReserveOutcome>;
  /** Writes down that the wallet is called: of any number of callers at once, one is told `dispatched`. */
  readonly dispatch: (request: Lease & { readonly paymentHash: PaymentHash; readonly nowAt: number }) => Promise<DispatchOutcome>;
  /** Changes a payment. Undefined: the step does not fit what has become of it, and nothing was written. */
  readonly step: (paymentHash: PaymentHash, step: Step, nowAt: number) => Promise<Payment | undefined>;

  readonly spending: () => Promise<Spending>;
  /** A person has looked at the payment that stopped spending; it may go on. */
  readonly allowSpending: () => Promise<void>;
  readonly close: () => Promise<void>;
};
