/**
 * How long something that never ends by itself may go on: a WebSocket, a stream of events. As long as what was bought is good, and no
 * longer than the operator says.
 */
import { linesOf } from '../../http/NodeRequest.ts';
import type { Principal } from '../../server/Offer.ts';
import type { ReturningHead } from '../Forwarding.ts';

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

/** A stream of events that goes on for as long as what was bought is good; undefined for an answer that ends by itself, or that nobody bought. */
export function eventStream({ headers, contentLength }: ReturningHead, bought: Bought, standing: Standing | undefined): EventStream | undefined {
  if (bought.principal === undefined || contentLength !== undefined) return undefined;
  if (!/^text\/event-stream\s*(?:;|$)/i.test(linesOf(headers, 'content-type')[0] ?? '')) return undefined;
  const looks = new Looks(bought, standing);
  const endsAtMs = untilMs(bought, 0, Number.POSITIVE_INFINITY);
  return { mayGoOn: (nowMs) => nowMs < endsAtMs && looks.mayGoOn() };
}

/** See above. */
export type EventStream = { readonly mayGoOn: (nowMs: number) => boolean };

/** When it ends, by the clock, in milliseconds. */
export function untilMs({ principal }: Bought, beganAtMs: number, longestMs: number): number {
  const longest = beganAtMs + longestMs;
  return principal === undefined ? longest : Math.min(longest, principal.validUntil * 1000);
}

/** Looks, now and then, whether it may go on. */
export class Looks {
  readonly #bought: Bought;
  readonly #standing: Standing | undefined;
  #unknown = 0;

  constructor(bought: Bought, standing: Standing | undefined) {
    this.#bought = bought;
    this.#standing = standing;
  }

  /** Whether there is anything to look at. */
  get areNeeded(): boolean {
    return this.#bought.principal !== undefined && this.#standing !== undefined;
  }

  /** False: it was revoked, or nobody can tell, two looks in a row: after a standstill of this process the first is no word on the store. */
  mayGoOn(): boolean {
    const { principal, branches = [] } = this.#bought;
    if (principal === undefined || this.#standing === undefined) return true;
    const standing = this.#standing(principal, branches);
    this.#unknown = standing === 'unknown' ? this.#unknown + 1 : 0;
    return standing !== 'denied' && this.#unknown < 2;
  }
}
