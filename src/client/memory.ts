/**
 * A client store that lives and dies with its process: the default. A payment whose end is not known when the process ends is forgotten
 * with it, so a program that pays real money keeps its journal in a file (`farebox/client/sqlite`).
 */
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import * as Budget from './Budget.ts';
import type { Bearing, ClientStore } from './ClientStore.ts';
import type { Payment, PaymentState, Spending } from './Journal.ts';
import * as Journal from './Journal.ts';

/**
 * A new, empty store.
 * @example const fetch = createFetch({ payer, maxPerRequest: '50 sat', store: createMemoryClientStore() });
 */
export function createMemoryClientStore(): ClientStore {
  const { payments, save, listed, openFor, bearingOn, spending, allowSpending } = createRows();
  let closed = false;

  /** One atomic step: everything in it happens before anybody else's turn. */
  async function atomically<T>(work: () => T): Promise<T> {
    if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The client store is closed.');
    return work();
  }

  return {
    name: 'memory',
    capabilities: { durable: false, shared: false },
    find: ({ origin }) => atomically(() => bearingOn(origin)),
    get: (paymentHash) => atomically(() => payments.get(paymentHash)),
    list: (states) => atomically(() => listed(states)),
    reserve: (request) =>
      atomically(() => {
        for (const payment of listed(['reserved'])) {
          const given = Journal.abandoned(payment, request.nowAt);
          if (given) save(given);
        }
        const { purchase } = request;
        const outcome = Budget.reserve(request, payments.get(purchase.paymentHash), openFor(purchase.resource), spending());
        if (outcome.kind === 'reserved') save(outcome.payment);
        return outcome;
      }),
    dispatch: ({ paymentHash, nowAt, ...lease }) =>
      atomically(() => {
        const payment = payments.get(paymentHash);
        const others = payment ? openFor(payment.resource).filter((other) => other.paymentHash !== paymentHash) : [];
        const outcome = Budget.dispatch(payment, others, spending(), lease, nowAt);
        if (outcome.kind === 'dispatched') save(outcome.payment);
        return outcome;
      }),
    step: (paymentHash, step, nowAt) =>
      atomically(() => {
        const payment = payments.get(paymentHash);
        const changed = payment && Journal.apply(payment, step, nowAt);
        return changed && save(changed);
      }),
    spending: () => atomically(spending),
    allowSpending: () => atomically(allowSpending),
    close: async () => {
      closed = true;
    },
  };
}

/** The journal's rows, and their sums. */
function createRows() {
  const payments = new Map<PaymentHash, Payment>();
  // What is found for every request stands ready: whatever else the journal holds costs a request nothing.
  const bearing = new Map<string, Bearing>();
  const order = new Map<PaymentHash, number>();
  let sums: Spending = Journal.nothingSpent;
  const listed = (states?: readonly PaymentState[]) => [...payments.values()].filter(({ state }) => states === undefined || states.includes(state));
  return {
    payments,
    listed,
    openFor: (resource: string) => listed(['dispatched', 'unknown']).filter((payment) => payment.resource === resource),
    bearingOn: (origin: string) => bearing.get(origin) ?? nothing,
    spending: () => sums,
    allowSpending: () => {
      sums = { ...sums, stoppedBy: undefined };
    },
    save: (payment: Payment): Payment => {
      sums = Journal.account(sums, payments.get(payment.paymentHash), payment);
      payments.set(payment.paymentHash, payment);
      if (!order.has(payment.paymentHash)) order.set(payment.paymentHash, order.size);
      bearing.set(payment.origin, withPayment(bearing.get(payment.origin) ?? nothing, payment, order));
      return payment;
    },
  };
}

const nothing: Bearing = { open: [], credentials: [] };

type Order = ReadonlyMap<PaymentHash, number>;

/** What bears on an origin, once this payment of it has changed. */
function withPayment({ open, credentials }: Bearing, payment: Payment, order: Order): Bearing {
  const isOpen = payment.state === 'dispatched' || payment.state === 'unknown';
  return { open: withRow(open, payment, isOpen, order), credentials: withRow(credentials, payment, payment.usable, order) };
}

/** The rows with this payment, in its place by age, or without it. */
function withRow(rows: readonly Payment[], payment: Payment, belongs: boolean, order: Order): readonly Payment[] {
  const { paymentHash } = payment;
  const at = rows.findIndex((row) => row.paymentHash === paymentHash);
  if (at >= 0) return belongs ? rows.with(at, payment) : rows.toSpliced(at, 1);
  if (!belongs) return rows;
  const age = (row: Payment) => order.get(row.paymentHash) ?? 0;
  return rows.toSpliced(rows.findLastIndex((row) => age(row) < age(payment)) + 1, 0, payment);
}
