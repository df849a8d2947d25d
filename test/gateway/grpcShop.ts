/**
 * A shop that sells calls of gRPC: a server, the gateway with a real paywall on a sandbox before it, and a wallet.
 */
import type { Interceptor } from '@grpc/grpc-js';
import * as Amount from '../../src/core/Amount.ts';
import * as Challenge from '../../src/core/Challenge.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createPaywall, type Paywall } from '../../src/server/Paywall.ts';
import type { PaywallOptions } from '../../src/server/PaywallOptions.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import { askOne, type Outcome, openStub, openTranslator } from './grpc.ts';
import { type Closing, openStage } from './harness.ts';

/** Opens one. `routes` are as in the file. */
export async function openGrpcShop(
  closing: Closing,
  options: { readonly routes?: readonly object[]; readonly upstream?: number } & Partial<PaywallOptions> = {},
) {
  const { routes, upstream, ...overrides } = options;
  const server = await openTranslator(closing);
  const sandbox = createSandboxNetwork();
  closing.push(() => sandbox.close());
  const store = createMemoryStore();
  let invoices = 0;
  const seller = sandbox.receiver('seller');
  const receiver: typeof seller = {
    ...seller,
    createInvoice: (...call) => {
      invoices++;
      return seller.createInvoice(...call);
    },
  };
  const keys = createRootKeys({ masters: [new Uint8Array(32).fill(7)], network: 'sandbox', realm: 'test' });
  const paywall: Paywall = await createPaywall({ keys, receiver, store, inUseWaitMs: 0, ...overrides });
  closing.push(() => paywall.close());
  const told: string[] = [];
  const watchers = new Set<() => void>();
  paywall.events.on((event) => {
    told.push(event.kind === 'released' ? `released ${event.reason}` : event.kind);
    for (const watcher of watchers) watcher();
  });
  const url = `http://127.0.0.1:${upstream ?? server.port}`;
  const stage = await openStage(closing, {
    upstream: 0,
    check: paywall.check,
    service: { upstream: { url, protocol: 'h2' }, ...(routes && { routes }) },
  });
  const payer = sandbox.payer('buyer');
  const stub = openStub(closing, stage.port);
  /** Pays for what a call was refused with; the answer is its `authorization`. */
  const pay = async ({ trailers }: Outcome): Promise<string> => {
    const challenge = Challenge.choose(Challenge.parse(trailers.get('www-authenticate').map(String)));
    if (!challenge) throw new Error('no challenge');
    const paid = await payer.pay({ invoice: challenge.invoice, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 10 });
    if (paid.kind !== 'settled') throw new Error(paid.kind);
    return `L402 ${challenge.token}:${paid.preimage}`;
  };
  return {
    server,
    stage,
    stub,
    store,
    paywall,
    payer,
    told,
    invoices: () => invoices,
    pay,
    /** Asks what a unary call costs, and pays it. */
    buy: async (word = 'a') => pay(await askOne(stub, word)),
    stubWith: (interceptor: Interceptor) => openStub(closing, stage.port, { interceptors: [interceptor] }),
    ledger: async () => (await store.ledger({ after: 0, limit: 100 })).map(({ kind }) => kind),
    /** Resolves when so many events of a kind have been told. */
    ended: (kind: string, count = 1) =>
      new Promise<void>((resolve) => {
        const look = () => told.filter((one) => one === kind).length >= count && resolve();
        watchers.add(look);
        look();
      }),
  };
}
