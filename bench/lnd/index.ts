/**
 * What a purchase takes on real lnd nodes: two channels on regtest, everything on this machine. Every round measures each thing once, one after the
 * other, so that whatever the machine does meanwhile it does to all of them.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFetch } from '../../src/client/index.ts';
import { createMemoryClientStore } from '../../src/client/memory.ts';
import * as Amount from '../../src/core/Amount.ts';
import { createConfig, createGateway } from '../../src/gateway/index.ts';
import type { Receiver } from '../../src/lightning/Lightning.ts';
import { createLndPayer, createLndReceiver } from '../../src/lightning/lnd.ts';
import { withReadyInvoices } from '../../src/lightning/ready.ts';
import { createRootKeys } from '../../src/server/RootKeys.ts';
import { createSqliteStore } from '../../src/store/sqlite.ts';
import { buildNodes } from '../../test/e2e/lnd/Binaries.ts';
import { startNodes } from '../../test/e2e/lnd/Nodes.ts';
import type { Run } from '../harness/Bench.ts';
import { quantile } from '../harness/Comparison.ts';
import { openLine } from '../harness/Line.ts';
import { getBytes } from '../harness/Load.ts';
import { printRows } from '../harness/Table.ts';

export const summary = 'a purchase on real lnd nodes: the invoice, the 402 with and without ready invoices, the payment, the whole of it (needs Go)';

/** How many of one kind come one after the other: fewer than invoices are kept ready. */
const burst = 10;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export const run: Run = async ({ isQuick }) => {
  const rounds = isQuick ? 20 : 300;
  const bursts = rounds / burst;
  const folder = mkdtempSync(join(tmpdir(), 'farebox-bench-'));
  const nodes = await startNodes(buildNodes((line) => console.error(line)));
  const api = createServer((_, response) => void response.end('{"translation":"hola"}'));
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const upstream = `http://127.0.0.1:${(api.address() as AddressInfo).port}`;
  const { url, certificatePath } = nodes.bob;
  const receiver = createLndReceiver({
    url,
    certificatePath,
    macaroon: await nodes.bob.bake('info:read', 'invoices:read', 'invoices:write'),
    network: 'regtest',
  });
  const payer = createLndPayer({
    url: nodes.alice.url,
    certificatePath: nodes.alice.certificatePath,
    macaroon: await nodes.alice.bake('info:read', 'offchain:read', 'offchain:write'),
    network: 'regtest',
  });
  const open = async (name: string, paid: Receiver) => {
    const config = createConfig({
      listen: '127.0.0.1:0',
      limits: { invoicesPerClientPerMinute: 1_000_000, invoicesPerMinute: 1_000_000 },
      services: [
        {
          name: 'bench',
          upstream,
          routes: [
            { path: '/item', price: '50 sat' },
            { path: '/pass', price: '60 sat', terms: 'pass: 1h' },
            { path: '/free', free: true },
          ],
        },
      ],
    });
    const store = await createSqliteStore({ path: join(folder, `${name}.db`) });
    const keys = createRootKeys({ masters: [new Uint8Array(32).fill(9)], network: paid.network, realm: config.realm });
    const gateway = await createGateway({ config, receiver: paid, keys, store });
    const { url: at } = await gateway.listen();
    return { url: at, close: () => gateway.close().then(() => store.close()) };
  };
  const kept = withReadyInvoices(receiver, { keep: 16, perSecond: 1000 });
  const [bare, ready] = [await open('bare', receiver), await open('ready', kept)];
  const buy = createFetch({ payer, store: createMemoryClientStore(), maxPerRequest: '100 sat' });
  const [toBare, toReady] = [await openLine(bare.url), await openLine(ready.url)];
  const host = { Host: 'localhost' };
  const times = new Map<string, number[]>();
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const from = performance.now();
    const result = await work();
    const list = times.get(name) ?? [];
    times.set(name, list);
    list.push(performance.now() - from);
    return result;
  };
  const invoice = () => receiver.createInvoice({ amountMsat: Amount.fromSat(50), description: 'bench', expirySeconds: 600 });
  try {
    // Warm: connections, code, and what is kept ready.
    for (let turn = 0; turn < 5; turn++) {
      for (const line of [toBare, toReady]) {
        await line.ask(getBytes('/item', host), 402);
        await line.ask(getBytes('/free', host), 200);
      }
      await (await buy(`${ready.url}/item`)).arrayBuffer();
    }
    await (await buy(`${ready.url}/pass`)).arrayBuffer();
    const answers = [
      () => timed('a free answer', () => toReady.ask(getBytes('/free', host), 200)),
      () => timed('AddInvoice', invoice),
      () => timed('a 402 that waits for the node', () => toBare.ask(getBytes('/item', host), 402)),
      () => timed('a 402 with invoices ready', () => toReady.ask(getBytes('/item', host), 402)),
      () => timed('the same, as fetch sees it', async () => (await fetch(`${ready.url}/item`)).arrayBuffer()),
    ];
    // Code is compiled anew until it has run some thousand times; a server that is asked has been asked before.
    for (let turn = 0; turn < 5 * rounds; turn++) for (const one of answers) await one();
    times.clear();
    // A burst of each in turn, as a busy server has them.
    for (let round = 0; round < bursts; round++) {
      for (const one of answers) {
        for (let i = 0; i < burst; i++) await one();
        // What was taken from the shelf is made anew, and not behind the back of whoever is measured next.
        await pause(10 * burst);
      }
    }
    for (let round = 0; round < rounds; round++) {
      const { invoice: text } = await invoice();
      const pays = [
        () => timed('the payment', () => payer.pay({ invoice: text, maxFeeMsat: Amount.fromSat(10), timeoutSeconds: 30 })),
        () => timed('the purchase', async () => (await buy(`${ready.url}/item`)).arrayBuffer()),
      ];
      // Whichever comes second finds channels in which the first is still being written down.
      for (const pay of round % 2 === 0 ? pays : pays.reverse()) await pay();
      await timed('the next request, with a pass', async () => (await buy(`${ready.url}/pass`)).arrayBuffer());
    }
    report(times);
  } finally {
    for (const line of [toBare, toReady]) line.close();
    await Promise.all([bare.close(), ready.close()]);
    await Promise.all([kept.close(), payer.close()]);
    await new Promise((resolve) => api.close(resolve));
    await nodes.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

function report(times: ReadonlyMap<string, readonly number[]>): void {
  const at = (name: string, share: number) => quantile(times.get(name) ?? [], share);
  const one = at('AddInvoice', 0.5);
  const rows = [...times.keys()].map((name) => [name, `${at(name, 0.5).toFixed(2)} ms`, `${at(name, 0.95).toFixed(2)} ms`, (at(name, 0.5) / one).toFixed(2)]);
  printRows([['', 'p50', 'p95', 'of AddInvoice'], ...rows]);
  const added = at('the purchase', 0.5) - at('the payment', 0.5) - at('a free answer', 0.5);
  const ready = at('a 402 with invoices ready', 0.5) - at('a free answer', 0.5);
  console.log(`\nOf a purchase, ${added.toFixed(2)} ms are neither the payment nor a free answer (p50).`);
  console.log(`Over a free answer, a 402 with invoices ready costs ${(ready / one).toFixed(3)} of AddInvoice (p50).`);
}
