/**
 * A request that something is sold for, with what was found out about it: what the paywall's steps hand on.
 */
import type { Msat } from '../core/Amount.ts';
import type { FareboxError } from '../core/Errors.ts';
import type * as Path from '../http/Path.ts';
import type { RequestView } from '../http/RequestView.ts';
import type { Decision } from './Decision.ts';
import type { Offer } from './Offer.ts';
import type { Held, Shown } from './page/Page.ts';

/** See the head of this file. */
export type Asked = {
  readonly request: RequestView;
  readonly target: Path.Target;
  readonly offer: Offer;
  readonly amountMsat: Msat;
  readonly priced: string;
  /** A ticket that waits to be paid. */
  readonly held?: Held;
  /** Every ticket that it shows. */
  readonly shown?: Shown;
  /** Who is asked instead of the person where a ticket that was paid does not do. */
  readonly orElse?: (why: FareboxError) => Promise<Decision>;
};
