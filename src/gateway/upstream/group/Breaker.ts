/**
 * Whether one of several upstreams is asked: after some failures in a row it is left out for a while, then one request tries, and the while grows
 * with every try that fails.
 *
 *     closed ─ failures ─ open (left out) ─ half-open (one tries) ─ closed, or open for twice as long
 *
 * What came of requests that were under way when it was left out says nothing any more.
 */
import type { Clock, Random } from '../../../core/Clock.ts';
import type { BreakerOptions } from '../../Upstream.ts';

/** A request's leave to go: which one tries, and what it will say of. */
export type Leave = { readonly isTrial: boolean; readonly round: number };

/** `unreachable`: nothing of the request went out, so that nobody can have provoked it by what it asked for. */
export type Failure = { readonly isProvocable: boolean; readonly why: string };

/** See the head of this file. */
export class Breaker {
  readonly #options: BreakerOptions;
  readonly #clock: Clock;
  readonly #random: Random;
  #failures = 0;
  /** How often it has been left out in a row. */
  #pauses = 0;
  #pauseMs = 0;
  /** Undefined: it is not left out. */
  #outUntilMs: number | undefined;
  #isTrying = false;
  /** Whether the last failure could have been provoked. */
  #isProvoked = false;
  /** Counts up with every turn. */
  #round = 0;

  constructor(options: BreakerOptions, clock: Clock, random: Random) {
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether it is left out, be it that one may try. */
  get isOut(): boolean {
    return this.#outUntilMs !== undefined;
  }

  /** How long until one may try; 0 where it is not left out. */
  get leftMs(): number {
    return this.#outUntilMs === undefined ? 0 : Math.max(0, this.#outUntilMs - this.#clock.nowMs());
  }

  /**
   * Whether a request may go.
   * @param isRepeatable - one that would be done elsewhere if it failed; others try where little can happen, or nobody else did for long
   */
  admits(isRepeatable: boolean): boolean {
    if (this.#outUntilMs === undefined) return true;
    const overMs = this.#clock.nowMs() - this.#outUntilMs;
    return !this.#isTrying && overMs >= 0 && (isRepeatable || !this.#isProvoked || overMs >= this.#pauseMs);
  }

  /** Lets one go that is admitted. */
  begin(): Leave {
    const isTrial = this.isOut;
    this.#isTrying ||= isTrial;
    return { isTrial, round: this.#round };
  }

  /** It has answered. True where it was left out until now. */
  succeeded({ isTrial, round }: Leave): boolean {
    if (round !== this.#round) return false;
    if (!isTrial) {
      this.#failures = 0;
      this.#pauses = 0;
      return false;
    }
    this.reset();
    return true;
  }

  /**
   * It has not.
   * @param mayLeaveOut - asked where this failure is one too many
   * @returns for how long it is left out from now on; undefined: no word of it
   */
  failed({ isTrial, round }: Leave, { isProvocable }: Failure, mayLeaveOut: () => boolean): number | undefined {
    if (round !== this.#round) return undefined;
    if (!isTrial && (++this.#failures < this.#options.failures || !mayLeaveOut())) return undefined;
    this.#isProvoked = isProvocable;
    this.#isTrying = false;
    this.#round++;
    const { pauseMs, longestPauseMs } = this.#options;
    this.#pauseMs = Math.min(pauseMs * 2 ** Math.min(this.#pauses, mostDoublings), longestPauseMs);
    this.#pauses++;
    // Many gateways that have lost the same upstream do not all come back to it at once.
    const part = (this.#random(1)[0] ?? 0) / 256;
    const outMs = Math.ceil(this.#pauseMs * (1 - spread * part));
    this.#outUntilMs = this.#clock.nowMs() + outMs;
    return outMs;
  }

  /** Nothing came of it that says anything, such as that its client left. */
  said({ isTrial, round }: Leave): void {
    if (isTrial && round === this.#round) this.#isTrying = false;
  }

  /** As new. */
  reset(): void {
    this.#failures = 0;
    this.#pauses = 0;
    this.#outUntilMs = undefined;
    this.#isTrying = false;
    this.#round++;
  }
}

const mostDoublings = 30;
/** A pause is up to so much of itself shorter. */
const spread = 0.25;
