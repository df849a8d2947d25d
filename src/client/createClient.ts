/**
 * A client that buys: a `fetch` that pays, and a quote that says what a call would cost before anything is paid.
 *
 * Nothing is ever paid twice: not after a crash, not for a server that takes the money and refuses the credential, not when the wallet
 * could not say how a payment ended.
 *
 * @see docs/wire.md, "The client"; docs/guide/buying.md
 */
import { type Clock, type Random, systemClock, systemRandom } from '../core/Clock.ts';
import { type Reached, unwatched } from '../core/CrashPoint.ts';
import { toHex } from '../core/internal/bytes.ts';
import type { Payer } from '../lightning/Lightning.ts';
import * as Budget from './Budget.ts';
import { type Client, type ClientEvent, emitter } from './Client.ts';
import type { ClientStore } from './ClientStore.ts';
import { exchange, follow } from './exchange.ts';
import type { Payment } from './Journal.ts';
import { createMemoryClientStore } from './memory.ts';
import * as Outgoing from './Outgoing.ts';
import { createQueue } from './Queue.ts';
import { type CallQuote, quoteCall } from './quoteCall.ts';
import { resumeClient } from './resume.ts';
import { type LimitedFetch, limitConnecting, readTimeouts, type Timeouts } from './Timeouts.ts';

/** How a paying client is made. */
export type ClientOptions = Budget.SpendingOptions & {
  /** The wallet. */
  readonly payer: Payer;
  /** Where journal and credentials are kept. Default: in memory, so that a payment under way when the process ends is forgotten. */
  readonly store?: ClientStore;
  /** What requests are sent with. Default: the runtime's own, as it is when the client is made. */
  readonly fetch?: LimitedFetch;
  /** Longest request body; it is held in memory to be sent again. Default: 16 MiB. */
  readonly maxBodyBytes?: number;
  /** How long each phase of a call may take: `{ connectMs, payMs, firstByteMs, idleMs }`. Default: no limits. */
  readonly timeouts?: Timeouts;
  /** How long the wallet may take for a payment. Default: what `timeouts.payMs` says, in whole seconds, or 60. */
  readonly paymentTimeoutSeconds?: number;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Told what happens, as it happens; what it throws is dropped. */
  readonly onEvent?: (event: ClientEvent) => void;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};

/** As `fetch`. Redirects are followed by hand: the response says `redirected: false`, and its `url` is the last one. */
export type PayingFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** A client with a wallet and limits. */
export type PayingClient = {
  /**
   * Buys what it is asked to pay for.
   *
   * It throws what `fetch` throws, and `FareboxError`s that say what was paid: `BUDGET_EXCEEDED`, `BUDGET_HOST_DENIED`,
   * `CHALLENGE_MALFORMED`, `CHALLENGE_REFUSED`, `CONSENT_REFUSED`, `INVOICE_EXPIRED`, `INVOICE_MALFORMED`, `JOURNAL_CONFLICT`, `PAYMENT_FAILED`, `PAYMENT_INTERRUPTED`,
   * `PAYMENT_NOT_HONOURED`, `PAYMENT_TOO_LARGE`, `PAYMENT_TOO_SMALL`, `PAYMENT_UNFUNDED`, `PAYMENT_UNKNOWN`, `PAYMENT_UNROUTABLE`,
   * `REQUEST_TIMED_OUT`, `REQUEST_UNREPEATABLE`, `STORE_UNAVAILABLE`. A 402 in another scheme is returned as it is.
   */
  readonly fetch: PayingFetch;
  /**
   * What a call would cost: it is sent as it is, once, without a credential. Nothing is paid, and nothing is written down. Where it turns
   * out to be free, its answer comes with the quote: a request that changes something has then changed it.
   * @throws what `fetch` throws; `REQUEST_UNREPEATABLE`, `STORE_UNAVAILABLE`
   */
  readonly quote: (input: string | URL | Request, init?: RequestInit) => Promise<CallQuote>;
  /**
   * The same client with a budget within its own, such as a task's within an agent's: what the new one allows, all around it have to allow too,
   * and each counts it whole. Wallet, journal, credentials and calls that wait for one another are shared.
   * @throws as {@link createClient}, for the budget
   */
  readonly within: (budget: Budget.BudgetOptions & { readonly tags?: readonly string[] | undefined }) => PayingClient;
  /**
   * Looks up every payment whose end is not known, or one of them, except those that a living call is working on. Nothing is paid.
   * @returns the payments that were looked at, as they stand now; one that was named, also where its end is known or a living call works on it
   * @throws STORE_UNAVAILABLE – the journal could not be read or written
   */
  readonly resume: (interrupted?: Pick<Payment, 'paymentHash'>) => Promise<readonly Payment[]>;
  /** Waits until the end of every payment under way is written down; then closes the store, unless it was handed in or this is a client within another. The wallet stays open. */
  readonly close: () => Promise<void>;
};

/**
 * Makes a paying client.
 *
 * @throws AMOUNT_MALFORMED – a limit without a unit, or no amount
 * @throws TypeError – an option is missing or of another type; a wallet without a fee limit and no `assumedMaxFee`
 * @throws RangeError – an option is out of range
 * @example
 * const client = createClient({ payer, maxPerRequest: '60 sat', maxTotal: '1000 sat' });
 * const quote = await client.quote('https://api.example.com/v1/translate?text=hello&target=es');
 * if (quote.kind === 'priced' && quote.allowed === true) console.log(await (await quote.pay()).text());
 */
export function createClient(options: ClientOptions): PayingClient {
  const client = open(options);
  return payingOf(client, async () => {
    if (options.store === undefined) await client.store.close();
  });
}

/** What is behind a client: for other ways to send requests than its `fetch`. */
export function clientOf(paying: PayingClient): Client {
  const client = clients.get(paying);
  if (!client) throw new TypeError('client is what createClient gives');
  return client;
}

const clients = new WeakMap<PayingClient, Client>();

/** The client with what is behind it. `closeStore`: closes what was opened for it alone. */
export function payingOf(client: Client, closeStore: () => Promise<void>): PayingClient {
  const { maxBodyBytes, newCall, underway } = client;
  const paying: PayingClient = {
    fetch: (input, init) => follow(client, Outgoing.from(input, init, maxBodyBytes), newCall(), exchange),
    quote: async (input, init) => quoteCall(client, await Outgoing.from(input, init, maxBodyBytes)),
    within: (budget) => payingOf({ ...client, budget: Budget.within(client.budget, budget) }, async () => {}),
    resume: (interrupted) => resumeClient(client, interrupted?.paymentHash),
    close: async () => {
      while (underway.size > 0) await Promise.allSettled(underway);
      await closeStore();
    },
  };
  clients.set(paying, client);
  return paying;
}

function open(options: ClientOptions): Client {
  const { maxBodyBytes = 16 * 1024 * 1024 } = options;
  assertWhole('maxBodyBytes', maxBodyBytes, 0, 1024 ** 3);
  const timeouts = readTimeouts(options.timeouts);
  const { payer, paymentTimeoutSeconds = timeouts.payMs === undefined ? 60 : Math.ceil(timeouts.payMs / 1000) } = options;
  if (typeof payer?.pay !== 'function') throw new TypeError('payer is a Payer: a wallet that can pay');
  assertWhole('paymentTimeoutSeconds', paymentTimeoutSeconds, 1, 86_400);
  const fetch = limitConnecting(options.fetch ?? globalThis.fetch, timeouts);
  const id = toHex((options.random ?? systemRandom)(8));
  let calls = 0;
  return {
    id,
    newCall: () => ({ owner: `${id}.${++calls}`, payment: undefined }),
    maxBodyBytes,
    payer,
    budget: Budget.create(options, payer),
    store: options.store ?? createMemoryClientStore(),
    clock: options.clock ?? systemClock,
    fetch: (url, init) => fetch(url, init),
    timeouts,
    isLimited: (timeouts.connectMs ?? timeouts.firstByteMs ?? timeouts.idleMs) !== undefined,
    paymentTimeoutSeconds,
    unwritten: new Map(),
    underway: new Set(),
    deserted: new Set(),
    queue: createQueue(),
    left: new Map(),
    emit: emitter(options.onEvent),
    isWatched: options.onEvent !== undefined,
    reached: options.reached ?? unwatched,
  };
}

function assertWhole(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`${name} is a whole number between ${least} and ${most}, not ${value}`);
}
