/**
 * Where a buyer's memory is kept: the journal of payments, the credentials that they bought, and the money that is set aside.
 *
 * Every call is atomic and durable when it returns, against all calls in this and in other processes. A call that cannot know its
 * outcome throws `STORE_UNAVAILABLE`. One store belongs to one wallet: another one could not say what became of its payments. One
 * contract suite (`farebox/testing`) runs against every implementation; what a change does stands in `Journal.ts` and `Budget.ts`.
 */
import type { Msat } from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Counter } from './budget/Counter.ts';
import type { BudgetOptions, NamedBudget } from './budget/Limit.ts';
import type { LimitState } from './budget/LimitState.ts';
import type { Bound } from './budget/refusals.ts';
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
  /** The most that is set aside on top of the amount; less where a limit leaves less. */
  readonly maxFeeMsat: Msat;
  /** Budgets that it counts to, outermost first. Those that stand in the store bind it as well. */
  readonly budgets: readonly NamedBudget[];
  readonly tags: readonly string[];
  /** Somebody was asked for this very payment, and said yes. */
  readonly isConsented?: boolean;
  /** Unix seconds. */
  readonly nowAt: number;
};

/** Why nothing is paid at all. */
export type Stopped = {
  /** A payment that cost more than was set aside. */
  readonly by: PaymentHash | undefined;
  /** What a person said who stopped it. */
  readonly note: string | undefined;
  /** The branch that has ended, where not all spending has. */
  readonly budget?: string;
};

/** What came of asking. Nothing was set aside unless it is `reserved`. */
export type ReserveOutcome =
  /** `feeBoundBy`: what left less for the fee than was asked for. */
  | { readonly kind: 'reserved'; readonly payment: Payment; readonly feeBoundBy: Bound | undefined }
  /** The journal has this payment hash already: it is not paid again. */
  | { readonly kind: 'known'; readonly payment: Payment }
  /** The end of this payment for the same resource is not known. */
  | { readonly kind: 'blocked'; readonly payment: Payment }
  /** This budget does not pay such hosts. */
  | { readonly kind: 'denied'; readonly budget: string }
  /** This limit does not cover amount and least fee. */
  | { readonly kind: 'exceeded'; readonly by: LimitState }
  /** This budget wants somebody to consent first. `maxFeeMsat`: what would be set aside for the fee; `limits`: all that count it. */
  | {
      readonly kind: 'unconsented';
      readonly budget: string;
      readonly aboveMsat: Msat;
      readonly maxFeeMsat: Msat;
      readonly limits: readonly LimitState[];
    }
  /** Nothing is paid at all. */
  | ({ readonly kind: 'stopped' } & Stopped);

/** What came of asking to call the wallet. */
export type DispatchOutcome =
  /** Written down: call it now. */
  | { readonly kind: 'dispatched'; readonly payment: Payment }
  /** The end of this payment for the same resource is not known: do not call it. */
  | { readonly kind: 'blocked'; readonly payment: Payment }
  /** Spending has been stopped since: do not call it. */
  | ({ readonly kind: 'stopped' } & Stopped)
  /** The reservation has ended: do not call it. */
  | { readonly kind: 'lost' };

/** What the journal knows that bears on requests to an origin. */
export type Bearing = {
  /** Payments whose wallet was called and whose end is not known, oldest first. */
  readonly open: readonly Payment[];
  /** Usable credentials, oldest first. */
  readonly credentials: readonly Payment[];
};

/** Everything that is kept, as it was at one moment. */
export type ClientAudit = {
  /** Oldest first. */
  readonly payments: readonly Payment[];
  readonly spending: Spending;
  readonly counters: readonly Counter[];
  readonly standing: readonly NamedBudget[];
};

/** Budgets that are kept by the store itself: they bind every payment of every process that uses it, whatever that process was told. */
export type StandingBudgets = {
  /**
   * Puts one in, or in the place of the one of the same name; '' is the name of the one for everything. What was paid before counts to it where it
   * was made under a budget of this name; to the one for everything all counts.
   * @throws as `Budget.create`
   */
  readonly put: (budget: BudgetOptions) => Promise<NamedBudget>;
  /**
   * Makes another of the one of this name, in one step: of two who change it at the same time, each builds on what the other has made of it.
   * @param change - given undefined where there is none; undefined leaves it as it is. It may be asked more than once, and does nothing else
   * @returns what stands there now, or undefined where nothing was changed
   */
  readonly change: (name: string, change: (before: NamedBudget | undefined) => NamedBudget | undefined) => Promise<NamedBudget | undefined>;
  /** By name. */
  readonly list: () => Promise<readonly NamedBudget[]>;
  /** False: there was none of this name. */
  readonly remove: (name: string) => Promise<boolean>;
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
  /** What `reserve` would say now, with nothing written. */
  readonly weigh: (request: ReserveRequest) => Promise<ReserveOutcome>;
  /** Writes down that the wallet is called: of any number of callers at once, one is told `dispatched`. */
  readonly dispatch: (request: Lease & { readonly paymentHash: PaymentHash; readonly nowAt: number }) => Promise<DispatchOutcome>;
  /** Changes a payment. Undefined: the step does not fit what has become of it, and nothing was written. */
  readonly step: (paymentHash: PaymentHash, step: Step, nowAt: number) => Promise<Payment | undefined>;

  readonly spending: () => Promise<Spending>;
  /** Nothing is set aside any more, and no wallet called, by whatever process, until it is allowed again. `note` says why, for people. */
  readonly stopSpending: (note: string) => Promise<void>;
  /** A person has looked at what stopped spending; it may go on. */
  readonly allowSpending: () => Promise<void>;
  readonly budgets: StandingBudgets;
  /** Where every limit of the standing budgets, and of these, stands at one moment. */
  readonly report: (query: { readonly budgets?: readonly NamedBudget[]; readonly nowAt: number }) => Promise<readonly LimitState[]>;
  /** Everything, as it is at one moment: to be checked, or shown. */
  readonly audit: () => Promise<ClientAudit>;
  readonly close: () => Promise<void>;
};
