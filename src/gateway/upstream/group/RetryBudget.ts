/**
 * How many requests may be sent a second time: a few, and beyond them half as many as there are, so that what fails everywhere is not asked for
 * twice as often.
 */
import type { Clock } from '../../../core/Clock.ts';

/** See the head of this file. */
export class RetryBudget {
  readonly #clock: Clock;
  #sinceMs: number;
  #now: Counts = { requests: 0, retries: 0 };
  #before: Counts = { requests: 0, retries: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.nowMs();
  }

  /** A request goes out for the first time. */
  count(): void {
    this.#turn();
    this.#now.requests++;
  }

  /** Takes one retry off. @param busy - requests under way, many of which may be older than what is counted; false: there is none left */
  take(busy: number): boolean {
    this.#turn();
    if (this.#now.retries + this.#before.retries >= few + (this.#now.requests + this.#before.requests + busy) * share) return false;
    this.#now.retries++;
    return true;
  }

  #turn(): void {
    const passedMs = this.#clock.nowMs() - this.#sinceMs;
    if (passedMs < windowMs && passedMs >= 0) return;
    this.#before = passedMs < 2 * windowMs && passedMs >= 0 ? this.#now : { requests: 0, retries: 0 };
    this.#now = { requests: 0, retries: 0 };
    this.#sinceMs = this.#clock.nowMs();
  }
}

type Counts = { requests: number; retries: number };

const windowMs = 10_000;
const few = 10;
const share = 0.5;
