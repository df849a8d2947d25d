/**
 * What has become of invoices that people look at: asked of the wallet that made them, once a second an invoice, however many ask.
 *
 * What could not be found out is `unknown`, and nothing else.
 */
import { type Clock, wait, within } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { parseHash } from '../../core/Preimage.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import type { Events } from '../Events.ts';
import { createRemembered } from '../Remembered.ts';

/** `over`: it has expired or was cancelled, unpaid. */
export type PaidState = 'open' | 'paid' | 'over' | 'unknown';

/** What is asked about. */
export type Watched = { readonly receiver: Receiver; readonly paymentHash: string; readonly amountMsat: bigint };

/** See the head of this file. */
export type PaidWatch = {
  /** What is known now. */
  readonly ask: (watched: Watched) => Promise<PaidState>;
  /** Every state from now on, beginning with the next one after `known`, until it is known for good, for so long at most. */
  readonly follow: (watched: Watched, known: PaidState, signal: AbortSignal) => AsyncIterable<PaidState>;
  /** Whether one more may follow. */
  readonly hasRoom: () => boolean;
};

/** What watching needs. */
export type PaidWatchOptions = { readonly clock: Clock; readonly events: Events; readonly nodeTimeoutMs: number };

/** One invoice is asked about so often. */
const everyMs = 1000;

/** Whoever follows asks again after that: proxies in front end what takes longer, and a browser that is gone is noticed. */
const followMs = 25_000;

/** So many may follow at once, and so many questions be under way. */
const [maxFollowing, maxAsking] = [1000, 32];

/** States that are remembered for a moment. */
const maxKnown = 10_000;

/** Asks nobody yet. */
export function createPaidWatch({ clock, events, nodeTimeoutMs }: PaidWatchOptions): PaidWatch {
  const paid = createRemembered(maxKnown);
  const known = new Map<string, { readonly state: PaidState; readonly atMs: number }>();
  const asking = new Map<string, Promise<PaidState>>();
  let following = 0;

  const lookUp = async ({ receiver, paymentHash, amountMsat }: Watched): Promise<PaidState> => {
    const late = () => new FareboxError('LIGHTNING_UNAVAILABLE', `${receiver.name} did not answer in time.`);
    try {
      const state = await within({ clock, ms: nodeTimeoutMs, late }, (signal) => receiver.lookupInvoice(parseHash(paymentHash), signal));
      if (state.kind === 'paid') return state.amountMsat >= amountMsat ? 'paid' : 'unknown';
      return state.kind === 'open' ? 'open' : state.kind === 'absent' ? 'unknown' : 'over';
    } catch {
      return 'unknown';
    }
  };
  const ask = async (watched: Watched): Promise<PaidState> => {
    const { paymentHash } = watched;
    if (paid.has(paymentHash)) return 'paid';
    const last = known.get(paymentHash);
    const ageMs = last === undefined ? everyMs : clock.nowMs() - last.atMs;
    if (last !== undefined && ageMs >= 0 && ageMs < everyMs) return last.state;
    const running = asking.get(paymentHash);
    if (running !== undefined) return running;
    if (asking.size >= maxAsking) return 'unknown';
    const question = lookUp(watched).finally(() => asking.delete(paymentHash));
    asking.set(paymentHash, question);
    const state = await question;
    if (state === 'paid') paid.add(paymentHash);
    known.delete(paymentHash);
    known.set(paymentHash, { state, atMs: clock.nowMs() });
    if (known.size > maxKnown) known.delete(known.keys().next().value as string);
    return state;
  };
  /** Resolves when its wallet tells of the payment, or a second later. */
  const rest = async (paymentHash: string, signal: AbortSignal): Promise<void> => {
    const over = new AbortController();
    const end = () => over.abort();
    const off = events.on((event) => {
      if (event.kind !== 'settled' || event.paymentHash !== paymentHash) return;
      known.delete(paymentHash);
      end();
    });
    signal.addEventListener('abort', end);
    await wait(clock, everyMs, over.signal);
    signal.removeEventListener('abort', end);
    off();
  };
  return {
    ask,
    hasRoom: () => following < maxFollowing,
    follow: async function* (watched, before, signal) {
      let last = before;
      following++;
      try {
        for (let leftMs = followMs; leftMs > 0 && last !== 'paid' && last !== 'over' && !signal.aborted; leftMs -= everyMs) {
          await rest(watched.paymentHash, signal);
          if (signal.aborted) return;
          const state = await ask(watched);
          if (state !== last) yield state;
          last = state;
        }
      } finally {
        following--;
      }
    },
  };
}
