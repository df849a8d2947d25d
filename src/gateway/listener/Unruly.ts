/**
 * Addresses that had to be cut off again and again: for some seconds no connection is taken from them. A client that floods, is cut off and comes
 * again at once would otherwise take the time of everybody else, with every connection for as long as it lasts.
 *
 * An address is counted as elsewhere: IPv6 by its /64.
 */
import type { Clock } from '../../core/Clock.ts';
import { clientKey, createRequestLimiter, type RequestLimiter } from '../../server/Limits.ts';
import { plainAddress, type Trust } from '../ClientAddress.ts';

/** See the head of this file. */
export class Unruly {
  readonly #clock: Clock;
  readonly #spared: Trust;
  readonly #count: RequestLimiter;
  /** Until when each is refused. */
  readonly #refused = new Map<string, number>();

  /** @param spared - proxies that are trusted: whoever floods through them has another address */
  constructor(clock: Clock, spared: Trust) {
    this.#clock = clock;
    this.#spared = spared;
    this.#count = createRequestLimiter(clock);
  }

  /** One of its connections was cut off, for it asked for more than it may. */
  onCutOff(address: string): void {
    const waitSeconds = this.#spared(plainAddress(address)) ? 0 : this.#count('client', address, cutsAllowed);
    if (waitSeconds === 0) return;
    const key = clientKey(address);
    this.#refused.delete(key);
    // Those that came first are the first to be over.
    if (this.#refused.size === maxRefused) this.#refused.delete(this.#refused.keys().next().value as string);
    this.#refused.set(key, this.#clock.nowMs() + waitSeconds * 1000);
  }

  /** Whether no connection is taken from it for now. */
  refuses(address: string): boolean {
    if (this.#refused.size === 0) return false;
    const key = clientKey(address);
    const untilMs = this.#refused.get(key);
    if (untilMs === undefined) return false;
    const nowMs = this.#clock.nowMs();
    // A clock that was set back keeps nobody out.
    if (nowMs < untilMs && untilMs - nowMs <= cutsAllowed.perMs) return true;
    this.#refused.delete(key);
    return false;
  }
}

/** So many at once, and one more every five seconds. */
const cutsAllowed = { requests: 4, perMs: 20_000 };

/** Addresses that are refused at once. */
const maxRefused = 10_000;
