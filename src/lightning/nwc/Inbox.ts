/**
 * Where notifications of a wallet wait until somebody takes them.
 */
import { type Clock, wait } from '../../core/Clock.ts';
import type { Reading } from '../Reading.ts';

/** What was heard. */
export type Heard =
  /** A payment has arrived; `at`: when the wallet said so, in Unix seconds. */
  | { readonly kind: 'received'; readonly payment: Reading; readonly at: number }
  /** Something may have been missed. */
  | { readonly kind: 'gap' };

/** More than that is not kept: what was missed is found in the wallet's list. */
const maxKept = 500;

/** See the head of this file. */
export class Inbox {
  readonly close: () => void;
  #kept: Heard[] = [];
  #failed: { readonly error: unknown } | undefined;
  #wake = () => {};

  constructor(close: () => void) {
    this.close = close;
  }

  put(heard: Heard): void {
    if (this.#kept.length >= maxKept) this.#kept = [{ kind: 'gap' }];
    else this.#kept.push(heard);
    this.#wake();
  }

  /** Nothing more will come. */
  fail(error: unknown): void {
    this.#failed ??= { error };
    this.#wake();
  }

  /** The next that was heard; undefined: nothing for so long, or `signal` aborted. @throws whatever it failed with */
  async next(clock: Clock, ms: number, signal: AbortSignal): Promise<Heard | undefined> {
    if (this.#kept.length === 0 && this.#failed === undefined) {
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      await wait(clock, ms, AbortSignal.any([signal, woken.signal]));
    }
    const heard = this.#kept.shift();
    if (heard === undefined && this.#failed) throw this.#failed.error;
    return heard;
  }
}
