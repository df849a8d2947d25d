/**
 * The operator's pages in Chromium, against a gateway that sells.
 */
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
