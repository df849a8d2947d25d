/**
 * `farebox/client`: a `fetch` that pays within a budget.
 */
export type { AmountOption, AskConsent, BudgetOptions, ConsentQuestion, LimitOptions, NamedBudget, SpendingOptions } from './Budget.ts';
export type { Counter } from './budget/Counter.ts';
export type { Limit } from './budget/Limit.ts';
export { type LimitState, leftMsatOf } from './budget/LimitState.ts';
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
export { type CreateFetchOptions, createFetch, type PayingFetch, paymentOf, type ResponsePayment } from './createFetch.ts';
export type { Lease, Payment, PaymentState, Purchase, Spending, Step } from './Journal.ts';
export { createMemoryClientStore } from './memory.ts';
export { type Finding, type ResumeOptions, resolvePayment, resumePayments } from './resume.ts';
