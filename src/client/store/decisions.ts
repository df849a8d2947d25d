/**
 * What each call of a client store does, decided from what the store holds: pure, and the same for all stores. A store reads what a decision looks
 * at and writes what it says in one atomic step of its own kind (`engine.ts`).
 */
import type { Operation } from '../../core/CrashPoint.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import * as Budget from '../Budget.ts';
import * as Counter from '../budget/Counter.ts';
import type { NamedBudget } from '../budget/Limit.ts';
import * as Limit from '../budget/Limit.ts';
import { type Binding, countersOf, type LimitState, statesOf } from '../budget/LimitState.ts';
import type { DispatchOutcome, ReserveOutcome, ReserveRequest } from '../ClientStore.ts';
import type { Lease, Payment, Spending, Step } from '../Journal.ts';
import * as Journal from '../Journal.ts';

/** What a decision looks at. */
export type Reads = {
  readonly paymentHash?: PaymentHash;
  /** Rows whose wallet was called and whose end is not known: of this resource, or of the payment's own. */
  readonly openFor?: { readonly resource: string } | 'itself';
  /** Rows whose money is set aside and whose wallet has not been called. */
  readonly reserved?: boolean;
  /** Counters and standing budgets. The sums are always there. */
  readonly books?: boolean;
};

/** What the store holds of it. What was not asked for is empty. */
export type Sheet = {
  readonly payment: Payment | undefined;
  readonly open: readonly Payment[];
  readonly reserved: readonly Payment[];
  readonly spending: Spending;
  readonly standing: readonly NamedBudget[];
  readonly counters: readonly Counter.Counter[];
  /** Rows that were made at this time or later, where the decision has asked for them. */
  readonly since?: readonly Payment[];
};

/** What comes of it. What is not named stays as it is. */
export type Decided<T> = {
  readonly kind: 'decided';
  readonly outcome: T;
  readonly payments?: readonly Payment[];
  readonly counters?: readonly Counter.Counter[];
  /** Keys of counters that are over. */
  readonly forgotten?: readonly string[];
  readonly spending?: Spending;
  readonly standing?: { readonly put: NamedBudget } | { readonly remove: string };
};

/** A counter is not there: the rows of its window are wanted, and then the decision is made. */
export type Wanting = { readonly kind: 'wanting'; readonly sinceAt: number };

/** One call. */
export type Decision<T> = {
  /** Names its crash points; undefined: it writes nothing. */
  readonly operation: Operation<'journal'> | undefined;
  readonly reads: Reads;
  readonly decide: (sheet: Sheet) => Decided<T> | Wanting;
};

/** Sets money aside. Reservations whose owner is gone are given up first. */
export function reserving(request: ReserveRequest): Decision<ReserveOutcome> {
  const { purchase, budgets, tags, nowAt } = request;
  return {
    operation: 'reserve',
    reads: { paymentHash: purchase.paymentHash, openFor: { resource: purchase.resource }, reserved: true, books: true },
    decide: (sheet) => {
      const standing = Limit.bindingFor(
        budgets.map(({ name }) => name),
        sheet.standing,
      );
      const binding: Binding = { named: budgets, standing };
      const scope = { origin: purchase.origin, tags };
      const books = openBooks(sheet, countersOf(binding, nowAt, scope));
      if (books.kind === 'wanting') return books;
      let known = sheet.payment;
      for (const before of sheet.reserved) {
        const given = Journal.abandoned(before, nowAt);
        if (!given) continue;
        books.book(before, given);
        if (known?.paymentHash === given.paymentHash) known = given;
      }
      const states = statesOf(binding, nowAt, books.counted, scope);
      const outcome = Budget.reserve(request, known, sheet.open, { spending: books.spending(), standing, states });
      if (outcome.kind === 'reserved') books.book(known, outcome.payment);
      return books.close(outcome, nowAt);
    },
  };
}

/** What would come of {@link reserving}, with nothing written. */
export function weighing(request: ReserveRequest): Decision<ReserveOutcome> {
  const { reads, decide } = reserving(request);
  return {
    operation: undefined,
    reads,
    decide: (sheet) => {
      const decided = decide(sheet);
      return decided.kind === 'wanting' ? decided : { kind: 'decided', outcome: decided.outcome };
    },
  };
}

/** Lets the wallet be called. */
export function dispatching({
  paymentHash,
  nowAt,
  ...lease
}: Lease & { readonly paymentHash: PaymentHash; readonly nowAt: number }): Decision<DispatchOutcome> {
  return {
    operation: 'dispatch',
    reads: { paymentHash, openFor: 'itself', books: true },
    decide: ({ payment, open, spending, standing }) => {
      const others = open.filter((other) => other.paymentHash !== paymentHash);
      const binding = Limit.bindingFor(payment?.budgets ?? [], standing);
      const outcome = Budget.dispatch(payment, others, { spending, standing: binding }, lease, nowAt);
      return { kind: 'decided', outcome, ...(outcome.kind === 'dispatched' && { payments: [outcome.payment] }) };
    },
  };
}

/** Changes a payment. */
export function stepping(paymentHash: PaymentHash, step: Step, nowAt: number): Decision<Payment | undefined> {
  return {
    operation: operationOf(step),
    // What a credential goes through moves no money.
    reads: { paymentHash, books: step.kind === 'settle' || step.kind === 'fail' || step.kind === 'abandon' || step.kind === 'doubt' },
    decide: (sheet) => {
      const changed = sheet.payment && Journal.apply(sheet.payment, step, nowAt);
      if (!changed) return { kind: 'decided', outcome: undefined };
      const books = openBooks(sheet, []);
      if (books.kind === 'wanting') return books;
      books.book(sheet.payment, changed);
      return books.close(changed);
    },
  };
}

/** Stops spending, or lets it go on. */
export function stopping(note: string | undefined): Decision<void> {
  return {
    operation: note === undefined ? 'allow' : 'stop',
    reads: {},
    decide: ({ spending }) => ({
      kind: 'decided',
      outcome: undefined,
      spending: note === undefined ? { ...spending, stoppedBy: undefined, stopNote: undefined } : { ...spending, stopNote: note },
    }),
  };
}

/** Puts what a standing budget becomes in its place, or leaves it as it is. */
export function changing(name: string, change: (before: NamedBudget | undefined) => NamedBudget | undefined): Decision<NamedBudget | undefined> {
  return {
    operation: 'budget',
    reads: { books: true },
    decide: ({ standing }) => {
      const changed = change(standing.find((one) => one.name === name));
      const budget = changed && { ...changed, name };
      return { kind: 'decided', outcome: budget, ...(budget && { standing: { put: budget } }) };
    },
  };
}

/** Takes one away. */
export function removing(name: string): Decision<boolean> {
  return {
    operation: 'budget',
    reads: { books: true },
    decide: ({ standing }) => {
      const isThere = standing.some((budget) => budget.name === name);
      return { kind: 'decided', outcome: isThere, ...(isThere && { standing: { remove: name } }) };
    },
  };
}

/** Where limits stand. */
export function reporting(named: readonly NamedBudget[], nowAt: number): Decision<readonly LimitState[]> {
  return {
    operation: undefined,
    reads: { books: true },
    decide: (sheet) => {
      const binding: Binding = { named, standing: sheet.standing };
      const books = openBooks(sheet, countersOf(binding, nowAt));
      return books.kind === 'wanting' ? books : { kind: 'decided', outcome: statesOf(binding, nowAt, books.counted) };
    },
  };
}

/** The budgets that stand, by name. */
export const listing: Decision<readonly NamedBudget[]> = {
  operation: undefined,
  reads: { books: true },
  decide: ({ standing }) => ({ kind: 'decided', outcome: standing }),
};

/** The sums. */
export const summing: Decision<Spending> = { operation: undefined, reads: {}, decide: ({ spending }) => ({ kind: 'decided', outcome: spending }) };

/** What a step counts as among the crash points: some are another one with a reason of their own. */
function operationOf({ kind }: Step): Operation<'journal'> {
  if (kind === 'abandon') return 'fail';
  return kind === 'expire' ? 'reject' : kind;
}

/** How long a counter is kept when its window is over: processes whose clocks differ by less make it once. */
const keptSeconds = 3600;

type Books = {
  readonly kind: 'books';
  /** Counts the change of one row. */
  readonly book: (before: Payment | undefined, after: Payment) => void;
  /** What a counter stands at. */
  readonly counted: (empty: Counter.Counter) => Counter.Counter;
  readonly spending: () => Spending;
  readonly close: <T>(outcome: T, nowAt?: number) => Decided<T>;
};

/** Counters and sums while a decision is made. Those that are wanted and not there are made from the rows. */
function openBooks(sheet: Sheet, wanted: readonly Counter.Counter[]): Books | Wanting {
  const counters = new Map(sheet.counters.map((counter) => [counter.key, counter]));
  const changed = new Set<string>();
  const payments = new Map<PaymentHash, Payment>();
  let { spending } = sheet;
  const missing = wanted.filter(({ key }) => !counters.has(key));
  if (missing.length > 0 && sheet.since === undefined) return { kind: 'wanting', sinceAt: Math.min(...missing.map(({ startAt }) => startAt)) };
  for (const empty of missing) {
    counters.set(empty.key, Counter.recount(empty, sheet.since ?? []));
    changed.add(empty.key);
  }
  return {
    kind: 'books',
    book: (before, after) => {
      payments.set(after.paymentHash, after);
      spending = Journal.account(spending, before, after);
      for (const counter of counters.values()) {
        const next = Counter.moved(counter, before, after);
        if (next === counter) continue;
        counters.set(next.key, next);
        changed.add(next.key);
      }
    },
    counted: (empty) => counters.get(empty.key) ?? empty,
    spending: () => spending,
    close: (outcome, nowAt) => {
      const isOver = ({ endAt }: Counter.Counter) => nowAt !== undefined && endAt !== undefined && endAt + keptSeconds < nowAt;
      const forgotten = sheet.counters.filter(isOver).map(({ key }) => key);
      const written = [...changed].flatMap((key) => counters.get(key) ?? []).filter((counter) => !isOver(counter));
      return { kind: 'decided', outcome, payments: [...payments.values()], counters: written, forgotten, ...(spending !== sheet.spending && { spending }) };
    },
  };
}
