/**
 * Every page of the dashboard, light and dark, wide and on a phone, against a gateway that sells all the while: axe finds nothing, nothing overflows, and nothing
 * is written to the browser's console. `FAREBOX_PICTURES=docs/pictures npm run test:browser -- dashboardPages` keeps what was seen.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Browser, startBrowser } from './Browser.ts';
import { buildPages, enter, type House, openHouse } from './House.ts';
import { fillHistory } from './history.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = process.env.FAREBOX_PICTURES;
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

let browser: Browser;
let folder: string;
let house: House;
let page: Page;
let troubles: readonly string[];
let selling = true;
let business: Promise<void>;
let credential: string | undefined;

beforeAll(async () => {
  [browser, folder] = await Promise.all([startBrowser(), buildPages()]);
  house = await openHouse(folder, { fill: fillHistory });
  ({ page, troubles } = await enter(browser, house));
  await ready();
  business = sell();
});

afterAll(async () => {
  selling = false;
  await business;
  await page?.close();
  await house?.close();
  await browser?.close();
});

/** Somebody has changed something, and revoked something. */
async function ready(): Promise<void> {
  await page.goto(`${house.adminUrl}#/sell/${encodeURIComponent('GET /flaky')}`);
  await page.getByLabel('Price').fill('7 sat');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText('It holds for every request from now on').waitFor();
  await page.goto(`${house.adminUrl}#/tokens`);
  await page.getByLabel('A token').fill(await house.credential('/api/translate'));
  await page.getByRole('button', { name: 'Inspect' }).click();
  await page.getByRole('button', { name: 'Revoke …' }).click();
  await page.getByRole('button', { name: 'Revoke this token' }).click();
  await page.getByText('Revoked', { exact: true }).first().waitFor();
}

/** Somebody buys, one thing after the other. */
async function sell(): Promise<void> {
  for (let i = 0; selling; i += 1) {
    await house.buy(['/api/translate', '/news/today', '/api/weather/berlin', '/about'][i % 4] ?? '');
    if (i % 3 === 0) await house.look('/api/translate');
  }
}

const views = { wide: { width: 1360, height: 900 }, phone: { width: 390, height: 844 } } as const;

const pages: readonly (readonly [name: string, address: () => Promise<string> | string, shows: (page: Page) => Promise<unknown>])[] = [
  ['overview', () => '#/', (seen) => seen.locator('.feed li').nth(8).waitFor()],
  ['sell', () => `#/sell/${encodeURIComponent('GET /api/translate')}`, proposePrice],
  ['payments', () => '#/payments', (seen) => seen.getByRole('row').nth(20).waitFor()],
  ['payment', async () => `#/payments/${await soldPayment()}`, (seen) => seen.getByText('It bought an answer').first().waitFor()],
  ['tokens', () => '#/tokens', inspectIt],
  ['lightning', () => '#/lightning', (seen) => seen.getByText('Make an invoice').waitFor()],
  ['try', () => '#/try?path=/api/translate', buyIt],
  ['settings', () => '#/settings', (seen) => seen.getByText('Realm').waitFor()],
];

async function soldPayment(): Promise<string> {
  const rows = await house.store.ledger({ limit: 50, newestFirst: true });
  return rows.find(({ kind }) => kind === 'earned')?.paymentHash ?? '';
}

/** What would differ is seen before it is saved. */
async function proposePrice(seen: Page): Promise<void> {
  await seen.getByLabel('Price').fill('75 sat');
  await seen.getByText('will get this').waitFor();
  await seen.getByText('75 sat buy 1 request').waitFor();
}

async function inspectIt(seen: Page): Promise<void> {
  credential ??= await house.credential('/api/weather/oslo', [4, 2, 3]);
  await seen.getByLabel('A token').fill(credential);
  await seen.getByRole('button', { name: 'Inspect' }).click();
  await seen.getByText('would be let through').waitFor();
  await seen.getByText('3 parts').waitFor();
}

async function buyIt(seen: Page): Promise<void> {
  await seen.getByRole('button', { name: 'Buy it' }).click();
  await seen.getByText('bought the answer').waitFor();
}

describe.each(['light', 'dark'] as const)('%s', (scheme) => {
  describe.each(['wide', 'phone'] as const)('%s', (view) => {
    test.each(pages)('%s', async (name, address, shows) => {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await page.setViewportSize(views[view]);
      await page.goto('about:blank');
      await page.goto(`${house.adminUrl}${await address()}`);
      await shows(page);
      await page.getByText('Live', { exact: true }).waitFor();
      // A pointer that rests somewhere would be seen.
      await page.mouse.move(0, 0);
      if (pictures !== undefined)
        await page.screenshot({ path: join(pictures, `${name}-${view}-${scheme}.png`), fullPage: name === 'tokens' && view === 'wide' });
      expect(await overflow(page)).toBe(0);
      expect(await violations(page)).toEqual([]);
      expect(troubles).toEqual([]);
    });
  });
});

describe.each(['light', 'dark'] as const)('%s', (scheme) => {
  test.each(['door', 'first'] as const)('%s, before anything was sold', async (name) => {
    const fresh = await openHouse(folder);
    const { page: other, troubles: said } = await enter(browser, fresh);
    await other.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await other.setViewportSize(views.wide);
    if (name === 'first') await other.getByText('three steps away').waitFor();
    else {
      await other.evaluate('localStorage.clear()');
      await other.reload();
      await other.getByRole('heading', { name: 'Sign in to Farebox' }).waitFor();
    }
    await other.mouse.move(0, 0);
    if (pictures !== undefined) await other.screenshot({ path: join(pictures, `${name}-wide-${scheme}.png`) });
    expect(await violations(other)).toEqual([]);
    // At the door, what the page was asking just then is refused.
    expect(said.filter((trouble) => name !== 'door' || !trouble.includes('401'))).toEqual([]);
    await other.close();
    await fresh.close();
  });
});

/** How far the page is wider than its window. */
function overflow(seen: Page): Promise<number> {
  return seen.evaluate<number>('Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)');
}

/** What axe finds: which rule, and where. */
async function violations(seen: Page): Promise<readonly string[]> {
  await seen.evaluate(axe);
  return seen.evaluate(async (tags) => {
    const run = (globalThis as unknown as { axe: { run: (options: object) => Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run;
    const { violations: found } = await run({ runOnly: { type: 'tag', values: tags } });
    return found.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
  }, rules);
}
