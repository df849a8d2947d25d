/**
 * `examples/page` in Chromium: an article is bought through the page, with a wallet in the browser and without one.
 */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openSite } from '../../examples/page/site.ts';
import { type Browser, startBrowser } from './Browser.ts';
import { bundlePage } from './Site.ts';
import type { Manner, PageWallet } from './wallet.ts';

const open: { readonly close: () => Promise<unknown> }[] = [];
let browser: Browser;
let wallet: string;

beforeAll(async () => {
  [browser, wallet] = await Promise.all([startBrowser(), bundlePage('walletAlone.ts')]);
});

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

afterAll(() => browser?.close());

const markup = '<img src="x" onerror="document.title = \'taken\'">';
const articles = {
  first: { title: 'On tolls', teaser: 'Short.', paragraphs: ['A toll is paid once.', markup] },
  second: { title: markup, teaser: markup, paragraphs: ['Not bought.'] },
};

/** A reader at the site, with a wallet of that manner or with none. `says`: their answers to the wallet's questions. */
async function setup(manner?: Manner, says: readonly ('yes' | 'no')[] = []) {
  const site = await openSite(articles, { port: 0 });
  open.push(site);
  const page = await browser.context.newPage();
  open.push(page);
  const troubles: string[] = [];
  page.on('pageerror', (error) => troubles.push(error.message));
  const answers = [...says];
  page.on('dialog', (dialog) => void (answers.shift() === 'yes' ? dialog.accept() : dialog.dismiss()));
  if (manner !== undefined) {
    const payer = site.sandbox.payer('visitor');
    await page.exposeFunction('payFromSandbox', async (invoice: string) => {
      const outcome = await payer.pay({ invoice, maxFeeMsat: 5000n as never, timeoutSeconds: 60 });
      return outcome.kind === 'settled' ? outcome.preimage : outcome.message;
    });
    await page.addInitScript(`(() => { ${wallet}; globalThis.wallet = installWallet(${JSON.stringify(manner)}); })()`);
  }
  await page.goto(site.url);
  const earnedMsat = async () => (await site.sandbox.audit()).nodes.find(({ name }) => name === 'magazine')?.receivedMsat ?? 0n;
  return { page, earnedMsat, troubles };
}

/** The article, and its button to buy it. */
function first(page: Page) {
  const article = page.locator('article').first();
  return { article, read: article.getByRole('button', { name: 'Read for 5 sat', exact: true }) };
}

const noWallet = 'There is no wallet in this browser';

test('an article is bought with the wallet of the browser, once its user says yes', async () => {
  const { page, earnedMsat, troubles } = await setup('asks', ['no', 'yes']);
  const { article, read } = first(page);
  await read.click();
  await article.getByText('The user of the wallet said no').waitFor();
  expect([await earnedMsat(), await page.getByText('A toll is paid once.').count()]).toEqual([0n, 0]);
  await read.click();
  await article.getByText('A toll is paid once.').waitFor();
  await article.getByText('Paid 5 sat, and at most 2 sat for the fee.').waitFor();
  expect([await earnedMsat(), await read.count(), await page.getByText(noWallet).isVisible(), troubles]).toEqual([5000n, 0, false, []]);
});

test('without a wallet nothing is paid, the page says how to get one, and play money buys', async () => {
  const { page, earnedMsat } = await setup();
  const { article, read } = first(page);
  await page.getByText(noWallet).waitFor();
  await read.click();
  await page.locator('#no-wallet:focus').waitFor();
  expect([await earnedMsat(), await article.getByText('A toll is paid once.').count()]).toEqual([0n, 0]);
  await page.getByRole('button', { name: 'Use play money' }).click();
  await page.getByText(noWallet).waitFor({ state: 'hidden' });
  await read.click();
  await article.getByText('A toll is paid once.').waitFor();
  expect(await earnedMsat()).toBe(5000n);
});

test('a wallet whose payment has no known end is not asked a second time', async () => {
  const { page, earnedMsat } = await setup('lies');
  const { article, read } = first(page);
  await read.click();
  await article.getByRole('button', { name: 'Ask for it again' }).click();
  await article.getByRole('button', { name: 'Ask for it again' }).waitFor();
  const orders = await page.evaluate(() => (globalThis as unknown as { readonly wallet: PageWallet }).wallet.orders());
  expect([orders, await earnedMsat(), await read.count()]).toEqual([1, 0n, 0]);
});

test('what a seller writes is text', async () => {
  const { page } = await setup('asks', ['yes']);
  const { article, read } = first(page);
  await read.click();
  await article.getByText(markup).waitFor();
  await page.getByRole('heading', { name: markup }).waitFor();
  expect([await page.locator('img').count(), await page.title()]).toEqual([0, 'The Preimage']);
});
