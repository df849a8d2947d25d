/**
 * `topup=<account>`: a token whose only power is to add what it was sold for to that account, once. Minted alone: written by a holder it would
 * make something else of a token, and refuses it.
 *
 * @see docs/decisions/0029-top-ups.md
 */
import * as Caveat from '../../core/Caveat.ts';
import type { Policy } from './Policy.ts';

/** The caveat's condition. */
export const condition = 'topup';

/** The caveat as minted, for an account as `useKeyOf` names it. */
export function write(account: string): string {
  return Caveat.format({ condition, value: account });
}

/** Holds where the seller wrote it. */
export const topUp: Policy = { check: (value, _, by) => (by === 'minted' && /^[0-9a-f]{64}$/.test(value) ? undefined : 'unreadable') };

/** The terms that a top-up is sold under: those of what it adds to, and its name. */
export function termsOf(caveat: string): string {
  return caveat.replace(/^[a-z-]+/, (kind) => `${kind}-topup`);
}

/** Whether a token was sold as one. */
export function isTopUp(kind: string): boolean {
  return kind.endsWith('-topup');
}
