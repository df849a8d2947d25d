/**
 * How long something that never ends by itself may go on: a WebSocket, a stream of events. As long as what was bought is good, and no
 * longer than the operator says.
 */
import type { Principal } from '../../server/Offer.ts';

/** What was bought, as far as it says how long it is good. */
export type Bought = {
  /** Undefined: nothing was. */
  readonly principal: Principal | undefined;
  /** The names of what was handed on on the way to its bearer. */
  readonly branches?: readonly string[] | undefined;
};

/** Whether what was bought has been revoked since. `unknown`: it could not be found out, for longer than the last list is good. */
export type Standing = (principal: Principal, branches: readonly string[]) => 'good' | 'denied' | 'unknown';

/** How often it is looked at: what is revoked ends within a second and a half. */
export const lookMs = 1000;

/** When it ends, by the clock, in milliseconds. */
export function untilMs({ principal }: Bought, beganAtMs: number, longestMs: number): number {
  const longest = beganAtMs + longestMs;
  return principal === undefined ? longest : Math.min(longest, principal.validUntil * 1000);
}

/** Whether it may go on. */
export function mayGoOn({ principal, branches = [] }: Bought, standing: Standing | undefined): boolean {
  return principal === undefined || standing === undefined || standing(principal, branches) === 'good';
}
