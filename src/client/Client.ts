/**
 * What every part of the paying client works with, and what it tells of its work.
 */
import { type Clock, nowAt } from '../core/Clock.ts';
import type { Reached } from '../core/CrashPoint.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Payer } from '../lightning/Lightning.ts';
import type { Budget } from './Budget.ts';
import type { ClientStore } from './ClientStore.ts';
import type { Lease, Payment, PaymentState } from './Journal.ts';
import type { Fetch, Outgoing } from './Outgoing.ts';
import type { Queue } from './Queue.ts';
import type { Timeouts } from './Timeouts.ts';

/** One call of the caller's, over all its redirects. */
export type Call = {
  /** As it stands in the journal. */
  readonly owner: string;
  /** The payment that it has made. */
  payment: Payment | undefined;
  /** It pays what it was quoted and nothing else, wherever it is sent on to. */
  readonly isQuoted?: boolean;
};

/** A paying client at work. */
export type Client = {
  /** The next call. */
  readonly newCall: () => Call;
  /** See `ClientOptions`. */
  readonly maxBodyBytes: number;
  /** Tells this client from others on the same store; its calls are named `<id>.<number>`. */
  readonly id: string;
  readonly payer: Payer;
  readonly budget: Budget;
  readonly store: ClientStore;
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly timeouts: Timeouts;
  /** Whether requests and answers have limits; where they have none, nothing is looked at for them. */
  readonly isLimited: boolean;
  /** How long the wallet may take. */
  readonly paymentTimeoutSeconds: number;
  /** What the store could not take of a payment: written before anything else is paid for. */
  readonly unwritten: Map<PaymentHash, () => Promise<unknown>>;
  /** Payments whose wallet was called and whose end is not written down yet: each resolves or rejects when it is. */
  readonly underway: Set<Promise<unknown>>;
  /** Payments whose caller has gone while the wallet was at it: what they buy is for the next call, which waits for their end. */
  readonly deserted: Set<PaymentHash>;
  /** Its calls that are about to pay. */
  readonly queue: Queue;
  /** What a credential still buys, in the server's words, as far as an answer of this process has said it. */
  readonly left: Map<PaymentHash, string>;
  readonly emit: (event: ClientEvent) => void;
  /** Whether anybody is told: what is told of every request need not be put together for nobody. */
  readonly isWatched: boolean;
  readonly reached: Reached;
};

/** Something happened. Never a secret: no preimage, no token, no query of a URL. Amounts are msat. */
export type ClientEvent =
  /** A request goes out; `credential` names the payment that it shows. */
  | { readonly kind: 'sent'; readonly method: string; readonly url: string; readonly credential: PaymentHash | undefined }
  /** Its answer's head is here. */
  | { readonly kind: 'answered'; readonly method: string; readonly url: string; readonly status: number; readonly credential: PaymentHash | undefined }
  /** An offer was read and found in order. `maxFeeMsat`: what the limit for one request leaves for the fee. */
  | {
      readonly kind: 'quoted';
      readonly url: string;
      readonly paymentHash: PaymentHash;
      readonly amountMsat: bigint;
      readonly maxFeeMsat: bigint;
      readonly invoice: string;
      /** Whatever the payee wrote: escape it. */
      readonly description: string | undefined;
      /** Unix seconds. */
      readonly expiresAt: number;
    }
  /** It is written down, and the wallet is called. */
  | { readonly kind: 'paying'; readonly paymentHash: PaymentHash; readonly amountMsat: bigint; readonly maxFeeMsat: bigint }
  /** Paid, proven and kept. `overshoot`: it cost more than the wallet was allowed to spend, and spending stops. */
  | { readonly kind: 'paid'; readonly paymentHash: PaymentHash; readonly amountMsat: bigint; readonly feeMsat: bigint; readonly overshoot: boolean }
  /** Ended without a proof: `failed` for certain, or `unknown`. */
  | { readonly kind: 'unpaid'; readonly paymentHash: PaymentHash; readonly state: 'failed' | 'unknown'; readonly reason: string }
  /** The wallet was asked what became of a payment. */
  | { readonly kind: 'looked-up'; readonly paymentHash: PaymentHash; readonly state: PaymentState }
  /** The server refuses a credential; it is kept, and not used again. */
  | { readonly kind: 'set-aside'; readonly paymentHash: PaymentHash; readonly status: number }
  /** Nothing is paid in the meantime. */
  | { readonly kind: 'waiting'; readonly why: 'server' | 'other-process'; readonly ms: number };

/** Tells an observer, who cannot disturb a payment: what it throws is dropped. */
export function emitter(onEvent: ((event: ClientEvent) => void) | undefined): Client['emit'] {
  return (event) => {
    try {
      onEvent?.(event);
    } catch {}
  };
}

/** How long a call may be silent before others take it for gone. */
export const leaseSeconds = 15;

/** A lease from now on. */
export function leaseOf(client: Client, owner: string): Lease {
  return { owner, leaseEndsAt: nowAt(client.clock) + leaseSeconds };
}

/** Keeps the lease on a payment until it is called off. What cannot be written is tried again: the lease is then shorter, no more. */
export function keepLease(client: Client, paymentHash: PaymentHash, owner: string): () => void {
  let cancel: () => void;
  let over = false;
  const beat = () => {
    client.store.step(paymentHash, { kind: 'extend', ...leaseOf(client, owner) }, nowAt(client.clock)).catch(() => undefined);
    if (!over) cancel = client.clock.after((leaseSeconds * 1000) / 3, beat);
  };
  cancel = client.clock.after((leaseSeconds * 1000) / 3, beat);
  return () => {
    over = true;
    cancel();
  };
}

/** What an event shows of an address: no query, which may hold secrets. */
export function shown({ origin, pathname }: Pick<Outgoing, 'origin' | 'pathname'>): string {
  return origin + pathname;
}
