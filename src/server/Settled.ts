/**
 * `verify: settled`: beside its preimage, a payment is held against what its wallet says. Whoever can read a wallet's invoices knows their
 * preimages, and is not let in by them alone.
 *
 * A payment that the wallet has settled is not asked for again. One that is still open is asked for a moment longer, since a preimage
 * travels faster than books are written; then that is not known, and never read as unpaid.
 */
import type { Msat } from '../core/Amount.ts';
import { type Clock, wait, within } from '../core/Clock.ts';
import { FareboxError } from '../core/Errors.ts';
import { parseHash } from '../core/Preimage.ts';
import type { InvoiceState, Receiver } from '../lightning/Lightning.ts';
import { createRemembered } from './Remembered.ts';

/** What is held against the wallet's word. */
export type Presented = { readonly paymentHash: string; readonly amountMsat: Msat };

/**
 * Why a payment is not good; undefined where its wallet has settled it.
 * @throws LIGHTNING_UNAVAILABLE, LIGHTNING_UNAUTHORIZED – the wallet could not be asked
 */
export type SettledCheck = (receiver: Receiver, payment: Presented) => Promise<FareboxError | undefined>;

/** How long is waited for the wallet. */
export type SettledOptions = {
  readonly clock: Clock;
  /** For its word that an open invoice is paid, in milliseconds. */
  readonly settledWaitMs: number;
  /** For an answer at all, in milliseconds. */
  readonly nodeTimeoutMs: number;
};

/** Payments that need not be asked for again, up to twice as many. */
const maxRemembered = 10_000;

/** A check with a memory of its own. */
export function createSettledCheck({ clock, settledWaitMs, nodeTimeoutMs }: SettledOptions): SettledCheck {
  const settled = createRemembered(maxRemembered);
  const asking = new Map<string, Promise<FareboxError | undefined>>();
  const ask = async (receiver: Receiver, { paymentHash, amountMsat }: Presented): Promise<FareboxError | undefined> => {
    // By its own pauses: the time of day may be set back meanwhile.
    let leftMs = settledWaitMs;
    for (let pauseMs = 50; ; pauseMs = Math.min(500, pauseMs * 2)) {
      const state = await lookup(receiver, paymentHash, clock, nodeTimeoutMs);
      if (state.kind === 'paid' && state.amountMsat >= amountMsat) {
        settled.add(paymentHash);
        return undefined;
      }
      // It was minted with an invoice of ours: a wallet that has never seen it is another one, or has forgotten.
      if (state.kind === 'absent') throw unavailable(`${receiver.name} has never seen the invoice: is another wallet named now than when it was made?`);
      if (state.kind !== 'open') return unsettled();
      if (leftMs <= 0) return pending();
      await wait(clock, Math.min(pauseMs, leftMs), undefined, true);
      leftMs -= pauseMs;
    }
  };
  return async (receiver, payment) => {
    const { paymentHash } = payment;
    if (settled.has(paymentHash)) return undefined;
    const running = asking.get(paymentHash) ?? ask(receiver, payment).finally(() => asking.delete(paymentHash));
    asking.set(paymentHash, running);
    return running;
  };
}

async function lookup(receiver: Receiver, paymentHash: string, clock: Clock, timeoutMs: number): Promise<InvoiceState> {
  const { lookup: canLook, history } = receiver.capabilities;
  if (!canLook || !history) throw unavailable(`${receiver.name} cannot tell what was paid`);
  const deadline = { clock, ms: timeoutMs, late: () => unavailable(`${receiver.name} did not answer in time`), keepAlive: true };
  return within(deadline, (signal) => receiver.lookupInvoice(parseHash(paymentHash), signal));
}

function unsettled(): FareboxError {
  return new FareboxError('CREDENTIAL_UNSETTLED', "The seller's wallet has not been paid with this preimage. Pay the invoice of a new challenge.");
}

function pending(): FareboxError {
  const message = "The seller's wallet does not show this payment yet. Ask again in a moment; do not pay again.";
  return new FareboxError('PAYMENT_PENDING', message, { details: { retryAfterSeconds: 2 } });
}

function unavailable(why: string): FareboxError {
  return new FareboxError('LIGHTNING_UNAVAILABLE', `${why}.`);
}
