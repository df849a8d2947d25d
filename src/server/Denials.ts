/**
 * What has been revoked, in memory: loaded from the store before the first request and kept up by its feed of changes. A read per
 * request is not needed.
 */
import type { Clock } from '../core/Clock.ts';
import { wait } from '../core/Clock.ts';
import type { Denial, Store } from '../store/Store.ts';
import type { Principal } from './Offer.ts';

/** The list as it stands. */
export type Denials = {
  /** Whether this credential was revoked. */
  readonly has: (principal: Pick<Principal, 'paymentHash' | 'tokenId' | 'fingerprint' | 'mintedAt'>) => boolean;
  readonly close: () => Promise<void>;
};

/** A list that denies nothing: for a paywall without a store. */
export const noDenials: Denials = { has: () => false, close: async () => {} };

/**
 * Loads the list and follows it.
 * @param onTrouble - told when the feed breaks; it is taken up again behind what was read
 * @throws STORE_UNAVAILABLE – the list could not be loaded: nothing may be served without it
 */
export async function followDenials(store: Store, clock: Clock, onTrouble: (error: unknown) => void): Promise<Denials> {
  const denied = new Set<string>();
  let mintedBefore = 0;
  const add = ({ kind, value }: Denial) => {
    // A time that cannot be read frees nobody.
    if (kind === 'minted-before') mintedBefore = Math.max(mintedBefore, /^\d+$/.test(value) ? Number(value) : Number.POSITIVE_INFINITY);
    else denied.add(`${kind} ${value}`);
  };
  const loaded = await store.denials();
  for (const denial of loaded.denials) add(denial);
  const stop = new AbortController();
  const follow = async () => {
    let after = loaded.seq;
    while (!stop.signal.aborted) {
      try {
        for await (const change of store.changes({ after, kind: 'denial', signal: stop.signal })) {
          after = change.seq;
          if (change.kind === 'denial') add(change.denial);
        }
      } catch (error) {
        if (stop.signal.aborted) return;
        onTrouble(error);
      }
      // Also where the feed ended without a word: nobody may ask again without a pause.
      await wait(clock, 250, stop.signal);
    }
  };
  const following = follow();
  return {
    has: ({ paymentHash, tokenId, fingerprint, mintedAt }) =>
      mintedAt < mintedBefore ||
      (denied.size > 0 && (denied.has(`token ${tokenId}`) || denied.has(`payment ${paymentHash}`) || denied.has(`key ${fingerprint}`))),
    close: async () => {
      stop.abort();
      await following;
    },
  };
}
