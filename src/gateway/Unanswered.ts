/**
 * What a client is told where its request was let through and has no answer of the upstream's, and what it is to do then.
 */
import { FareboxError } from '../core/Errors.ts';
import type { Sale } from '../server/terms/Terms.ts';

/** No head came. @param sale - what was sold with the request; undefined where nothing is counted */
export function unreachable(sale: Sale | undefined): FareboxError {
  return new FareboxError('UPSTREAM_UNREACHABLE', `The server behind this gateway did not answer. ${whatNow(sale)}`);
}

/** No head came in time. */
export function timedOut(sale: Sale | undefined): FareboxError {
  return new FareboxError('UPSTREAM_TIMEOUT', `The server behind this gateway did not answer in time. ${whatNow(sale)}`);
}

/** A head came, and nobody knows whether it was written down that it is paid for. */
export function undecided(cause: unknown): FareboxError {
  return new FareboxError('STORE_UNAVAILABLE', 'It could not be written down whether this request was paid for. Ask again in a moment; do not pay again.', {
    cause,
  });
}

/** Waits for a sale's last step; the answer is its error, where it has one. */
export async function settled(told: Promise<void> | undefined): Promise<unknown> {
  try {
    await told;
    return undefined;
  } catch (error) {
    return error;
  }
}

/** What a client is to do where the upstream has failed. */
export function whatNow(sale: Sale | undefined): string {
  if (sale?.consume === 'on-request') return 'This request was charged when it was let through, as its offer says.';
  return 'Send the same request again later; do not pay again.';
}
