/**
 * The way in which nobody lies: a client that buys nothing here is robbed of nothing anywhere.
 */
import { control } from './Check.ts';
import { ask, type Script, usualMost } from './Way.ts';

/** One answer for one payment. */
export const honest: readonly Script[] = [
  { name: control, liar: 'server', does: 'Nobody lies here: one answer for one payment.', demand: 'Buy it.', steps: [ask('answered')], most: usualMost },
];
