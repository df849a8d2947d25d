/**
 * A magazine that sells its articles to people: a site of plain HTML that knows nothing of money, the gateway in front of it with its payment page,
 * and a sandbox network for the money, all in one process.
 *
 *     GET  /                 what there is to read: free
 *     GET  /articles/:name   an article: 5 sat for a day
 *     GET  /wallet           a wallet of play money, for those who have none on the sandbox: free
 *     POST /wallet           pays the invoice that is typed in there: free
 *
 * In a project of your own the gateway is a program of its own (`farebox serve`), with a wallet of yours where the sandbox is.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { createConfig, createGateway } from '../../src/gateway/index.ts';
import { Amount } from '../../src/index.ts';
import { createSandboxNetwork, type Sandbox } from '../../src/lightning/sandbox.ts';
import { createRootKeys } from '../../src/server/index.ts';
import { createMemoryStore } from '../../src/store/memory.ts';

/** Something to read. */
export type Article = { readonly title: string; readonly teaser: string; readonly paragraphs: readonly string[] };

/** A site that runs. `sandbox` is the network that it is paid on. */
export type Site = { readonly url: string; readonly sandbox: Sandbox; readonly close: () => Promise<void> };

/** How it is started. `port` 0: any that is free. `terms`: what a payment buys, default a day. `config`: what else stands in its farebox.yaml. */
export type SiteOptions = { readonly port: number; readonly terms?: string; readonly config?: object };

/** Starts it on this machine. */
export async function openSite(articles: { readonly [name: string]: Article }, { port, terms = 'pass: 1d', config: more = {} }: SiteOptions): Promise<Site> {
  const sandbox = createSandboxNetwork();
  const store = createMemoryStore();
  const upstream = createServer(createApp(articles, sandbox)).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const sold = Object.entries(articles).map(([name, { title }]) => ({ path: `/articles/${name}`, methods: 'GET', title, price: '5 sat', terms }));
  const config = createConfig({
    listen: `127.0.0.1:${port}`,
    store: 'memory',
    page: { name: 'The Toll House' },
    ...more,
    services: [
      {
        name: 'articles',
        upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
        routes: [...sold, { path: '/*', free: true }],
      },
    ],
  });
  const receiver = sandbox.receiver('magazine');
  const keys = createRootKeys({ masters: [crypto.getRandomValues(new Uint8Array(32))], network: 'sandbox', realm: 'main' });
  const gateway = await createGateway({ config, receiver, wallets: [{ identity: 'the sandbox', receiver }], keys, store });
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
function createApp(articles: { readonly [name: string]: Article }, sandbox: Sandbox) {
  const wallet = sandbox.payer('reader', { openingMsat: Amount.parse('1000 sat') });
  const app = express();
  app.get('/', (_, response) => {
    const entries = Object.entries(articles).map(
      ([name, { title, teaser }]) => `<h2><a href="/articles/${escaped(name)}">${escaped(title)}</a></h2><p>${escaped(teaser)}</p>`,
    );
    response.send(
      pageOf(
        'The Toll House',
        `<p>Every article is 5 sat, for a day. No play money yet? <a href="/wallet" target="_blank">Open a wallet of it</a>.</p>${entries.join('')}`,
      ),
    );
  });
  app.get('/articles/:name', ({ params }, response) => {
    const article = Object.hasOwn(articles, params.name) ? articles[params.name] : undefined;
    if (article === undefined) return void response.status(404).send(pageOf('Not here', '<p>There is no such article.</p>'));
    response.send(pageOf(article.title, `${article.paragraphs.map((text) => `<p>${escaped(text)}</p>`).join('')}<p><a href="/">All articles</a></p>`));
  });
  const form = '<form method="post"><p><label>An invoice: <input name="invoice" size="60" required></label> <button>Pay</button></p></form>';
  app.get('/wallet', (_, response) => void response.send(pageOf('A wallet of play money', form)));
  app.post('/wallet', express.urlencoded({ extended: false }), async (request, response) => {
    const { invoice = '' } = (request.body ?? {}) as { readonly invoice?: string };
    const outcome = await wallet.pay({ invoice: String(invoice).trim(), maxFeeMsat: Amount.parse('2 sat'), timeoutSeconds: 30 });
    const said = outcome.kind === 'settled' ? 'Paid. The page of the article knows already.' : 'It was not paid.';
    response.status(outcome.kind === 'settled' ? 200 : 502).send(pageOf('A wallet of play money', `<p>${said}</p>${form}`));
  });
  return app;
}

function pageOf(title: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><h1>${escaped(title)}</h1>${body}</html>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
