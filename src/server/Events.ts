/**
 * What happens in the paywall, as typed events for logs, the terminal and metrics. No event holds a secret: payments are named by
 * their payment hash.
 */
import type { Msat } from '../core/Amount.ts';
import type { Code } from '../core/Errors.ts';

/** Who and what for. */
export type SaleFacts = {
  readonly paymentHash: string;
  readonly service: string;
  readonly route: string;
  readonly amountMsat: Msat;
};

/** What an operator is to look at. */
export type Alert = {
  readonly alert: 'node-away' | 'failures-rising' | 'account-low';
  /** What it is about: a wallet, the gateway, an account. */
  readonly subject: string;
  readonly state: 'raised' | 'cleared';
  /** For people. */
  readonly words: string;
};

/**
 * One event. `at` is Unix milliseconds. `payee`: who was to be paid, or whose wallet it is about, by the name that he has in a configuration; undefined:
 * the paywall's own receiver.
 */
export type PaywallEvent = { readonly at: number } & (
  | ({ readonly kind: 'challenged'; readonly payee?: string | undefined } & SaleFacts)
  /** A wallet said that a payment has arrived; `amountMsat` is what did. */
  | ({ readonly kind: 'settled' } & SaleFacts)
  /** A payment was added to a balance. */
  | ({ readonly kind: 'topped-up' } & SaleFacts)
  /** A request was let through for nothing, within what the route gives away. */
  | { readonly kind: 'given'; readonly service: string; readonly route: string }
  | { readonly kind: 'refused'; readonly code: Code; readonly status: number; readonly route: string }
  /** `charged`: committed; then `delivered` whole, or the client `left` and may ask for its answer again (`repeated`). `passed`: a pass was used. */
  | ({ readonly kind: 'charged' | 'delivered' | 'left' | 'repeated' | 'passed' } & SaleFacts)
  | ({ readonly kind: 'released'; readonly reason: string } & SaleFacts)
  /** One of several upstreams gets no more requests: for `pauseMs`, or until it says that it is well. */
  | { readonly kind: 'left-out'; readonly upstream: string; readonly why: string; readonly pauseMs?: number }
  /** It gets them again. */
  | { readonly kind: 'back'; readonly upstream: string }
  /** Something that an operator is to look at began or ended; see `Alerts.ts`. */
  | ({ readonly kind: 'alert' } & Alert)
  | { readonly kind: 'trouble'; readonly what: string; readonly payee?: string | undefined; readonly error: unknown }
);

/** An event without its time. */
export type PaywallNews = PaywallEvent extends infer Event ? (Event extends PaywallEvent ? Omit<Event, 'at'> : never) : never;

/** Listeners in the order in which they came. What a listener throws is dropped, and disturbs nobody. */
export type Events = {
  readonly emit: (event: PaywallEvent) => void;
  /** Whether anybody listens: an event that nobody would hear need not be made. */
  readonly isHeard: () => boolean;
  /** The same for `passed`, of which there is one for every request with a pass. */
  readonly isPassedHeard: () => boolean;
  /** The answer takes the listener off. */
  readonly on: (listener: (event: PaywallEvent) => void, how?: Hearing) => () => void;
};

/** `onlyWithOthers`: hears what others hear, and is no reason to make an event. `exceptPassed`: is no reason to make one of `passed`. */
export type Hearing = { readonly onlyWithOthers?: boolean; readonly exceptPassed?: boolean };

/** An empty set of listeners. */
export function createEvents(): Events {
  const listeners = new Set<(event: PaywallEvent) => void>();
  const asking = new Set<(event: PaywallEvent) => void>();
  const askingPassed = new Set<(event: PaywallEvent) => void>();
  return {
    emit: (event) => {
      for (const listener of listeners) {
        try {
          listener(event);
        } catch {
          // A listener's fault is the listener's: a sale must not fail because a log did.
        }
      }
    },
    isHeard: () => asking.size > 0,
    isPassedHeard: () => askingPassed.size > 0,
    on: (listener, { onlyWithOthers = false, exceptPassed = false } = {}) => {
      listeners.add(listener);
      if (!onlyWithOthers) asking.add(listener);
      if (!onlyWithOthers && !exceptPassed) askingPassed.add(listener);
      return () => {
        for (const set of [listeners, asking, askingPassed]) set.delete(listener);
      };
    },
  };
}
