/**
 * Invoices made in advance, so that a challenge does not wait for the node; and a bound on how often the node is asked, whatever arrives.
 *
 * What is asked for again and again (the same amount, words and life) is kept ready, as many as were asked for lately and no more than `keep`. An
 * invoice is made with twice the life that is asked for, and handed out while it has all of that left. It belongs to this process alone: nobody
 * else can hand it out, and one that is never handed out expires unpaid and harms nobody. Prices that move hardly ever come twice, and so are
 * never kept.
 */
import { type Clock, systemClock, wait } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import type { CreatedInvoice, InvoiceRequest, Receiver } from './Lightning.ts';

/** How many are kept, and how often a node is asked. */
export type ReadyOptions = {
  /** The most to keep ready for one amount, words and life; default 16. */
  readonly keep?: number | undefined;
  /** The most invoices to ask the node for in a second, both those that are waited for and those that are kept; default 100. */
  readonly perSecond?: number | undefined;
  readonly clock?: Clock | undefined;
};

/** What holds where nothing else is said. */
export const defaultReady = { keep: 16, perSecond: 100 } as const;

/** For how many different requests invoices are kept. */
const maxShelves = 256;

/** How long after one was taken the next is asked for, in milliseconds. */
const delayMs = 10;

/** What is kept for one request. */
type Shelf = {
  readonly request: InvoiceRequest;
  readonly ready: CreatedInvoice[];
  /** How many to keep: grows as they are asked for, and shrinks as they expire unused. */
  wanted: number;
};

/**
 * A receiver that keeps invoices ready. Nothing is sent before the first call.
 * @throws RangeError – `keep` or `perSecond` is no whole number from 1 on
 * @example withReadyInvoices(createLndReceiver(…), { keep: 16 })
 */
export function withReadyInvoices(receiver: Receiver, options: ReadyOptions = {}): Receiver {
  const { keep = defaultReady.keep, perSecond = defaultReady.perSecond, clock = systemClock } = options;
  for (const [name, value] of Object.entries({ keep, perSecond })) {
    if (!Number.isSafeInteger(value) || value < 1) throw new RangeError(`${name} is a whole number from 1 on, not ${value}`);
  }
  const shelves = new Map<string, Shelf>();
  const closing = new AbortController();
  const allowance = createAllowance(perSecond, clock);
  let filling = Promise.resolve();
  let isFilling = false;

  const shelfOf = (request: InvoiceRequest): Shelf => {
    const key = `${request.amountMsat}/${request.expirySeconds}/${request.description}`;
    const shelf = shelves.get(key) ?? { request, ready: [], wanted: -1 };
    // The one that was asked for last stands last, and the first goes.
    shelves.delete(key);
    shelves.set(key, shelf);
    for (const oldest of shelves.keys()) if (shelves.size > maxShelves) shelves.delete(oldest);
    return shelf;
  };

  /** Fills until nothing is wanted. Ends in the same moment in which it sees that: what is wanted after that begins it anew. */
  const fill = async (): Promise<void> => {
    try {
      // Whoever took one has its answer first.
      await wait(clock, delayMs, closing.signal);
      for (;;) {
        const shelf = [...shelves.values()].find(({ ready, wanted }) => ready.length < wanted);
        if (shelf === undefined || closing.signal.aborted) return;
        // Somebody who waits goes first: at least half of the allowance is left to them.
        if (!allowance.take(perSecond / 2)) await wait(clock, 1000 / perSecond, closing.signal);
        else shelf.ready.push(await receiver.createInvoice({ ...shelf.request, expirySeconds: shelf.request.expirySeconds * 2 }, closing.signal));
      }
    } catch {
      // A node that is away is asked again when somebody asks for an invoice, and tells them why.
    } finally {
      isFilling = false;
    }
  };

  const beginFilling = () => {
    if (isFilling) return;
    isFilling = true;
    filling = fill();
  };

  return {
    ...receiver,
    createInvoice: async (request, signal) => {
      const shelf = shelfOf(request);
      const freshest = Math.floor(clock.nowMs() / 1000) + request.expirySeconds;
      const old = shelf.ready.findIndex(({ expiresAt }) => expiresAt >= freshest);
      const expired = shelf.ready.splice(0, old === -1 ? shelf.ready.length : old).length;
      // Kept for nobody: fewer will do.
      shelf.wanted = Math.min(keep, Math.max(0, shelf.wanted + 1 - 2 * expired));
      const ready = shelf.ready.shift();
      if (ready !== undefined) {
        beginFilling();
        return ready;
      }
      if (!allowance.take(0)) {
        const message = `${receiver.name} is asked for ${perSecond} invoices a second already. Try again in a second.`;
        throw new FareboxError('LIGHTNING_UNAVAILABLE', message, { details: { sent: false } });
      }
      const made = receiver.createInvoice(request, signal);
      beginFilling();
      return made;
    },
    close: async () => {
      closing.abort();
      await filling;
      await receiver.close();
    },
  };
}

/** So many a second, evenly: what was not used in a second is gone. */
function createAllowance(perSecond: number, clock: Clock) {
  let left = perSecond;
  let atMs = clock.nowMs();
  return {
    /** Takes one where more than `reserve` are left. */
    take: (reserve: number): boolean => {
      const nowMs = clock.nowMs();
      left = Math.min(perSecond, left + (Math.max(0, nowMs - atMs) * perSecond) / 1000);
      atMs = nowMs;
      if (left < reserve + 1) return false;
      left -= 1;
      return true;
    },
  };
}
