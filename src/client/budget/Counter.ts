/**
 * What is spent and held within one limit and window: a sum over the journal, kept beside it so that no reservation has to add it up again.
 *
 * A counter holds nothing that the rows do not: one that is not there is made from them, also when a limit is new, and one that is over may be
 * forgotten. So a limit that is set today counts what its budget has spent since its window began.
 */
import type { Msat } from '../../core/Amount.ts';
import * as Amount from '../../core/Amount.ts';
import type { Payment } from '../Journal.ts';
import * as Journal from '../Journal.ts';
import { covers, type Limit } from './Limit.ts';
import { holds, type Window, windowOf } from './windows.ts';

/** A sum. */
export type Counter = Window & {
  /** `<budget>/<period>/<host>/<tag>/<start>`. */
  readonly key: string;
  readonly budget: string;
  readonly host: string | undefined;
  readonly tag: string | undefined;
  /** Set aside for payments whose end is not known. */
  readonly heldMsat: Msat;
  /** Spent, fees included. */
  readonly spentMsat: Msat;
};

/** The counter of a limit at a time, with nothing in it. Undefined where it counts one request alone. */
export function emptyOf(budget: string, { per, host, tag }: Pick<Limit, 'per' | 'host' | 'tag'>, at: number): Counter | undefined {
  if (per === 'request') return undefined;
  const window = windowOf(per, at);
  return { ...window, key: `${budget}/${per}/${host ?? ''}/${tag ?? ''}/${window.startAt}`, budget, host, tag, heldMsat: Amount.zero, spentMsat: Amount.zero };
}

/** Whether a payment belongs to it. */
export function isOf(counter: Counter, payment: Payment): boolean {
  const isUnder = counter.budget === '' || payment.budgets.includes(counter.budget);
  return isUnder && holds(counter, payment.createdAt) && covers(counter, payment);
}

/** The same counter, as the rows add up. */
export function recount(counter: Counter, payments: Iterable<Payment>): Counter {
  let [heldMsat, spentMsat] = [0n, 0n];
  for (const payment of payments) {
    if (!isOf(counter, payment)) continue;
    heldMsat += Journal.heldMsatOf(payment);
    spentMsat += payment.spentMsat;
  }
  return { ...counter, heldMsat: heldMsat as Msat, spentMsat: spentMsat as Msat };
}

/** The same counter after one payment has changed. A payment counts elsewhere only once it counts nothing where it was. */
export function moved(counter: Counter, before: Payment | undefined, after: Payment): Counter {
  let { heldMsat, spentMsat }: { heldMsat: bigint; spentMsat: bigint } = counter;
  if (before && isOf(counter, before)) {
    heldMsat -= Journal.heldMsatOf(before);
    spentMsat -= before.spentMsat;
  }
  if (isOf(counter, after)) {
    heldMsat += Journal.heldMsatOf(after);
    spentMsat += after.spentMsat;
  }
  return heldMsat === counter.heldMsat && spentMsat === counter.spentMsat ? counter : { ...counter, heldMsat: heldMsat as Msat, spentMsat: spentMsat as Msat };
}
