/**
 * One of several gateways on one store: it sells everything at once, in front of the runner's upstream.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { FareboxError } from '../../../src/core/Errors.ts';
import { createConfig, createGateway } from '../../../src/gateway/index.ts';
import { createSandboxReceiver } from '../../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import type { Store } from '../../../src/store/Store.ts';
import { openAt, type Place } from '../../conformance/stores/Place.ts';
import { type Actor, idle, type Surroundings } from './Surroundings.ts';

/** What it stands on. */
export type SellerPlace = {
  readonly store: Place;
  readonly sandbox: { readonly url: string; readonly token: string };
  readonly upstream: string;
};

/** What is counted call by call: how much of it one payment buys, and what a call takes. Nothing divides anything. */
export const purses = {
  bucket: { units: 13n, takes: 1n, priceMsat: 20_000n },
  units: { units: 31n, takes: 2n, priceMsat: 23_000n },
  credit: { units: 93_001n, takes: 7_000n, priceMsat: 55_000n },
} as const;

/** How often a client may have something for nothing from one gateway, in all the time that a run takes. */
export const freeCalls = 3;

/** Opens the store and listens, at any port. A store that is away is waited for. */
export async function openSeller(place: SellerPlace, { clock, reached, tell }: Surroundings): Promise<Actor> {
  const { bucket, units, credit } = purses;
  const { upstream } = place;
  const config = createConfig({
    listen: '127.0.0.1:0',
    limits: { invoicesPerClientPerMinute: 1_000_000, invoicesPerMinute: 1_000_000 },
    services: [
      {
        name: 'shop',
        upstream,
        routes: [
          { path: '/item/*', price: '10 sat' },
          { path: '/pass/*', price: '30 sat', terms: 'pass: 1h' },
          { path: '/bucket/*', price: `${bucket.priceMsat} msat`, terms: `bucket: ${bucket.units}` },
          { path: '/free/*', price: '10 sat', free: { requests: freeCalls, per: '30d' } },
        ],
      },
      {
        name: 'bulk',
        upstream,
        bucket: { units: Number(units.units), price: `${units.priceMsat} msat`, lasts: '1d' },
        credit: { amount: `${credit.units} msat`, price: `${credit.priceMsat} msat`, lasts: '1d' },
        routes: [
          { path: '/units/*', terms: 'bucket', weight: Number(units.takes) },
          { path: '/credit/*', price: `${credit.takes} msat`, terms: 'credit' },
        ],
      },
    ],
  });
  const receiver = createSandboxReceiver({ ...place.sandbox, node: 'seller' });
  const store = await patiently(() => openAt(place.store, clock, reached));
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(9)], network: receiver.network, realm: config.realm });
  const gateway = await createGateway({ config, receiver, keys, store, clock, reached });
  gateway.events.on((event) => {
    if (event.kind !== 'trouble') return;
    const why = FareboxError.is(event.error) ? event.error.code : String(event.error);
    tell({ kind: 'trouble', what: `${event.what}: ${why}` });
  });
  const { url } = await gateway.listen();
  return {
    url: async () => url,
    idle,
    close: async () => {
      await gateway.close();
      await receiver.close();
      await store.close();
    },
  };
}

async function patiently(open: () => Promise<Store>): Promise<Store> {
  for (;;) {
    try {
      return await open();
    } catch (error) {
      if (!FareboxError.is(error, 'STORE_UNAVAILABLE')) throw error;
      await pause(100);
    }
  }
}
