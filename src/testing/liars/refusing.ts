/**
 * Ways whose offer nobody should pay.
 */
import * as Amount from '../../core/Amount.ts';
import type { OfferScript } from '../Offers.ts';
import { ask as asking } from './answers.ts';
import { ask, type Script } from './Way.ts';

/** Far over every limit. */
export const dear = { amountMsat: Amount.fromSat(5000) };
/** What an honest client needs where nothing should be paid. */
export const nothing = { requests: 5, orders: 0 };

/** A way whose offer nobody should pay. */
export function refusing(name: string, does: string, demand: string, serve: NonNullable<Script['serve']>): Script {
  return { name, liar: 'server', does, demand, steps: [ask('refused')], most: nothing, serve };
}

/** One whose offer is wrong in itself. */
export function offering(name: string, does: string, demand: string, script: OfferScript): Script {
  return refusing(name, does, demand, ({ response }, booth) => asking(response, booth.offer(script)));
}
