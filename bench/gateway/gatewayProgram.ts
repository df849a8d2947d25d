/**
 * The measured gateway, in a process of its own: free, a pass, single use, and what nobody serves. Its node answers at once with invoices
 * made beforehand, so that what is measured is the gateway's own part; or it is the sandbox, in another process.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as Bolt11 from '../../src/core/Bolt11.ts';
import * as Preimage from '../../src/core/Preimage.ts';
import { createConfig } from '../../src/gateway/Config.ts';
import { createGateway } from '../../src/gateway/Gateway.ts';
import type { CreatedInvoice, Receiver } from '../../src/lightning/Lightning.ts';
import { createSandboxReceiver, type SandboxAddress } from '../../src/lightning/sandbox.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { collected } from '../harness/Heap.ts';
import { serve } from '../harness/Program.ts';
import { type Hit, hitsOf } from './Profile.ts';
import { keysOf, paths, priceMsat } from './Tokens.ts';

/** How the gateway is made. */
export type GatewayProgramOptions = {
  readonly upstreamPort: number;
  readonly master: Uint8Array;
  /** `none`: passes alone are sold, and nothing is written down. */
  readonly store: 'memory' | 'sqlite' | 'none';
  /** Believe what the load says of its clients, so that it can be many. */
  readonly trustsLoad: boolean;
  /** Has invoices made by it. */
  readonly sandbox: SandboxAddress | undefined;
  /** Counts for Prometheus; default: not. */
  readonly metrics?: boolean | undefined;
  /** More gateways in this process, as the first one but for this. */
  readonly others?: readonly { readonly metrics: boolean }[];
  /** Default: our own. */
  readonly upstreamClient?: 'farebox' | 'undici' | undefined;
  /** Default: HTTP/1.1. */
  readonly upstreamKind?: 'http1' | 'h2c' | undefined;
};

/** What it can be asked. */
export type GatewayQuestion = 'heap' | 'profile' | 'profiled';

/** Bytes on the heap once nothing is left to collect, and where the time went. */
export type GatewayAnswer = { readonly heap: number; readonly profile: undefined; readonly profiled: readonly Hit[] };

const invoiceCount = 64;

serve(async (options: GatewayProgramOptions) => {
  const { master, store: kind, sandbox } = options;
  const folder = kind === 'sqlite' ? mkdtempSync(join(tmpdir(), 'farebox-bench-')) : undefined;
  const store = await openStore(kind, folder);
  const receiver = sandbox === undefined ? preparedReceiver() : createSandboxReceiver({ ...sandbox, node: 'bench' });
  const configs = [options, ...(options.others ?? []).map((other) => ({ ...options, ...other }))].map(configFor);
  const gateways = await Promise.all(configs.map((config) => createGateway({ config, receiver, keys: keysOf(master), store })));
  const [port, ...others] = await Promise.all(gateways.map(async (gateway) => Number(new URL((await gateway.listen()).url).port)));
  const session = new Session();
  session.connect();
  const answers: { readonly [Question in GatewayQuestion]: () => unknown } = {
    heap: collected,
    profile: async () => {
      await session.post('Profiler.enable');
      await session.post('Profiler.setSamplingInterval', { interval: 250 });
      await session.post('Profiler.start');
    },
    profiled: async () => hitsOf((await session.post('Profiler.stop')).profile),
  };
  return {
    ready: { port, others },
    answer: (question: GatewayQuestion) => answers[question](),
    close: async () => {
      for (const gateway of gateways) await gateway.close();
      await receiver.close();
      await store?.close();
      if (folder !== undefined) rmSync(folder, { recursive: true });
    },
  };
});

async function openStore(kind: GatewayProgramOptions['store'], folder: string | undefined): Promise<Store | undefined> {
  if (folder !== undefined) return createSqliteStore({ path: join(folder, 'bench.db') });
  return kind === 'memory' ? createMemoryStore() : undefined;
}

/** What needs a store. */
const counted = [
  { path: paths.once, methods: 'GET', price: '10 sat' },
  { path: paths.bucket, methods: 'GET', price: '10 sat', terms: { bucket: 1_000_000_000 } },
  { path: paths.leased, methods: 'GET', price: '10 sat', terms: { bucket: 1_000_000_000 }, leased: 100 },
];

function configFor({ upstreamPort, trustsLoad, store, upstreamClient = 'farebox', upstreamKind, metrics = false }: GatewayProgramOptions) {
  const counts = store !== 'none';
  const routes = [
    { path: paths.free, methods: 'GET', free: true },
    { path: paths.pass, methods: 'GET', price: '10 sat', terms: 'pass 1h' },
    { path: paths.call, methods: 'POST', price: '10 sat', terms: 'pass 1h' },
    ...(counts ? counted : []),
  ];
  const url = `http://127.0.0.1:${upstreamPort}`;
  const upstream = upstreamKind === 'h2c' ? { url, protocol: 'h2' } : url;
  return createConfig({
    listen: '127.0.0.1:0',
    lightning: 'sandbox',
    realm: 'bench',
    upstreamClient,
    ...(counts ? {} : { store: 'none' }),
    trustedProxies: trustsLoad ? ['127.0.0.1'] : [],
    limits: { connections: 12_000, invoicesPerClientPerMinute: 1_000_000_000, invoicesPerMinute: 1_000_000_000 },
    ...(metrics && { metrics: { listen: '127.0.0.1:0' } }),
    services: [{ name: 'bench', upstream, routes }],
  });
}

/** Hands out a few signed invoices in turn: signing one costs a hundred times what is to be measured. */
function preparedReceiver(): Receiver {
  const createdAt = Math.floor(Date.now() / 1000);
  const secret = randomBytes(32);
  const invoices: CreatedInvoice[] = Array.from({ length: invoiceCount }, () => {
    const paymentHash = Preimage.hash(Preimage.fromBytes(randomBytes(32)));
    const invoice = Bolt11.encode(
      {
        chain: 'regtest',
        amountMsat: priceMsat,
        paymentHash,
        paymentSecret: randomBytes(32).toString('hex'),
        createdAt,
        expirySeconds: 36_000,
        description: 'bench',
      },
      secret,
    );
    return { invoice, paymentHash, expiresAt: createdAt + 36_000 };
  });
  let next = 0;
  const unasked = () => {
    throw new Error('this node makes invoices alone');
  };
  return {
    name: 'prepared',
    network: 'sandbox',
    capabilities: { lookup: false, history: false, watch: false, cancel: false, msat: true, memo: true },
    createInvoice: async () => invoices[next++ % invoiceCount] as CreatedInvoice,
    lookupInvoice: unasked,
    watchSettlements: unasked,
    info: unasked,
    close: async () => {},
  };
}
