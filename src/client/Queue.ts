/**
 * Calls of one client that are about to pay for what one payment may buy: the first pays, the others wait until it is known whether what it
 * bought serves them too. Where it buys one answer alone, the next in line pays for the next.
 *
 * Tokens that say that they buy one answer stand in no line: each call needs its own, and buys it at once.
 *
 * Between processes the store is the line: see `pay.ts`.
 */
import type { Outgoing } from './Outgoing.ts';
import type { Quote } from './Quote.ts';
import * as Tokens from './Tokens.ts';

/** The calls of a client that want to pay, in the order in which they came. */
export type Queue = { readonly places: Place[] };

/** A call's place. */
export type Place = {
  readonly outgoing: Outgoing;
  /** Whether what this call is about to buy may serve that request. */
  readonly maySpare: (outgoing: Outgoing) => boolean;
  /** Whether something has been bought that may serve this call, and it has not looked at it yet. */
  isInvited: boolean;
  /** Makes a waiting call look around. */
  wake: () => void;
};

export function createQueue(): Queue {
  return { places: [] };
}

/** Gets in line; undefined where no other call could be served by what this one is offered. */
export function enter(queue: Queue, quote: Quote, outgoing: Outgoing): Place | undefined {
  const { terms } = Tokens.read(quote.token);
  if (terms === 'per-request' || terms === 'topup') return undefined;
  const bought = { origin: outgoing.origin, method: outgoing.method, path: outgoing.pathname, resource: outgoing.resource, token: quote.token, boundTo: '' };
  const place: Place = { outgoing, maySpare: (other) => Tokens.serves(bought, other), isInvited: false, wake: () => {} };
  queue.places.push(place);
  return place;
}

/**
 * Waits for this call's turn.
 * @returns `first`: nobody is ahead whose payment might serve it, so it may pay. `invited`: somebody has bought what may serve it.
 */
export async function turn({ places }: Queue, place: Place): Promise<'first' | 'invited'> {
  const { signal } = place.outgoing;
  for (;;) {
    signal.throwIfAborted();
    if (place.isInvited) {
      place.isInvited = false;
      return 'invited';
    }
    const ahead = places.slice(0, places.indexOf(place));
    if (!ahead.some(({ maySpare }) => maySpare(place.outgoing))) return 'first';
    await new Promise<void>((resolve) => {
      // Many calls may share one signal, and those without one all do: what waits for it goes with the wait.
      place.wake = () => {
        signal.removeEventListener('abort', place.wake);
        resolve();
      };
      signal.addEventListener('abort', place.wake);
    });
  }
}

/** What this call has bought serves others too: all whom it may serve are told. It keeps its place. */
export function share({ places }: Queue, place: Place): void {
  for (const other of places) {
    if (other === place || !place.maySpare(other.outgoing)) continue;
    other.isInvited = true;
    other.wake();
  }
}

/** Leaves the line; whoever waits looks around. */
export function leave({ places }: Queue, place: Place): void {
  const at = places.indexOf(place);
  if (at < 0) return;
  places.splice(at, 1);
  for (const other of places) other.wake();
}
