/**
 * Timers by the thousand at the price of one: each falls due at a round time, and those that fall due together stand in one list, so that
 * setting and calling off costs no timer of the system's. One never goes off early, and late by a tenth of a second at most, or by a
 * hundredth where it was set for less than a second.
 */
import type { Clock } from './Clock.ts';

/** What is told when a timer goes off. */
export type TimerTarget = { readonly onTimer: () => void };

/** A timer that is set. */
export type Timer = {
  /** Calls it off; once it has gone off, this does nothing. */
  readonly cancel: () => void;
};

/** See the head of this file. */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #lists = new Map<number, List>();
  #armedForMs = Number.POSITIVE_INFINITY;
  #disarm: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Tells the target once, after that long. */
  after(ms: number, target: TimerTarget): Timer {
    const grain = ms < 1000 ? 10 : 100;
    const dueMs = Math.ceil((this.#clock.nowMs() + ms) / grain) * grain;
    let list = this.#lists.get(dueMs);
    if (list === undefined) {
      list = new List(this.#lists, dueMs);
      this.#lists.set(dueMs, list);
    }
    if (dueMs < this.#armedForMs) this.#arm(dueMs);
    return new Entry(list, target);
  }

  /** Calls everything off. */
  close(): void {
    this.#disarm();
    this.#armedForMs = Number.POSITIVE_INFINITY;
    this.#lists.clear();
  }

  /** One timer of the clock's, for the first that falls due. It stays where that one is called off: most are, and the next is not far. */
  #arm(dueMs: number): void {
    this.#disarm();
    this.#armedForMs = dueMs;
    this.#disarm = this.#clock.after(Math.max(1, dueMs - this.#clock.nowMs()), () => this.#goOff());
  }

  #goOff(): void {
    const nowMs = this.#clock.nowMs();
    this.#armedForMs = Number.POSITIVE_INFINITY;
    const due = [...this.#lists.values()].filter(({ dueMs }) => dueMs <= nowMs).sort((one, other) => one.dueMs - other.dueMs);
    for (const list of due) {
      this.#lists.delete(list.dueMs);
      for (let entry = list.first; entry !== undefined; entry = list.first) {
        entry.cancel();
        entry.target.onTimer();
      }
    }
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#lists.values()) nextMs = Math.min(nextMs, dueMs);
    if (nextMs < this.#armedForMs) this.#arm(nextMs);
  }
}

/** Everything that falls due at one time, in the order in which it was set. */
class List {
  readonly lists: Map<number, List>;
  readonly dueMs: number;
  first: Entry | undefined;
  last: Entry | undefined;

  constructor(lists: Map<number, List>, dueMs: number) {
    this.lists = lists;
    this.dueMs = dueMs;
  }
}

class Entry implements Timer {
  readonly target: TimerTarget;
  #list: List | undefined;
  #before: Entry | undefined;
  #behind: Entry | undefined;

  constructor(list: List, target: TimerTarget) {
    this.target = target;
    this.#list = list;
    this.#before = list.last;
    if (list.last === undefined) list.first = this;
    else list.last.#behind = this;
    list.last = this;
  }

  cancel(): void {
    const list = this.#list;
    if (list === undefined) return;
    this.#list = undefined;
    if (this.#before === undefined) list.first = this.#behind;
    else this.#before.#behind = this.#behind;
    if (this.#behind === undefined) list.last = this.#before;
    else this.#behind.#before = this.#before;
    if (list.first === undefined && list.lists.get(list.dueMs) === list) list.lists.delete(list.dueMs);
  }
}
