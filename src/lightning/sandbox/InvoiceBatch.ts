/**
 * Invoices that are asked for at one time, over one call: while a call is under way, what is wanted meanwhile waits for the next. The
 * first is never kept waiting, and under load a call brings as many as there are clients.
 */
import type { CreatedInvoice, InvoiceRequest } from '../Lightning.ts';

/** Asks for one. Rejects with the signal's reason once it has aborted; the invoice is then made all the same, and nobody's. */
export type OrderInvoice = (order: InvoiceRequest, signal: AbortSignal | undefined) => Promise<CreatedInvoice>;

/** Asks for some. Answers as many, in order, or rejects for all. */
export type CreateInvoices = (orders: readonly InvoiceRequest[]) => Promise<readonly CreatedInvoice[]>;

/** The most that one call asks for. */
export const maxOrders = 64;

/** Orders over that way of making some. */
export function createInvoiceBatch(createInvoices: CreateInvoices): OrderInvoice {
  let waiting: Waiting[] = [];
  let isUnderWay = false;

  const next = () => {
    const count = countOf(waiting);
    if (count === 0 || isUnderWay) return;
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    isUnderWay = true;
    createInvoices(batch.map(({ order }) => order))
      .then(
        (created) => deliver(batch, created),
        (error: unknown) => fail(batch, error),
      )
      .finally(() => {
        isUnderWay = false;
        next();
      });
  };

  return (order, signal) =>
    new Promise((resolve, reject) => {
      const leave = () => {
        waiting = waiting.filter((each) => each !== mine);
        reject(signal?.reason);
      };
      const settled = () => signal?.removeEventListener('abort', leave);
      const mine: Waiting = { order, resolve, reject, settled };
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', leave, { once: true });
      waiting.push(mine);
      // What is wanted in this very moment goes along.
      queueMicrotask(next);
    });
}

type Waiting = {
  readonly order: InvoiceRequest;
  readonly resolve: (created: CreatedInvoice) => void;
  readonly reject: (error: unknown) => void;
  readonly settled: () => void;
};

/** A request to the sandbox is at most so long, and a character of a description takes six bytes at worst. */
const maxCharacters = 8000;

/** How many of those that wait fit into one call. */
function countOf(waiting: readonly Waiting[]): number {
  let characters = 0;
  let count = 0;
  for (const { order } of waiting) {
    characters += order.description.length;
    if (count === maxOrders || (count > 0 && characters > maxCharacters)) break;
    count++;
  }
  return count;
}

function deliver(batch: readonly Waiting[], created: readonly CreatedInvoice[]): void {
  batch.forEach(({ resolve, reject, settled }, index) => {
    settled();
    const invoice = created[index];
    if (invoice) resolve(invoice);
    else reject(new Error('there is no invoice for this order'));
  });
}

function fail(batch: readonly Waiting[], error: unknown): void {
  for (const { reject, settled } of batch) {
    settled();
    reject(error);
  }
}
