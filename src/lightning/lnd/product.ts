/**
 * What lnd says when it says no.
 */
import { FareboxError } from '../../core/Errors.ts';
import { type Reply, refusal, saidIn } from '../Api.ts';

/** The product's name, as messages say it. */
export const product = 'lnd';

/** Whether it did not let us do what we asked. It answers 500 to that, and these words: a call that was let in is not refused in them. */
export function isUnauthorized({ status, body }: Reply): boolean {
  if (status === 401 || status === 403) return true;
  return /permission denied|verification failed|expected 1 macaroon|macaroon/i.test(saidIn(body) ?? '');
}

/** An answer that is no answer to the question, as an error. */
export function refused(reply: Reply): FareboxError {
  if (!isUnauthorized(reply)) return refusal(product, reply);
  return new FareboxError('LIGHTNING_UNAUTHORIZED', `lnd does not let us do this: ${saidIn(reply.body) ?? reply.status}. Bake a macaroon that may.`);
}
