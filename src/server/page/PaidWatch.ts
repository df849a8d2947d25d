/**
 * What has become of invoices that people look at: asked of the wallet that made them, once a second an invoice, however many ask. Each client has a
 * share of what may be under way at once, so that a stranger with many tickets keeps nobody else from hearing of a payment.
 *
 * What could not be found out is `unknown`, and nothing else.
 */
import { type Clock, wait, within } from '../../core/Clock.ts';
import { FareboxError } from '../../core/Errors.ts';
import { parseHash } from '../../core/Preimage.ts';
import type { Receiver } from '../../lightning/Lightning.ts';
import type { Events } from '../Events.ts';
import { clientKey } from '../Limits.ts';
import { createRemembered } from '../Remembered.ts';

/** `over`: it has expired or was cancelled, unpaid. */
export type PaidState = 'open' | 'paid' | 'over' | 'unknown';

/** What is asked about. */
export type Watched = {
  readonly receiver: Receiver;
  readonly paymentHash: string;
  readonly amountMsat: bigint;
  /** Who asks: shares are counted on it. */
  readonly clientAddress: string;
};

/** See the head of this file. */
export type PaidWatch = {
  /** What is known now. */
  readonly ask: (watched: Watched) => Promise<PaidState>;
  /** Every state from now on, beginning with the next one after `known`, until it is known for good, for so long at most. */
  readonly follow: (watched: Watched, known: PaidState, signal: AbortSignal) => AsyncIterable<PaidState>;
  /** Whether one more of that address may follow. */
  readonly hasRoom: (clientAddress: string) => boolean;
};

/** What watching needs. */
export type PaidWatchOptions = { readonly clock: Clock; readonly events: Events; readonly nodeTimeoutMs: number };

/** One invoice is asked about so often. */
const everyMs = 1000;

/** Whoever follows asks again after that: proxies in front end what takes longer, and a browser that is gone is noticed. */
const followMs = 25_000;

/** What is over is asked about so often, and what is known is good for so long where no question may be asked. */
const knownMs = 60_000;

/** So many may follow at once, and so many questions be under way. */
const [maxFollowing, maxAsking] = [1000, 32];

/** So many of them by one client. */
const [maxFollowingEach, maxAskingEach] = [16, 4];

/** States that are remembered for a moment. */
const maxKnown = 10_000;

/** Asks nobody yet. */
export function createPaidWatch({ clock, events, nodeTimeoutMs }: PaidWatchOptions): PaidWatch {
  const paid = createRemembered(maxKnown);
  const known = new Map<string, { readonly state: PaidState; readonly atMs: number }>();
  const asking = new Map<string, Promise<PaidState>>();
  const followers = createShares(maxFollowing, maxFollowingEach);
  const questions = createShares(maxAsking, maxAskingEach);

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
    // A clock that was set back has seen nothing yet.
    const ageMs = last === undefined ? -1 : clock.nowMs() - last.atMs;
    if (last !== undefined && ageMs >= 0 && ageMs < (last.state === 'over' ? knownMs : everyMs)) return last.state;
    const running = asking.get(paymentHash);
    if (running !== undefined) return running;
    const client = clientKey(watched.clientAddress);
    if (!questions.hasRoom(client)) return last !== undefined && ageMs >= 0 && ageMs < knownMs ? last.state : 'unknown';
    questions.take(client);
    const question = lookUp(watched).finally(() => {
      asking.delete(paymentHash);
      questions.giveBack(client);
    });
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
    hasRoom: (clientAddress) => followers.hasRoom(clientKey(clientAddress)),
    follow: async function* (watched, before, signal) {
      const client = clientKey(watched.clientAddress);
      if (!followers.hasRoom(client)) return;
      let last = before;
      followers.take(client);
      try {
        for (let leftMs = followMs; leftMs > 0 && last !== 'paid' && last !== 'over' && !signal.aborted; leftMs -= everyMs) {
          await rest(watched.paymentHash, signal);
          if (signal.aborted) return;
          const state = await ask(watched);
          if (state !== last) yield state;
          last = state;
        }
      } finally {
        followers.giveBack(client);
      }
    },
  };
}

/** What may be under way at once, by all and by each client. Kept for those alone who have something under way. */
function createShares(most: number, mostEach: number) {
  const held = new Map<string, number>();
  let all = 0;
  return {
    hasRoom: (client: string) => all < most && (held.get(client) ?? 0) < mostEach,
    take: (client: string) => {
      all++;
      held.set(client, (held.get(client) ?? 0) + 1);
    },
    giveBack: (client: string) => {
      all--;
      const left = (held.get(client) ?? 0) - 1;
      if (left > 0) held.set(client, left);
      else held.delete(client);
    },
  };
}
