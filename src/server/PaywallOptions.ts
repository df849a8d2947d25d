/**
 * What a paywall is made from, and what it goes by where nothing is said.
 */
import type { Clock, Random } from '../core/Clock.ts';
import type { Reached } from '../core/CrashPoint.ts';
import type { Receiver } from '../lightning/Lightning.ts';
import type { Store } from '../store/Store.ts';
import type { Events } from './Events.ts';
import type { MintLimits } from './Limits.ts';
import type { Offer } from './Offer.ts';
import type { PageOptions } from './page/Page.ts';
import type { Rates } from './Rates.ts';
import type { RootKeys } from './RootKeys.ts';
import type { ReceiptSigner } from './SignedReceipts.ts';

/** See the head of this file. */
export type PaywallOptions = {
  readonly keys: RootKeys;
  /** Who is paid where an offer names nobody else. */
  readonly receiver: Receiver;
  /** What is counted, and revoked, is kept here. Whoever opened it calls its `prune` now and then, or it grows for ever (`startPruning`; the gateway does). Left out, only passes are sold and nothing can be revoked. */
  readonly store?: Store | undefined;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly events?: Events;
  readonly mintLimits?: MintLimits;
  /** Where invoices and what is given away are counted; default: here, under `mintLimits`. */
  readonly rates?: Rates | undefined;
  /** How long an invoice can be paid; default 600. */
  readonly invoiceExpirySeconds?: number;
  /** How long to wait for the node; default 10,000. */
  readonly nodeTimeoutMs?: number;
  /** How long to wait for the node's word that an open invoice is paid, where an offer is held against it; default 3,000. */
  readonly settledWaitMs?: number;
  /** How long passes are served by the last list of what was revoked while the store does not answer; default 60,000. */
  readonly revocationStaleMs?: number;
  /** How long a claim outlives a gateway that was killed; default 30. */
  readonly leaseSeconds?: number;
  /** How long a request waits for the outcome of the first one with its credential before it is told 409; default 2,000. */
  readonly inUseWaitMs?: number;
  /** Signs the receipt of each paid answer as well; default: none is signed. */
  readonly receipts?: Pick<ReceiptSigner, 'sign'> | undefined;
  /** How people's browsers are asked to pay; default: as programs are. */
  readonly page?: PageOptions | undefined;
  readonly compat?: {
    /** What the reference proxy answers to a credential that is not valid: 402 instead of 401. */
    readonly invalidCredential?: 401 | 402;
    /** `skip`: the specification's reading of a caveat that is not understood. */
    readonly unknownCaveats?: 'refuse' | 'skip';
  };
  /** Told of every request that a pass let through; for counting, where making an event of each would be dear. */
  readonly onPassed?: ((offer: Offer) => void) | undefined;
  /** Told of every crash point that is reached; for tests. */
  readonly reached?: Reached;
};
