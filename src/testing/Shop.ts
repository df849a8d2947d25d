/**
 * A buyer with a scripted wallet in front of a seller that may lie: what tests of the paying client begin with.
 */
import {
  type ClientEvent,
  type ClientOptions,
  type ClientStore,
  createClient,
  createMemoryClientStore,
  type PayingClient,
  type PayingFetch,
} from '../client/index.ts';
import type { PaymentHash } from '../core/Preimage.ts';
import type { PayerCapabilities } from '../lightning/Lightning.ts';
import * as FixedClock from './FixedClock.ts';
import { answer, type LyingServer, startLyingServer } from './LyingServer.ts';
import { createScriptedPayer, type ScriptedPayer } from './ScriptedPayer.ts';

/** A buyer and its seller. */
export type Shop = {
  readonly clock: FixedClock.FixedClock;
  readonly server: LyingServer;
  /** One more seller, on another origin. */
  readonly startServer: () => Promise<LyingServer>;
  /** Knows the invoices of all sellers. */
  readonly payer: ScriptedPayer;
  readonly store: ClientStore;
  /** Pays up to 60 sat for a request, where nothing else is said. */
  readonly client: PayingClient;
  /** The client's. */
  readonly fetch: PayingFetch;
  /** What the client has told, where no other observer was named. */
  readonly events: readonly ClientEvent[];
  /** What the seller sells. */
  readonly url: string;
  readonly close: () => Promise<void>;
};

/** What may be otherwise. */
export type ShopOptions = Partial<ClientOptions> & { readonly capabilities?: Partial<PayerCapabilities> };

/** Opens a seller and sends a buyer in. */
export async function openShop({ capabilities, ...options }: ShopOptions = {}): Promise<Shop> {
  const clock = FixedClock.create();
  const servers: LyingServer[] = [];
  const startServer = async () => {
    const server = await startLyingServer(clock);
    servers.push(server);
    return server;
  };
  const preimageOf = (hash: PaymentHash) => servers.map((one) => one.preimageOf(hash)).find((found) => found !== undefined);
  const payer = createScriptedPayer({ preimageOf, ...(capabilities && { capabilities }) });
  const store = options.store ?? createMemoryClientStore();
  const events: ClientEvent[] = [];
  const client = createClient({ payer, maxPerRequest: '60 sat', store, clock, onEvent: (event) => events.push(event), ...options });
  const server = await startServer();
  const close = async () => void (await Promise.all(servers.map((one) => one.close())));
  return { clock, server, startServer, payer, store, client, fetch: client.fetch, events, url: `${server.origin}/v1/translate?text=hello`, close };
}

/** The caveats of a token that buys one answer from the shop. */
export const perRequest: readonly string[] = ['services=shop:0', 'shop_path=/v1/translate', 'shop_valid_until=1800086400', 'shop_terms=per-request'];

/** A seller that counts each payment as one answer. */
export function sellOnce(server: LyingServer, caveats: readonly string[] = perRequest): void {
  const used = new Set<string>();
  server.handle(({ paid }, response) => {
    if (paid === undefined || used.has(paid)) return server.challenge(response, server.offer({ caveats }));
    used.add(paid);
    answer(response);
  });
}
