/**
 * A site that sells articles to people's browsers: a site of its own that knows nothing of money, the gateway in front of it, and a sandbox network
 * for the money, all in one process.
 *
 *     GET  /                 the page, its style and its script: free
 *     GET  /articles         what there is to read: free
 *     GET  /articles/:name   an article: 5 sat for a day
 *     POST /play-wallet      pays an invoice out of a wallet of the sandbox: free, for browsers that have none
 *
 * In a project of your own the gateway is a program of its own (`farebox serve`), with a wallet of yours where the sandbox is.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import express from 'express';
import { build } from 'vite';
import { createConfig, createGateway } from '../../src/gateway/index.ts';
import { Amount } from '../../src/index.ts';
import { createSandboxNetwork, type Sandbox } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

/** Something to read. */
export type Article = { readonly title: string; readonly teaser: string; readonly paragraphs: readonly string[] };

/** A site that runs. `sandbox` is the network that it is paid on. */
export type Site = { readonly url: string; readonly sandbox: Sandbox; readonly close: () => Promise<void> };

/** Starts it on this machine. `port` 0: any that is free. */
export async function openSite(articles: { readonly [name: string]: Article }, { port }: { readonly port: number }): Promise<Site> {
  const sandbox = createSandboxNetwork();
  const store = createMemoryStore();
  const upstream = createServer(createApp(articles, await bundlePage(), sandbox)).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const sold = Object.entries(articles).map(([name, { title }]) => ({ path: `/articles/${name}`, methods: 'GET', title, price: '5 sat', terms: 'pass: 1d' }));
  const config = createConfig({
    listen: `127.0.0.1:${port}`,
    store: 'memory',
    services: [
      {
        name: 'articles',
        upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
        routes: [...sold, { path: '/*', free: true }],
      },
    ],
  });
  const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: 'sandbox', realm: 'main' });
  const gateway = await createGateway({ config, receiver: sandbox.receiver('magazine'), keys, store });
  const { url } = await gateway.listen();
  return {
    url,
    sandbox,
    close: async () => {
      await gateway.close();
      upstream.closeAllConnections();
      upstream.close();
      await once(upstream, 'close');
      await store.close();
      await sandbox.close();
    },
  };
}

/** The site itself. */
function createApp(articles: { readonly [name: string]: Article }, script: string, sandbox: Sandbox) {
  const wallet = sandbox.payer('reader', { openingMsat: Amount.parse('1000 sat') });
  const app = express();
  const serve = (path: string, type: string, body: string) => app.get(path, (_, response) => void response.type(type).send(body));
  app.use((_, response, next) => {
    response.set(
      'Content-Security-Policy',
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
    );
    next();
  });
  serve('/', 'html', readFileSync(join(import.meta.dirname, 'page.html'), 'utf8'));
  serve('/page.css', 'css', readFileSync(join(import.meta.dirname, 'page.css'), 'utf8'));
  serve('/page.js', 'js', script);
  app.get('/articles', (_, response) => void response.json(Object.entries(articles).map(([name, { title, teaser }]) => ({ name, title, teaser }))));
  app.get('/articles/:name', ({ params }, response) => {
    const article = Object.hasOwn(articles, params.name) ? articles[params.name] : undefined;
    if (article === undefined) response.status(404).json({ error: 'There is no such article.' });
    else response.json({ paragraphs: article.paragraphs });
  });
  app.post('/play-wallet', express.json(), async (request, response) => {
    const { invoice = '' } = (request.body ?? {}) as { readonly invoice?: string };
    const outcome = await wallet.pay({ invoice: String(invoice), maxFeeMsat: Amount.parse('2 sat'), timeoutSeconds: 30 });
    if (outcome.kind === 'settled') response.json({ preimage: outcome.preimage });
    else response.status(502).json({ error: 'It was not paid.' });
  });
  return app;
}

/** The script of the page, with all of Farebox that it uses, in one file. A site of your own does this when it is built. */
async function bundlePage(): Promise<string> {
  const output = await build({
    root: import.meta.dirname,
    configFile: false,
    publicDir: false,
    logLevel: 'silent',
    build: { write: false, target: 'es2024', lib: { entry: join(import.meta.dirname, 'page.ts'), formats: ['es'] } },
  });
  const chunks = (Array.isArray(output) ? output : [output]).flatMap((each) => ('output' in each ? each.output : []));
  const script = chunks.find((each) => each.type === 'chunk');
  if (script === undefined) throw new Error('The page came out empty.');
  return script.code;
}
