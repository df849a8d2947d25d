/**
 * What one payment has bought, as its buyer remembers it: everything that was brought for it, counted in the buyer's hand.
 */

/** How something is sold. */
export type WareTerms = 'item' | 'pass' | 'bucket' | 'units' | 'credit';

/** See the head of this file. */
export type Ware = {
  readonly terms: WareTerms;
  readonly paymentHash: string;
  readonly amountMsat: bigint;
  readonly token: string;
  readonly preimage: string;
  /** What the seller counts it on: a digest of the token's identifier. */
  readonly account: string;
  /** Whole answers. */
  whole: number;
  /** Calls of which nobody knows whether they were answered: a connection that broke, an answer that did, a buyer that hung up. */
  broken: number;
  /** Calls that were told that nobody knows (503), where the store could not be asked at their end. */
  unknown: number;
  /** What each call was told, for whoever looks at what was found. */
  readonly told: string[];
  /** Parts of it that were handed on. */
  readonly parts: Part[];
  /** The seller says that there is nothing left of it. */
  isOver: boolean;
};

/** A part that is good for so many calls. */
export type Part = { readonly account: string; readonly uses: number; whole: number };

/** What all buyers have done and seen. */
export type Story = {
  readonly wares: Ware[];
  /** Calls that were decided: answered, refused for good, or broken off. */
  calls: number;
  /** Requests that were told to come again, and those that found nobody. */
  turnedAway: number;
  /** Whole answers for nothing, by buyer and life of a gateway. */
  readonly free: Map<string, number>;
  /** How often buyers hung up, asked twice at the same instant, showed again what was used up, and used a part. */
  readonly done: Map<string, number>;
  readonly findings: string[];
};

/** Nothing yet. */
export function createStory(): Story {
  return { wares: [], calls: 0, turnedAway: 0, free: new Map(), done: new Map(), findings: [] };
}
