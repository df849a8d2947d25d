/**
 * What a client is told where the upstream, or the sale, has failed: what happened, and that nobody is to pay again.
 */
import { FareboxError } from '../core/Errors.ts';

/** Of a sale that could not be written down. */
export const undecided = 'It could not be written down whether this request was paid for. Ask again in a moment; do not pay again.';

/** No answer, or none that is whole. */
export function unreachable(): FareboxError {
  return new FareboxError('UPSTREAM_UNREACHABLE', 'The server behind this gateway did not answer. Send the same request again later; do not pay again.');
}

/** None in time. */
export function timedOut(): FareboxError {
  return new FareboxError('UPSTREAM_TIMEOUT', 'The server behind this gateway did not answer in time. Send the same request again later; do not pay again.');
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
