/**
 * The payment page in each of its languages, light and dark, wide, on a phone and narrow: axe finds nothing, nothing overflows, it is small, and its code can be
 * read by a scanner. `FAREBOX_PICTURES=docs/pictures npm run test:browser -- paymentPageLooks` keeps what was seen.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import decodeQr from 'qr/decode.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openSite, type Site } from '../../examples/articles/site.ts';
import { type Browser, startBrowser } from './Browser.ts';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = process.env.FAREBOX_PICTURES;
const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 32"><path d="M2 28h44M6 28V14m36 14V14M6 22q18-18 36 0" fill="none" stroke="#0b6e4f" stroke-width="4" stroke-linecap="round"/></svg>`;
const articles = { 'on-tolls': { title: 'The bridge that asked for nothing else', teaser: '', paragraphs: ['A toll is paid once.'] } };
const views = { wide: { width: 1120, height: 760 }, phone: { width: 390, height: 844 }, narrow: { width: 320, height: 640 } } as const;
const said = { en: 'Waiting for the payment', de: 'Warten auf die Zahlung', ar: 'في انتظار الدفع' } as const;

const open: { readonly close: () => Promise<unknown> }[] = [];
let browser: Browser;
let site: Site;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'farebox-page-'));
  const file = join(folder, 'logo.svg');
  writeFileSync(file, logo.padEnd(6144));
  browser = await startBrowser();
  open.push(browser);
  site = await openSite(articles, {
    port: 0,
    config: { page: { name: 'The Toll House', logo: file, colour: '#0b6e4f', rate: { currency: 'EUR', bitcoin: 95_000 } } },
  });
  open.push(site);
});

afterAll(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
  rmSync(folder, { recursive: true, force: true });
});

async function visit(options: object, run: (page: Page, bytes: number) => Promise<void>): Promise<void> {
  const context = (await browser.context.browser()?.newContext({ reducedMotion: 'reduce', ...options })) as BrowserContext;
  try {
    const page = await context.newPage();
    const answer = await page.goto(`${site.url}/articles/on-tolls`);
    await run(page, Number(answer?.headers()['content-length']));
  } finally {
    await context.close();
  }
}

describe.each(['light', 'dark'] as const)('%s', (colorScheme) => {
  describe.each(['wide', 'phone', 'narrow'] as const)('%s', (view) => {
    test.each(['en', 'de', 'ar'] as const)('%s', (locale) =>
      visit({ locale, colorScheme, viewport: views[view] }, async (page, bytes) => {
        await page.getByText(said[locale]).waitFor();
        expect(await page.locator('html').getAttribute('dir')).toBe(locale === 'ar' ? 'rtl' : 'ltr');
        if (pictures !== undefined && view !== 'narrow')
          await page.screenshot({ path: join(pictures, `pay-${locale}-${view}-${colorScheme}.png`), fullPage: true });
        expect(await page.evaluate('Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)')).toBe(0);
        expect(await violations(page)).toEqual([]);
        expect(bytes).toBeLessThan(15 * 1024);
      }),
    );
  });
});

test('its code says the invoice, in dark colours as well', () =>
  visit({ colorScheme: 'dark', viewport: views.wide }, async (page) => {
    const invoice = await page.locator('#invoice').inputValue();
    const png = (await page.locator('.qr').screenshot()).toString('base64');
    const { data, width, height } = await page.evaluate(async (image) => {
      const { document } = globalThis as unknown as { document: { createElement: (name: string) => never } };
      const picture = document.createElement('img') as { src: string; width: number; height: number; decode: () => Promise<void> };
      picture.src = `data:image/png;base64,${image}`;
      await picture.decode();
      const canvas = document.createElement('canvas') as { width: number; height: number; getContext: (kind: string) => never };
      Object.assign(canvas, { width: picture.width, height: picture.height });
      const drawing = canvas.getContext('2d') as {
        drawImage: (...given: unknown[]) => void;
        getImageData: (...given: number[]) => { data: Iterable<number> };
      };
      drawing.drawImage(picture, 0, 0);
      const bytes = [...drawing.getImageData(0, 0, picture.width, picture.height).data];
      return { data: bytes.map((byte) => String.fromCharCode(byte)).join(''), width: picture.width, height: picture.height };
    }, png);
    expect(decodeQr({ width, height, data: Uint8Array.from(Buffer.from(data, 'latin1')) })).toBe(`LIGHTNING:${invoice.toUpperCase()}`);
  }));

test('by keyboard, each thing that can be pressed is reached and seen', () =>
  visit({ viewport: views.phone }, async (page) => {
    await page.getByRole('button', { name: 'Copy' }).waitFor();
    const reached: unknown[] = [];
    for (let step = 0; step < 4; step++) {
      await page.keyboard.press('Tab');
      reached.push(
        await page.evaluate('[document.activeElement.id || document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]'),
      );
    }
    expect(reached.map((one) => (one as string[])[0]).sort()).toEqual(['button main', 'copy', 'invoice', 'qr']);
    expect(reached.every((one) => (one as string[])[1] === 'solid')).toBe(true);
  }));

async function violations(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  return page.evaluate<readonly string[]>(
    `(async (values) => (await axe.run({ runOnly: { type: 'tag', values } })).violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ html }) => html.slice(0, 200)).join(' | ')))(${JSON.stringify(rules)})`,
  );
}
