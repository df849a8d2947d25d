/**
 * `farebox/client`: a `fetch` that pays within a budget.
 */

export { type AttenuateOptions, attenuate, type Narrowing } from './attenuate.ts';
export type { AmountOption, AskConsent, BudgetOptions, ConsentQuestion, LimitOptions, NamedBudget, SpendingOptions } from './Budget.ts';
export type { Counter } from './budget/Counter.ts';
export type { Limit } from './budget/Limit.ts';
export { type LimitState, leftMsatOf } from './budget/LimitState.ts';
export { type BudgetAlert, type BudgetWatch, type WatchBudgetsOptions, watchBudgets } from './budget/watchBudgets.ts';
export type { Period } from './budget/windows.ts';
export type { ClientEvent } from './Client.ts';
export type {
  Bearing,
  ClientAudit,
  ClientStore,
  ClientStoreCapabilities,
  DispatchOutcome,
  ReserveOutcome,
  ReserveRequest,
  StandingBudgets,
  Stopped,
} from './ClientStore.ts';
export { type ClientOptions, createClient, type PayingClient, type PayingFetch } from './createClient.ts';
export { type CreateFetchOptions, createFetch } from './createFetch.ts';
export type { Lease, Payment, PaymentState, Purchase, Spending, Step } from './Journal.ts';
export { paymentOf, type ResponsePayment } from './kept.ts';
export { createMemoryClientStore } from './memory.ts';
export { interruptedOf, type PaymentInterrupted, parseInterrupted, type Resumed, resumePayment } from './PaymentInterrupted.ts';
export { type PaidInvoice, payInvoice } from './payInvoice.ts';
export type { CallQuote, CoveredQuote, FreeQuote, PricedQuote, RefusedQuote } from './quoteCall.ts';
export { type Finding, type ResumeOptions, resolvePayment, resumePayments } from './resume.ts';
export type { LimitedFetch, Phase, Timeouts } from './Timeouts.ts';
