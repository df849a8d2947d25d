/**
 * The seller of a sale: a gateway on its file and port, in front of the runner's upstream.
 */
import { type Operation, writes } from '../../../src/core/CrashPoint.ts';
import { createConfig, createGateway } from '../../../src/gateway/index.ts';
import { createSandboxReceiver } from '../../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../../src/server/RootKeys.ts';
import * as Books from '../../../src/store/Books.ts';
import type { Standing } from '../../../src/store/Standing.ts';
import type { AccountBalance, LedgerRow, LedgerTotals, Store } from '../../../src/store/Store.ts';
import { createSqliteStore } from '../../../src/store/sqlite.ts';
import { type Actor, idle, type Surroundings, stoodAround } from './Surroundings.ts';

/** Where it keeps its store, where others find it, and where it finds others. */
export type GatewayPlace = {
  readonly path: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly sandbox: { readonly url: string; readonly token: string };
  readonly upstream: string;
  /** Whether it writes down what its wallet says has arrived, also where nobody has shown it yet. */
  readonly follows?: boolean;
};

/** What the runner asks of it. */
export type GatewayActor = Actor & {
  readonly ledger: () => Promise<readonly LedgerRow[]>;
  readonly totals: () => Promise<LedgerTotals>;
  /** `farebox store verify`, against what the sandbox says of this seller; and what a call would find in each account that it looked at. */
  readonly verify: (node: Books.NodeBook) => Promise<{ readonly verdict: Books.Verdict; readonly accounts: ReadonlyMap<string, AccountBalance> }>;
  /** One call of its store, by name: for what no sale does yet. */
  readonly store: <Call extends StoreCall>(call: Call, ...args: Parameters<Store[Call]>) => ReturnType<Store[Call]>;
};

type StoreCall = 'balance' | 'count' | 'credit' | 'deny' | 'prune';

/** What an item costs, in msat. */
export const itemMsat = 10_000n;

/** What a pass costs, in msat. */
export const passMsat = 30_000n;

/** What is counted call by call: how much of it one payment buys, and what a call takes. Neither divides what is paid, nor the one the other. */
export const counted = {
  bucket: { units: 7n, takes: 2n, priceMsat: 20_000n },
  credit: { units: 30_001n, takes: 7_000n, priceMsat: 25_000n },
} as const;

const storeWrites = Object.keys(writes.store).filter((operation) => operation !== 'migrate') as Exclude<Operation<'store'>, 'migrate'>[];

/** Opens the store and listens. */
export async function openGateway(
  { path, port, sandbox, upstream, follows = false }: GatewayPlace,
  { clock, reached, tell, around }: Surroundings,
): Promise<GatewayActor> {
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
      {
        name: 'bulk',
        upstream,
        bucket: { units: Number(counted.bucket.units), price: `${counted.bucket.priceMsat} msat`, lasts: '1d' },
        credit: { amount: `${counted.credit.units} msat`, price: `${counted.credit.priceMsat} msat`, lasts: '1d' },
        routes: [
          { path: '/bucket/*', terms: 'bucket', weight: Number(counted.bucket.takes) },
          { path: '/credit/*', price: `${counted.credit.takes} msat`, terms: 'credit' },
        ],
      },
    ],
  });
  const receiver = stoodAround(createSandboxReceiver({ ...sandbox, node: 'seller' }), 'receiver', ['createInvoice'], around);
  const store = stoodAround(await createSqliteStore({ path, clock, reached }), 'store', storeWrites, around);
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(9)], network: receiver.network, realm: config.realm });
  const wallets = follows ? [{ identity: 'the sandbox', receiver }] : [];
  const gateway = await createGateway({ config, receiver, wallets, keys, store, clock, reached });
  gateway.events.on((event) => {
    if (event.kind === 'trouble') tell({ kind: 'trouble', what: `${event.what}: ${event.error instanceof Error ? event.error.message : event.error}` });
  });
  const { url } = await gateway.listen();
  return {
    url: async () => url,
    idle,
    ledger: () => store.ledger({ after: 0, limit: 1_000_000 }),
    totals: () => store.totals(),
    verify: async (node) => {
      const names: string[] = [];
      const verdict = await Books.verify(noting(store.audit(), names), { askNode: async () => node });
      const accounts = new Map<string, AccountBalance>();
      for (const name of names) {
        const balance = await store.balance(name);
        if (balance) accounts.set(name, balance);
      }
      return { verdict, accounts };
    },
    store: (call, ...args) => (store[call] as (...args: readonly unknown[]) => never)(...args),
    close: async () => {
      await gateway.close();
      await receiver.close();
      await store.close();
    },
  };
}

/** Notes the name of every account on the way. */
async function* noting(standings: AsyncIterable<Standing>, names: string[]): AsyncIterable<Standing> {
  for await (const standing of standings) {
    if (standing.kind === 'account') names.push(standing.account);
    yield standing;
  }
}
