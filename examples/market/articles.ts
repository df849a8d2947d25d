/**
 * Pay per article: a magazine whose list is free and whose articles cost 20 sat each, for a day. A reader with a budget of 50 sat reads what it can pay
 * for, reads one of them twice, and keeps its receipts.
 */
import { createClient, createMemoryClientStore, paymentOf } from '../../src/client/index.ts';
import { listReceipts, verifyReceipt } from '../../src/client/receipts.ts';
import { Amount, FareboxError } from '../../src/index.ts';
import { inWords } from '../program.ts';
import { openMarket } from './market.ts';

const texts: { readonly [name: string]: string } = {
  'on-402': 'The code was reserved in 1997 and waited.',
  'on-preimages': 'Whoever knows it has paid.',
  'on-macaroons': 'They crumble, and never grow.',
};

const market = openMarket();
try {
  const url = await market.open('magazine', [
    { path: '/articles', title: 'List of articles', answer: () => Object.keys(texts) },
    { path: '/articles/:name', title: 'An article', price: '20 sat', lastsSeconds: 86_400, answer: ({ name }) => ({ text: texts[String(name)] }) },
  ]);
  const store = createMemoryClientStore();
  const reader = createClient({ payer: market.wallet('reader', 1000), store, maxPerRequest: '22 sat', maxTotal: '50 sat' });

  const names = (await (await reader.fetch(`${url}/articles`)).json()) as readonly string[];
  for (const name of [names[0], names[0], names[1], names[2]]) {
    try {
      const response = await reader.fetch(`${url}/articles/${name}`);
      const { text } = (await response.json()) as { readonly text: string };
      console.log(`${name}: ${text} (${inWords(response, paymentOf(response))})`);
    } catch (error) {
      if (!FareboxError.is(error, 'BUDGET_EXCEEDED')) throw error;
      console.log(`${name}: not bought, the budget is spent`);
    }
  }
  for (const receipt of await listReceipts(store))
    console.log(`receipt: ${receipt.path}, ${Amount.format(receipt.amountMsat)}, ${verifyReceipt(receipt).kind}`);
  console.log(`The magazine has earned ${await market.earned('magazine')}.`);
} finally {
  await market.close();
}
