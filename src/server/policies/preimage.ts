/**
 * `preimage=<hex>`: some clients write the proof of payment into the token instead of beside it. It holds when it is the preimage that
 * was presented; it narrows nothing.
 *
 * @see docs/wire.md, "The credential"
 */
import type { Policy } from './Policy.ts';

/** The caveat's condition. */
export const condition = 'preimage';

/** Holds where it equals what was presented, in either letter case. */
export const preimage: Policy = {
  check: (value, context) => (value.toLowerCase() === context.preimage ? undefined : 'elsewhere'),
};

/** Whether a caveat's text is one of these; what it says is another matter. */
export function isProof(text: string): boolean {
  return /^\s*preimage\s*=/.test(text);
}
