/**
 * What wallets say has arrived, as it arrives: written into the ledger and told as events, for every wallet that can be watched.
 *
 * A payment shows up here when it is made, whether or not it is ever presented; what is sold without a store is seen here alone. A wallet is
 * followed behind a bookmark, so that a restart reads on where the last one stopped. One that is away is asked again every second; it keeps
 * nothing from starting and ends nothing.
 *
 * Which route a payment was for is known by the words of its invoice. What a wallet is paid for other things is passed over.
 */
import { type Clock, wait } from '../core/Clock.ts';
import type { Receiver, Settlement } from '../lightning/Lightning.ts';
import type { Store } from '../store/Store.ts';
import type { SaleFacts } from './Events.ts';

/** A wallet that is followed. */
export type Watched = {
  /** The same after every start, and no other wallet's, such as `lnd at https://127.0.0.1:8080, bitcoin`. */
  readonly identity: string;
  readonly receiver: Receiver;
};

/** What following needs. */
export type SettlementsOptions = {
  /** Wallets that cannot be watched are passed over. */
  readonly wallets: readonly Watched[];
  /** Without one nothing is written down, and only what arrives from now on is told. */
  readonly store: Store | undefined;
  readonly clock: Clock;
  /** What an invoice with these words was for; undefined: nothing that is sold here. */
  readonly soldAs: (description: string) => { readonly service: string; readonly route: string } | undefined;
  readonly onSettled: (settled: SaleFacts) => void;
  /** Told once when a wallet goes away, and again every minute while it is. */
  readonly onTrouble: (error: unknown) => void;
};

/** Follows until it is closed. */
export type Settlements = { readonly close: () => Promise<void> };

/** How long a wallet that went away is left alone. */
const pauseMs = 1000;

/** How often its absence is told. */
const tellMs = 60_000;

/** So many payments for other things are read again at most after a restart. */
const maxUnmarked = 100;

/** See the head of this file. Nothing is waited for. */
export function followSettlements(options: SettlementsOptions): Settlements {
  const stop = new AbortController();
  const following = options.wallets.filter(({ receiver }) => receiver.capabilities.watch).map((wallet) => follow(wallet, options, stop.signal));
  return {
    close: async () => {
      stop.abort();
      await Promise.all(following);
    },
  };
}

async function follow({ identity, receiver }: Watched, options: SettlementsOptions, signal: AbortSignal): Promise<void> {
  const { store, clock, soldAs, onSettled, onTrouble } = options;
  let reader: string | undefined;
  let after: string | undefined;
  let unmarked = 0;
  let toldAtMs = Number.NEGATIVE_INFINITY;

  const take = async (settlement: Settlement): Promise<void> => {
    const { description, paymentHash, amountMsat, cursor } = settlement;
    const sold = description === undefined ? undefined : soldAs(description);
    unmarked += 1;
    if (sold !== undefined || unmarked >= maxUnmarked) {
      const entries = sold === undefined ? [] : [entryOf(settlement, sold, receiver.name)];
      await store?.append(entries, { reader: reader ?? identity, place: cursor });
      unmarked = 0;
    }
    after = cursor;
    toldAtMs = Number.NEGATIVE_INFINITY;
    if (sold !== undefined) onSettled({ paymentHash, amountMsat, ...sold });
  };
  const read = async (): Promise<void> => {
    if (reader === undefined) {
      const name = await readerOf(identity, receiver, signal);
      after = await store?.bookmark(name);
      reader = name;
    }
    for await (const settlement of receiver.watchSettlements({ ...(after === undefined ? {} : { after }), signal })) await take(settlement);
  };

  while (!signal.aborted) {
    try {
      await read();
    } catch (error) {
      if (signal.aborted) return;
      if (clock.nowMs() - toldAtMs >= tellMs) {
        toldAtMs = clock.nowMs();
        onTrouble(error);
      }
    }
    await wait(clock, pauseMs, signal);
  }
}

/** Another node or wallet at the same address has settlements of its own. */
async function readerOf(identity: string, receiver: Receiver, signal: AbortSignal): Promise<string> {
  const { nodeId, walletId } = await receiver.info(signal);
  return [identity, nodeId, walletId].filter((part) => part !== undefined).join(', ');
}

function entryOf({ paymentHash, amountMsat, settledAt }: Settlement, sold: { readonly service: string; readonly route: string }, note: string) {
  return { kind: 'settled', paymentHash, nonce: '', amountMsat, ...sold, at: settledAt, note } as const;
}
