/**
 * Two pairs of agents that trade: a research agent buys pages from a scraping agent, and a coding agent buys test runs from one that runs tests. Nobody has an account
 * with anybody: each buyer has a wallet and a limit, each seller a price.
 */
import { type ClientStore, createClient, createMemoryClientStore } from '../../src/client/index.ts';
import { Amount } from '../../src/index.ts';
import { openMarket } from './market.ts';

const market = openMarket();
try {
  const scraping = await market.open('scraping', [
    { method: 'post', path: '/pages', title: 'A page, as text', price: '15 sat', answer: ({ url }) => ({ text: `What stands at ${String(url)}.` }) },
  ]);
  const testing = await market.open('testing', [
    { method: 'post', path: '/runs', title: 'A test run', price: '40 sat', answer: ({ code }) => ({ passed: String(code).includes('return a + b') }) },
  ]);
  await Promise.all([research(), coding()]);
  console.log(`scraping has earned ${await market.earned('scraping')}, testing ${await market.earned('testing')}.`);

  /** Reads three pages and writes a report. */
  async function research(): Promise<void> {
    const store = createMemoryClientStore();
    const { fetch } = createClient({ payer: market.wallet('research', 500), store, maxPerRequest: '20 sat', maxTotal: '100 sat' });
    const pages: string[] = [];
    for (const page of ['one', 'two', 'three']) {
      const response = await fetch(`${scraping}/pages`, asJson({ url: `https://example.com/${page}` }));
      pages.push(((await response.json()) as { readonly text: string }).text);
    }
    console.log(`research has read ${pages.length} pages for ${await spentOf(store)}: ${pages.join(' ')}`);
  }

  /** Writes code until the tests pass. */
  async function coding(): Promise<void> {
    const store = createMemoryClientStore();
    const { fetch } = createClient({ payer: market.wallet('coding', 500), store, maxPerRequest: '50 sat', maxTotal: '200 sat' });
    const drafts = ['(a, b) => { return a - b; }', '(a, b) => { return a + b; }', 'never written'];
    for (const [index, code] of drafts.entries()) {
      const response = await fetch(`${testing}/runs`, asJson({ code }));
      const { passed } = (await response.json()) as { readonly passed: boolean };
      if (!passed) continue;
      console.log(`coding has passed with draft ${index + 1} for ${await spentOf(store)}.`);
      break;
    }
  }
} finally {
  await market.close();
}

function asJson(value: unknown): RequestInit {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(value) };
}

/** Fees included. */
async function spentOf(store: ClientStore): Promise<string> {
  return Amount.format((await store.spending()).spentMsat);
}
