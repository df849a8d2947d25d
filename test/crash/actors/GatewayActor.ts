/**
 * The seller of a sale: a gateway on its file and port, in front of the runner's upstream.
 */
import { type Operation, writes } from '../../../src/core/CrashPoint.ts';
import { createConfig, createGateway } from '../../../src/gateway/index.ts';
import { createSandboxReceiver } from '../../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import * as Books from '../../../src/store/Books.ts';
import type { LedgerRow, LedgerTotals, Store } from '../../../src/store/Store.ts';
import { createSqliteStore } from '../../../src/store/sqlite.ts';
import { type Actor, idle, type Surroundings, stoodAround } from './Surroundings.ts';

/** Where it keeps its store, where others find it, and where it finds others. */
export type GatewayPlace = {
  readonly path: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly sandbox: { readonly url: string; readonly token: string };
  readonly upstream: string;
};

/** What the runner asks of it. */
export type GatewayActor = Actor & {
  readonly ledger: () => Promise<readonly LedgerRow[]>;
  readonly totals: () => Promise<LedgerTotals>;
  /** `farebox store verify`, against what the sandbox says of this seller. */
  readonly verify: (node: Books.NodeBook) => Promise<Books.Verdict>;
  /** One call of its store, by name: for what no sale does yet. */
  readonly store: <Call extends StoreCall>(call: Call, ...args: Parameters<Store[Call]>) => ReturnType<Store[Call]>;
};

type StoreCall = 'balance' | 'cancel' | 'count' | 'credit' | 'deny' | 'extend' | 'prune' | 'reserve' | 'settle';

/** What an item costs, in msat. */
export const itemMsat = 10_000n;

/** What a pass costs, in msat. */
export const passMsat = 30_000n;

const storeWrites = Object.keys(writes.store).filter((operation) => operation !== 'migrate') as Exclude<Operation<'store'>, 'migrate'>[];

/** Opens the store and listens. */
export async function openGateway({ path, port, sandbox, upstream }: GatewayPlace, { clock, reached, tell, around }: Surroundings): Promise<GatewayActor> {
  const config = createConfig({
    listen: `127.0.0.1:${port}`,
    limits: { invoicesPerClientPerMinute: 1_000_000, invoicesPerMinute: 1_000_000 },
    services: [
      {
        name: 'crash',
        upstream,
        routes: [
          { path: '/item/*', price: `${itemMsat} msat` },
          { path: '/pass/*', price: `${passMsat} msat`, terms: 'pass: 1h' },
        ],
      },
    ],
  });
  const receiver = stoodAround(createSandboxReceiver({ ...sandbox, node: 'seller' }), 'receiver', ['createInvoice'], around);
  const store = stoodAround(await createSqliteStore({ path, clock, reached }), 'store', storeWrites, around);
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(9)], network: receiver.network, realm: config.realm });
  const gateway = await createGateway({ config, receiver, keys, store, clock, reached });
  gateway.events.on((event) => {
    if (event.kind === 'trouble') tell({ kind: 'trouble', what: `${event.what}: ${event.error instanceof Error ? event.error.message : event.error}` });
  });
  const { url } = await gateway.listen();
  return {
    url: async () => url,
    idle,
    ledger: () => store.ledger({ after: 0, limit: 1_000_000 }),
    totals: () => store.totals(),
    verify: (node) => Books.verify(store.audit(), { askNode: async () => node }),
    store: (call, ...args) => (store[call] as (...args: readonly unknown[]) => never)(...args),
    close: async () => {
      await gateway.close();
      await receiver.close();
      await store.close();
    },
  };
}
