/**
 * What the paywall says of a request. A value, never an exception: adapters and the gateway carry it out and decide nothing.
 */
import type { Answer } from '../http/RequestView.ts';
import type { Principal } from './Offer.ts';
import type { Sale } from './terms/Terms.ts';

/**
 * `pass`: let the request through; where there is a `sale`, its steps are called as the answer comes (no sale: nothing more to do).
 * `headers` are added to a success (a status below 400) where there is no sale; a sale says its own.
 * `principal` is undefined where nobody has paid: within what a route gives away. `branches`: what was handed on on the way to him, by name;
 * whoever carries something that does not end by itself asks with them whether it may go on.
 * `challenge`: answer 402. `refuse`: answer with the status that says why.
 * `repeat`: the client has paid and its answer was kept: send it, then call `sale.end`.
 */
export type Decision =
  /**
   * Answered by the paywall itself, and nothing is asked behind it: a CORS preflight, a top-up that was presented, a page that waits. `follow`: text of
   * ASCII that comes behind the answer's body, until its client has gone; who cannot send it sends the body alone.
   */
  | { readonly kind: 'answer'; readonly answer: Answer; readonly follow?: (gone: AbortSignal) => AsyncIterable<string> }
  | {
      readonly kind: 'pass';
      readonly principal: Principal | undefined;
      readonly branches?: readonly string[];
      readonly sale: Sale | undefined;
      readonly headers: Answer['headers'];
      /** A cookie let it in: no cache may keep the answer for others. */
      readonly isPrivate?: boolean;
    }
  | { readonly kind: 'challenge'; readonly answer: Answer }
  | { readonly kind: 'refuse'; readonly answer: Answer }
  | { readonly kind: 'repeat'; readonly answer: Answer; readonly principal: Principal; readonly sale: Sale; readonly isPrivate?: boolean };
