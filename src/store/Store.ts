/**
 * The one owner of state that processes share: claims, counters, accounts, denials, the ledger and a feed of changes.
 *
 * Every call is atomic and durable when it returns. A call that cannot know its outcome throws `STORE_UNAVAILABLE`, which is never
 * read as "allowed". One contract suite (`farebox/testing`) runs against every implementation.
 */
import type { Msat } from '../core/Amount.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { Piece } from './pieces.ts';
import type { Standing } from './Standing.ts';

/** What a store promises beyond the contract. */
export type StoreCapabilities = {
  /** Survives the end of the process. */
  readonly durable: boolean;
  /** Can be opened by several processes at once. */
  readonly shared: boolean;
  /** Survives the end of the machine as well: every call is on disk when it returns. */
  readonly flushed: boolean;
};

/** From which version to which a store's tables were brought when it was opened; from 0 where they were made. */
export type Versions = { readonly from: number; readonly to: number };

/** The request that a claim is made for: what makes a later request the same one. Digests, never the request itself. */
export type ClaimedRequest = {
  /** SHA-256 hex of method and target. */
  readonly request: string;
  /** SHA-256 hex of the client's `Idempotency-Key`, where it sent one. */
  readonly idempotencyKey?: string;
};

/** Asks for the one use of something that can be used once. */
export type ClaimRequest = ClaimedRequest & {
  /** What is used: 64 hex digits, the SHA-256 of an identifier or of a part of one. Never a signature. */
  readonly key: string;
  /** How long the claim holds without a heartbeat. */
  readonly leaseSeconds: number;
  /** Unix seconds; everything kept under the key may be forgotten after it. */
  readonly expiresAt: number;
  /** The same request may be answered again, that often and that long after the commit, while its answer never arrived whole. */
  readonly repeat: { readonly limit: number; readonly withinSeconds: number };
  /** Written in the same step when the claim is granted: that this payment has been seen. The claim is then this payment's, and holds its amount. */
  readonly entry?: LedgerEntry;
};

/** Names a claim in later calls; a fence that is not the newest is `lost`. */
export type ClaimRef = { readonly key: string; readonly fence: number };

/** `open`: never used, or given back, or the lease of whoever had it has ended. `held`: under way. `used`: committed; its answer may still be owed to the same request. */
export type ClaimState = 'open' | 'held' | 'used';

/** What is kept of the request that holds or used the claim. */
export type ClaimRecord = ClaimedRequest & {
  /** SHA-256 hex of the body, once it is known. */
  readonly bodyDigest?: string;
};

/** What came of asking. */
export type ClaimOutcome =
  /** Yours until the lease ends. `repeat`: 0 for a first answer; n for the n-th repetition of a committed one (`record` is then what was committed). `answer`: kept from the first time. */
  | { readonly kind: 'granted'; readonly fence: number; readonly repeat: number; readonly record?: ClaimRecord; readonly answer?: StoredAnswer }
  /** Somebody holds it. */
  | { readonly kind: 'busy'; readonly record: ClaimRecord; readonly leaseEndsAt: number }
  /** Committed, and not to be answered again. */
  | { readonly kind: 'used'; readonly record: ClaimRecord; readonly committedAt: number };

/** An answer kept for a client that left before it came. */
export type StoredAnswer = {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
};

/** Ends a claim as used. */
export type CommitRequest = ClaimRef & {
  /** Written in the same step. */
  readonly entry?: LedgerEntry;
  /** SHA-256 hex of the request's body, where it is known. */
  readonly bodyDigest?: string;
  /** Kept for a repetition. */
  readonly answer?: StoredAnswer;
  /** Settled in the same step: where either is lost, both are, and nothing is written. */
  readonly settles?: SettleRequest;
};

/** Gives a claim back, before or after its commit (but never after `deliver`). */
export type ReleaseRequest = ClaimRef & {
  /** Why; releases are counted by this word. */
  readonly reason: string;
  /** At most this many releases under the key for this reason; one more commits instead. */
  readonly limit?: number;
  /** Written when it was released; a `reversed` entry only where a commit was taken back. */
  readonly entryIfReleased?: LedgerEntry;
  /** Written when the limit was reached and it was committed instead (and had not been before). */
  readonly entryIfCommitted?: LedgerEntry;
  /** SHA-256 hex of the request's body, where it is known; kept when it was committed instead. */
  readonly bodyDigest?: string;
  /** Cancelled in the same step, and then it alone says how both end: where it is settled instead, the claim is committed. */
  readonly cancels?: CancelRequest;
};

/** What happened to money. `paymentHash` and `kind` name an entry together with `nonce`: appending one twice keeps one. */
export type LedgerEntry = {
  /**
   * `settled`: a wallet said that a payment has arrived there, whether or not it ever buys anything; `received`: a payment was first presented;
   * `earned`: it bought an answer; `reversed`: what was earned was given back to the credential; `repeated`: an answer was given again.
   */
  readonly kind: 'settled' | 'received' | 'earned' | 'reversed' | 'repeated';
  readonly paymentHash: PaymentHash;
  /** Tells several entries of one kind for one payment apart; '' where there is one at most. */
  readonly nonce: string;
  /** What the payment was for; of `settled`, what arrived. */
  readonly amountMsat: Msat;
  readonly service: string;
  /** The route's name, such as `GET /api/v1/translate`. */
  readonly route: string;
  /** Unix seconds. */
  readonly at: number;
  /** A word on why, such as the upstream's status. */
  readonly note: string;
};

/** A kept entry; `seq` grows with every entry. */
export type LedgerRow = LedgerEntry & { readonly seq: number };

/** Which rows of the ledger to read; of those that are meant, the first `limit` in the order that is asked for. */
export type LedgerQuery = {
  /** Rows with a higher number alone; default 0. */
  readonly after?: number;
  /** Rows with a lower number alone; default: whatever number. */
  readonly before?: number;
  readonly limit: number;
  /** Default: the oldest come first. */
  readonly newestFirst?: boolean;
  /** Rows of this payment alone: its whole story, whatever else there is. */
  readonly paymentHash?: PaymentHash;
};

/** How far somebody has read in something that others write, such as a wallet's settlements. */
export type Bookmark = { readonly reader: string; readonly place: string };

/** Sums over the ledger. */
export type LedgerTotals = {
  /** What wallets said has arrived, and in how many payments; nothing where no wallet tells. */
  readonly settledMsat: Msat;
  readonly settled: number;
  readonly receivedMsat: Msat;
  /** Earned less reversed. */
  readonly earnedMsat: Msat;
  /** How many payments were seen. */
  readonly payments: number;
  /** Earned entries less reversed ones. */
  readonly sales: number;
};

/** What is refused from now on. */
export type Denial = {
  /**
   * `token` by token id (64 hex digits), `part` by the name of what a holder handed on (64 hex digits, never a signature), `payment` by payment hash,
   * `key` by master key fingerprint (8 hex digits), `minted-before` by Unix seconds in decimal.
   */
  readonly kind: 'token' | 'part' | 'payment' | 'key' | 'minted-before';
  readonly value: string;
  /** Unix seconds; after it the denied thing has expired by itself. */
  readonly expiresAt: number;
};

/** Something changed that other processes act on. */
export type Change =
  | { readonly seq: number; readonly kind: 'denial'; readonly denial: Denial }
  | { readonly seq: number; readonly kind: 'ledger'; readonly row: LedgerRow };

/** Which changes to hear of; see {@link Store.changes}. */
export type ChangesQuery = { readonly after?: number; readonly kind?: Change['kind'] | undefined; readonly signal: AbortSignal };

/** Something to spend, put into an account. */
export type Credit = {
  /** Unique: crediting from it twice credits once. */
  readonly source: string;
  /** How much, in the account's own unit: calls, millisatoshi, whatever is counted there. */
  readonly units: bigint;
  /** Unix seconds; everything kept about it may be forgotten after it. */
  readonly expiresAt: number;
  /** The payment that bought it, seen now: written in the same step. As its units are spent, the payment is earned, in proportion and to the millisatoshi. */
  readonly entry?: LedgerEntry;
};

/** Adds to an account. */
export type CreditRequest = Credit & {
  readonly account: string;
  /** Opens none: for what only makes sense beside what was there before. */
  readonly onlyOpen?: boolean;
};

/** What came of adding. `already`: its source has credited before. `absent`: there is no such account, and none was to be opened. */
export type CreditOutcome = 'credited' | 'already' | 'absent';

/** Something to take off an account. */
export type Debit = {
  readonly account: string;
  readonly units: bigint;
  /** Opens the account in the same step where it is not there yet. */
  readonly opens?: Credit;
  /** Debits that stand behind this one in their reservations open so many accounts at most, over all time; left out: any number. */
  readonly mostBehind?: number;
  /** A reservation that is held over this account, and is drawn from first: what it holds there becomes this debit's. No other debit draws from it. */
  readonly from?: string;
};

/** Takes units off accounts for a while; off all of them or none. */
export type ReserveRequest = {
  /** Unique; the same reservation asked for twice is one. */
  readonly reservation: string;
  /** Every account must cover its debit. */
  readonly debits: readonly Debit[];
  /** Given back by itself when the lease ends unsettled. */
  readonly leaseSeconds: number;
};

/** What came of a reservation. `available`: what is left then, on each account in the order of the debits, or on the one that does not cover its debit. */
export type ReserveOutcome =
  | { readonly kind: 'reserved'; readonly available: readonly bigint[] }
  | { readonly kind: 'insufficient'; readonly account: string; readonly available: bigint }
  /** There is no such account; or, by its name, no such reservation to draw from. */
  | { readonly kind: 'absent'; readonly account: string }
  /** An account would be opened behind this one, and as many have been as may be. */
  | { readonly kind: 'crowded'; readonly account: string };

/** What the ledger says of units that are spent; which payment they were bought with, and for how much, the account knows. */
export type Spending = Pick<LedgerEntry, 'nonce' | 'service' | 'route' | 'at' | 'note'>;

/** Spends what a reservation holds. */
export type SettleRequest = { readonly reservation: string; readonly units?: bigint; readonly entry?: Spending };

/** Gives a reservation back, before or after it was settled. */
export type CancelRequest = {
  readonly reservation: string;
  /** Why; what is given back is counted by this word, on the account of the first debit. */
  readonly reason: string;
  /** At most so often for this reason; once more settles instead, or leaves settled what was. */
  readonly limit?: number;
  /** What was settled is `reversed` under this; what is settled instead is `earned` under it. */
  readonly entry?: Spending;
  /** The reservation that it was drawn from, and goes back to as long as that is held. */
  readonly to?: string;
};

/** An account's standing, in its own unit: units = available + reserved + spent. */
export type AccountBalance = { readonly units: bigint; readonly available: bigint; readonly reserved: bigint; readonly spent: bigint };

/** See the head of this file. */
export type Store = {
  /** The driver's name, such as `sqlite`. */
  readonly name: string;
  readonly capabilities: StoreCapabilities;

  /** Asks for the one use under a key; of any number of callers at once exactly one is granted. */
  readonly claim: (request: ClaimRequest) => Promise<ClaimOutcome>;
  /** Holds a claim for longer. False: it is no longer yours. */
  readonly heartbeat: (claim: ClaimRef & { readonly leaseSeconds: number }) => Promise<boolean>;
  /** Used, durably. `lost`: the lease had ended and somebody else has the claim; nothing was written. A commit of a repetition writes its entry and keeps the state. */
  readonly commit: (request: CommitRequest) => Promise<'committed' | 'lost'>;
  /** The answer arrived whole: never to be answered again. */
  readonly deliver: (claim: ClaimRef) => Promise<void>;
  /** The answer did not arrive whole, and the lease is over: the same request may be answered again. */
  readonly undelivered: (claim: ClaimRef) => Promise<void>;
  /** What is known of the one use under a key, without asking for it: nothing changes. */
  readonly claimState: (key: string) => Promise<ClaimState>;
  /** Given back, or committed where the limit was reached. A repetition that is released does not count as one. */
  readonly release: (request: ReleaseRequest) => Promise<'released' | 'committed' | 'lost'>;

  /** Adds to a counter, unless that would pass the ceiling. The answer is the counter's value after the call. Forgotten after `expiresAt` of the first call. */
  readonly count: (request: {
    readonly key: string;
    readonly by: number;
    readonly ceiling: number;
    readonly expiresAt: number;
  }) => Promise<{ readonly counted: boolean; readonly value: number }>;

  /** Adds to an account, opened where there is none. */
  readonly credit: (request: CreditRequest) => Promise<CreditOutcome>;
  readonly reserve: (request: ReserveRequest) => Promise<ReserveOutcome>;
  /**
   * Holds what was reserved for longer, also where the lease has ended and nobody has taken its units. False: it is not held any more. What was
   * settled is then remembered for longer, and can be given back.
   */
  readonly extend: (request: { readonly reservation: string; readonly leaseSeconds: number }) => Promise<boolean>;
  /**
   * Spends what was reserved, or the same smaller number of every debit; the rest goes back. What was credited first is spent first.
   * `lost`: unknown, given back, settled otherwise before, or its lease has ended and others have taken its units. With `entry`, what is earned is
   * written in the same step, once.
   */
  readonly settle: (request: SettleRequest) => Promise<'settled' | 'lost'>;
  /** Gives back what was reserved or settled, also where a lease that ended has done so; `settled` where the limit was reached. */
  readonly cancel: (request: CancelRequest) => Promise<'cancelled' | 'settled' | 'lost'>;
  readonly balance: (account: string) => Promise<AccountBalance | undefined>;

  /** Refuses something from now on, in every process. */
  readonly deny: (denial: Denial) => Promise<void>;
  /**
   * All denials that have not expired for an hour yet, so that a clock set back frees nobody, and the change behind which to go on. With
   * `after`, those behind that change alone: cheap, so that whoever follows the list can ask a few times a second whether it has all of it.
   */
  readonly denials: (after?: number) => Promise<{ readonly denials: readonly Denial[]; readonly seq: number }>;

  /** Appends; an entry that is there already is left as it is. `bookmark` is kept in the same step, in place of the reader's last one. */
  readonly append: (entries: readonly LedgerEntry[], bookmark?: Bookmark) => Promise<void>;
  /** The place of a reader's last bookmark. */
  readonly bookmark: (reader: string) => Promise<string | undefined>;
  /** Rows between two numbers, of all payments or of one; none of this reads more of the ledger than it answers. */
  readonly ledger: (query: LedgerQuery) => Promise<readonly LedgerRow[]>;
  readonly totals: () => Promise<LedgerTotals>;
  /** Everything that is kept about money, of the one moment at which the first is asked for, whatever is written meanwhile; see `Books.verify`. */
  readonly audit: () => AsyncIterable<Standing>;

  /**
   * Everything that has to outlive a move to another store, of the one moment at which the first is asked for; answers kept for a repetition are
   * not among it. Redis keeps no older moment of its counters: these are as they are when they are read.
   * @throws STORE_UNAVAILABLE – it cannot be read
   */
  readonly export: () => AsyncIterable<Piece>;
  /**
   * Fills an empty store with what another one has told: all of it or nothing. In Redis it is locked until all of it is there, since nothing
   * is taken back: whoever opens a store whose import was cut off is refused.
   * @throws STORE_NOT_EMPTY; EXPORT_MALFORMED – no store holds that; STORE_VERSION – this kind of store cannot; STORE_UNAVAILABLE; whatever the pieces throw
   */
  readonly import: (pieces: AsyncIterable<Piece>) => Promise<void>;

  /**
   * Changes behind `after` (from now on where there is none), in this and every other process, within a second; until `signal` aborts.
   * `kind`: of one kind alone, and nobody who waits for those is woken by others.
   */
  readonly changes: (options: ChangesQuery) => AsyncIterable<Change>;

  /** Forgets what has expired; the ledger stays, and how each payment ended. The answer is how many rows went. */
  readonly prune: () => Promise<number>;
  readonly close: () => Promise<void>;
};
