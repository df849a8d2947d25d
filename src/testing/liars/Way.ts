/**
 * A way to rob a client: who lies, what an honest client does about it, and the script of the lie.
 */
import type { ServerResponse } from 'node:http';
import type { OfferScript } from '../Offers.ts';
import type { Entry, SoldOffer } from './Book.ts';

/** Who lies: the seller, the wallet, or what lies between the client and either of them. */
export type Liar = 'server' | 'wallet' | 'network';

/**
 * How a call of an honest client ends:
 *
 * - `answered`: it hands over the answer that is sold.
 * - `handed-on`: it hands over whatever the server said, and pays nothing for it beyond what it has paid.
 * - `refused`: an error that says why, before it pays anything more. Nothing is set aside for it.
 * - `broken`: an error as for any connection that breaks or leads nowhere.
 * - `failed`: an error that says that the wallet could not pay. Nothing was spent, and nothing is set aside for it.
 * - `held`: an error that says that nobody knows whether the payment was made. Its money stays set aside, and nothing else is paid for this URL.
 * - `interrupted`: an error that says that it was paid and no answer came. The proof is kept, and serves the next call.
 * - `not-honoured`: an error that says that it was paid and the server refuses the proof, which is kept.
 * - `stopped`: an error that says that nothing is paid any more before a person has looked.
 * - `given-up`: never by itself; the caller aborts it. What was paid for is kept.
 */
export type Ending = 'answered' | 'handed-on' | 'refused' | 'broken' | 'failed' | 'held' | 'interrupted' | 'not-honoured' | 'stopped' | 'given-up';

/** What to do with the client, in order: a GET below the way's own URL, or time that passes. */
export type WayStep =
  | { readonly kind: 'ask'; readonly path: string; readonly ends: Ending }
  /** Move the liars' time on, and the client's where it has a clock to be moved. */
  | { readonly kind: 'later'; readonly seconds: number };

/** A way, as the catalogue lists it. */
export type Way = {
  /** Lower-case letters, digits and hyphens: the first part of its paths. */
  readonly name: string;
  readonly liar: Liar;
  /** What it takes to try it: the seller's address alone, with any wallet; or that the client pays from the liars' own wallet. */
  readonly needs: 'server' | 'wallet';
  /** What it does, in a sentence. */
  readonly does: string;
  /** What an honest client does about it, in a sentence. */
  readonly demand: string;
  readonly steps: readonly WayStep[];
  /** What an honest client needs at most for all steps together. */
  readonly most: { readonly requests: number; readonly orders: number };
};

/** A way with its script. What it leaves out is done honestly. */
export type Script = Omit<Way, 'needs'> & {
  readonly serve?: (visit: Visit, booth: Booth) => Done;
  readonly pay?: (order: Order, booth: Booth) => Done;
  readonly lookUp?: (lookUp: LookUp, booth: Booth) => Done;
};

/** At once, or after a while. */
export type Done = void | Promise<void>;

/** Where a request arrived: at the seller's own origin, at another one, or at one that is plain http to no address of loopback. */
export type Place = 'seller' | 'thief' | 'plain';

/** A request to a way. */
export type Visit = {
  readonly place: Place;
  /** Below the way's own URL, without the query. */
  readonly path: string;
  /** How many answers this way has sold before. */
  readonly sold: number;
  /** The payment of this way that its credential proves. */
  readonly paid: Entry | undefined;
  readonly response: ServerResponse;
};

/** A payment that the wallet is asked to make. */
export type Order = {
  readonly entry: Entry;
  /** How many payments of this way were ordered before this one. */
  readonly earlier: number;
  readonly response: ServerResponse;
};

/** A payment that the wallet is asked about, for the `entry.lookUps`th time. */
export type LookUp = {
  readonly entry: Entry;
  readonly response: ServerResponse;
};

/** What a way works with. */
export type Booth = {
  /** The URL of the way at each place, without a slash at the end. */
  readonly at: { readonly [place in Place]: string };
  /** Unix seconds. */
  readonly nowAt: () => number;
  /** Makes an offer whose invoice the wallet pays. Default: 50 sat for one answer. */
  readonly offer: (script?: OfferScript) => Promise<SoldOffer>;
  /** The offer that is made to everybody who asks. */
  readonly sameOffer: (script?: OfferScript) => Promise<SoldOffer>;
  /** Notes a robbery. */
  readonly robbed: (how: string) => void;
  /** Says nothing more on this connection, for good. */
  readonly fallSilent: (response: ServerResponse) => void;
};

/** What `most` leaves room for where a way does not say otherwise. */
export const usualMost: Way['most'] = { requests: 10, orders: 1 };

/** A call. */
export function ask(ends: Ending, path = 'a'): WayStep {
  return { kind: 'ask', path, ends };
}

/** Time that passes. */
export function later(seconds: number): WayStep {
  return { kind: 'later', seconds };
}
