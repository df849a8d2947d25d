/**
 * A client store that lives and dies with its process: the default. A payment whose end is not known when the process ends is forgotten
 * with it, so a program that pays real money keeps its journal in a file (`farebox/client/sqlite`).
 */
import { FareboxError } from '../core/Errors.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Counter } from './budget/Counter.ts';
import type { NamedBudget } from './budget/Limit.ts';
import type { Bearing, ClientStore } from './ClientStore.ts';
import type { Payment, PaymentState, Spending } from './Journal.ts';
import * as Journal from './Journal.ts';
import { type Shelf, takeAtOnce, toClientStore } from './store/engine.ts';

/**
 * A new, empty store.
 * @example const fetch = createFetch({ payer, maxPerRequest: '50 sat', store: createMemoryClientStore() });
 */
export function createMemoryClientStore(): ClientStore {
  const { payments, listed, bearingOn, shelf, books } = createRows();
  let closed = false;

  /** One atomic step: everything in it happens before anybody else's turn. */
  async function atomically<T>(work: () => T): Promise<T> {
    if (closed) throw new FareboxError('STORE_UNAVAILABLE', 'The client store is closed.');
    return work();
  }

  return toClientStore({
    name: 'memory',
    capabilities: { durable: false, shared: false },
    take: (decision) => atomically(() => takeAtOnce(shelf, decision)),
    find: ({ origin }) => atomically(() => bearingOn(origin)),
    get: (paymentHash) => atomically(() => payments.get(paymentHash)),
    list: (states) => atomically(() => listed(states)),
    audit: () => atomically(() => ({ payments: listed(), ...books() })),
    close: async () => {
      closed = true;
    },
  });
}

/** The journal's rows, and what is counted of them. */
function createRows() {
  const payments = new Map<PaymentHash, Payment>();
  // What is found for every request stands ready: whatever else the journal holds costs a request nothing.
  const bearing = new Map<string, Bearing>();
  const order = new Map<PaymentHash, number>();
  const counters = new Map<string, Counter>();
  const standing = new Map<string, NamedBudget>();
  let spending: Spending = Journal.nothingSpent;
  const listed = (states?: readonly PaymentState[]) => [...payments.values()].filter(({ state }) => states === undefined || states.includes(state));
  const books = () => ({ spending, counters: [...counters.values()], standing: byName(standing) });
  const save = (payment: Payment) => {
    payments.set(payment.paymentHash, payment);
    if (!order.has(payment.paymentHash)) order.set(payment.paymentHash, order.size);
    bearing.set(payment.origin, withPayment(bearing.get(payment.origin) ?? nothing, payment, order));
  };
  const shelf: Shelf = {
    read: ({ paymentHash, openFor, reserved, books: isCounted }) => {
      const payment = paymentHash === undefined ? undefined : payments.get(paymentHash);
      const resource = openFor === 'itself' ? payment?.resource : openFor?.resource;
      return {
        payment,
        open: resource === undefined ? [] : listed(['dispatched', 'unknown']).filter((one) => one.resource === resource),
        reserved: reserved ? listed(['reserved']) : [],
        ...(isCounted ? books() : { spending, counters: [], standing: [] }),
      };
    },
    since: (at) => listed().filter(({ createdAt }) => createdAt >= at),
    write: (decided) => {
      for (const payment of decided.payments ?? []) save(payment);
      for (const counter of decided.counters ?? []) counters.set(counter.key, counter);
      for (const key of decided.forgotten ?? []) counters.delete(key);
      spending = decided.spending ?? spending;
      if (!decided.standing) return;
      if ('put' in decided.standing) standing.set(decided.standing.put.name, decided.standing.put);
      else standing.delete(decided.standing.remove);
    },
  };
  return { payments, listed, bearingOn: (origin: string) => bearing.get(origin) ?? nothing, shelf, books };
}

function byName(standing: ReadonlyMap<string, NamedBudget>): readonly NamedBudget[] {
  return [...standing.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
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
