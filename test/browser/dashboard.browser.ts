/**
 * The operator's pages in Chromium, against a gateway that sells.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Browser, startBrowser } from './Browser.ts';
import { buildPages, enter, type House, openHouse } from './House.ts';

const open: { readonly close: () => Promise<unknown> }[] = [];
let browser: Browser;
let folder: string;

beforeAll(async () => {
  [browser, folder] = await Promise.all([startBrowser(), buildPages()]);
});

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

afterAll(() => browser?.close());

async function setup(options: Parameters<typeof openHouse>[1] = {}) {
  const house: House = await openHouse(folder, options);
  open.push(house);
  const entered = await enter(browser, house);
  open.push(entered.page);
  return { house, ...entered };
}

test('a first run leads to the first sale in three steps', async () => {
  const { page, troubles } = await setup();
  await page.getByRole('heading', { name: 'Your first sale is three steps away' }).waitFor();
  await page.getByRole('link', { name: 'Buy /api/translate' }).click();
  await page.getByRole('button', { name: 'Buy it' }).click();
  await page.getByText('bought the answer').waitFor();
  expect(await page.getByText('"translation":"hola"').isVisible()).toBe(true);
  await page.getByRole('link', { name: 'The payment’s whole story' }).click();
  await page.getByText('It bought an answer').waitFor();
  expect(troubles).toEqual([]);
});

test('the overview changes within a second of a sale', async () => {
  const { house, page, troubles } = await setup();
  await page.getByText('Live').waitFor();
  await house.buy('/api/translate');
  const boughtMs = performance.now();
  await page.locator('.figure-main', { hasText: '50 sat' }).waitFor();
  expect(performance.now() - boughtMs).toBeLessThan(1000);
  expect(troubles).toEqual([]);
});

test('all of the pages weigh less than 150 KB, compressed', () => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const sizes = files.map(({ parentPath, name }) => gzipSync(readFileSync(join(parentPath, name))).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
});

test('a link is good once, a session ends when it is told to, and behind it is only the door', async () => {
  const { house, page } = await setup();
  const link = house.link();
  await page.goto('about:blank');
  await page.goto(link);
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  // What stood in the link stands in no address any more.
  expect(new URL(page.url()).hash).toBe('#/');
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to Farebox' }).waitFor();
  await page.goto('about:blank');
  await page.goto(link);
  await page.getByText('This link was used already').waitFor();
  await page.goto(`${house.adminUrl}#/payments`);
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in to Farebox' }).waitFor();
});

test('a price is changed: what would differ is seen first, and the next 402 asks for it', async () => {
  const { house, page, troubles } = await setup();
  await page.getByRole('link', { name: 'Sell', exact: true }).click();
  await page.getByRole('link', { name: 'GET /api/translate' }).click();
  await page.getByLabel('Price').fill('nothing');
  await page.getByRole('alert').getByText('is not an amount').waitFor();
  expect(await page.getByRole('button', { name: 'Save' }).isDisabled()).toBe(true);
  await page.getByLabel('Price').fill('75 sat');
  await page.getByText('L402-Price: 75 sat').waitFor();
  expect((await fetch(`${house.url}/api/translate`)).headers.get('l402-price')).toBe('50 sat');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('It holds for every request from now on').waitFor();
  expect((await fetch(`${house.url}/api/translate`)).headers.get('l402-price')).toBe('75 sat');
  // The refused dry run is the browser's to tell, and nothing else is.
  expect(troubles.filter((trouble) => !trouble.includes('422') && !trouble.includes('400'))).toEqual([]);
});

test('everything is reached by the keyboard: over the way to the page, and into a payment', async () => {
  const { house, page } = await setup();
  await house.buy('/api/translate');
  await page.keyboard.press('Tab');
  expect(await page.locator(':focus').textContent()).toContain('Skip to the page');
  await page.keyboard.press('Enter');
  expect(await page.locator(':focus').getAttribute('id')).toBe('main');
  await page.getByRole('link', { name: 'Payments', exact: true }).focus();
  await page.keyboard.press('Enter');
  // The heading of the new page has the focus; the payment is a few steps from there.
  await page.locator('h1:focus', { hasText: 'Payments' }).waitFor();
  await page.locator('.cover').first().waitFor();
  for (let steps = 0; steps < 12 && !(await page.locator('.cover:focus').count()); steps += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: /^Payment [0-9a-f]{8}$/ }).waitFor();
});
