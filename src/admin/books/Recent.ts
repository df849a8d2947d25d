/**
 * What this process saw of payments and the ledger does not keep: when a 402 went out, and whether the answer arrived. Held in memory, for the newest of them.
 */
import type { Events, PaywallEvent } from '../../server/Events.ts';

/** What was seen. */
export type SeenKind = 'challenged' | 'delivered' | 'left' | 'released';

/** One thing that was seen. */
export type Seen = {
  readonly kind: SeenKind /** Unix seconds. */;
  readonly at: number /** Why something was given back; otherwise ''. */;
  readonly note: string;
};

/** See the head of this file. */
export type Recent = {
  /** Oldest first. */
  readonly of: (paymentHash: string) => readonly Seen[];
  /** Hears nothing more. */
  readonly close: () => void;
};

/** Payments that are held, of which the longest unseen is forgotten first. */
const mostPayments = 10_000;

/** A balance buys any number of answers: what was seen of it last. */
const mostOfOne = 50;

/** Hears from now on. */
export function createRecent(events: Events): Recent {
  const kept = new Map<string, Seen[]>();
  const hear = (event: PaywallEvent) => {
    switch (event.kind) {
      case 'challenged':
      case 'delivered':
      case 'left':
        return keep(event.paymentHash, { kind: event.kind, at: Math.floor(event.at / 1000), note: '' });
      case 'released':
        return keep(event.paymentHash, { kind: event.kind, at: Math.floor(event.at / 1000), note: event.reason });
    }
  };
  function keep(paymentHash: string, seen: Seen): void {
    const before = kept.get(paymentHash) ?? [];
    // Put behind the others again.
    kept.delete(paymentHash);
    kept.set(paymentHash, before);
    before.push(seen);
    if (before.length > mostOfOne) before.shift();
    if (kept.size > mostPayments) for (const oldest of kept.keys()) return void kept.delete(oldest);
  }
  const close = events.on(hear);
  return { of: (paymentHash) => kept.get(paymentHash) ?? [], close };
}

/** What was seen, in a sentence for people. */
export function explainSeen({ kind, note }: Seen): string {
  switch (kind) {
    case 'challenged':
      return 'A 402 went out with this invoice, and a token that its payment makes good.';
    case 'delivered':
      return 'The answer arrived whole, with its receipt.';
    case 'left':
      return 'The client left before its answer was whole; it may ask for it once more.';
    case 'released':
      return note === '' ? 'What it would have bought was given back.' : `What it would have bought was given back (${note}).`;
  }
}
