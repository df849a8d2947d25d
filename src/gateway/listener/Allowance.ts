/**
 * How much of something a client may do: so much at once, and so much more with time.
 */
import type { Clock } from '../../core/Clock.ts';

/** See the head of this file. */
export class Allowance {
  readonly #most: number;
  readonly #perSecond: number;
  readonly #clock: Clock;
  #left: number;
  #atMs: number;

  constructor(most: number, perSecond: number, clock: Clock) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#left = most;
    this.#atMs = clock.nowMs();
  }

  /** False: there is not so much left. */
  take(count: number): boolean {
    const nowMs = this.#clock.nowMs();
    this.#left = Math.min(this.#most, this.#left + (Math.max(0, nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < count) return false;
    this.#left -= count;
    return true;
  }

  /** One more, beside what comes with time. */
  giveBack(): void {
    if (this.#left < this.#most) this.#left++;
  }
}
