/**
 * An orchestrator and three helpers, in one process on play money. Each helper has a share of one budget, with an end, and a credential that is narrowed to
 * what it is for; what a helper pays counts to its share and to all around it. One of them does not stop, and is stopped.
 *
 * In a project of your own, `../../src/client/…` reads `farebox/client` and `farebox/client/branches`. On a store that several processes share, each helper opens
 * its branch in its own process, and `farebox budget tree --watch` shows what is printed here.
 */
import { type BranchNode, openBranch, pullBranch, putBranch, readBranches } from '../../src/client/branches.ts';
import { attenuate, createClient, createMemoryClientStore, paymentOf } from '../../src/client/index.ts';
import { Amount, FareboxError } from '../../src/index.ts';
import { openMarket } from '../market/market.ts';

const nowAt = () => Math.floor(Date.now() / 1000);
const market = openMarket();
try {
  const pages = await market.open('pages', [
    { path: '/pages/:name', title: 'A page', price: '10 sat', answer: ({ name }) => ({ text: `What stands on ${String(name)}.` }) },
    { path: '/shelf', title: 'The shelf, for an hour', price: '20 sat', lastsSeconds: 3600, answer: () => ({ titles: ['one', 'two', 'three'] }) },
  ]);
  const store = createMemoryClientStore();
  const orchestrator = createClient({ payer: market.wallet('orchestrator', 1000), store, maxPerRequest: '30 sat', maxTotal: '300 sat' });

  // What all of them may spend together, and each: in ten minutes it is over.
  const endsAt = nowAt() + 600;
  await putBranch(store, { name: 'research', limits: [{ per: 'total', max: '150 sat' }], endsAt });
  for (const name of ['reader', 'checker', 'rambler']) await putBranch(store, { name, within: 'research', limits: [{ per: 'total', max: '60 sat' }], endsAt });

  // The shelf is bought once; the helpers get it for two looks each, and could not buy anything with it.
  const shelf = await orchestrator.fetch(`${pages}/shelf`);
  const payment = paymentOf(shelf);
  const bought = payment && (await store.get(payment.paymentHash));
  if (bought === undefined) throw new Error('the shelf was not bought');
  const credentials = ['reader', 'checker'].map((name) => [name, attenuate(bought, { path: '/shelf', methods: ['GET'], uses: 2, expiresAt: endsAt })] as const);

  await Promise.all(credentials.map(([name, credential]) => read(name, credential)));
  await ramble();
  printTree(await readBranches(store, nowAt()));
  console.log(`The seller has earned ${await market.earned('pages')}.`);

  /** Looks at the shelf with what it was handed, and buys the first two pages with its own share. */
  async function read(name: string, credential: string): Promise<void> {
    const { fetch } = await openBranch(orchestrator, name);
    const shelf = await globalThis.fetch(`${pages}/shelf`, { headers: { Authorization: credential } });
    const { titles } = (await shelf.json()) as { readonly titles: readonly string[] };
    for (const title of titles.slice(0, 2)) await fetch(`${pages}/pages/${title}`);
  }

  /** Reads on and on, until somebody has had enough of it. */
  async function ramble(): Promise<void> {
    const { fetch } = await openBranch(orchestrator, 'rambler');
    for (let page = 1; ; page++) {
      if (page === 4) await pullBranch(store, 'rambler', 'it goes on and on');
      try {
        await fetch(`${pages}/pages/${page}`);
      } catch (error) {
        if (!FareboxError.is(error)) throw error;
        return console.log(`rambler was stopped at page ${page}: ${error.code}`);
      }
    }
  }
} finally {
  await market.close();
}

function printTree(branches: readonly BranchNode[], indent = ''): void {
  for (const { name, state, spentMsat, payments, branches: within } of branches) {
    console.log(`${indent}${name}: ${Amount.format(spentMsat)} in ${payments} payments, ${state}`);
    printTree(within, `${indent}  `);
  }
}
