/**
 * A client store out of what differs between them: how a decision is taken in one atomic step, and how rows are found.
 */
import { FareboxError } from '../../core/Errors.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import { readStanding } from '../budget/Limit.ts';
import type { Bearing, ClientAudit, ClientStore, ClientStoreCapabilities } from '../ClientStore.ts';
import type { Payment, PaymentState } from '../Journal.ts';
import {
  changing,
  type Decided,
  type Decision,
  dispatching,
  listing,
  type Reads,
  removing,
  reporting,
  reserving,
  type Sheet,
  stepping,
  stopping,
  summing,
  weighing,
} from './decisions.ts';

/** What a kind of store does. */
export type Engine = {
  readonly name: string;
  readonly capabilities: ClientStoreCapabilities;
  /** Takes a decision in one atomic step, durable when it returns. */
  readonly take: <T>(decision: Decision<T>) => Promise<T>;
  readonly find: (query: { readonly origin: string }) => Promise<Bearing>;
  readonly get: (paymentHash: PaymentHash) => Promise<Payment | undefined>;
  readonly list: (states?: readonly PaymentState[]) => Promise<readonly Payment[]>;
  readonly audit: () => Promise<ClientAudit>;
  readonly close: () => Promise<void>;
};

/** The store that this makes. */
export function toClientStore({ take, ...rest }: Engine): ClientStore {
  return {
    ...rest,
    reserve: (request) => take(reserving(request)),
    weigh: (request) => take(weighing(request)),
    dispatch: (request) => take(dispatching(request)),
    step: (paymentHash, step, nowAt) => take(stepping(paymentHash, step, nowAt)),
    spending: () => take(summing),
    stopSpending: async (note) => {
      if (typeof note !== 'string' || note.trim() === '') throw new TypeError('note: expected the reason, for whoever is told that nothing is paid');
      return take(stopping(note.slice(0, 300)));
    },
    allowSpending: () => take(stopping(undefined)),
    budgets: {
      put: async (options) => {
        const budget = readStanding(options);
        await take(changing(budget.name, () => budget));
        return budget;
      },
      change: (name, change) => take(changing(name, change)),
      list: () => take(listing),
      remove: (name) => take(removing(name)),
    },
    report: ({ budgets = [], nowAt }) => take(reporting(budgets, nowAt)),
  };
}

/** Reads and writes of a store that answers at once. */
export type Shelf = {
  readonly read: (reads: Reads) => Sheet;
  /** Rows that were made at this time or later. */
  readonly since: (at: number) => readonly Payment[];
  readonly write: (decided: Decided<unknown>) => void;
};

/** Takes a decision, inside whatever keeps others away. */
export function takeAtOnce<T>(shelf: Shelf, { reads, decide }: Decision<T>): T {
  const sheet = shelf.read(reads);
  const first = decide(sheet);
  const decided = first.kind === 'wanting' ? decide({ ...sheet, since: shelf.since(first.sinceAt) }) : first;
  if (decided.kind === 'wanting') throw new TypeError('a decision wanted rows twice');
  shelf.write(decided);
  return decided.outcome;
}

/** Reads and writes of a store that is asked over a network, inside one transaction of its own. */
export type DistantShelf = {
  readonly read: (reads: Reads) => Promise<Sheet>;
  readonly since: (at: number) => Promise<readonly Payment[]>;
};

/** Decides, and leaves the writing to whoever ends the transaction. */
export async function decideInTurn<T>(shelf: DistantShelf, { reads, decide }: Decision<T>): Promise<Decided<T>> {
  const sheet = await shelf.read(reads);
  const first = decide(sheet);
  const decided = first.kind === 'wanting' ? decide({ ...sheet, since: await shelf.since(first.sinceAt) }) : first;
  if (decided.kind === 'wanting') throw new TypeError('a decision wanted rows twice');
  return decided;
}

/** Lets calls in one after the other, until it is closed; those that are under way then are waited for. */
export function createTurns() {
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  return {
    take: async <T>(work: () => Promise<T>): Promise<T> => {
      if (isClosed) throw new FareboxError('STORE_UNAVAILABLE', 'The client store is closed.');
      const mine = last.then(work);
      last = mine.catch(() => undefined);
      return mine;
    },
    close: async (): Promise<void> => {
      isClosed = true;
      await last;
    },
  };
}

/** What seals the secrets of a store that was made with this key. @throws STORE_LOCKED – it was made with another one, or with none */
export function assertKey(made: string, seal: { readonly keyId?: string }): void {
  const given = seal.keyId ?? '';
  if (made === given) return;
  const what =
    made === '' ? 'keeps its secrets unsealed, and a key was named' : given === '' ? 'is sealed, and no key was named' : 'is sealed with another key';
  throw new FareboxError('STORE_LOCKED', `The client store ${what}. Name the key that it was made with.`, { details: { made, given } });
}
