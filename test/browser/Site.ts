/**
 * A site that sells to its own visitors, and to those of other sites: an empty page with the code of `page.ts` on it, and an API behind a paywall,
 * paid on a sandbox network of the test's own process.
 *
 *     GET /                    the page, free
 *     GET /api/v1/translate    50 sat a request
 *     GET /api/v1/words        40 sat an hour
 *     GET /moved               leads to the translation
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import { build } from 'vite';
import { paywall } from '../../src/adapters/express.ts';
import { createSandboxNetwork, type Sandbox } from '../../src/lightning/sandbox.ts';
import { createPaywall, createRootKeys, pass } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

/** A site that runs. */
export type Site = { readonly url: string; readonly close: () => Promise<void> };

/** How a site is made. */
export type SiteOptions = {
  readonly sandbox: Sandbox;
  /** The code of its page. */
  readonly script: string;
  /** Lets the pages of other sites read its answers. */
  readonly sharesWith?: '*';
};

/** Starts one at any port of this machine. */
export async function startSite({ sandbox, script, sharesWith }: SiteOptions): Promise<Site> {
  const receiver = sandbox.receiver('seller');
  const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: receiver.network, realm: 'main' });
  const store = createMemoryStore();
  const farebox = await createPaywall({ keys, receiver, store });
  const app = express();
  app.get('/', (_, response) => void response.type('html').send('<!doctype html><title>A site</title><script src="page.js"></script>'));
  app.get('/page.js', (_, response) => void response.type('js').send(script));
  app.get('/moved', (_, response) => response.redirect('/api/v1/translate'));
  if (sharesWith !== undefined) {
    app.use((_, response, next) => {
      response.set('Access-Control-Allow-Origin', sharesWith);
      next();
    });
  }
  // With every method, so that the paywall answers a browser that asks whether it may ask.
  app.all('/api/v1/translate', paywall(farebox, { price: '50 sat' }), (_, response) => void response.json({ translation: 'hola' }));
  app.all('/api/v1/words', paywall(farebox, { price: '40 sat', terms: pass({ seconds: 3600 }) }), (_, response) => void response.json({ hello: 'hola' }));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await farebox.close();
      await store.close();
    },
  };
}

/** A network, and the wallet of the page on it. */
export function openNetwork() {
  const sandbox = createSandboxNetwork();
  const wallet = sandbox.payer('visitor');
  const invoice = () => sandbox.receiver('seller').createInvoice({ amountMsat: 50_000n as never, description: 'x', expirySeconds: 600 });
  const spentMsat = async () => 1_000_000_000n - (await wallet.balance()).spendableMsat;
  const pay = async (text: string) => {
    const outcome = await wallet.pay({ invoice: text, maxFeeMsat: 5000n as never, timeoutSeconds: 60 });
    if (outcome.kind !== 'settled') throw new Error(`the sandbox did not pay: ${outcome.message}`);
    return outcome.preimage as string;
  };
  return { sandbox, invoice, spentMsat, pay };
}

/** The code of a page of this folder, as one script. Throws where it needs anything that no browser has. */
export async function bundlePage(file: 'page.ts' | 'walletAlone.ts' = 'page.ts'): Promise<string> {
  const output = await build({
    root: import.meta.dirname,
    configFile: false,
    publicDir: false,
    logLevel: 'silent',
    build: {
      write: false,
      target: 'es2024',
      lib: { entry: join(import.meta.dirname, file), formats: ['es'] },
      rolldownOptions: { external: /^node:/ },
    },
  });
  const chunks = (Array.isArray(output) ? output : [output]).flatMap((each) => ('output' in each ? each.output : []));
  const [chunk, ...others] = chunks.flatMap((each) => (each.type === 'chunk' ? [each] : []));
  if (chunk === undefined || others.length > 0 || chunk.imports.length > 0)
    throw new Error(`the page needs more than its own code: ${chunk?.imports.join(', ')}`);
  return chunk.code;
}
