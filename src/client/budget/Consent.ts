/**
 * Asks somebody before much is spent. Nobody to ask, no answer, or an answer that is no plain yes: nothing is paid.
 */
import type { Msat } from '../../core/Amount.ts';
import type { PaymentHash } from '../../core/Preimage.ts';
import type { LimitState } from './LimitState.ts';

/** What is asked. No money has been set aside for it yet. */
export type ConsentQuestion = {
  /** Scheme, host and port of the seller. */
  readonly origin: string;
  readonly method: string;
  /** Without the query, which may hold secrets. */
  readonly path: string;
  /** What the invoice asks. */
  readonly amountMsat: Msat;
  /** What paying it may cost on top, at most. */
  readonly maxFeeMsat: Msat;
  /** What is sold, as the payee wrote it into the invoice: untrusted, escape it. Undefined where it says nothing. */
  readonly description: string | undefined;
  /** The node that would be paid. */
  readonly payee: string;
  readonly paymentHash: PaymentHash;
  /** Unix seconds: from then on the answer is worth nothing. */
  readonly expiresAt: number;
  /** The budget that wants it asked, and above which amount; '' for the client's own. */
  readonly budget: string;
  readonly aboveMsat: Msat;
  /** Where each limit that counts this payment stands; see `leftMsatOf`. */
  readonly limits: readonly LimitState[];
};

/** Says yes by `true` alone. `signal` aborts when the caller gives up. */
export type AskConsent = (question: ConsentQuestion, signal: AbortSignal) => Promise<boolean> | boolean;

/** The answer, or why there is none. */
export async function answerOf(ask: AskConsent | undefined, question: ConsentQuestion, signal: AbortSignal): Promise<'yes' | 'no' | 'nobody' | 'failed'> {
  if (ask === undefined) return 'nobody';
  let stop = () => {};
  try {
    const aborted = new Promise<never>((_, reject) => {
      stop = () => reject(signal.reason);
      signal.addEventListener('abort', stop);
    });
    // Whoever listens to nobody's signal is not waited for either.
    aborted.catch(() => undefined);
    return (await Promise.race([ask(question, signal), aborted])) === true ? 'yes' : 'no';
  } catch {
    signal.throwIfAborted();
    return 'failed';
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
