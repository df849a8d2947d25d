/**
 * What LNbits keeps of a payment, and how it says no.
 */
import { FareboxError } from '../../core/Errors.ts';
import { type Api, type Reply, refusal, saidIn } from '../Api.ts';
import { Reading } from '../Reading.ts';

/** The product's name, as messages say it. */
export const product = 'LNbits';

/** Whether the key is of no wallet. LNbits answers 404 to that, on every call that needs one. */
function isNobody({ status, body }: Reply): boolean {
  return status === 404 && /wallet not found/i.test(saidIn(body) ?? '');
}

/** An answer that is no answer to the question, as an error. */
export function refused(reply: Reply): FareboxError {
  if (!isNobody(reply)) return refusal(product, reply);
  return new FareboxError('LIGHTNING_UNAUTHORIZED', 'LNbits knows no wallet of this key. Copy the key from its page "API docs".');
}

/** A payment, in either direction, as LNbits keeps it; undefined: this wallet has none of that payment hash. */
export type Kept = {
  readonly status: 'success' | 'failed' | 'pending';
  /** Whether LNbits has asked its node just now, or says what it last knew. */
  readonly isFresh: boolean;
  readonly preimage: string | undefined;
  /** Amounts are in msat, and negative where they left the wallet; `expiry` and `updated_at` are times. */
  readonly details: Reading;
};

/**
 * Looks a payment up.
 *
 * LNbits answers this to anybody, with less where the key is of no wallet: an answer that a wrong key might have had as well says nothing, and
 * the key is asked for first.
 * @throws LIGHTNING_UNAVAILABLE, LIGHTNING_UNAUTHORIZED
 */
export async function find(api: Api, paymentHash: string, signal: AbortSignal): Promise<Kept | undefined> {
  const reply = await api.call({ path: `/api/v1/payments/${paymentHash}`, signal });
  if (reply.status !== 404 && reply.status !== 200) throw refused(reply);
  const found = reply.status === 404 ? undefined : new Reading(product, reply.body);
  if (found === undefined || !found.has('details')) {
    await wallet(api, signal);
    return undefined;
  }
  const status = found.has('status') ? found.text('status') : undefined;
  const isPaid = found.flag('paid');
  return {
    status: isPaid ? 'success' : status === 'failed' ? 'failed' : 'pending',
    isFresh: isPaid || status !== undefined,
    preimage: found.has('preimage') ? found.text('preimage') : undefined,
    details: found.object('details'),
  };
}

/** The wallet that the key is of. @throws LIGHTNING_UNAVAILABLE, LIGHTNING_UNAUTHORIZED */
export async function wallet(api: Api, signal: AbortSignal): Promise<Reading> {
  const reply = await api.call({ path: '/api/v1/wallet', signal });
  if (reply.status !== 200) throw refused(reply);
  return new Reading(product, reply.body);
}
