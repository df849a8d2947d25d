/**
 * What one payment buys. A file for each kind says what it sells; the caveats that name it stand in `policies/sold.ts`.
 */
import type { Msat } from '../../core/Amount.ts';
import type { StoredAnswer } from '../../store/Store.ts';
import type { Alert, SaleFacts } from '../Events.ts';

/** Terms of sale. */
export type Terms = {
  /** The word in caveat and configuration, such as `per-request`. */
  readonly kind: 'per-request' | 'pass' | 'bucket' | 'credit';
  /** What the caveat says: the kind, and how much of it, where it is counted. */
  readonly caveat: string;
  /** How much, for people: `1 request`, `1 hour`. */
  readonly units: string;
  /** How long what was bought lasts, in seconds, counted from the end of the invoice. */
  readonly lastsSeconds: number;
  /** What a token is bound to: the very path it was bought for, all that the route covers, or nothing narrower than its service. */
  readonly binds: 'path' | 'route' | 'service';
  /** What the invoice asks, where that is not the route's price. */
  readonly priceMsat?: Msat;
  /** How much one payment buys, where it is counted. */
  readonly holds?: bigint;
  /** What a call takes off what was sold, where it is counted. @param priceMsat - what the route asks for this call */
  readonly takes?: (priceMsat: Msat) => bigint;
  /** What the 402's body says under `buys`. */
  readonly describe: () => { readonly [name: string]: string | number };
};

/**
 * When a use is spent. `on-success`: when its answer's head says that the work has succeeded, and what fails costs nothing. `on-request`: when its request
 * is let through, before the upstream is asked, and whatever becomes of it then.
 */
export type Consume = 'on-success' | 'on-request';

/**
 * One use of a paid credential, from the claim to the last byte. Whoever carries the answer (proxy or adapter) calls `head` once the
 * upstream's head is there and before its first byte goes out, then `end`; or `unanswered` where no head came; or `absent` where the
 * client had left before the head. Later calls than the first that ends it do nothing.
 */
export type Sale = {
  /** Sent to the upstream as `Idempotency-Key`. */
  readonly idempotencyKey: string;
  /** `on-request`: it is spent already, and an answer that is made instead of the upstream's says so. */
  readonly consume: Consume;
  /** Takes the request's body as it passes by, so that the same request can be told from another one. */
  readonly onBody: (chunk: Uint8Array) => void;
  /**
   * The upstream answered. Resolves when what follows from that is durable; the outcome itself where nothing has to be waited for.
   * `charged`/`not-charged`: send the answer with `headers` added. `lost`: somebody else holds the claim; break off and answer `CREDENTIAL_IN_USE`.
   * @throws STORE_UNAVAILABLE – not known to be durable: send nothing of the answer
   */
  readonly head: (status: number) => HeadOutcome | Promise<HeadOutcome>;
  /** The head had been sent; this is how it ended. Undefined: that is known by now to whoever has to know it. */
  readonly end: (how: 'delivered' | 'client-left' | 'upstream-broke') => Promise<void> | undefined;
  /** No head came from the upstream: it was unreachable, timed out, reset; or the client left a safe request and the upstream was aborted. */
  readonly unanswered: (why: 'upstream' | 'client-left') => Promise<void>;
  /** The client left an unsafe request before the head; the upstream was let finish, and answered this (undefined: more than can be kept). */
  readonly absent: (status: number, answer: StoredAnswer | undefined) => Promise<void>;
};

/** What came of the upstream's head. */
export type HeadOutcome =
  | { readonly kind: 'charged' | 'not-charged'; readonly headers: readonly (readonly [name: string, value: string])[] }
  | { readonly kind: 'lost' };

/** Most bytes of an answer that are kept for a client that left. */
export const maxKeptAnswerBytes = 1024 * 1024;

/** What becomes of a sale, for the paywall's events. */
export type SaleNews =
  | ({ readonly kind: 'charged' | 'delivered' | 'left' | 'repeated' } & SaleFacts)
  | ({ readonly kind: 'released'; readonly reason: string } & SaleFacts)
  | ({ readonly kind: 'alert' } & Alert);

/** How long an upstream may take to finish an answer whose client has left; then the claim is given back. */
export const absentSeconds = 60;
