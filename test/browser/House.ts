/**
 * A gateway on the sandbox with its operator's pages, buyers who buy from it, and a page of the browser that is signed in.
 *
 *     GET /api/translate        50 sat a request
 *     GET /api/weather/*        120 sat for ten calls
 *     GET /news/*               21 sat for an hour
 *     GET /flaky                5 sat, and the upstream fails
 *     GET /about                free
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { build } from 'vite';
import { createAdmin, createAuditLog, createConfigChanging, createPages, mintLink } from '../../src/admin/index.ts';
import { fromFile, joinTexts, splitTexts } from '../../src/cli/serve/ConfigSource.ts';
import { attenuate, createClient, createFetch, createMemoryClientStore, paymentOf } from '../../src/client/index.ts';
import { type Clock, systemClock, systemRandom } from '../../src/core/Clock.ts';
import { createGateway } from '../../src/gateway/index.ts';
import { createSandboxNetwork } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/Store.ts';
import type { Browser } from './Browser.ts';

/** See the head of this file. */
export type House = {
  readonly url: string;
  readonly adminUrl: string;
  readonly store: Store;
  /** Buys, with a wallet of its own; the answer's status. */
  readonly buy: (path: string) => Promise<number>;
  /** Asks without paying. */
  readonly look: (path: string) => Promise<number>;
  /** Buys, and keeps what was bought: `L402 <token>:<preimage>`. `handsOn`: parts of so many uses are handed on, and each is used. */
  readonly credential: (path: string, handsOn?: readonly number[]) => Promise<string>;
  /** A sign-in link, good once. */
  readonly link: () => string;
  readonly close: () => Promise<void>;
};

const root = join(import.meta.dirname, '..', '..');

/** The folder of the pages, as they are built now. */
export async function buildPages(): Promise<string> {
  const folder = join(root, 'dist', 'dashboard');
  await build({ configFile: join(root, 'dashboard', 'vite.config.ts'), logLevel: 'error' });
  return folder;
}

/** Starts one, at any ports. `routes`: in the form of the configuration; default: those above. `fill`: writes into its store before it opens. */
export async function openHouse(
  folder: string,
  options: { readonly routes?: readonly object[]; readonly fill?: (store: Store) => Promise<void> } = {},
): Promise<House> {
  const clock: Clock = systemClock;
  const upstream = createServer((request, response) => {
    if (request.url?.startsWith('/flaky')) response.writeHead(500).end('no');
    else setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"translation":"hola","language":"es"}'), 45);
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const network = createSandboxNetwork();
  const receiver = network.receiver('seller');
  const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: receiver.network, realm: 'main' });
  const store = createMemoryStore();
  await options.fill?.(store);
  const home = mkdtempSync(join(tmpdir(), 'farebox-house-'));
  const file = join(home, 'farebox.yaml');
  const written = {
    listen: `127.0.0.1:${await freePort()}`,
    admin: { listen: '127.0.0.1:0' },
    limits: { invoicesPerClientPerMinute: 6000, invoicesPerMinute: 60_000 },
    services: [{ name: 'words', upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, routes: options.routes ?? routes }],
  };
  // What is JSON is YAML.
  writeFileSync(file, JSON.stringify(written));
  const source = fromFile(file, {});
  const config = source.parse(await source.read());
  const { admin } = config;
  if (admin === undefined) throw new Error('there is no admin');
  const gateway = await createGateway({
    config,
    receiver,
    keys,
    store,
    clock,
    wallets: [{ identity: 'sandbox: seller', receiver }],
    beside: (surroundings) => [
      createAdmin({
        config: admin,
        keys,
        surroundings,
        changing: createConfigChanging({
          file,
          read: async () => splitTexts(await source.read()),
          understand: (texts) => source.readAside(joinTexts(texts)),
          prepare: surroundings.prepare,
          takesNow: true,
        }),
        audit: createAuditLog({ file: admin.audit, store, clock, random: systemRandom }),
        pages: createPages(folder),
        buyer: async () => network.payer('operator'),
      }),
    ],
  });
  const { url, adminUrl = '' } = await gateway.listen();
  const fetchPaid = createFetch({ payer: network.payer('buyer'), maxPerRequest: '1000 sat' });
  const link = () => `${adminUrl}#${mintLink(keys, crypto.getRandomValues(new Uint8Array(12)), 'admin', Math.floor(clock.nowMs() / 1000))}`;
  const status = async (response: Response) => {
    await response.arrayBuffer();
    return response.status;
  };
  return {
    url,
    adminUrl,
    store,
    link,
    buy: async (path) => status(await fetchPaid(url + path)),
    credential: async (path, handsOn = []) => {
      const kept = createMemoryClientStore();
      const client = createClient({ payer: network.payer('holder'), store: kept, maxPerRequest: '1000 sat' });
      const { paymentHash } = paymentOf(await client.fetch(url + path)) ?? {};
      const payment = paymentHash === undefined ? undefined : await kept.get(paymentHash);
      if (payment?.preimage === undefined) throw new Error(`${path} is not sold`);
      let part = payment;
      for (const uses of handsOn) {
        const authorization = attenuate(part, { uses });
        await status(await fetch(url + path, { headers: { Authorization: authorization } }));
        // Every other one is handed on of the one before it.
        part = part === payment ? { ...payment, token: authorization.replace(/^L402 |:[0-9a-f]+$/g, '') } : payment;
      }
      return `L402 ${payment.token}:${payment.preimage}`;
    },
    look: async (path) => status(await fetch(url + path)),
    close: async () => {
      await gateway.close();
      await store.close();
      await receiver.close();
      upstream.closeAllConnections();
      await new Promise((resolve) => upstream.close(resolve));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A page that is signed in. */
export async function enter(browser: Browser, house: House): Promise<{ readonly page: Page; readonly troubles: readonly string[] }> {
  const page = await browser.context.newPage();
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => message.type() === 'error' && troubles.push(message.text()));
  await page.goto(house.link());
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  return { page, troubles };
}

const routes = [
  { path: '/api/translate', methods: ['GET'], price: '50 sat' },
  { path: '/api/weather/*', methods: ['GET'], price: '120 sat', terms: 'bucket: 10' },
  { path: '/news/*', methods: ['GET'], price: '21 sat', terms: 'pass: 1h' },
  { path: '/flaky', methods: ['GET'], price: '5 sat' },
  { path: '/about', methods: ['GET'], free: true },
];

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
