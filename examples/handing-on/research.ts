/**
 * A research agent that pays once, and gives three helpers 200 sat of it each. README.md beside it says what it needs.
 *
 * In a project of your own, `../../src/…` reads `farebox`, `farebox/client` and `farebox/lightning/sandbox`.
 */
import { createFetch, createMemoryClientStore } from '../../src/client/index.ts';
import { Macaroon } from '../../src/index.ts';
import { createSandboxPayer } from '../../src/lightning/sandbox.ts';
import { sandboxSetting } from '../program.ts';

const url = process.argv[2] ?? 'http://127.0.0.1:8402';
const payer = createSandboxPayer({ ...sandboxSetting(), node: 'agent' });
const store = createMemoryClientStore();
const paying = createFetch({ payer, store, maxPerRequest: '1000 sat', maxTotal: '1000 sat' });

try {
  const first = await paying(`${url}/papers/0`);
  console.log(`The agent has paid once, read a paper, and has ${leftOf(first)} left.`);
  const [bought] = await store.list();
  if (bought?.preimage === undefined) throw new TypeError('nothing was bought');

  // Nobody is asked: whoever holds a token narrows it by himself. The word behind `part` is what makes equal limits three limits.
  const whole = Macaroon.parse(bought.token);
  const shareOf = (name: string) => `L402 ${Macaroon.format(Macaroon.attenuate(whole, [`part=${name}`, 'max_sats=200']))}:${bought.preimage}`;
  const reports = await Promise.all(['ada', 'ben', 'cleo'].map(async (name) => `${name}: ${await help(name, shareOf(name))}`));
  console.log(reports.join('\n'));

  console.log(`The agent has ${leftOf(await paying(`${url}/papers/last`))} left.`);
} finally {
  await payer.close();
}

/** A helper, which has no wallet: it reads for as long as it is let in. */
async function help(name: string, authorization: string): Promise<string> {
  for (let papers = 0; ; papers++) {
    const response = await fetch(`${url}/papers/${name}-${papers}`, { headers: { authorization } });
    const text = await response.text();
    if (!response.ok) return `${papers} papers, then ${response.status} ${(JSON.parse(text) as { readonly code: string }).code}`;
  }
}

function leftOf(response: Response): string {
  return response.headers.get('L402-Remaining') ?? 'nothing';
}
