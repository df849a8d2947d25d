/**
 * Asks the wallet what became of a payment. It always ends with a word: what keeps the wallet's own away is `unknown`.
 */
import type { TrackedPayment } from '../lightning/Lightning.ts';
import type { Client } from './Client.ts';
import type { Payment } from './Journal.ts';
import { readTracked } from './walletAnswer.ts';

/** What the wallet says of a payment. Whether its preimage proves anything has not been checked. */
export async function track({ payer, clock, reached }: Pick<Client, 'payer' | 'clock' | 'reached'>, payment: Payment): Promise<TrackedPayment> {
  if (payer.name !== payment.payer || payer.network !== payment.network) {
    return { kind: 'unknown', message: `It was made with the wallet ${payment.payer} on ${payment.network}, which alone can look it up.` };
  }
  if (!payer.capabilities.track) {
    return { kind: 'unknown', message: `The wallet ${payer.name} cannot look payments up: it stays held until a person resolves it.` };
  }
  const timeout = new AbortController();
  const noAnswer: TrackedPayment = { kind: 'unknown', message: 'The wallet could not be asked.' };
  const late = new Promise<TrackedPayment>((resolve) => timeout.signal.addEventListener('abort', () => resolve(noAnswer)));
  const cancel = clock.after(lookupTimeoutMs, () => timeout.abort(), true);
  try {
    reached('client.lookup.asking');
    return readTracked(await Promise.race([payer.trackPayment(payment.paymentHash, timeout.signal), late]), payment);
  } catch {
    return noAnswer;
  } finally {
    reached('client.lookup.answered');
    cancel();
  }
}

/** How long a wallet may take to look a payment up. */
const lookupTimeoutMs = 30_000;
