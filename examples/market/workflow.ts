/**
 * Hundreds of services in one workflow: 200 jobs, each a service of its own with two providers, under one budget, eight at a time. One provider in ten
 * is down; whoever is cheaper is asked first, and the other one where that fails.
 */
import { createServices } from '../../src/client/choice.ts';
import { createClient, createMemoryClientStore } from '../../src/client/index.ts';
import { Amount } from '../../src/index.ts';
import { openMarket } from './market.ts';

const jobs = 200;
const market = openMarket();
try {
  const names = Array.from({ length: jobs }, (_, index) => `job-${index}`);
  const priceOf = (index: number, provider: number) => `${1 + ((index * 7 + provider * 3) % 9)} sat`;
  const hosts = await Promise.all(
    [0, 1].map((provider) =>
      market.open(
        `provider-${provider}`,
        names.map((name, index) => ({
          method: 'post' as const,
          path: `/${name}`,
          title: `${name} by ${provider}`,
          price: priceOf(index, provider),
          answer: ({ input }) => ({ name, result: Number(input) ** 2 }),
        })),
      ),
    ),
  );
  // Nobody listens there.
  const down = 'http://127.0.0.1:1';
  const addressOf = (index: number, provider: number) => `${index % 10 === 0 && provider === 0 ? down : hosts[provider]}/job-${index}`;
  const providersOf = (index: number) =>
    [0, 1].map((provider) => ({ name: `provider-${provider}`, url: addressOf(index, provider), price: priceOf(index, provider) }));

  const store = createMemoryClientStore();
  const client = createClient({ payer: market.wallet('agent', 10_000), store, maxPerRequest: '15 sat', maxTotal: '5000 sat' });
  const file = { services: Object.fromEntries(names.map((name, index) => [name, { maxPrice: '10 sat', providers: providersOf(index) }])) };
  const services = createServices({ client, services: file, explore: 0 });

  const waiting = [...names.entries()];
  const results: number[] = [];
  let passedOver = 0;
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [input, name] = next;
      const bought = await services.buy(name, { input });
      passedOver += bought.passedOver.length;
      results.push((bought.answer as { readonly result: number }).result);
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));

  const { spentMsat } = await store.spending();
  const earned = await Promise.all([0, 1].map((provider) => market.earned(`provider-${provider}`)));
  console.log(`${results.length} jobs done, the sum of their results is ${results.reduce((sum, one) => sum + one, 0)}.`);
  console.log(`${passedOver} times a provider was down, and the other one answered.`);
  console.log(`Spent ${Amount.format(spentMsat)}, fees included; the providers have earned ${earned.join(' and ')}.`);
} finally {
  await market.close();
}
